import type { Service } from '../../kernel/index.ts'

/** Asks models; which can be used, and what they cost. */
export const models: Service = {
  name: 'models',
  calls: async (core) => (await import('./all-model-calls.ts')).allModelCalls(core),
}
