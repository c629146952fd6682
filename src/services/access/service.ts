import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'
import { execConfig } from './config.ts'
import type { Access } from './open-access.ts'

export type { Access } from './open-access.ts'
export { followCategory } from './config.ts'

/** Who may do what: keys and roles, what people have allowed for good, lists of programs, how strict a session is. */
export const access: Service<Access, { readonly runs: typeof runs }> = {
  name: 'access',
  config: [execConfig],
  needs: { runs },
  events: ['key'],
  neverPassedOn: ['access.write', 'call.decide'],
  verbs: {
    words: {
      'Approve and allow:': {
        keys: 'make, list and revoke API keys for programs',
        roles: 'list, add and remove roles: names for lists of rights',
      },
    },
    within: ['approvals', 'exec'],
    load: async () => (await import('./access-verbs.ts')).accessVerbs,
  },
  calls: async (core, self) => (await import('./all-access-calls.ts')).accessCalls(core, self),
  open: async (core) => ({ port: await (await import('./open-access.ts')).openAccess(core) }),
  judges: {
    decides: ['hides', 'refuseStart', 'refused', 'cautionOf', 'findRule', 'rightsOfKey'],
    load: async (_core, self) => (await self()).judges,
  },
  async keyed(core, owner, ports) {
    const [{ createKeyKernels }, { pause }] = await Promise.all([import('./key-kernel.ts'), ports.runs()])
    return createKeyKernels({ ...core, flow: core.config.flow, pause }, owner)
  },
}
