import type { Service } from '../../kernel/index.ts'
import type { Access } from './open-access.ts'

export type { Access } from './open-access.ts'

/** Who may do what: keys and roles, what people have allowed for good, lists of programs, how strict a session is. */
export const access: Service<Access> = {
  name: 'access',
  events: ['key'],
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
  judges: async (_core, self) => (await self()).judges,
  keyed: async (core, owner) => (await import('./key-kernel.ts')).createKeyKernels({ ...core, flow: core.config.flow }, owner),
}
