/**
 * Forgetting: a fact leaves memory (entries, passages, vectors), what was made of it (summaries, warm conversations), and the journal,
 * whose bodies that say it become their hashes. What goes is found by phrase, not by where it was put: the same words in another
 * session go too. Afterwards it is looked for again, and the answer says what was found.
 */
import { foldPhrase, matchPhrases, type MemoryItem, type PhraseMatch } from '../../store/index.ts'
import {
  type CallContext,
  type CallId,
  createRecentMap,
  type JournalRecord,
  type Label,
  OxbowError,
  type SessionId,
  type TurnId,
} from '../../types/index.ts'
import type { KeepDeps } from '../keep/exclusive-writer.ts'
import { wholeText } from '../keep/memory-item.ts'
import { maxHeldForgettings } from '../keep/keep-limits.ts'
import { looksLikeId } from '../keep/note-rules.ts'
import { joinedLabels } from '../keep/provenance.ts'
import { eraseEntries, eraseMarks, type Marked, marksThatSay } from './erase-entries.ts'
import { type EraseBodies, type Eraser, forgottenReason, type OwedForgetting, settle } from './aftermath.ts'
import { entriesThatSay, isMeant, queriesAbout, recordsThatSay } from './find-said.ts'

export interface ForgetQuestion {
  /** Entries: they go, and with them everything that says what they say. */
  readonly ids: readonly string[]
  /** Everything that says this. Empty: only what the entries say. */
  readonly text: string
}

/** What would go, or went. */
export interface Forgettable {
  readonly entries: readonly { readonly id: string; readonly kind: string; readonly text: string }[]
  readonly records: readonly {
    readonly seq: number
    readonly at: number
    readonly name: string
    readonly phase: string
    readonly session: string
  }[]
  /** Tags and titles that say it, and how many entries that stay would lose them. */
  readonly marks: readonly { readonly text: string; readonly entries: number }[]
  /** Of the entries: whoever shows their text shows it with these. */
  readonly labels: readonly Label[]
}

export interface Forgotten extends Forgettable {
  /** Bodies of the journal that are gone, and blobs with them. */
  readonly bodies: number
  readonly blobs: number
  /** Summaries, titles, tags and other things that tell it. */
  readonly derived: number
  /** Records of calls and turns that still run: their bodies go when these end. */
  readonly later: readonly number[]
  /** Turns that ran in sessions where it was said: what they say of it, and what they have shown a model, goes when they end. */
  readonly running: readonly TurnId[]
  /** The same was looked for again: how many entries, marks and records still say it, those for later left out. 0 is the proof. */
  readonly left: number
}

export interface Forgetting {
  /** @throws OxbowError `bad_input`, `not_found`, `limit_reached` */
  preview(question: ForgetQuestion, signal: AbortSignal): Promise<Forgettable>
  forget(question: ForgetQuestion, by: Pick<CallContext, 'id' | 'caller' | 'signal' | 'erase'>): Promise<Forgotten>
  /** Takes along what was said while it ran, or since, of what it forgot. @returns what is still owed, null when nothing is */
  settle(owed: OwedForgetting, by: { readonly signal: AbortSignal; readonly erase: EraseBodies }): Promise<OwedForgetting | null>
}

