/** The calls of access, in the order in which they are listed. */
import type { Core } from '../../kernel/index.ts'
import type { Call } from '../../protocol/index.ts'
import { sectionOf } from '../../config/index.ts'
import { approvalCalls } from './approval-calls.ts'
import { clientCalls } from './client-tool-calls.ts'
import { execListCalls, holdsPrograms } from './exec-lists.ts'
import { keyCalls } from './keys.ts'
import type { Access } from './open-access.ts'
import { refusalCall } from './refused-calls.ts'
import { modeCalls } from './session-mode-calls.ts'
import { execConfig } from './config.ts'

export function accessCalls(core: Core, self: () => Promise<Access>): readonly Call[] {
  const { config, documents, sessions } = core
  return [
    ...approvalCalls({ ...core, approvalConfig: config.approval, settings: config }),
    refusalCall(config.approval),
    ...keyCalls(core),
    ...modeCalls(documents, sessions),
    ...clientCalls(),
    ...execListCalls({
      documents,
      execLists: async () => (await self()).execLists,
      execConfig: sectionOf(execConfig, config),
      isHeld: holdsPrograms(config),
    }),
  ]
}
