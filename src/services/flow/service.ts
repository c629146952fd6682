import type { Service } from '../../kernel/index.ts'
import type { Flow } from './open-flow.ts'

export type { Flow } from './open-flow.ts'

/** What sessions and files have read: labels of files, rules of `[flow]`, hosts that were reached, and labels that a person takes off. */
export const flow: Service<Flow> = {
  name: 'flow',
  verbs: {
    words: { 'Approve and allow:': { flow: 'show where private and untrusted data went, and let one value leave' } },
    load: async () => (await import('./flow-verbs.ts')).flowVerbs,
  },
  calls: async (core, self) => (await import('./flow-calls.ts')).flowCalls(core, self),
  open: async (core) => ({ port: await (await import('./open-flow.ts')).openFlow(core) }),
  fileLabels: async (_core, self) => self(),
  told: async ({ documents, newId }) => (await import('./told-labels.ts')).createToldLabels(documents, newId),
  judges: {
    decides: ['hosts'],
    async load({ documents, config, sessions }) {
      const { createKnownHosts } = await import('./known-hosts.ts')
      return { hosts: createKnownHosts({ documents, config, labels: sessions }) }
    },
  },
}