export function createForgetting(deps: KeepDeps, eraseDerived: Eraser): Forgetting {
  const findKept = async (match: PhraseMatch, signal: AbortSignal, named: readonly MemoryItem[] = []): Promise<Kept> => {
    const entries = new Map(named.map((item) => [item.entry.id, item]))
    for (const item of await entriesThatSay(deps, match, signal)) entries.set(item.entry.id, item)
    return { items: [...entries.values()], marked: await marksThatSay(deps, match, signal, new Set(entries.keys())) }
  }
  const findRecords = async (phrases: readonly string[], signal: AbortSignal): Promise<readonly JournalRecord[]> => {
    const found = [...(await recordsThatSay(deps, phrases, signal)), ...(await queriesAbout(deps, phrases, signal))]
    return [...new Map(found.map((record) => [record.seq, record])).values()].sort((a, b) => a.seq - b.seq)
  }
  const find = async (question: ForgetQuestion, signal: AbortSignal): Promise<Found> => {
    const { items, phrases } = await readQuestion(deps, question)
    const match = matchPhrases(phrases)
    return { match, phrases, ...(await findKept(match, signal, items)), records: await findRecords(phrases, signal) }
  }
  const eraseKept = async ({ items, marked }: Kept, match: PhraseMatch): Promise<number> => {
    await eraseEntries(deps, items)
    return eraseMarks(deps, match, marked)
  }
  const words = createRecentMap<CallId, readonly string[]>(maxHeldForgettings)
  return {
    preview: async (question, signal) => describe(await find(question, signal)),
    async forget(question, { id: call, caller, signal, erase }) {
      const found = await find(question, signal)
      const { match, items, records } = found
      // Memory first: from here nothing recalls it, whatever stops the rest.
      const marks = await eraseKept(found, match)
      const named = [...records, ...items.map(({ entry }) => entry)].map(({ session }) => session)
      const sessions = [...new Set(named)].filter((id): id is SessionId => id !== '')
      const seqs = records.map(({ seq }) => seq)
      const erased = seqs.length === 0 ? { bodies: 0, blobs: 0, kept: [] } : await erase(seqs, forgottenReason)
      const running = await runningIn(deps, sessions)
      if (caller.turn !== '' || erased.kept.length > 0 || running.length > 0) words.put(call, found.phrases)
      const derived = await eraseDerived({ ...match, texts: found.phrases, seqs, sessions })
      // What was being indexed or tidied has read it before: that is on its way no longer, and goes, too.
      await deps.writer.run(async () => {})
      const late = await findKept(match, signal)
      const lateMarks = await eraseKept(late, match)
      const isNone = late.items.length + late.marked.length === 0
      const [kept, leftRecords] = await Promise.all([isNone ? late : findKept(match, signal), findRecords(found.phrases, signal)])
      const later = new Set(erased.kept)
      const left = kept.items.length + kept.marked.length + leftRecords.filter(({ seq }) => !later.has(seq)).length
      return {
        ...describe(found),
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
  return open.filter(({ name, session }) => name === 'turn.send' && wanted.has(session)).flatMap(({ turn }) => (turn === '' ? [] : [turn]))
}

/** What memory has that says it. */
interface Kept {
  readonly items: readonly MemoryItem[]
  /** Of what else stays. */
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
): Promise<{ items: readonly MemoryItem[]; phrases: readonly string[] }> {
  const items = await memory.items(ids)
  const missing = ids.filter((id) => !items.some(({ entry }) => entry.id === id))
  if (missing.length > 0) {
    // A word in place of an id may be what is to be forgotten: it must not stand in the record of the failure.
    const named = missing.filter(looksLikeId).slice(0, 3)
    throw new OxbowError('not_found', named.length === 0 ? 'No memory has this id.' : `There is no memory ${named.join(', ')}.`, {
      hint: 'Ids come from a search. To forget a word or a phrase, give it as `text` (oxbow memory forget --text "the phrase").',
    })
  }
  const phrase = foldPhrase(text)
  if (text !== '' && !isMeant(phrase)) {
    throw new OxbowError('bad_input', `${JSON.stringify(text)} is too short: it stands in too many places.`, {
      hint: 'Give the whole phrase that is to be forgotten.',
    })
  }
  // What documents say is theirs: a section goes, and not each message that quotes all of it.
  const phrases = [phrase, ...items.map(({ passages }) => foldPhrase(wholeText(passages)))].filter(isMeant)
  if (items.length === 0 && phrases.length === 0) {
    throw new OxbowError('bad_input', 'Nothing was named.', { hint: 'Give ids of memories, or a text that is to be forgotten.' })
  }
  return { items, phrases }
}

function describe({ items, records, marked }: Found): Forgettable {
  const counts = new Map<string, number>()
  for (const text of marked.flatMap(({ marks }) => marks)) counts.set(text, (counts.get(text) ?? 0) + 1)
  return {
    entries: items.map(({ entry, passages }) => ({ id: entry.id, kind: entry.kind, text: wholeText(passages) })),
    records: records.map(({ seq, at, name, phase, session }) => ({ seq, at, name, phase, session })),
    marks: [...counts].map(([text, entries]) => ({ text, entries })),
    labels: joinedLabels(...[...items, ...marked].map(({ entry }) => entry.labels)),
  }
}
