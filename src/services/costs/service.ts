import type { Service } from '../../kernel/index.ts'
import { once } from '../../base/index.ts'
import { countEveryMs } from './limits.ts'

/** What models cost, by day and by who spent it: sums that are made from settled records. */
export const costs: Service = {
  name: 'costs',
  events: ['costs'],
  begin(core) {
    const load = once(async () => (await import('./high-day.ts')).lookAtToday)
    let lookedAt = core.clock.monotonicMs()
    let looking: Promise<unknown> = Promise.resolve()
    let isOver = false
    core.events.onTurnEnd(() => {
      const now = core.clock.monotonicMs()
      if (isOver || now - lookedAt < countEveryMs) return
      lookedAt = now
      // What fails here is counted later, and said by whoever asks.
      looking = load()
        .then((look) => look(core))
        .catch(() => {})
    })
    return async () => {
      isOver = true
      await looking
    }
  },
  calls: async (core) => (await import('./cost-calls.ts')).costCalls(core),
}
