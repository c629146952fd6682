import type { Service } from '../../kernel/index.ts'
import { once } from '../../base/index.ts'
import { runs } from '../../runs/index.ts'
import { userScope } from '../../protocol/index.ts'

/** How often it is looked whether parts of shared budgets are needed. */
const restMs = 5_000

/** Budgets as people set, see and reset them. The core keeps the book. */
export const budgets: Service<unknown, { readonly runs: typeof runs }> = {
  name: 'budgets',
  needs: { runs },
  verbs: {
    words: { 'Agents, schedules, budgets:': { budget: 'limit what agents may use, and see what they used' } },
    load: async () => (await import('./budget-verbs.ts')).budgetVerbs,
  },
  begin(core, _self, ports) {
    const { store, budgets: held, user, clock } = core
    const share = store.share
    if (share === undefined) return async () => {}
    const load = once(async () => {
      const { createSharedBudgets } = await import('./shared-budgets.ts')
      const account = async () => {
        const [book] = await Promise.all([held.book(), held.load({ session: '', actor: '' })])
        return book.chain('', '').find(({ key }) => key === userScope(user))!
      }
      return createSharedBudgets({ clock, share, account })
    })
    let isUsed = false
    const over = new AbortController()
    /** Gives back what is not needed, from the first call on that asked. */
    const watch = once(async () => {
      const { pause } = await ports.runs()
      for (isUsed = true; !over.signal.aborted; await (await load()).rest().catch(() => {})) await pause(restMs)
    })
    held.cover = async (need) => {
      void watch().catch(() => {})
      return (await load()).cover(need)
    }
    return async () => {
      over.abort()
      if (isUsed) await (await load()).rest(true).catch(() => {})
    }
  },
  calls: async (core) => (await import('./budget-calls.ts')).budgetCalls(core),
}
