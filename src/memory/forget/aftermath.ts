/**
 * The second half of forgetting. A turn that runs meanwhile has records that cannot be erased yet and may repeat the forgotten text: both
 * are erased when the turn ends. Also the types by which forgetting notifies the rest of the program.
 */
import { foldPhrase, matchPhrases, type PhraseMatch } from '../../store/index.ts'
import type { CallId, JsonObject, RecentMap, SessionId, TurnId } from '../../base/index.ts'
import { type AssistantMessage, isGeneration, isTurn, type JournalRecord, toolCallsOf, toolPlace } from '../../protocol/index.ts'
import type { KeepDeps } from '../keep/exclusive-writer.ts'
import { turnPage } from '../keep/keep-limits.ts'
import { bodyOf, messageId } from '../keep/message-record.ts'
import { recordAt } from '../keep/provenance.ts'
import { nearWords } from '../summary/sentences.ts'
import { eraseEntries, eraseMarks, findMatchingMarks } from './erase-entries.ts'
import { findMatchingEntries, isErasedRecord, isSearchable, findMatchingRecords } from './find-matches.ts'

/** Erases journal bodies and records the erasure. */
export type EraseBodies = (
  seqs: readonly number[],
  reason: string,
) => Promise<{ readonly bodies: number; readonly blobs: number; readonly kept: readonly number[] }>

/** Erases derived data: summaries, conversation caches, titles. @returns how many it changed. */
export type Eraser = (gone: GoneFact) => Promise<number>

export interface GoneFact extends PhraseMatch {
  /** The forgotten texts. Must not be stored anywhere. */
  readonly texts: readonly string[]
  /** Records whose bodies were erased. */
  readonly seqs: readonly number[]
  /** Sessions in which it occurred. */
  readonly sessions: readonly SessionId[]
}

/** Reason recorded in place of an erased body. */
export const forgottenReason = 'forgotten by memory.forget'

interface SettleDeps extends KeepDeps {
  readonly eraseDerived: Eraser
  /** Forgotten phrases by call, until the turns have ended. */
  readonly words: Pick<RecentMap<CallId, readonly string[]>, 'get' | 'delete'>
}

interface By {
  readonly signal: AbortSignal
  readonly erase: EraseBodies
}

export async function settle(deps: SettleDeps, owed: OwedForgetting, { signal, erase }: By): Promise<OwedForgetting | null> {
  const phrases = deps.words.get(owed.call) ?? (await askedWords(deps, owed))
  const ended: TurnWords[] = []
  let waits = false
  for (const turn of await turnsOf(deps, owed)) {
    if (await hasEnded(deps, turn)) ended.push(...(await wordsOfTurn(deps, turn, phrases, owed.seq, signal)))
    else waits = true
  }
  const seqs = [...new Set([...owed.later, ...ended.flatMap((said) => said.seqs)])].sort((a, b) => a - b)
  const kept = seqs.length === 0 ? [] : (await erase(seqs, forgottenReason)).kept
  await eraseMessages(
    deps,
    seqs.filter((seq) => !kept.includes(seq)),
  )
  for (const said of ended) await eraseMade(deps, said, signal)
  // A running turn in one of these sessions has seen the text and records it.
  waits ||= await isBusy(deps, new Set(ended.map(({ session }) => session)))
  if (waits || kept.length > 0) return { ...owed, later: kept }
  deps.words.delete(owed.call)
  return null
}

async function isBusy({ store }: Pick<KeepDeps, 'store'>, sessions: ReadonlySet<SessionId>): Promise<boolean> {
  return (
    sessions.size > 0 &&
    (await store.openIntents()).some((record) => isTurn(record) && record.session !== '' && sessions.has(record.session))
  )
}

/** Erases messages that were indexed from these records meanwhile. */
async function eraseMessages(deps: KeepDeps, seqs: readonly number[]): Promise<void> {
  const records = await Promise.all(seqs.map((seq) => recordAt(deps, seq)))
  const said = records.filter((record): record is JournalRecord => record !== null && record.phase !== 'exchange')
  const ids = new Set(said.flatMap(({ call }) => [messageId(call, 'user'), messageId(call, 'agent')]))
  const items = await deps.memory.items([...ids])
  if (items.length > 0) await eraseEntries(deps, items)
}

/** Erases what the turn noted, and titles and summaries derived from it. */
async function eraseMade(deps: SettleDeps, { session, at, seqs, phrases }: TurnWords, signal: AbortSignal): Promise<void> {
  const match = matchPhrases(phrases)
  const noted = phrases.length === 0 ? [] : await findMatchingEntries(deps, match, signal, { createdAfter: at - 1 })
  if (noted.length > 0) await eraseEntries(deps, noted)
  if (phrases.length > 0) await eraseMarks(deps, match, await findMatchingMarks(deps, match, signal))
  await deps.eraseDerived({ ...match, texts: phrases, seqs, sessions: [session] })
}

/**
 * Finds what the forgetting turn, or one that ran meanwhile, said about the forgotten text; it is erased when the turn ends. Paraphrases
 * in its messages count too, since an agent seldom repeats a phrase verbatim, and so do the exchanges that carried them.
 *
 * The phrases are kept in process memory only while the turn runs: the journal has hashes. After a crash they are read from the agent's
 * request, which is erased last; if that is gone too, everything the agent said in that turn after the forgetting is erased.
 */

/** A `memory.forget` whose own turn, or a concurrent one, was still running. */
export interface OwedForgetting {
  /** Seq of its outcome. */
  readonly seq: number
  readonly call: CallId
  readonly turn: TurnId | ''
  /** Records that were kept because their calls had not ended. */
  readonly later: readonly number[]
  /** Concurrent turns. */
  readonly running: readonly TurnId[]
}

