import type { Service } from '../../kernel/index.ts'

/** Secrets that were found or stored, by name. No call tells a value. */
export const secrets: Service = {
  name: 'secrets',
  calls: async (core) => (await import('./secret-calls.ts')).secretCalls(core),
}
