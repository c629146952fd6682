import type { Service } from '../../kernel/index.ts'

/** Budgets as people set, see and reset them. The core keeps the book. */
export const budgets: Service = {
  name: 'budgets',
  verbs: {
    words: { 'Agents, schedules, budgets:': { budget: 'limit what agents may use, and see what they used' } },
    load: async () => (await import('./budget-verbs.ts')).budgetVerbs,
  },
  calls: async (core) => (await import('./budget-calls.ts')).budgetCalls(core),
}
