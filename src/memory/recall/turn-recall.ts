/**
 * What is recalled before a turn: that which fits the newest message and does not stand in the window anyway. It is told as data,
 * with its age, its source and its label; what was told once in a session is not told again as long as it may still be seen.
 */
import type { MemoryFilter } from '../../store/index.ts'
import { type CallId, createRecentMap, type SessionId } from '../../base/index.ts'
import { type DataOrigin, type Label, recallCall } from '../../protocol/index.ts'
import type { KeepDeps } from '../keep/exclusive-writer.ts'
import { maxShown, maxShownSessions } from '../keep/keep-limits.ts'
import { joinedLabels, sourcesOf } from '../keep/provenance.ts'
import { messageId } from '../keep/message-record.ts'
import { lookedThrough } from './recall-limits.ts'
import { describeRecalled, type Recall, type Recalled } from './recalled.ts'
import type { TurnNeed } from './message-cues.ts'
import { readNeed } from './read-need.ts'

export interface TurnQuestion {
  readonly session: SessionId
  readonly text: string
  /** Oldest message of a person that stands in the window; empty: all of the session does. */
  readonly oldest: CallId | ''
  /** The message itself. */
  readonly message: CallId
  /** Only what has all of these tags; absent or empty: everything. */
  readonly tags?: readonly string[]
  /** As in `MemoryFilter`: of whoever is reminded. */
  readonly persona?: string
  /** What the window and its summary show, of earlier recalls too. */
  readonly told?: readonly string[]
  /** Aborted: nobody is told. */
  readonly signal?: AbortSignal | undefined
}

export interface TurnMemory {
  /** Empty when nothing fits. */
  readonly text: string
  readonly ids: readonly string[]
  readonly labels: readonly Label[]
  /** Where what is private comes from; see `sourcesOf`. */
  readonly from: readonly DataOrigin[]
}

export interface TurnRecall {
  recall(question: TurnQuestion): Promise<TurnMemory>
  /** Starts the search for a message that is still being recorded; `recall` of the same message waits for it. Never throws. */
  foresee(session: SessionId, text: string, tags: readonly string[], persona?: string): void
  /** Resolves when all searches that are under way now are answered; null for one or none. They are answered in order. Never rejects. */
  newestOfMany(): Promise<unknown> | null
  /** What a message may need of memory, whatever that holds. */
  kindOf(text: string): TurnNeed['kind']
  /** Call when entries were erased. */
  erased(): void
}

interface TurnRecallOptions {
  readonly recall: () => Promise<Recall>
  readonly limit: number
  readonly tokens: number
}

const nothing: TurnMemory = { text: '', ids: [], labels: [], from: [] }
/** Characters of a message that are asked with: beyond it, it is material and no question. */
const askedCharacters = 2_000

/** Searches that are under way or whose turn has not asked for them. */
const maxForeseen = 256
/** A turn that waits longer for its place searches again. Shorter, searches of a busy guest would be made twice, just when there is no time for them. */
const foreseenMs = 10_000

/** A search under way for the newest message of a session. */
interface Foreseen {
  readonly text: string
  readonly window: string
  readonly at: number
  readonly found: Promise<readonly Recalled[]>
}

function isFor(ahead: Foreseen | undefined, text: string, window: MemoryFilter, now: number): ahead is Foreseen {
  return ahead !== undefined && now - ahead.at < foreseenMs && ahead.text === text && ahead.window === JSON.stringify(window)
}

/** Entries that a session was told of: found by themselves, or as neighbours of one that was. */
type Told = Map<string, 'found' | 'beside'>

/** Two neighbours bring the same words, whichever of them goes first this time. */
function isTold(shownBefore: Told, { id, joined }: Recalled): boolean {
  const how = shownBefore.get(id)
  return how === 'found' || (how === 'beside' && joined.some((other) => shownBefore.get(other) === 'found'))
}

function first(most: number, found: readonly Recalled[], isWanted: (each: Recalled) => boolean): readonly Recalled[] {
  return found.filter(isWanted).slice(0, most)
}

function describeAll(fresh: readonly Recalled[], now: number): TurnMemory {
  const entries = fresh.map(({ passage }) => passage.entry)
  return {
    text: fresh.map((each) => describeRecalled(each, now)).join('\n\n'),
    ids: fresh.map(({ id }) => id),
    labels: joinedLabels(...entries.map(({ labels }) => labels)),
    from: sourcesOf(entries, recallCall),
  }
}

function tell(shownBefore: Told, fresh: readonly Recalled[]): void {
  for (const { id, joined } of fresh) {
    for (const other of joined) if (!shownBefore.has(other)) shownBefore.set(other, 'beside')
    shownBefore.set(id, 'found')
  }
  // By when they were told, not by when they were found again: those that are long out of sight may be told anew.
  while (shownBefore.size > maxShown) shownBefore.delete(shownBefore.keys().next().value as string)
}

