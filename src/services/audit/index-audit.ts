/**
 * The part of an audit that compares the store's indexes of the journal with it: which records carry conversation, which calls are open, which
 * records begin or end a call once more, how far memory has read, and lanes; and names what the database has that Oxbow never makes.
 */
import { carriesConversation } from '../../kernel/index.ts'
import type { Store } from '../../store/index.ts'
import { memoryCursors } from '../../memory/index.ts'
import type { CallId, JsonObject, SessionId } from '../../base/index.ts'
import { isGeneration, isTaken, isTurn, type JournalRecord, type Phase } from '../../protocol/index.ts'

export interface IndexAudit {
  /** @param body parsed, where `decides` says that it counts; null: it was erased, or nobody can read it */
  take(record: JournalRecord, body: JsonObject | null): void
  /** @param open calls that have begun and not ended */
  compare(open: ReadonlyMap<CallId, { readonly seq: number }>): Promise<readonly string[]>
}

/** Rows of one read. */
const pageRows = 10_000

/** Whether the body of a record says if it carries conversation. */
export function decides({ name, phase }: Pick<JournalRecord, 'name' | 'phase'>): boolean {
  return phase === 'outcome' && (isGeneration({ name }) || isTurn({ name }))
}

export function createIndexAudit(store: Store): IndexAudit {
  /** Records that carry conversation, in order, by session; 8 bytes each. */
  const messages = new Map<string, number[]>()
  /** Records that may or may not: erased bodies, and records that versions have judged differently. */
  const doubtful = new Set<number>()
  const withTurns = new Set<SessionId>()
  const certain = (record: JournalRecord, known: JsonObject | null): boolean | null => {
    const { call, name, phase } = record
    if (decides(record) && known === null) return null
    const body = known ?? {}
    if (isGeneration(record) || phase === 'started') return carriesConversation({ call, name, phase, body })
    return carriesConversation({ call, name, phase, body: {} }) && !isTurn(record) ? true : phase === 'outcome' ? null : false
  }
  return {
    take(record, body) {
      const { seq, session } = record
      const carries = certain(record, body)
      if (carries === null) doubtful.add(seq)
      if (carries === true) {
        const known = messages.get(session)
        if (known === undefined) messages.set(session, [seq])
        else known.push(seq)
      }
      if (session !== '' && isTaken(record)) withTurns.add(session)
    },
    async compare(open) {
      return [
        ...(await compareMessages(store, messages, doubtful)),
        ...(await compareCalls(store, open)),
        ...(await lanesOf(store, withTurns)),
        ...(await compareAgain(store)),
        ...(await compareCursors(store)),
        ...(await store.structure()),
      ]
    },
  }
}

async function compareMessages(
  store: Store,
  messages: ReadonlyMap<string, readonly number[]>,
  doubtful: ReadonlySet<number>,
): Promise<readonly string[]> {
  const wrong: string[] = []
  const next = new Map<string, number>()
  for await (const [session, seq] of rowsOf(store, 'message')) {
    const known = messages.get(session) ?? []
    let at = next.get(session) ?? 0
    for (; at < known.length && known[at]! < seq; at += 1) wrong.push(missing(session, known[at]!))
    if (known[at] === seq) at += 1
    else if (!doubtful.has(seq)) wrong.push(`the conversation of session ${session} names record ${seq}, which does not belong to it`)
    next.set(session, at)
  }
  for (const [session, known] of messages) for (const seq of known.slice(next.get(session) ?? 0)) wrong.push(missing(session, seq))
  return wrong
}

const missing = (session: string, seq: number): string => `the conversation of session ${session} lacks record ${seq}`

async function compareCalls(store: Store, open: ReadonlyMap<CallId, { readonly seq: number }>): Promise<readonly string[]> {
  const wrong: string[] = []
  const left = new Map<string, number>([...open].map(([call, { seq }]) => [call, seq]))
  for await (const [call, seq] of rowsOf(store, 'open_call')) {
    if (left.get(call) !== seq) wrong.push(`call ${call} of record ${seq} is kept as open, and is not`)
    left.delete(call)
  }
  return [...wrong, ...[...left].map(([call, seq]) => `call ${call} of record ${seq} is open, and is not kept as such`)]
}

/** What a lane says is a lease; that there is one follows from the first turn. */
async function lanesOf(store: Store, sessions: ReadonlySet<SessionId>): Promise<readonly string[]> {
  const left = new Set<string>(sessions)
  for await (const [session, epoch] of rowsOf(store, 'lane')) if (epoch > 0) left.delete(session)
  return [...left].map((session) => `session ${session} has had turns, and its lane is missing`)
}

/** A record that is marked so is past the rule that a call begins once and ends once. Only older versions have left some. */
async function compareAgain(store: Store): Promise<readonly string[]> {
  const wrong: string[] = []
  for await (const [call, seq] of rowsOf(store, 'again')) {
    const [record] = await store.records({ after: seq - 1, before: seq + 1, order: 'oldest_first', limit: 1, hydrate: false })
    const phases = record === undefined ? [] : record.phase === 'intent' ? beginnings : ends.includes(record.phase) ? ends : []
    const earlier = await store.records({ call: call as CallId, phases, before: seq, order: 'oldest_first', limit: 1, hydrate: false })
    if (earlier.length === 0) wrong.push(`record ${seq} is marked as one that repeats another, and repeats none`)
    if (wrong.length >= maxWrong) break
  }
  return wrong
}

const beginnings: readonly Phase[] = ['intent']
const ends: readonly Phase[] = ['outcome', 'reconciled']
/** Each takes two reads. */
const maxWrong = 100

/** A cursor ahead of the journal: what is said from now on would not be found. */
async function compareCursors(store: Store): Promise<readonly string[]> {
  const wrong: string[] = []
  const places = await Promise.all(memoryCursors.map(async (name) => [name, await store.memory.cursor(name)] as const))
  // Asked last: a guest goes on writing.
  const { seq } = await store.head()
  for (const [name, at] of places)
    if (at > seq) wrong.push(`memory has read the journal up to record ${at} (${name}), and it ends with record ${seq}`)
  return wrong
}

async function* rowsOf(store: Store, table: 'message' | 'open_call' | 'lane' | 'again'): AsyncGenerator<readonly [string, number]> {
  for (let after: readonly [string, number] | null = ['', 0]; after !== null;) {
    const page: readonly (readonly [string, number])[] = await store.indexRows(table, after, pageRows)
    yield* page
    after = page.length < pageRows ? null : page.at(-1)!
  }
}
