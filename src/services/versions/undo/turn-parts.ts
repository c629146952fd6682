/**
 * What belongs to a turn: the turns of agents and the graphs that it has started, theirs in turn, and what all of these did that versions do
 * not have: the records by which services put it back, and calls that reached outside.
 */
import { type AskRuns, documentsField, readStarted, type Registry, sessionsOfRun, type UndoPart, type UndoRecord } from '../../../kernel/index.ts'
import { parseReference, type Store } from '../../../store/index.ts'
import { isObject, type CallId, type JsonObject, type SessionId } from '../../../base/index.ts'
import { type Call, erasedField, type JournalRecord, type Spend } from '../../../protocol/index.ts'
import { documentRights, maxTurnParts, maxTurnRecords } from '../limits.ts'
import type { VersionedTurn } from '../version-schemas.ts'

export interface TurnPartsDeps {
  readonly store: Pick<Store, 'records'>
  readonly registry: Pick<Registry, 'find'>
  /** What services say of the runs that they start. */
  readonly runs: AskRuns
  /** What services put back. */
  readonly parts: () => Promise<readonly UndoPart[]>
}

export interface TurnParts {
  /** The turn first, then those that it has started, directly or not. */
  readonly turns: readonly string[]
  /** When the turn began; undefined: the journal does not have it. */
  readonly startedAt: number | undefined
  /** First line of its message; empty: it has none. */
  readonly subject: string
  /** By which services put back what they keep, oldest first. */
  readonly records: readonly UndoRecord[]
  /** Calls that changed something which versions do not have. */
  readonly others: readonly OtherCall[]
  readonly spent: Spend
}

export interface OtherCall {
  readonly id: CallId
  readonly name: string
  readonly input: JsonObject
  readonly outcome: JsonObject
}

/** Rights of calls whose whole effect versions have. */
const versionedRights: ReadonlySet<string> = new Set(['file.write', 'version.write', ...documentRights])

/** @param versioned the turns that have versions */
export async function partsOf(deps: TurnPartsDeps, turn: string, versioned: readonly VersionedTurn[]): Promise<TurnParts> {
  const findStarted = await readStarted(deps.runs)
  const turns = new Set([turn])
  const sessions = new Map(versioned.map((one) => [one.turn, one.session]))
  const others: OtherCall[] = []
  const records: UndoRecord[] = []
  const spent = { tokens: 0, microDollars: 0 }
  let startedAt: number | undefined
  let subject = ''
  // It grows while it is walked.
  for (const id of turns) {
    const { sent, calls, exchanges } = await callsOf(deps, id, sessions.get(id) ?? '')
    if (id === turn) startedAt = sent?.at
    if (id === turn) subject = subjectOf(sent)
    records.push(...exchanges)
    for (const { name, spend, other } of calls.values()) {
      if (other !== null) others.push({ ...other, name })
      spent.tokens += spend.tokens
      spent.microDollars += spend.microDollars
    }
    const ids: ReadonlySet<string> = new Set(calls.keys())
    const started = findStarted.map((startedBy) => startedBy(id, ids))
    const isStarted = (one: VersionedTurn): boolean => started.some(({ includes }) => includes?.(one.turn, one.session) === true)
    const begun = [
      ...started.flatMap(({ runs }) => runs),
      ...versioned.filter((one) => one.undoes === '' && isStarted(one)).map((one) => one.turn),
    ]
    for (const one of begun) if (turns.size < maxTurnParts) turns.add(one)
  }
  return { turns: [...turns], startedAt, subject, records: records.toSorted((a, b) => a.seq - b.seq), others, spent }
}

/** @returns what an undo has done, by its own records */
export async function partsOfUndo({ store }: Pick<TurnPartsDeps, 'store'>, undo: string): Promise<TurnParts> {
  const query = { call: undo as CallId, phases: ['exchange'], order: 'oldest_first', limit: maxTurnRecords, hydrate: true } as const
  const records = (await store.records(query)).map(parsed)
  return { turns: [undo], startedAt: undefined, subject: '', records, others: [], spent: { tokens: 0, microDollars: 0 } }
}

/** @returns the first line of the message of a turn */
export function subjectOf(sent: JournalRecord | undefined): string {
  if (sent === undefined) return ''
  const { input } = JSON.parse(sent.body) as JsonObject
  const text = isObject(input) && typeof input['text'] === 'string' ? input['text'] : ''
  return text.split('\n', 1)[0]!.slice(0, 100)
}

