/**
 * Finds the memories and journal records that contain one of some phrases. Both are scanned completely, in slices that leave the event
 * loop free in between; bodies are read in the store's thread.
 */
import { foldPhrase, type MemoryEntry, type MemoryFilter, type MemoryItem, type PhraseMatch } from '../../store/index.ts'
import { type CallId, OxbowError, type SessionId } from '../../base/index.ts'
import { searchMemoryCall, isGeneration, type JournalRecord } from '../../protocol/index.ts'
import { entryPages, wholeText } from '../keep/memory-item.ts'
import type { KeepDeps } from '../keep/exclusive-writer.ts'
import { forgetItems, maxExchanges, maxForgotten, maxQueryWords, minForgetCharacters, minForgetDense } from '../keep/keep-limits.ts'
import { nearWords, wordsOf } from '../summary/sentences.ts'
import { statementIn } from '../tidy/gather-facts.ts'

/** @throws OxbowError `limit_reached` for more matches than can be intended */
export async function findMatchingEntries(
  { memory }: Pick<KeepDeps, 'memory'>,
  match: PhraseMatch,
  signal: AbortSignal,
  filter: MemoryFilter = {},
): Promise<readonly MemoryItem[]> {
  const found = new Map<string, MemoryItem>()
  const borders = sectionBorders(match)
  for await (const page of entryPages(memory, filter, forgetItems)) {
    signal.throwIfAborted()
    for (const item of await memory.items(page.map(({ id }) => id))) {
      const text = wholeText(item.passages)
      if (match.inText(text) || metadataMatches(item.entry, match)) found.set(item.entry.id, item)
      for (const each of borders.take(item, text)) found.set(each.entry.id, each)
    }
    assertFew(found)
  }
  for (const each of borders.end()) found.set(each.entry.id, each)
  assertFew(found)
  return [...found.values()]
}

function assertFew({ size }: ReadonlyMap<string, MemoryItem>): void {
  if (size <= maxForgotten) return
  throw new OxbowError('limit_reached', `More than ${maxForgotten} memories contain this.`, { hint: 'Give a longer phrase, or ids.' })
}

/** Also matches the address of a document and the statement that tidying extracted. */
function metadataMatches(entry: MemoryEntry, match: PhraseMatch): boolean {
  if (entry.kind === 'document') return match.inText(entry.author)
  return (
    entry.extra.includes('"statement"') &&
    Object.values(statementIn(entry, '') ?? {}).some((each) => typeof each === 'string' && match.inText(each))
  )
}

const denseLetters = /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}]/gu

/** Whether a phrase is long enough to search for. */
export function isSearchable(phrase: string): boolean {
  return phrase.length >= minForgetCharacters || (phrase.match(denseLetters)?.length ?? 0) >= minForgetDense
}

interface Stretch {
  /** Only records after this seq. */
  readonly after: number
  readonly session?: SessionId
}

/** Matching records, and all exchanges of a matching generation, because a stream carries its text in pieces. Bodies are unparsed. */
export async function findMatchingRecords(
  { store }: Pick<KeepDeps, 'store'>,
  phrases: readonly string[],
  signal: AbortSignal,
  { after, session }: Stretch = { after: 0 },
): Promise<readonly JournalRecord[]> {
  const found = new Map<number, JournalRecord>()
  const spoken = new Set<CallId>()
  const end = (await store.head()).seq
  for (let cursor = after; cursor < end && phrases.length > 0;) {
    signal.throwIfAborted()
    const slice = await store.scan({ after: cursor, before: end + 1, phrases, ...(session !== undefined && { session }) })
    for (const record of slice.records) {
      found.set(record.seq, record)
      if (isGeneration(record) && record.phase === 'outcome') spoken.add(record.call)
    }
    cursor = slice.upto
  }
  for (const call of spoken) for (const record of await exchangesOf({ store }, call)) found.set(record.seq, record)
  return [...found.values()].sort((a, b) => a.seq - b.seq)
}

/**
 * Recorded search queries of people that reveal a phrase without containing it. Older versions recorded queries verbatim.
 */
