import type { Service } from '../../kernel/index.ts'
import { access } from '../access/service.ts'
import type { People } from './person-calls.ts'

/** People who sign in by OpenID Connect: who is known, and which roles they have. The gateway asks, and gives them keys with those roles. */
export const people: Service<People, { readonly access: typeof access }> = {
  name: 'people',
  needs: { access },
  neverPassedOn: ['people.write'],
  verbs: {
    words: { 'Approve and allow:': { people: 'list, add and remove people who sign in by OpenID Connect' } },
    load: async () => (await import('./people-verbs.ts')).peopleVerbs,
  },
  calls: async (core, self) => (await import('./person-calls.ts')).personCalls(core, self),
  open: async (_core, ports) => ({ port: { endKeys: async (...ended) => (await ports.access()).endKeys(...ended) } }),
}
