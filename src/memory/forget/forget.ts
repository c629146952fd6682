/**
 * Forgetting: erases a text from memory (entries, passages, vectors), from derived data (summaries, conversation caches) and from the
 * journal, whose matching bodies become their hashes. Matches are found by phrase in all sessions. Afterwards the search is repeated and
 * the answer counts what is left.
 */
import { foldPhrase, matchPhrases, type MemoryItem, type PhraseMatch } from '../../store/index.ts'
import { type CallId, createRecentMap, OxbowError, type SessionId, type TurnId } from '../../base/index.ts'
import { type CallContext, type Caller, isTurn, type JournalRecord } from '../../protocol/index.ts'
import type { KeepDeps } from '../keep/exclusive-writer.ts'
import { wholeText } from '../keep/memory-item.ts'
import { maxHeldForgettings } from '../keep/keep-limits.ts'
import { looksLikeId } from '../keep/note-rules.ts'
import { joinedLabels, mayRecall, reachOf } from '../keep/provenance.ts'
import type { Forgettable, Forgotten } from '../memory-schemas.ts'
import { eraseEntries, eraseMarks, type Marked, findMatchingMarks } from './erase-entries.ts'
import { type EraseBodies, type Eraser, forgottenReason, type OwedForgetting, settle } from './aftermath.ts'
import { findMatchingEntries, isSearchable, findRevealingQueries, findMatchingRecords } from './find-matches.ts'

export interface ForgetQuestion {
  /** Entries to erase, with everything that repeats their text. */
  readonly ids: readonly string[]
  /** Phrase to erase everywhere. Empty: only the texts of the entries. */
  readonly text: string
}

export interface Forgetting {
  /** @throws OxbowError `bad_input`, `not_found`, `limit_reached` */
  preview(question: ForgetQuestion, by: Pick<CallContext, 'caller' | 'signal'>): Promise<Forgettable>
  forget(question: ForgetQuestion, by: Pick<CallContext, 'id' | 'caller' | 'signal' | 'erase'>): Promise<Forgotten>
  /** Erases what running turns said about it. @returns what is still pending; null: nothing */
  settle(owed: OwedForgetting, by: { readonly signal: AbortSignal; readonly erase: EraseBodies }): Promise<OwedForgetting | null>
}

export function createForgetting(deps: KeepDeps, eraseDerived: Eraser): Forgetting {
  const findKept = async (match: PhraseMatch, signal: AbortSignal, named: readonly MemoryItem[] = []): Promise<Kept> => {
    const entries = new Map(named.map((item) => [item.entry.id, item]))
    for (const item of await findMatchingEntries(deps, match, signal)) entries.set(item.entry.id, item)
    return { items: [...entries.values()], marked: await findMatchingMarks(deps, match, signal, new Set(entries.keys())) }
  }
  const findRecords = async (phrases: readonly string[], signal: AbortSignal): Promise<readonly JournalRecord[]> => {
    const found = [...(await findMatchingRecords(deps, phrases, signal)), ...(await findRevealingQueries(deps, phrases, signal))]
    return [...new Map(found.map((record) => [record.seq, record])).values()].sort((a, b) => a.seq - b.seq)
  }
  const find = async (question: ForgetQuestion, { caller, signal }: Pick<CallContext, 'caller' | 'signal'>): Promise<Found> => {
    const { items, phrases } = await readQuestion(deps, question, caller)
    const match = matchPhrases(phrases)
    return { match, phrases, ...(await findKept(match, signal, items)), records: await findRecords(phrases, signal) }
  }
  const eraseKept = async ({ items, marked }: Kept, match: PhraseMatch): Promise<number> => {
    await eraseEntries(deps, items)
    return eraseMarks(deps, match, marked)
  }
  const words = createRecentMap<CallId, readonly string[]>(maxHeldForgettings)
  return {
    preview: async (question, by) => describe(await find(question, by), by.caller),
    async forget(question, { id: call, caller, signal, erase }) {
      const found = await find(question, { caller, signal })
      const { match, items, records } = found
      // Memory first: nothing can recall it from here on, even if the rest fails.
      const marks = await eraseKept(found, match)
      const named = [...records, ...items.map(({ entry }) => entry)].map(({ session }) => session)
      const sessions = [...new Set(named)].filter((id): id is SessionId => id !== '')
      const seqs = records.map(({ seq }) => seq)
      const erased = seqs.length === 0 ? { bodies: 0, blobs: 0, kept: [] } : await erase(seqs, forgottenReason)
      const running = await runningIn(deps, sessions)
      if (caller.turn !== '' || erased.kept.length > 0 || running.length > 0) words.put(call, found.phrases)
      const derived = await eraseDerived({ ...match, texts: found.phrases, seqs, sessions })
      // Indexing or tidying in progress may have read it before: wait for them, then erase what they wrote.
      await deps.writer.run(async () => {})
      const late = await findKept(match, signal)
      const lateMarks = await eraseKept(late, match)
      const isNone = late.items.length + late.marked.length === 0
      const [kept, leftRecords] = await Promise.all([isNone ? late : findKept(match, signal), findRecords(found.phrases, signal)])
      const later = new Set(erased.kept)
      const left = kept.items.length + kept.marked.length + leftRecords.filter(({ seq }) => !later.has(seq)).length
      return {
        ...describe(found, caller),
        bodies: erased.bodies,
        blobs: erased.blobs,
        derived: derived + marks + lateMarks,
        later: erased.kept,
        running,
        left,
      }
    },
    settle: (owed, by) => settle({ ...deps, eraseDerived, words }, owed, by),
  }
}

