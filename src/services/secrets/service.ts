import type { Service } from '../../kernel/index.ts'

/** Secrets that were found or stored, by name. No call tells a value. */
export const secrets: Service = {
  name: 'secrets',
  verbs: { words: {}, within: ['secret'], load: async () => (await import('./secret-verbs.ts')).secretVerbs },
  calls: async (core) => (await import('./secret-calls.ts')).secretCalls(core),
}
