import type { Service } from '../../kernel/index.ts'

/** Small named values that agents and people keep. */
export const state: Service = {
  name: 'state',
  verbs: {
    words: { 'Undo and keep:': { state: 'list, show, save and delete saved documents' } },
    load: async () => (await import('./state-verbs.ts')).stateVerbs,
  },
  calls: async (core) => (await import('./state-calls.ts')).stateCalls(core),
}
