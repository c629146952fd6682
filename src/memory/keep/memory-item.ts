/**
 * Memory entries: creating one from a text (passages with terms, and a hash of the whole), reassembling its text, its `extra`, when it is
 * valid, and reading entries page by page.
 */
import { isObject } from '../../base/index.ts'
import type { MemoryEntry, MemoryFilter, MemoryItem, MemoryStore, Passage } from '../../store/index.ts'
import type { KeepDeps } from './exclusive-writer.ts'
import { dayTerms, termsOfDay } from '../recall/day-terms.ts'
import type { TextFormat } from '../text/text-engine.ts'
import { maxContextCharacters, maxRelations, maxSections, maxSessions } from './keep-limits.ts'

export interface Draft {
  readonly entry: Omit<MemoryEntry, 'hash'>
  readonly text: string
  readonly format: TextFormat
  /** Text of the previous turn; empty for the first. */
  readonly before: string
}

type MakeDeps = Pick<KeepDeps, 'text' | 'hash'>

/** Cuts a text into passages and makes their terms. Vectors of a long text follow later. */
export async function makeItem(deps: MakeDeps, draft: Draft): Promise<MemoryItem> {
  return (await makeItems(deps, [draft]))[0]!
}

/** The thread that reads texts is asked once for all of them. @returns an item for each draft, in order */
export async function makeItems({ text, hash }: MakeDeps, drafts: readonly Draft[]): Promise<readonly MemoryItem[]> {
  if (drafts.length === 0) return []
  const asked = drafts.map(({ text: whole, format, before }) => ({ text: whole, format, before: before.slice(0, maxContextCharacters) }))
  const [cut, hasher] = await Promise.all([(await text()).cut(asked), hash()])
  return drafts.map(({ entry, text: whole }, i) => {
    const { passages, before, vectors } = cut[i]!
    const at = entry.createdAt
    const context = joinTerms(before, termsOfDay(at).join(' '))
    const withDays = passages.map((passage) => ({
      ...passage,
      // The day of the text, and the days that it names relative to it.
      context: joinTerms(passage.context, joinTerms(context, dayTerms(passage.text, at).join(' '))),
    }))
    return { entry: { ...entry, hash: hasher(whole) }, passages: withDays, ...(vectors !== undefined && { vectors }) }
  })
}

function joinTerms(a: string, b: string): string {
  return a === '' || b === '' ? a + b : `${a} ${b}`
}

/** Reassembles a text from its overlapping passages. White space between two passages becomes one space. */
export function wholeText(passages: readonly Pick<Passage, 'start' | 'text'>[]): string {
  let whole = ''
  let end = 0
  for (const { start, text } of passages) {
    if (start >= end) whole += `${' '.repeat(start > end && whole !== '' ? 1 : 0)}${text}`
    else whole += text.slice(end - start)
    end = Math.max(end, start + text.length)
  }
  return whole
}

/** Defaults of a new entry. */
export const freshFacts: Pick<
  MemoryEntry,
  | 'session'
  | 'stream'
  | 'place'
  | 'tags'
  | 'labels'
  | 'validTo'
  | 'supersededBy'
  | 'contradicts'
  | 'confirmedBy'
  | 'tier'
  | 'protection'
  | 'accesses'
  | 'seq'
> = {
  session: '',
  stream: '',
  place: 0,
  tags: [],
  labels: [],
  validTo: null,
  supersededBy: '',
  contradicts: [],
  confirmedBy: [],
  tier: 'warm',
  protection: 'none',
  accesses: 0,
  seq: 0,
}

export interface EntryExtra {
  /** The call that wrote it, and who made that call in which session and turn. */
  readonly call?: string
  readonly actor?: string
  readonly session?: string
  readonly turn?: string
  /** The first distinct sessions that accessed it, `maxSessions` at most. */
  readonly sessions?: readonly string[]
  /** Ids of the entries that it superseded. */
  readonly supersedes?: readonly string[]
  /** The person who removed the label `untrusted`, and when. */
  readonly promoted?: { readonly by: string; readonly at: number }
  /** Of a fact that was learned: what read it in its message. */
  readonly by?: 'rule' | 'model'
  /** Of a document: its title, and the hash of the file. */
  readonly title?: string
  readonly file?: string
  readonly sections?: number
}

/** Never throws: invalid fields, e.g. from an import, are left out. */
export function extraOf(entry: Pick<MemoryEntry, 'extra'>): EntryExtra {
  try {
    const value: unknown = JSON.parse(entry.extra === '' ? '{}' : entry.extra)
    if (!isObject(value)) return {}
    return Object.fromEntries(Object.entries(value).filter(([name, each]) => fits(name, each)))
  } catch {
    return {}
  }
}

function fits(name: string, value: unknown): boolean {
  if (/^(?:call|actor|session|turn|title|file)$/.test(name)) return typeof value === 'string'
  if (name === 'supersedes') return Array.isArray(value) && value.length <= maxRelations && value.every((id) => typeof id === 'string')
  if (name === 'sessions') return Array.isArray(value) && value.length <= maxSessions && value.every((id) => typeof id === 'string')
  if (name === 'sections') return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= maxSections
  if (name === 'by') return value === 'rule' || value === 'model'
  if (name !== 'promoted') return true
  const { by, at } = (typeof value === 'object' ? (value ?? {}) : {}) as { readonly by?: unknown; readonly at?: unknown }
  return typeof by === 'string' && typeof at === 'number'
}

/** Matching entries, newest first, in non-empty pages of `size`. Concurrent writes may be missed; nothing is returned twice. */
export async function* entryPages(
  memory: Pick<MemoryStore, 'list'>,
  filter: MemoryFilter,
  size: number,
): AsyncGenerator<readonly MemoryEntry[], void, undefined> {
  for (let last: MemoryEntry | undefined; ;) {
    const page = await memory.list(filter, size, last)
    if (page.length > 0) yield page
    last = page.at(-1)
    if (last === undefined || page.length < size) return
  }
}

/** @returns entries with their texts, in order, read in batches of `size`; erased ones are left out */
export async function itemsOf(
  memory: Pick<MemoryStore, 'items'>,
  entries: readonly Pick<MemoryEntry, 'id'>[],
  size: number,
): Promise<readonly MemoryItem[]> {
  const items: MemoryItem[] = []
  for (let at = 0; at < entries.length; at += size) items.push(...(await memory.items(entries.slice(at, at + size).map(({ id }) => id))))
  return items
}

/**
 * Whether an entry is valid at a time. A superseded entry ends when its successor begins; without a recorded end, when it was last changed.
 */
export function holdsAt(entry: Pick<MemoryEntry, 'validFrom' | 'validTo' | 'supersededBy' | 'updatedAt'>, at: number): boolean {
  if (entry.validFrom > at || (entry.validTo !== null && entry.validTo <= at)) return false
  return entry.supersededBy === '' || entry.validTo !== null || at < entry.updatedAt
}