/** A message is asked about several times in a turn. */
function createNeedReader(): (text: string) => TurnNeed {
  const needs = createRecentMap<string, TurnNeed>(maxForeseen)
  return (text) => {
    const need = needs.get(text) ?? readNeed(text)
    needs.put(text, need)
    return need
  }
}

/** Searches that are not answered yet. */
function createUnderWay(): Pick<TurnRecall, 'newestOfMany'> & { during<Result>(search: Promise<Result>): Promise<Result> } {
  let newest: Promise<unknown> = Promise.resolve()
  let count = 0
  return {
    newestOfMany: () => (count > 1 ? newest : null),
    during(search) {
      count++
      newest = search.then(
        () => count--,
        () => count--,
      )
      return search
    },
  }
}

/** A note or a fact of what was said here. What was said stands in the window, or before it in memory. */
function isOwnNote({ passage: { entry } }: Recalled, session: SessionId): boolean {
  return entry.session === session && entry.kind !== 'message'
}

function upTo(stream: SessionId, place: number): MemoryFilter {
  return { before: { stream, place } }
}

/** @param persona absent, as no persona: a turn is never reminded of what all personas keep */
function within(window: MemoryFilter, tags: readonly string[], persona = ''): MemoryFilter {
  return { ...window, ...(tags.length > 0 && { tags }), persona }
}

export function createTurnRecall(deps: Pick<KeepDeps, 'memory' | 'clock'>, { recall, limit, tokens }: TurnRecallOptions): TurnRecall {
  const shown = createRecentMap<SessionId, Told>(maxShownSessions)
  /** Where that ends which stands before the oldest message that a session's model sees: it moves only when the window does. */
  const oldestOf = createRecentMap<SessionId, { readonly call: CallId; readonly before: number }>(maxShownSessions)
  /** First messages of sessions: a window that begins with one holds all of the session. */
  const firstOf = createRecentMap<SessionId, CallId>(maxShownSessions)
  const foreseen = createRecentMap<SessionId, Foreseen>(maxForeseen)
  const needOf = createNeedReader()
  const underWay = createUnderWay()
  const shownIn = (session: SessionId): Told => {
    const shownBefore = shown.get(session) ?? new Map<string, 'found' | 'beside'>()
    shown.put(session, shownBefore)
    return shownBefore
  }
  /** Of a message that is not indexed yet nobody knows the place: then nothing of this session is shown. */
  const outsideWindow = async ({ session, oldest, message }: TurnQuestion): Promise<MemoryFilter> => {
    if (oldest === '') firstOf.put(session, message)
    if (oldest === '' || firstOf.get(session) === oldest) return { notSession: session }
    const held = oldestOf.get(session)
    if (held?.call === oldest) return upTo(session, held.before)
    const [item] = await deps.memory.items([messageId(oldest, 'user')])
    if (item === undefined) return { notSession: session }
    // The oldest message itself stands in the window.
    const before = item.entry.place - 1
    oldestOf.put(session, { call: oldest, before })
    firstOf.delete(session)
    return upTo(session, before)
  }
  const search = async (session: SessionId, text: string, window: MemoryFilter): Promise<readonly Recalled[]> => {
    const filter: MemoryFilter = { validAt: deps.clock.now(), ...window }
    const most = limit + Math.floor(limit * lookedThrough)
    const engine = await recall()
    return underWay.during(engine.recall({ text, filter, session, limit: most, tokens, forTurn: true, onlyRare: true }))
  }
  return {
    newestOfMany: underWay.newestOfMany,
    kindOf: (text) => needOf(text.slice(0, askedCharacters)).kind,
    erased: () => foreseen.clear(),
    foresee(session, message, tags, persona) {
      const text = message.slice(0, askedCharacters)
      if (needOf(text).kind === 'nothing') return
      // The window of the turn before: it seldom moves.
      const held = firstOf.get(session) === undefined ? oldestOf.get(session) : undefined
      const window = within(held === undefined ? { notSession: session } : upTo(session, held.before), tags, persona)
      const found = search(session, text, window)
      found.catch(() => {})
      foreseen.put(session, { text, window: JSON.stringify(window), at: deps.clock.now(), found })
    },
    async recall(question) {
      const { session, tags = [], told = [], signal, persona } = question
      const text = question.text.slice(0, askedCharacters)
      if (needOf(text).kind === 'nothing') return nothing
      const shownBefore = shownIn(session)
      const window = within(await outsideWindow(question), tags, persona)
      const ahead = foreseen.get(session)
      foreseen.delete(session)
      const found = await (isFor(ahead, text, window, deps.clock.now()) ? ahead.found : search(session, text, window))
      const isKnown = (each: Recalled): boolean =>
        isTold(shownBefore, each) || isOwnNote(each, session) || told.some((before) => before.includes(each.passage.text.trim()))
      const fresh = first(limit, found, (each) => !isKnown(each))
      if (fresh.length === 0 || signal?.aborted === true) return nothing
      tell(shownBefore, fresh)
      return describeAll(fresh, deps.clock.now())
    },
  }
}
