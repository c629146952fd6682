import type { Service } from '../../kernel/index.ts'

/** Budgets as people set, see and reset them. The core keeps the book. */
export const budgets: Service = {
  name: 'budgets',
  calls: async (core) => (await import('./budget-calls.ts')).budgetCalls(core),
}
