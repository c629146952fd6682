/**
 * The indexer: reads the journal by cursor and stores its messages as memory entries. It never delays a turn: the end of a turn
 * triggers it, and one run at a time reads page after page until nothing is new. The cursor commits with its entries, so that a killed
 * guest resumes where it stopped; entries have the ids of their calls, so that reading twice creates no duplicates.
 */
import { type MemoryChange, type MemoryEntry, type MemoryItem, parseReference } from '../../store/index.ts'
import { type CallId, createRecentMap, type RecentMap, type SessionId, type TurnId } from '../../base/index.ts'
import { forgetCall, type JournalRecord, type Label, turnCall } from '../../protocol/index.ts'
import type { OwedForgetting } from '../forget/aftermath.ts'
import { bodyOf, heldLabels, mayMatter, saidIn, type SaidMessage } from './message-record.ts'
import type { TextEngine } from '../text/text-engine.ts'
import type { KeepDeps } from './exclusive-writer.ts'
import {
  catchUpMs,
  forgetItems,
  indexEveryMs,
  indexLingerMs,
  indexPage,
  indexRestMs,
  indexStretchBytes,
  maxHeldContexts,
  type memoryCursors,
} from './keep-limits.ts'
import { type Draft, entryPages, freshFacts, makeItems, wholeText } from './memory-item.ts'
import { baseImportance } from '../tidy/decay.ts'

export interface JournalIndex {
  /** Schedules a run; returns at once. */
  poke(): void
  /** Resolves when everything journaled so far is indexed, or after a timeout, a short one unless it is given. Never rejects. */
  caughtUp(atMostMs?: number): Promise<void>
  /** Reads the whole journal again. Manual changes to entries are kept. @returns the number of messages found. */
  rebuild(signal: AbortSignal): Promise<number>
  /** Drops cached text of forgotten entries. */
  dropHeld(): void
  /** Why it has stopped; null while it works. */
  fault(): unknown
  /** Stops after the current batch. */
  close(): Promise<void>
}

export interface JournalIndexDeps extends KeepDeps {
  /** Erases what a running turn has kept, and what it said. @returns what is owed still */
  readonly settle: (owed: OwedForgetting) => Promise<OwedForgetting | null>
  /** Messages are kept; else only what is owed is looked for. */
  readonly keeps: boolean
  /** How long is waited for what was said just now. Absent: as long as a search may. */
  readonly catchUpMs?: number | undefined
}

const cursorOf = ({ keeps }: Pick<JournalIndexDeps, 'keeps'>): (typeof memoryCursors)[number] => (keeps ? 'journal' : 'forgets')

interface Run {
  readonly deps: JournalIndexDeps
  /** What a session's context held when a call of it began, until that call's message is met. */
  readonly labels: Map<CallId, readonly Label[]>
  /** The newest message of each session. */
  readonly last: RecentMap<SessionId, string>
  /** What `memory.forget` could not erase, by the seq of its outcome: the cursor stays before it until it is done. */
  readonly owed: Map<number, OwedForgetting>
}

export function createJournalIndex(deps: JournalIndexDeps): JournalIndex {
  const run: Run = { deps, labels: new Map(), last: createRecentMap(maxHeldContexts), owed: new Map() }
  const ending = new AbortController()
  /** There may be something new: soon enough after the run under way. Hurried: a caller waits for it. */
  let [wanted, hurried] = [false, false]
  /** How far this indexer has read; the kept cursor may be further back, before what is owed. */
  let read: number | null = null
  let failed: { readonly error: unknown; readonly at: number } | null = null
  let running: Promise<void> | null = null
  let ranAt = -Infinity
  let timer: NodeJS.Timeout | null = null

  const work = async (): Promise<void> => {
    try {
      for (let cursor = read ?? (await deps.memory.cursor(cursorOf(deps))); !ending.signal.aborted;) {
        wanted = hurried = false
        await payOwed(run)
        const page = await readPage(deps, { after: cursor })
        if (await owe(run, page)) await payOwed(run)
        for (const end of stretchEnds(page)) {
          if (ending.signal.aborted) return
          const stretch = { after: cursor, before: end + 1 }
          // Read again, with no change between: what it says may have been erased just now, and whoever erases waits for the rest.
          await deps.writer.run(async (memory) => indexRecords({ ...run, deps: { ...deps, memory } }, await readPage(deps, stretch), end))
          read = cursor = end
        }
        read = cursor
        if (page.length < indexPage && !hurried) break
      }
      failed = null
    } catch (error) {
      failed = { error, at: deps.clock.monotonicMs() }
    } finally {
      // In the same step in which nothing more was wanted: whoever wants something from now on starts anew.
      running = null
      if (wanted && failed === null) later()
    }
  }
  const start = (): Promise<void> => (running ??= work())
  const later = (): void => {
    if (timer !== null || ending.signal.aborted) return
    const afterMs = Math.max(indexLingerMs, ranAt + indexEveryMs - deps.clock.monotonicMs())
    // It keeps no process alive: the next guest indexes what is left.
    timer = setTimeout(() => {
      timer = null
      ranAt = deps.clock.monotonicMs()
      void start()
    }, afterMs).unref()
  }
  return {
    poke() {
      wanted = true
      const resting = failed !== null && deps.clock.monotonicMs() - failed.at < indexRestMs
      if (running === null && !resting) later()
    },
    async caughtUp(atMostMs = deps.catchUpMs ?? catchUpMs) {
      hurried = true
      if (ending.signal.aborted) return
      await atMost(atMostMs, start())
    },
    rebuild: (signal) => rebuild(run, signal, () => ending.signal.aborted),
    dropHeld: () => run.last.clear(),
    fault: () => failed?.error ?? null,
    async close() {
      ending.abort()
      if (timer !== null) clearTimeout(timer)
      await running
    },
  }
}

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const patience = setTimeout(resolve, ms)
  await Promise.race([work, late])
  clearTimeout(patience)
}

