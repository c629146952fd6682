import type { Service } from '../../kernel/index.ts'

/** The journal, as people look through it and check it. */
export const audit: Service = {
  name: 'audit',
  calls: async (core) => (await import('./audit-calls.ts')).auditCalls(core),
}
