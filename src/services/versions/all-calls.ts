/** The calls of versions and branches of files, and what they use of the core. */
import type { Core } from '../../kernel/index.ts'
import type { Call } from '../../protocol/index.ts'
import { type BranchCallDeps, branchCalls } from './branches/branch-calls.ts'
import type { OpenVersions } from './open-versions.ts'
import { type UndoCallDeps, undoCalls } from './undo-calls.ts'
import { versionCalls } from './version-calls.ts'

/** @param core where calls are only described, it has nothing but `config`: the rest is asked for when one runs */
export function allCalls(core: Core, self: () => Promise<OpenVersions>): readonly Call[] {
  const deps: UndoCallDeps & BranchCallDeps = {
    ...core,
    versioning: async () => (await self()).versioning,
    branches: async () => (await self()).branches(),
    runs: () => core.services.runs(),
    heldLabels: (caller) => core.sessions.held(caller),
    loadHeld: (session) => core.sessions.loadHeld(session),
  }
  return [...versionCalls(deps), ...undoCalls(deps), ...branchCalls(deps)]
}