interface TurnWords {
  readonly session: SessionId
  /** When the turn began, unix milliseconds. */
  readonly at: number
  /** Records to erase. */
  readonly seqs: readonly number[]
  /** Folded phrases of the forgotten text and its paraphrases; empty if unknown. */
  readonly phrases: readonly string[]
}

type Deps = Pick<KeepDeps, 'store'>

/** Turns that a pending forgetting waits for: its own, and those whose records could not be erased. */
async function turnsOf(deps: Deps, { turn, later, running }: OwedForgetting): Promise<ReadonlySet<TurnId>> {
  const turns = new Set<TurnId>(running)
  if (turn !== '') turns.add(turn)
  for (const seq of later) {
    const record = await recordAt(deps, seq)
    if (record !== null && record.turn !== '') turns.add(record.turn)
  }
  return turns
}

async function hasEnded({ store }: Deps, turn: TurnId): Promise<boolean> {
  const call = turn as string as CallId
  const ends = await store.records({ call, phases: ['outcome', 'refused', 'reconciled'], order: 'newest_first', limit: 1, hydrate: false })
  return ends.length > 0
}

/** @returns the phrases that an agent asked to forget; null if they are erased or it named ids. */
async function askedWords({ store }: Deps, { call }: Pick<OwedForgetting, 'call'>): Promise<readonly string[] | null> {
  const place = toolPlace(call)
  if (place === null) return null
  const [asked] = await store.records({ call: place.generation, phases: ['outcome'], order: 'newest_first', limit: 1, hydrate: true })
  const body = asked === undefined ? null : await bodyOf(store, asked)
  const message = body?.['message'] as unknown as AssistantMessage | undefined
  const text = message === undefined ? undefined : toolCallsOf(message)[place.index]?.arguments
  const phrase = foldPhrase(textArgument(text ?? ''))
  return isSearchable(phrase) ? [phrase] : null
}

function textArgument(args: string): string {
  try {
    const { text, ids } = JSON.parse(args) as { text?: unknown; ids?: readonly unknown[] }
    return typeof text === 'string' && (ids ?? []).length === 0 ? text : ''
  } catch {
    return ''
  }
}

/**
 * Finds what an ended turn said about the forgotten text; empty for an unknown turn.
 *
 * @param phrases forgotten phrases, folded; null: no longer known
 * @param since seq of the forgetting
 */
async function wordsOfTurn(
  deps: Deps,
  turn: TurnId,
  phrases: readonly string[] | null,
  since: number,
  signal: AbortSignal,
): Promise<readonly TurnWords[]> {
  const call = turn as string as CallId
  const [first] = await deps.store.records({ call, order: 'oldest_first', limit: 1, hydrate: false })
  if (first === undefined || first.session === '') return []
  const stretch = { session: first.session, after: first.seq - 1 }
  const near = nearWords(phrases ?? [])
  const exact = matchPhrases(phrases ?? [])
  const seqs = new Set<number>()
  const said: string[] = []
  const exchanges: number[] = []
  for await (const record of recordsOf(deps, stretch, turn)) {
    if (record.phase === 'exchange' && isGeneration(record)) exchanges.push(record.seq)
    const text = await saidIn(deps, record)
    if (text === null) continue
    const tells = phrases === null ? record.seq > since && isAgents(record) : exact.inText(text) || near.tells(text)
    if (!tells) continue
    seqs.add(record.seq)
    const folded = foldPhrase(text)
    if (isSearchable(folded)) said.push(folded)
  }
  if (seqs.size > 0) for (const seq of exchanges) seqs.add(seq)
  // Later exchanges of the session repeat it, and tool calls may contain it.
  const all = [...(phrases ?? []), ...said]
  for (const record of await findMatchingRecords(deps, all, signal, stretch)) {
    if (record.phase === 'exchange' || record.turn === turn) seqs.add(record.seq)
  }
  return [{ session: first.session, at: first.at, seqs: [...seqs].sort((a, b) => a - b), phrases: all }]
}

async function* recordsOf({ store }: Deps, { session, after }: { session: SessionId; after: number }, turn: TurnId) {
  for (let cursor = after; ;) {
    const page = await store.records({ session, after: cursor, order: 'oldest_first', limit: turnPage, hydrate: false })
    for (const record of page) if (record.turn === turn && !isErasedRecord(record)) yield record
    if (page.length < turnPage) return
    cursor = page.at(-1)!.seq
  }
}

const isAgents = (record: JournalRecord): boolean => isGeneration(record) || record.phase === 'outcome'

/** The text of messages in a record, including tool arguments; null for other records. */
async function saidIn({ store }: Deps, record: JournalRecord): Promise<string | null> {
  if (isGeneration(record) ? record.phase !== 'outcome' : !isTurn(record)) return null
  const body = await bodyOf(store, record)
  if (body === null) return null
  const message = body['message'] as unknown as AssistantMessage | undefined
  if (isGeneration(record)) return message === undefined ? null : whole(message)
  return [body['text'], body['reply'], inputText(body)].filter((each) => typeof each === 'string').join('\n')
}

function whole(message: AssistantMessage): string {
  return message.parts.map((part) => ('text' in part ? part.text : 'arguments' in part ? part.arguments : '')).join('\n')
}

/** The input text of an intent. */
function inputText({ input }: JsonObject): unknown {
  return typeof input === 'object' && input !== null && 'text' in input ? input['text'] : input
}
