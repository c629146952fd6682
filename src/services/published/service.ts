import type { Service } from '../../kernel/index.ts'

/** Agents that are published to programs of others, which send them tasks. */
export const published: Service = {
  name: 'published agents',
  calls: async (core) => (await import('./published-calls.ts')).publishedCalls(core),
}