export async function findRevealingQueries(
  { store }: Pick<KeepDeps, 'store'>,
  phrases: readonly string[],
  signal: AbortSignal,
): Promise<readonly JournalRecord[]> {
  const near = nearWords(phrases)
  const words = [...new Set(phrases.flatMap((phrase) => [...wordsOf(phrase)]))].filter(isSearchable)
  const longest = words.sort((a, b) => b.length - a.length).slice(0, maxQueryWords)
  const found: JournalRecord[] = []
  const end = (await store.head()).seq
  for (let cursor = 0; cursor < end && longest.length > 0;) {
    signal.throwIfAborted()
    const slice = await store.scan({ after: cursor, before: end + 1, phrases: longest })
    found.push(...slice.records.filter((record) => near.tells(personsQuery(record))))
    cursor = slice.upto
  }
  return found
}

/** Empty for other records. */
function personsQuery({ name, phase, actor, body }: JournalRecord): string {
  if (name !== searchMemoryCall || phase !== 'intent' || actor.startsWith('agent:')) return ''
  const { input } = JSON.parse(body) as { readonly input?: { readonly query?: unknown } }
  return typeof input?.query === 'string' ? input.query : ''
}

/** Exchanges of a generation that are not erased. */
async function exchangesOf({ store }: Pick<KeepDeps, 'store'>, call: CallId): Promise<readonly JournalRecord[]> {
  const records = await store.records({ call, phases: ['exchange'], order: 'oldest_first', limit: maxExchanges, hydrate: false })
  return records.filter((record) => !isErasedRecord(record))
}

export function isErasedRecord({ body }: Pick<JournalRecord, 'body'>): boolean {
  return body.startsWith('{"erased":"')
}

interface SectionBorders {
  /**
   * Adds an entry with its text in listing order: sections of a document are adjacent but unordered.
   * @returns matches across section borders of the previous document, once another one begins
   */
  take(item: MemoryItem, text: string): readonly MemoryItem[]
  /** @returns matches of the last document */
  end(): readonly MemoryItem[]
}

interface Section {
  readonly item: MemoryItem
  /** Folded; for a long one only its ends, which a phrase can cross. */
  readonly text: string
}

/** Occurs in no phrase. */
const gap = '\u0000'

function sectionBorders({ phrases }: Pick<PhraseMatch, 'phrases'>): SectionBorders {
  const longest = Math.max(0, ...phrases.map(({ length }) => length))
  let held: Section[] = []
  const end = (): readonly MemoryItem[] => {
    const sections = held.toSorted((a, b) => a.item.entry.place - b.item.entry.place)
    held = []
    // White space at a border is not stored.
    return ['', ' '].flatMap((between) => acrossBorders(sections, phrases, between))
  }
  return {
    take(item, text) {
      const { kind, stream } = item.entry
      if (kind !== 'document' || longest === 0) return []
      const before = held.length > 0 && held[0]?.item.entry.stream !== stream ? end() : []
      const folded = foldPhrase(text)
      const isLong = folded.length > 2 * longest
      held.push({ item, text: isLong ? folded.slice(0, longest) + gap + folded.slice(-longest) : folded })
      return before
    },
    end,
  }
}

function acrossBorders(sections: readonly Section[], phrases: readonly string[], between: string): readonly MemoryItem[] {
  let whole = ''
  /** Where each begins. */
  const starts: number[] = []
  for (const [at, { item, text }] of sections.entries()) {
    if (at > 0) whole += sections[at - 1]!.item.entry.place === item.entry.place - 1 ? between : gap
    starts.push(whole.length)
    whole += text
  }
  const there = phrases.filter((phrase) => whole.includes(phrase))
  return sections.flatMap(({ item }, at) => {
    const before = sections[at - 1]
    const start = starts[at]!
    const isAcross = (phrase: string): boolean => {
      const from = Math.max(0, start + 1 - phrase.length)
      return whole.slice(from, start - between.length - 1 + phrase.length).includes(phrase)
    }
    return before !== undefined && there.some(isAcross) ? [before.item, item] : []
  })
}
