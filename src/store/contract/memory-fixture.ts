/** Entries, passages and searches for tests of memory, and a naive memory to compare with. */
import type { SessionId } from '../../base/index.ts'
import type { Store } from '../store.ts'
import type { MemoryChange, MemoryEntry, MemoryFilter, MemoryItem, MemorySearch, MemoryStore } from '../memory.ts'

export const firstDay = 1_795_000_000_000

export function entryOf(id: string, more: Partial<MemoryEntry> = {}): MemoryEntry {
  return {
    id,
    kind: 'note',
    type: 'fact',
    session: '',
    stream: 's',
    place: 1,
    author: 'user',
    tags: [],
    labels: [],
    createdAt: firstDay,
    updatedAt: firstDay,
    validFrom: 0,
    validTo: null,
    supersededBy: '',
    contradicts: [],
    confirmedBy: [],
    importance: 0.5,
    tier: 'warm',
    protection: 'none',
    accesses: 0,
    accessedAt: 0,
    seq: 0,
    hash: `hash of ${id}`,
    extra: '{}',
    ...more,
  }
}

/** Each text a passage; its words are its terms. `text|context` gives it terms of what stood before. */
export function itemOf(entry: MemoryEntry, ...texts: readonly string[]): MemoryItem {
  let start = 0
  const passages = texts.map((both, part) => {
    const [text = '', context = ''] = both.split('|')
    const passage = { part, start, text, terms: text.toLowerCase(), context }
    start += text.length
    return passage
  })
  return { entry, passages }
}

export function put(id: string, text: string, more: Partial<MemoryEntry> = {}): MemoryChange {
  return { change: 'put', item: itemOf(entryOf(id, more), text) }
}

export const anything: MemoryFilter = {}

export function textSearch(words: string, filter: MemoryFilter = anything, limit = 20): MemorySearch {
  return { filter, text: { terms: words.split(' '), contextWeight: 0.5, limit } }
}

/** @returns ids of the entries that were found by text, best first */
export async function foundByText(memory: MemoryStore, words: string, filter: MemoryFilter = anything, limit = 20): Promise<string[]> {
  const { text, passages } = await memory.search(textSearch(words, filter, limit))
  return text.map((hit) => passages.find(({ id }) => id === hit.passage)?.entry.id ?? 'missing')
}

export function vectorOf(...numbers: readonly number[]): Float32Array<ArrayBuffer> {
  return Float32Array.from(numbers)
}

/** @returns ids of the entries that were found by vector, best first */
export async function foundByVector(
  memory: MemoryStore,
  vector: Float32Array<ArrayBuffer>,
  filter: MemoryFilter = anything,
  limit = 20,
  model = 'm',
): Promise<string[]> {
  const found = await memory.search({ filter, vector: { model, vector, limit } })
  return found.vector.map((hit) => found.passages.find(({ id }) => id === hit.passage)?.entry.id ?? 'missing')
}

/** Gives every passage that has no vector one, by its text. */
export async function embedAll(memory: MemoryStore, model: string, vector: (text: string) => Float32Array<ArrayBuffer>): Promise<void> {
  const lacking = await memory.withoutVector(model, 1_000)
  await memory.change([{ change: 'vectors', model, vectors: lacking.map(({ id, text }) => ({ passage: id, vector: vector(text) })) }])
}

/** What the filter says, in plain words. */
export function passes(entry: MemoryEntry, filter: MemoryFilter): boolean {
  const { kinds, types, tiers, sessions, notSession, tags, createdAfter, createdBefore, validAt, withoutLabels, before } = filter
  if (kinds !== undefined && !kinds.includes(entry.kind)) return false
  if (types !== undefined && !types.includes(entry.type)) return false
  if (tiers !== undefined && !tiers.includes(entry.tier)) return false
  if (sessions !== undefined && !sessions.includes(entry.session as SessionId)) return false
  if (notSession !== undefined && entry.session === notSession) return false
  if (tags !== undefined && !tags.every((tag) => entry.tags.includes(tag))) return false
  if (createdAfter !== undefined && entry.createdAt <= createdAfter) return false
  if (createdBefore !== undefined && entry.createdAt >= createdBefore) return false
  if (validAt !== undefined && (entry.validFrom > validAt || (entry.validTo !== null && entry.validTo <= validAt))) return false
  if (withoutLabels !== undefined && entry.labels.some((label) => withoutLabels.includes(label))) return false
  if (filter.persona !== undefined && entry.author.startsWith('persona:') && entry.author !== filter.persona) return false
  return before === undefined || entry.stream !== before.stream || entry.place <= before.place
}

/** An empty store for each case, and another of the same database for another user. */
export interface MemorySubject {
  readonly store: Store
  /** Absent where a database has one user. */
  readonly other?: () => Promise<Store>
  drop(): PromiseLike<void>
}

export type MemoryCase = (title: string, check: (memory: MemoryStore, subject: MemorySubject) => Promise<void>) => void

/** @returns all that any way of asking finds of a word, or of anything where nothing is to be found */
export async function emptySearchAnswers(memory: MemoryStore, word: string): Promise<readonly unknown[]> {
  const found = await memory.search(textSearch(word))
  const listed = (await memory.items((await memory.list(anything, 1_000)).map(({ id }) => id))).filter(({ passages }) =>
    passages.some(({ text, terms, context }) => `${text} ${terms} ${context}`.includes(word)),
  )
  const beside = (await memory.around('s', 0, 100, 100)).filter(({ text }) => text.includes(word))
  return [...found.text, ...found.passages, ...listed, ...beside]
}
