/** Calls while budgets count them, a role limits their caller, and somebody watches; and how soon who watches hears of an event. */
import type { Kernel } from '../../src/kernel/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms, perSecond, shown } from '../report.ts'
import { median } from '../statistics.ts'
import { makeWorkspace } from '../subjects/guest.ts'
import { ask, callers, openKernel, rate } from './calls.ts'

const events = 300
const kind = 'bench_tick'

export const watched: Measure = {
  name: 'watched',
  title: 'Calls with budgets, roles and events',
  how: 'The idempotent call that does nothing, made in a session: compared with the call without a session, and made by a program with a key of the role `superuser`, budgets of the user by hour and day, of the session and of the key, which count each call, and a subscriber that waits for events. An event counts from the call that publishes it until the subscriber’s waiting call has returned it.',
  async run({ plan }) {
    const bare = await withKernel({}, async (kernel) => {
      const { id } = await kernel.createSession()
      await rate(kernel, 'idempotent', callers, plan.callSeconds / 4, id)
      return rate(kernel, 'idempotent', callers, plan.callSeconds, id)
    })
    using workspace = makeWorkspace()
    const kernel = await openKernel(workspace.database, 'normal')
    const { id } = await kernel.createSession()
    for (const [scope, window] of [
      ['user', 'hour'],
      ['user', 'day'],
      ['session', 'total'],
      ['key:bench', 'day'],
    ])
      await ask(kernel, 'budget.set', { scope, window, calls: 1e12, tokens: 1e12, seconds: 1e9 })
    const { key } = await ask<{ key: string }>(kernel, 'key.create', { name: 'bench', rights: ['superuser', '!file.read:/shared/private'] })
    const keyed = await kernel.withKey(key)
    try {
      const quiet = await delays(kernel)
      const stop = new AbortController()
      const busy = rate(keyed, 'idempotent', callers, plan.callSeconds, id).finally(() => stop.abort())
      const loaded = await delays(kernel, stop.signal)
      const all = await busy
      return [
        bounded(
          `idempotent, ${callers} callers, all on`,
          perSecond(all.perSecond),
          `without ${perSecond(bare.perSecond)}`,
          '≥ 10 000/s',
          all.perSecond >= 10_000,
        ),
        bounded('event → subscriber, p50', ms(median(quiet)), '', '< 5 ms', median(quiet) < 5),
        shown('event → subscriber under that load, p50', ms(median(loaded)), `${loaded.length} events`),
      ]
    } finally {
      await kernel.close()
    }
  },
}

async function withKernel<Result>(config: object, use: (kernel: Kernel) => Promise<Result>): Promise<Result> {
  using workspace = makeWorkspace()
  const kernel = await openKernel(workspace.database, 'normal', config)
  try {
    return await use(kernel)
  } finally {
    await kernel.close()
  }
}

interface Page {
  readonly cursor: number
  readonly events: readonly unknown[]
}

/** Publishes one event after another, each when the one before has arrived. @param signal ends it earlier */
async function delays(kernel: Kernel, signal?: AbortSignal): Promise<readonly number[]> {
  const took: number[] = []
  let { cursor } = await ask<Page>(kernel, 'events.next', {})
  const isOver = (): boolean => took.length === events || signal?.aborted === true
  while (!isOver()) {
    const next = ask<Page>(kernel, 'events.next', { after: cursor, kinds: [`custom_${kind}`], wait_s: 30 })
    // The subscriber waits before anything happens.
    await new Promise((resolve) => setTimeout(resolve, 2))
    const began = performance.now()
    const published = ask(kernel, 'events.publish', { kind })
    const page = await next
    took.push(performance.now() - began)
    if (page.events.length !== 1) throw new Error(`${page.events.length} events came for one`)
    cursor = page.cursor
    await published
  }
  return took
}
