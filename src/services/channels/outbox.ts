/**
 * What is to be delivered. A delivery is on record before anything of it is sent, and so is each attempt; what the platform says of it follows.
 * Those that are open are one category of documents, those that have ended another, so that none is made twice.
 */
import { OxbowError } from '../../base/index.ts'
import { type AskDoc, askCategory, change, deliveredCategory, outboxCategory } from './channel-records.ts'
import { type DeliveredPart, type Delivery } from './channel-schemas.ts'
import { byKernel, type ChannelDeps, type Of } from './channel-deps.ts'
import { deadLetterMs, keptDeliveryMs, keptFailureMs, maxOpenDeliveries } from './limits.ts'

/** What the process of channels says of a delivery. */
interface Told {
  readonly part?: number | undefined
  /** Of the part, on the platform. */
  readonly id?: string | undefined
  readonly end?: { readonly state: 'done' | 'lost' | 'dead'; readonly why: string } | undefined
}

export interface Outbox {
  /** Makes a delivery, unless it was made before. Durable when it resolves. */
  make(of: Of, delivery: Delivery): Promise<void>
  /** Whether a delivery was made, open or ended. */
  has(id: string): Promise<boolean>
  find(id: string): Promise<Delivery | null>
  /**
   * Of all channels, oldest first. What is too old is given up.
   * @param since a version: what was made or opened again since, and all where that is not known; absent: all
   */
  open(since?: number): Promise<readonly Delivery[]>
  /** Those that were not delivered, or whose end nobody knows. */
  failed(channel: string): Promise<readonly Delivery[]>
  /** Sending a part begins. @returns the part, if it was begun before */
  attempt(of: Of, id: string, part: number): Promise<DeliveredPart | null>
  tell(of: Of, id: string, told: Told): Promise<void>
  /** Changes one that is open, or opens one that has ended. @throws OxbowError `not_found` */
  reopen(of: Of, id: string, next: (delivery: Delivery) => Delivery): Promise<void>
  /** Ends the deliveries of a channel that is removed. */
  drop(of: Of, channel: string): Promise<void>
  /** Waits until something has changed since. @returns the version now */
  changedSince(version: number, ms: number, signal: AbortSignal): Promise<number>
  /** Whoever waits looks again. */
  wake(): void
}

const topic = 'channel outbox'

export function createOutbox(deps: ChannelDeps): Outbox {
  const { documents, clock, runs } = deps
  const prunedAt = { at: 0 }
  const news = createNews(deps)
  const find = async (id: string): Promise<Delivery | null> =>
    (await documents.get<Delivery>(outboxCategory, id))?.value ?? (await documents.get<Delivery>(deliveredCategory, id))?.value ?? null
  /** Each change of a delivery is one record, and waits for those before it. */
  const update: Update = async (of, id, next) => {
    await documents.update<Delivery>(of, outboxCategory, id, async (open) => {
      const now = open?.value ?? (await find(id))
      if (now === null) throw unknown(id)
      const then = next(now)
      if (then === null) return []
      const isOpen = then.state === 'open'
      return [
        change(outboxCategory, id, isOpen ? then : null),
        ...(isOpen && open !== null ? [] : [change(deliveredCategory, id, isOpen ? null : then)]),
      ]
    })
  }
  const all = async (): Promise<readonly Delivery[]> =>
    (await documents.list<Delivery>(outboxCategory, maxOpenDeliveries)).map(({ value }) => value)
  return {
    wake: news.wake,
    find,
    async has(id) {
      const found = await Promise.all([documents.get(outboxCategory, id), documents.get(deliveredCategory, id)])
      return found.some((each) => each !== null)
    },
    async make(of, delivery) {
      await documents.update<Delivery>(of, outboxCategory, delivery.id, async (open) =>
        open === null && (await documents.get(deliveredCategory, delivery.id)) === null
          ? [change(outboxCategory, delivery.id, delivery)]
          : [],
      )
    },
    open: (since) => openOf({ ...deps, news, all, update }, since),
    failed: (channel) => failedOf(deps, channel),
    async attempt(of, id, part) {
      let before: DeliveredPart | null = null
      await update(of, id, (now) => {
        const known = now.parts[part]
        before = known === undefined || known.at === 0 ? null : known
        if (before !== null && before.id !== '') return null
        return { ...now, parts: withPart(now.parts, part, { at: clock.now(), id: '' }) }
      })
      return before
    },
    tell: (of, id, told) => tellOf({ ...deps, prunedAt }, update, of, id, told),
    reopen: (of, id, next) => update(of, id, (now) => ({ ...next(now), state: 'open', why: '', made_at: clock.now(), ended_at: 0 })),
    drop: async (of, channel) => {
      const gone = { state: 'dead', why: 'the channel was removed', ended_at: clock.now() } as const
      for (const { id, channel: its } of await all()) if (its === channel) await update(of, id, (now) => ({ ...now, ...gone }))
    },
    async changedSince(seen, ms, signal) {
      await runs.until(topic, () => (news.version() !== seen ? true : null), { signal, until: clock.now() + ms })
      return news.version()
    },
  }
}

interface Opening extends ChannelDeps {
  readonly news: ReturnType<typeof createNews>
  readonly all: () => Promise<readonly Delivery[]>
  readonly update: Update
}

async function openOf({ news, all, update, ...deps }: Opening, since: number | undefined): Promise<readonly Delivery[]> {
  const { documents, clock } = deps
  const now = clock.now()
  const fresh = since === undefined || now - news.listedAt() > listEachMs ? null : news.since(since)
  if (fresh !== null) {
    const found = await Promise.all(fresh.map((id) => documents.get<Delivery>(outboxCategory, id)))
    return sorted(found.flatMap((each) => (each === null ? [] : [each.value])))
  }
  const old = (await all()).filter(({ made_at: at }) => now - at > deadLetterMs)
  const dead = { state: 'dead', why: 'not delivered within a day', ended_at: now } as const
  for (const { id } of old) await update(byKernel(deps, 'channel.expire'), id, (it) => ({ ...it, ...dead }))
  const open = sorted(await all())
  news.listed(now, open.length >= maxOpenDeliveries)
  return open
}