async function rebuild(run: Run, signal: AbortSignal, isClosed: () => boolean): Promise<number> {
  const { deps } = run
  let found = 0
  const end = (await deps.store.head()).seq
  for (let cursor = 0; cursor < end && !isClosed();) {
    const page = await readPage(deps, { after: cursor, before: end + 1 })
    if (page.length === 0) break
    for (const upto of stretchEnds(page)) {
      signal.throwIfAborted()
      const stretch = { after: cursor, before: upto + 1 }
      found += await deps.writer.run(async (memory) =>
        indexRecords({ ...run, deps: { ...deps, memory }, last: createRecentMap(maxHeldContexts) }, await readPage(deps, stretch), null),
      )
      cursor = upto
    }
  }
  return found
}

/** Splits a page into batches, so that waiting changes wait for one batch, not a page of long messages. */
function* stretchEnds(page: readonly JournalRecord[]): Generator<number, void, undefined> {
  let bytes = 0
  for (const [at, { seq, name, phase, body }] of page.entries()) {
    if (phase !== 'intent' && mayMatter({ name, phase })) bytes += parseReference(body)?.bytes ?? body.length
    if (bytes < indexStretchBytes && at + 1 < page.length) continue
    yield seq
    bytes = 0
  }
}

function readPage(
  { store }: JournalIndexDeps,
  bounds: { readonly after: number; readonly before?: number },
): Promise<readonly JournalRecord[]> {
  // What tools brought can be large and is not looked at: bodies stay references until one is wanted.
  return store.records({
    ...bounds,
    phases: ['intent', 'started', 'outcome', 'reconciled'],
    order: 'oldest_first',
    limit: indexPage,
    hydrate: false,
  })
}

/** @param cursor commits with the entries; null: what is there is read again, and keeps what was changed of it by hand. */
async function indexRecords(run: Run, records: readonly JournalRecord[], cursor: number | null): Promise<number> {
  const { deps } = run
  const drafts: Draft[] = []
  for (const record of records) {
    if (!deps.keeps || !mayMatter(record)) continue
    const body = await bodyOf(deps.store, record)
    if (body === null) continue
    if (record.phase === 'intent') run.labels.set(record.call, heldLabels(body))
    const said = saidIn(record, body)
    if (said !== null && (await wasTaken(deps, record))) drafts.push(await draftOf(run, said))
    if (record.phase !== 'intent' && record.phase !== 'started') run.labels.delete(record.call)
  }
  const made = await makeItems(deps, drafts)
  const items = cursor === null ? await keepChanges(deps, made) : made
  const changes: MemoryChange[] = items.map((item) => ({ change: 'put', item }))
  if (cursor !== null)
    changes.push({
      change: 'cursor',
      cursor: { name: cursorOf(deps), seq: Math.min(cursor, ...[...run.owed.keys()].map((seq) => seq - 1)) },
    })
  if (changes.length > 0) await deps.memory.change(changes)
  if (items.length === 0) return 0
  deps.changed({ put: items.map(({ entry }) => entry) })
  return items.length
}

