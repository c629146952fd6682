import type { Service } from '../../kernel/index.ts'

/** Small named values that agents and people keep. */
export const state: Service = {
  name: 'state',
  calls: async (core) => (await import('./state-calls.ts')).stateCalls(core),
}
