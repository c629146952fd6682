import type { Service } from '../../kernel/index.ts'

/** What a session has read, and labels that a person takes off. The stage that judges by labels is the core's. */
export const flow: Service = {
  name: 'flow',
  calls: async (core) => (await import('./flow-calls.ts')).flowCalls(core),
}