type MayBeUndone = (record: Pick<JournalRecord, 'name' | 'body'>) => boolean

/** @returns whether a record may be one by which a service puts something back: with what a part notes, with what was, or too long to be looked at here */
export async function undoRecords({ registry, parts }: Pick<TurnPartsDeps, 'registry' | 'parts'>): Promise<MayBeUndone> {
  const fields = new Set([documentsField, erasedField, ...(await parts()).flatMap(({ noted }) => noted)])
  return ({ name, body }) =>
    isOfOthers(registry.find(name)) && (fields.has(/^\{"(\w+)"/.exec(body)?.[1] ?? '') || parseReference(body) !== null)
}

interface TurnCall {
  readonly name: string
  readonly spend: Spend
  /** What it changed that versions do not have; null: nothing. */
  readonly other: Omit<OtherCall, 'name'> | null
}

interface TurnCalls {
  readonly sent: JournalRecord | undefined
  readonly calls: ReadonlyMap<string, TurnCall>
  readonly exchanges: readonly UndoRecord[]
}

/**
 * The calls of a turn that have ended, by their ids.
 * @param known its session, for what no message and no run has begun, such as a plan that is applied; empty: it is not known
 */
async function callsOf(deps: TurnPartsDeps, turn: string, known: string): Promise<TurnCalls> {
  const { store, registry } = deps
  const [sent] = await store.records({ call: turn as CallId, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: true })
  const session = sent?.session ?? ((known as SessionId | '') || (await sessionOf(deps, turn)))
  const calls = new Map<string, TurnCall>()
  if (session === '') return { sent, calls, exchanges: [] }
  const asked = { session, after: sent?.seq ?? 0, order: 'oldest_first', limit: maxTurnRecords } as const
  const own = ({ turn: of, call }: JournalRecord): boolean => of === turn && call !== turn
  const intents = (await store.records({ ...asked, phases: ['intent'], hydrate: true })).filter(own)
  const inputs = new Map(intents.map(({ call, body }) => [call, inputIn(body)]))
  const outcomes = (await store.records({ ...asked, phases: ['outcome'], hydrate: true })).filter(own)
  for (const { call: id, name, body } of outcomes) {
    const call = registry.find(name)
    const isOther = isOfOthers(call) && (call.compensation !== undefined || !versionedRights.has(call.right))
    const outcome = JSON.parse(body) as JsonObject
    calls.set(id, { name, spend: spendIn(body), other: isOther ? { id, input: inputs.get(id) ?? {}, outcome } : null })
  }
  const mayBeUndone = await undoRecords(deps)
  const noted = (await store.records({ ...asked, phases: ['exchange'], hydrate: false })).filter((one) => own(one) && mayBeUndone(one))
  const whole = await Promise.all(noted.map(async (one) => (parseReference(one.body) === null ? one : wholeOf(store, one))))
  return { sent, calls, exchanges: [...whole, ...outcomes].map(parsed) }
}

/** @returns the session of a run; empty: it has recorded nothing */
async function sessionOf({ store, runs }: TurnPartsDeps, run: string): Promise<SessionId | ''> {
  for (const session of sessionsOfRun(await runs(), run))
    if ((await store.records({ session, order: 'oldest_first', limit: 1, hydrate: false })).length > 0) return session
  return ''
}

async function wholeOf(store: TurnPartsDeps['store'], record: JournalRecord): Promise<JournalRecord> {
  const { seq } = record
  return (await store.records({ after: seq - 1, before: seq + 1, order: 'oldest_first', limit: 1, hydrate: true }))[0] ?? record
}

function parsed({ seq, name, phase, session, call, body }: JournalRecord): UndoRecord {
  return { seq, name, phase, session, call, body: JSON.parse(body) as JsonObject }
}

function isOfOthers(call: Call | undefined): call is Call {
  return call !== undefined && call.tier !== 'read_only' && !call.audience.every((one) => one === 'runtime')
}

function inputIn(body: string): JsonObject {
  const { input } = JSON.parse(body) as JsonObject
  return isObject(input) ? input : {}
}

function spendIn(body: string): Spend {
  const { spent } = JSON.parse(body) as { readonly spent?: Spend }
  return { tokens: spent?.tokens ?? 0, microDollars: spent?.microDollars ?? 0 }
}
