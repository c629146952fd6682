/**
 * The event bus: all events of the user, in the order of the journal, for those who watch. The journal is the bus: an event is a record,
 * its seq is the cursor, and what was missed is read back. So delivery is at least once: a subscriber that names its cursor again gets
 * everything behind it, also after a crash of either side.
 *
 * Subscribers ask, and the kernel never waits for them: one that is slow only has more to read.
 */
import { type Core, describeEvent, type FindCall, mayBeEvent, ownFamilies } from '../../kernel/index.ts'
import type { Runs } from '../../runs/index.ts'
import { parseReference, type RecordQuery, type Store } from '../../store/index.ts'
import type { SessionId } from '../../base/index.ts'
import type { EventPage, EventView, Phase, RecordView } from '../../protocol/index.ts'

/** Records read at once when events are looked for, and the most that one request looks through. */
const eventPage = 500
const maxEventScan = 20_000
/** Requests that wait for events; more are answered at once. */
const maxEventWaiters = 1_000

/** Chooses events; empty lists choose all. */
export interface EventFilter {
  /** Kinds, or families with a star: `agent_started`, `agent_*`. */
  readonly kinds: readonly string[]
  readonly session: string
}

export interface EventBus {
  /** Events behind the cursor, oldest first. Waits up to `waitMs` for the first one if there is no event yet. */
  after(cursor: number, filter: EventFilter, limit: number, waitMs: number, signal: AbortSignal): Promise<EventPage>
  /** The newest events before the cursor, oldest first. The page's cursor is the next `before`. */
  before(cursor: number, filter: EventFilter, limit: number): Promise<EventPage>
  /** The newest cursor: from here on only what happens next is read. */
  now(): Promise<number>
}

type Waiters = Set<(record: RecordView) => void>

/** Exchanges are the bytes of models, but for what subsystems note. */
const phases: readonly Phase[] = ['intent', 'parked', 'decided', 'started', 'outcome', 'refused', 'exchange', 'reconciled']

export function createEventBus({
  store,
  events: { watchers: waiters },
  journal: { flushed },
  registry: { find },
  eventKinds: own,
  pause,
}: Core & Pick<Runs, 'pause'>): EventBus {
  const read = async (from: number, filter: EventFilter, limit: number, order: RecordQuery['order']): Promise<EventPage> => {
    const events: EventView[] = []
    let cursor = from
    for (let scanned = 0; scanned < maxEventScan;) {
      const page = await store.records({
        ...(order === 'oldest_first' ? { after: cursor } : { before: cursor }),
        phases,
        ...(filter.session !== '' && { session: filter.session as SessionId }),
        order,
        limit: eventPage,
        hydrate: false,
      })
      for (const { previous: _, hash: __, body, ...record } of page) {
        cursor = record.seq
        if (!mayBeEvent(record)) continue
        const event = describeEvent({ ...record, body: await bodyOf(store, body) }, find)
        if (event !== null && matches(filter, event, own) && events.push(event) >= limit) return { events, cursor, more: true }
      }
      scanned += page.length
      if (page.length < eventPage) return { events, cursor, more: false }
    }
    return { events, cursor, more: true }
  }

  return {
    async before(cursor, filter, limit) {
      await flushed()
      const page = await read(cursor, filter, limit, 'newest_first')
      return { ...page, events: page.events.toReversed() }
    },
    now: async () => {
      await flushed()
      return (await store.head()).seq
    },
    async after(cursor, filter, limit, waitMs, signal) {
      await flushed()
      // A journal that was restored to an earlier state ends before the cursor: everything behind its end is new.
      const from = Math.min(cursor, (await store.head()).seq)
      const came = waitFor({ waiters, find, own, pause }, filter, waitMs, signal)
      try {
        const page = await read(from, filter, limit, 'oldest_first')
        // More remains to be scanned, or something was found: the caller asks again.
        if (page.events.length > 0 || page.more || waitMs === 0 || !(await came.happened)) return page
        return await read(page.cursor, filter, limit, 'oldest_first')
      } finally {
        came.stop()
      }
    },
  }
}

/** @param body a long one is a reference to a blob */
async function bodyOf(store: Pick<Store, 'blob'>, body: string): Promise<RecordView['body']> {
  const reference = parseReference(body)
  const bytes = reference === null ? null : await store.blob(reference.blob)
  return JSON.parse(bytes === null ? body : Buffer.from(bytes).toString('utf8')) as RecordView['body']
}

/** Resolves `happened` with true after the next event of the filter, and with false after the wait. */
function waitFor(
  {
    waiters,
    find,
    own,
    pause,
  }: Pick<Runs, 'pause'> & { readonly waiters: Waiters; readonly find: FindCall; readonly own: readonly string[] },
  filter: EventFilter,
  waitMs: number,
  signal: AbortSignal,
) {
  const { promise: happened, resolve } = Promise.withResolvers<boolean>()
  if (waitMs === 0 || waiters.size >= maxEventWaiters) resolve(false)
  const wake = (record: RecordView): void => {
    const event = describeEvent(record, find)
    if (event !== null && matches(filter, event, own)) resolve(true)
  }
  const end = (): void => resolve(false)
  const stopping = new AbortController()
  pause(waitMs, AbortSignal.any([signal, stopping.signal])).then(end, end)
  waiters.add(wake)
  return {
    happened,
    stop(): void {
      stopping.abort()
      waiters.delete(wake)
    },
  }
}

/**
 * What somebody publishes is chosen by its own name too: `build_*` chooses `custom_build_done`. Not where the name begins as Oxbow's own
 * kinds do, so that nobody who waits for `turn_ended` receives a published one.
 * @param own first words of the kinds that services have
 * @returns whether the event is chosen
 */
function matches({ kinds, session }: EventFilter, event: Pick<EventView, 'kind' | 'session'>, own: readonly string[] = []): boolean {
  if (session !== '' && event.session !== session) return false
  return (
    kinds.length === 0 || kinds.some((kind) => fits(kind, event.kind) || (isPublished(kind, own) && fits(`custom_${kind}`, event.kind)))
  )
}

function fits(pattern: string, kind: string): boolean {
  return pattern.endsWith('*') ? kind.startsWith(pattern.slice(0, -1)) : kind === pattern
}

function isPublished(pattern: string, own: readonly string[]): boolean {
  return ![...ownFamilies, ...own].some((family) => fits(pattern, family) || pattern.startsWith(`${family}_`) || pattern === `${family}*`)
}
