/**
 * Where something is said: which memories and which records of the journal say one of some phrases. Both are looked through from end
 * to end, in slices, so that the event loop is free between two of them; bodies are read where they are, in the store's thread.
 */
import type { MemoryEntry, MemoryFilter, MemoryItem, PhraseMatch } from '../../store/index.ts'
import { type CallId, type JournalRecord, OxbowError, type SessionId } from '../../types/index.ts'
import { entryPages } from '../entry-pages.ts'
import { statementIn } from '../tidy/gather-facts.ts'
import type { KeepDeps } from '../keep-deps.ts'
import { wholeText } from '../keep/keep-item.ts'
import { forgetItems, maxExchanges, maxForgotten, minForgetCharacters, minForgetDense } from '../keep/keep-limits.ts'
import { sectionBorders } from './section-borders.ts'

/** @throws OxbowError `limit_reached` for more than can be meant */
export async function entriesThatSay(
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
      if (match.inText(text) || besideSays(item.entry, match)) found.set(item.entry.id, item)
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
  throw new OxbowError('limit_reached', `More than ${maxForgotten} memories say this.`, { hint: 'Give a longer phrase, or ids.' })
}

/** The address of a document is what it is known by, and what tidying found in a text stands beside it: an entry goes with them. */
function besideSays(entry: MemoryEntry, match: PhraseMatch): boolean {
  if (entry.kind === 'document') return match.inText(entry.author)
  return (
    entry.extra.includes('"statement"') &&
    Object.values(statementIn(entry, '') ?? {}).some((each) => typeof each === 'string' && match.inText(each))
  )
}

const denseLetters = /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}]/gu

/** Whether a phrase says enough to be looked for. */
export function isMeant(phrase: string): boolean {
  return phrase.length >= minForgetCharacters || (phrase.match(denseLetters)?.length ?? 0) >= minForgetDense
}

export interface Stretch {
  /** Seq that all are behind. */
  readonly after: number
  readonly session?: SessionId
}

/** The records whose bodies say it, and those of the same generation: a stream says it in pieces. Bodies are as hashed. */
export async function recordsThatSay(
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
      if (record.name === 'model.generate' && record.phase === 'outcome') spoken.add(record.call)
    }
    cursor = slice.upto
  }
  for (const call of spoken) for (const record of await exchangesOf({ store }, call)) found.set(record.seq, record)
  return [...found.values()].sort((a, b) => a.seq - b.seq)
}

/** What a generation and its endpoint said to each other, as far as it is there. */
async function exchangesOf({ store }: Pick<KeepDeps, 'store'>, call: CallId): Promise<readonly JournalRecord[]> {
  const records = await store.records({ call, phases: ['exchange'], order: 'oldest_first', limit: maxExchanges, hydrate: false })
  return records.filter((record) => !isErasedRecord(record))
}

export function isErasedRecord({ body }: Pick<JournalRecord, 'body'>): boolean {
  return body.startsWith('{"erased":"')
}