const sorted = (deliveries: readonly Delivery[]): readonly Delivery[] =>
  deliveries.toSorted((a, b) => a.made_at - b.made_at || (a.id < b.id ? -1 : 1))

/** All are listed again after so long, whatever has changed: for what is too old, and for what another worker has made. */
const listEachMs = 60_000

/**
 * Which deliveries were made or opened again since when: whoever waits gets these, and not all of them with each step of one. What is done with
 * one that is open, such as an attempt, is no news to whoever has done it.
 */
function createNews({ documents, clock, runs }: ChannelDeps) {
  // Whoever has waited before a restart looks at once.
  const first = clock.now()
  let version = first
  let [listedAt, isCut] = [0, false]
  /** Open deliveries, with the version that has each first; of those from before the start it is not known. */
  const made = new Map<string, { readonly at: number; readonly version: number }>()
  const wake = (): void => {
    version += 1
    runs.changed(topic)
  }
  documents.watch(outboxCategory, (id, value) => {
    if (value === null) {
      made.delete(id)
      // Others were left out of the list.
      if (isCut) wake()
      return
    }
    const { made_at: at } = value as Delivery
    if (made.get(id)?.at === at) return
    wake()
    made.delete(id)
    made.set(id, { at, version })
  })
  return {
    wake,
    version: () => version,
    listedAt: () => listedAt,
    listed(at: number, isTooLong: boolean): void {
      listedAt = at
      isCut = isTooLong
    },
    /** @returns null: only a list of all tells */
    since(seen: number): readonly string[] | null {
      if (seen < first || seen >= version || isCut) return null
      return [...made].flatMap(([id, each]) => (each.version > seen ? [id] : []))
    },
  }
}

async function failedOf({ documents }: ChannelDeps, channel: string): Promise<readonly Delivery[]> {
  return (await allEnded(documents)).filter((each) => each.channel === channel && each.state !== 'done')
}

async function allEnded(documents: ChannelDeps['documents']): Promise<readonly Delivery[]> {
  return (await documents.all<Delivery>(deliveredCategory)).map(({ value }) => value)
}

type Update = (of: Of, id: string, next: (now: Delivery) => Delivery | null) => Promise<void>

/** Keeps what the platform says. */
async function tellOf(
  { prunedAt, ...deps }: ChannelDeps & { readonly prunedAt: { at: number } },
  update: Update,
  of: Of,
  id: string,
  { part, id: platformId, end }: Told,
): Promise<void> {
  const at = deps.clock.now()
  await update(of, id, (now) => {
    const parts =
      part === undefined || platformId === undefined
        ? now.parts
        : withPart(now.parts, part, { at: now.parts[part]?.at ?? at, id: platformId })
    if (end === undefined) return { ...now, parts }
    // What the platform has refused has not arrived: sent again, it is no second copy.
    const kept = end.state === 'dead' ? parts.map((each) => (each.id === '' ? { at: 0, id: '' } : each)) : parts
    return { ...now, parts: kept, ...end, ended_at: at }
  })
  if (part === 0 && platformId !== undefined) await bindAsk(deps, of, id, platformId)
  if (end !== undefined) await prune(deps, prunedAt)
}

function withPart(parts: readonly DeliveredPart[], index: number, part: DeliveredPart): readonly DeliveredPart[] {
  const next = [...parts]
  while (next.length < index) next.push({ at: 0, id: '' })
  next[index] = part
  return next
}

/** A button is good below the message that has it, and nowhere else. */
async function bindAsk({ documents }: ChannelDeps, of: Of, delivery: string, message: string): Promise<void> {
  const asks = (await documents.all<AskDoc>(askCategory)).filter(({ value }) => value.delivery === delivery && value.message === '')
  for (const { name } of asks)
    await documents.change<AskDoc>(of, askCategory, name, (now) => (now === null ? undefined : { ...now.value, message }))
}

/** Forgets what ended long ago: nothing can make it again. */
async function prune({ documents, clock, newId }: ChannelDeps, prunedAt: { at: number }): Promise<void> {
  const now = clock.now()
  // A look in a while: each reads all that have ended.
  if (now - prunedAt.at < pruneEachMs) return
  prunedAt.at = now
  const isOld = ({ state, ended_at: at }: Delivery): boolean => now - at > (state === 'done' ? keptDeliveryMs : keptFailureMs)
  const asks = await documents.all<AskDoc>(askCategory)
  // A question may wait for days, and its message says at its end who decided.
  const asking = new Set(asks.filter(({ value }) => value.kind === 'approval' && value.decided === null).map(({ value }) => value.delivery))
  const old = (await allEnded(documents)).filter((each) => isOld(each) && !asking.has(each.id))
  if (old.length < leastPruned) return
  const gone = new Set(old.map(({ id }) => id))
  await documents.put(byKernel({ newId }, 'channel.prune'), [
    ...old.map(({ id }) => change(deliveredCategory, id, null)),
    ...asks.filter(({ value }) => gone.has(value.delivery)).map(({ name }) => change(askCategory, name, null)),
  ])
}

const pruneEachMs: number = 10 * 60_000
/** One record for many. */
const leastPruned = 20

function unknown(id: string): OxbowError {
  return new OxbowError('not_found', `There is no delivery ${id}.`, { hint: '`oxbow channel log` lists them.' })
}
