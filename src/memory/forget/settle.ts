/** Ends a forgetting: what could not go because a turn still ran, and what that turn said of it, goes now. */
import { matchPhrases } from '../../store/index.ts'
import { type CallId, type JournalRecord, type RecentMap, type SessionId } from '../../types/index.ts'
import type { KeepDeps } from '../keep-deps.ts'
import { recordAt } from '../keep/provenance-record.ts'
import { messageId } from '../said/message-record.ts'
import { askedWords, hasEnded, type OwedForgetting, turnsOf, type TurnWords, wordsOfTurn } from './aftermath.ts'
import { eraseEntries, eraseMarks, marksThatSay } from './erase-entries.ts'
import { entriesThatSay } from './find-said.ts'
import { type EraseBodies, type Eraser, forgottenReason, type GoneFact } from './gone-fact.ts'

/** @returns how many things were changed */
export async function eraseDerived(erasers: readonly Eraser[], gone: GoneFact): Promise<number> {
  let derived = 0
  for (const eraser of erasers) derived += await eraser(gone)
  return derived
}

interface SettleDeps extends KeepDeps {
  readonly erasers: readonly Eraser[]
  /** What calls have forgotten, in words, until their turns have ended. */
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
  // A turn that runs now in one of these sessions has seen it, and puts on record what it has seen.
  waits ||= await isBusy(deps, new Set(ended.map(({ session }) => session)))
  if (waits || kept.length > 0) return { ...owed, later: kept }
  deps.words.delete(owed.call)
  return null
}

async function isBusy({ store }: Pick<KeepDeps, 'store'>, sessions: ReadonlySet<SessionId>): Promise<boolean> {
  return (
    sessions.size > 0 &&
    (await store.openIntents()).some(({ name, session }) => name === 'turn.send' && session !== '' && sessions.has(session))
  )
}

/** What was indexed of these records meanwhile says the same. */
async function eraseMessages(deps: KeepDeps, seqs: readonly number[]): Promise<void> {
  const records = await Promise.all(seqs.map((seq) => recordAt(deps, seq)))
  const said = records.filter((record): record is JournalRecord => record !== null && record.phase !== 'exchange')
  const ids = new Set(said.flatMap(({ call }) => [messageId(call, 'user'), messageId(call, 'agent')]))
  const items = await deps.memory.items([...ids])
  if (items.length > 0) await eraseEntries(deps, items)
}

/** What the turn noted of it, and what was made of what it said: titles, summaries. */
async function eraseMade(deps: SettleDeps, { session, at, seqs, phrases }: TurnWords, signal: AbortSignal): Promise<void> {
  const match = matchPhrases(phrases)
  const noted = phrases.length === 0 ? [] : await entriesThatSay(deps, match, signal, { createdAfter: at - 1 })
  if (noted.length > 0) await eraseEntries(deps, noted)
  if (phrases.length > 0) await eraseMarks(deps, match, await marksThatSay(deps, match, signal))
  await eraseDerived(deps.erasers, { ...match, texts: phrases, seqs, sessions: [session] })
}