/** A plan tries its task in a turn that nobody has taken: what its agent says there was not done, and is no part of a conversation. */
async function wasTaken({ store }: JournalIndexDeps, { name, turn, seq }: JournalRecord): Promise<boolean> {
  if (turn === '' || name === turnCall) return true
  const query = { call: turn as string as CallId, before: seq, order: 'oldest_first', limit: 1, hydrate: false } as const
  return (await store.records(query)).length > 0
}

/** A turn that asked to forget something has said it itself: that goes when it has ended. */
async function owe({ deps, owed }: Run, page: readonly JournalRecord[]): Promise<boolean> {
  let isNew = false
  for (const { name, phase, seq, call, turn, body } of page) {
    if (name !== forgetCall || phase !== 'outcome' || owed.has(seq)) continue
    const said = await bodyOf(deps.store, { body })
    const later = listIn(said?.['later']).filter((each) => typeof each === 'number')
    const running = listIn(said?.['running']).filter((each) => typeof each === 'string') as TurnId[]
    if (said?.['dry_run'] !== false || (turn === '' && later.length === 0 && running.length === 0)) continue
    owed.set(seq, { seq, call, turn, later, running })
    isNew = true
  }
  return isNew
}

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

async function payOwed({ deps, owed }: Run): Promise<void> {
  for (const each of owed.values()) {
    const left = await deps.settle(each)
    if (left === null) owed.delete(each.seq)
    else owed.set(each.seq, left)
  }
}

async function draftOf(run: Run, { id, author, text, record }: SaidMessage): Promise<Draft> {
  const session = record.session as SessionId
  const before = run.last.get(session) ?? (await lastOf(run.deps, session, record.seq))
  run.last.put(session, text)
  const entry = {
    ...freshFacts,
    id,
    kind: 'message',
    type: 'conversation',
    session,
    stream: session,
    place: record.seq,
    author,
    labels: ownLabels(author, record, await labelsOf(run, record)),
    createdAt: record.at,
    updatedAt: record.at,
    validFrom: record.at,
    importance: baseImportance('conversation'),
    accessedAt: record.at,
    seq: record.seq,
    extra: JSON.stringify({ call: record.call, actor: record.actor, session, turn: record.turn }),
  } as const
  return { entry, text, format: 'markdown', before }
}

/** A person's message is trusted, even after the conversation has seen untrusted text. */
function ownLabels(author: SaidMessage['author'], { actor }: JournalRecord, held: readonly Label[]): readonly Label[] {
  return author === 'user' && actor.startsWith('user:') ? held.filter((label) => label !== 'untrusted') : held
}

/** Of the call's own intent: what its context had held by then. */
async function labelsOf({ deps, labels }: Run, { call }: JournalRecord): Promise<readonly Label[]> {
  const known = labels.get(call)
  if (known !== undefined) return known
  const [intent] = await deps.store.records({ call, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: true })
  const body = intent === undefined ? null : await bodyOf(deps.store, intent)
  return body === null ? [] : heldLabels(body)
}

async function lastOf({ memory }: JournalIndexDeps, session: SessionId, place: number): Promise<string> {
  return wholeText(await memory.around(session, place, 1, 0))
}

/** What people and tidying have made of an entry outlives a second reading. */
async function keepChanges({ memory }: JournalIndexDeps, items: readonly MemoryItem[]): Promise<readonly MemoryItem[]> {
  const known = new Map((await memory.items(items.map(({ entry }) => entry.id))).map(({ entry }) => [entry.id, entry]))
  return items.map((item) => {
    const before: MemoryEntry | undefined = known.get(item.entry.id)
    const { hash, place, seq } = item.entry
    return before === undefined ? item : { ...item, entry: { ...before, hash, place, seq } }
  })
}

/** @returns the number of records read */
export async function rereadWritten(deps: KeepDeps, signal: AbortSignal): Promise<number> {
  const { memory } = deps
  const text = await deps.text()
  let found = 0
  for await (const page of entryPages(memory, { kinds: ['note', 'fact', 'document', 'summary'] }, forgetItems)) {
    signal.throwIfAborted()
    const items = await deps.writer.run(async (exclusive) => {
      const read = await Promise.all((await memory.items(page.map(({ id }) => id))).map((item) => withTerms(item, text)))
      if (read.length > 0) await exclusive.change(read.map((item): MemoryChange => ({ change: 'put', item })))
      return read
    })
    deps.changed({ put: items.map(({ entry }) => entry) })
    found += items.length
  }
  return found
}

async function withTerms({ entry, passages }: MemoryItem, text: TextEngine): Promise<MemoryItem> {
  const terms = await Promise.all(passages.map((passage) => text.storedTerms(passage.text)))
  return { entry, passages: passages.map((passage, i) => ({ ...passage, terms: terms[i]! })) }
}