async function runningIn({ store }: KeepDeps, sessions: readonly SessionId[]): Promise<readonly TurnId[]> {
  const wanted = new Set<string>(sessions)
  const open = wanted.size === 0 ? [] : await store.openIntents()
  return open.filter((record) => isTurn(record) && wanted.has(record.session)).flatMap(({ turn }) => (turn === '' ? [] : [turn]))
}

/** Matches in memory. */
interface Kept {
  readonly items: readonly MemoryItem[]
  /** Remaining entries with matching tags or titles. */
  readonly marked: readonly Marked[]
}

interface Found extends Kept {
  readonly match: PhraseMatch
  readonly phrases: readonly string[]
  readonly records: readonly JournalRecord[]
}

async function readQuestion(
  { memory }: KeepDeps,
  { ids, text }: ForgetQuestion,
  caller: Caller,
): Promise<{ items: readonly MemoryItem[]; phrases: readonly string[] }> {
  const items = (await memory.items(ids)).filter(({ entry }) => mayRecall(entry.author, reachOf(caller).persona))
  const missing = ids.filter((id) => !items.some(({ entry }) => entry.id === id))
  if (missing.length > 0) {
    // A word given as an id may be the text to forget: it must not be recorded with the failure.
    const named = missing.filter(looksLikeId).slice(0, 3)
    throw new OxbowError('not_found', named.length === 0 ? 'No memory has this id.' : `There is no memory ${named.join(', ')}.`, {
      hint: 'Ids come from a search. To forget a word or a phrase, give it as `text` (oxbow memory forget --text "the phrase").',
    })
  }
  const phrase = foldPhrase(text)
  if (text !== '' && !isSearchable(phrase)) {
    throw new OxbowError('bad_input', `${JSON.stringify(text)} is too short: it occurs in too many places.`, {
      hint: 'Give the whole phrase to forget.',
    })
  }
  // The whole text of each entry is a phrase.
  const phrases = [phrase, ...items.map(({ passages }) => foldPhrase(wholeText(passages)))].filter(isSearchable)
  if (items.length === 0 && phrases.length === 0) {
    throw new OxbowError('bad_input', 'Nothing to forget was given.', { hint: 'Give ids of memories, or a text to forget.' })
  }
  return { items, phrases }
}

/** What a persona keeps for itself is erased with everything that says the same, and named to nobody else. */
function describe({ items, records, marked }: Found, caller: Caller): Forgettable {
  const { persona } = reachOf(caller)
  const shown = items.filter(({ entry }) => mayRecall(entry.author, persona))
  const told = marked.filter(({ entry }) => mayRecall(entry.author, persona))
  const counts = new Map<string, number>()
  for (const text of told.flatMap(({ marks }) => marks)) counts.set(text, (counts.get(text) ?? 0) + 1)
  return {
    entries: shown.map(({ entry, passages }) => ({ id: entry.id, kind: entry.kind, text: wholeText(passages) })),
    records: records.map(({ seq, at, name, phase, session }) => ({ seq, at, name, phase, session })),
    marks: [...counts].map(([text, entries]) => ({ text, entries })),
    labels: joinedLabels(...[...shown, ...told].map(({ entry }) => entry.labels)),
  }
}
