import type { Service } from '../../kernel/index.ts'

/** Which models can be used, and what they cost. */
export const models: Service = {
  name: 'models',
  calls: async (core) => (await import('./model-book-calls.ts')).modelBookCalls(core),
}
