/** From a text to what the store keeps of it: passages with their terms, made by the text thread, and a hash of the whole. */
import type { Hasher, MemoryEntry, MemoryItem, MemoryStore, Passage, Store } from '../../store/index.ts'
import type { Clock } from '../../types/index.ts'
import { dayTerms, termsOfDay } from '../recall/day-terms.ts'
import type { TextEngine, TextFormat } from '../text-engine.ts'
import type { LoneWriter } from '../lone-writer.ts'
import { maxContextCharacters, maxRelations, maxSections, maxSessions } from './keep-limits.ts'

/** What all parts of keeping share. Thread and hash are loaded with the first text. */
export interface KeepDeps {
  readonly memory: MemoryStore
  readonly store: Store
  readonly text: () => Promise<TextEngine>
  readonly hash: () => Promise<Hasher>
  readonly clock: Clock
  /** For what is read and written again: no change comes between, and those that are asked for wait. See `LoneWriter`. */
  readonly alone: LoneWriter['alone']
  /** Told of every entry that was written or went. */
  readonly changed: (change: { readonly put?: readonly MemoryEntry[]; readonly gone?: readonly string[] }) => void
}

export interface Draft {
  readonly entry: Omit<MemoryEntry, 'hash'>
  readonly text: string
  readonly format: TextFormat
  /** Text of the turn before; empty when there is none. */
  readonly before: string
}

export async function makeItem({ text: engine, hash }: Pick<KeepDeps, 'text' | 'hash'>, draft: Draft): Promise<MemoryItem> {
  const text = await engine()
  const before = draft.before.slice(0, maxContextCharacters)
  const [cut, beforeTerms, hashed] = await Promise.all([
    text.cut(draft.text, draft.format),
    before === '' ? '' : text.terms(before),
    hash().then((hasher) => hasher(draft.text)),
  ])
  const at = draft.entry.createdAt
  const context = joinTerms(beforeTerms, termsOfDay(at).join(' '))
  const passages = cut.map((passage) => ({
    ...passage,
    // Days that a text names, seen from when it was said, and that day itself.
    context: joinTerms(passage.context, joinTerms(context, dayTerms(passage.text, at).join(' '))),
  }))
  return { entry: { ...draft.entry, hash: hashed }, passages }
}

function joinTerms(a: string, b: string): string {
  return a === '' || b === '' ? a + b : `${a} ${b}`
}

/** Puts a text together again from its passages, which overlap. What stood between two of them, and was no text, is one space. */
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

/** What every new entry begins with. */
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

/** What its maker left in an entry to be found again. Never throws: an import may have brought anything, and what is not fit is not there. */
export function extraOf(entry: Pick<MemoryEntry, 'extra'>): EntryExtra {
  try {
    const value: unknown = JSON.parse(entry.extra === '' ? '{}' : entry.extra)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
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
  if (name !== 'promoted') return true
  const { by, at } = (typeof value === 'object' ? (value ?? {}) : {}) as { readonly by?: unknown; readonly at?: unknown }
  return typeof by === 'string' && typeof at === 'number'
}

export interface EntryExtra {
  /** The call that wrote it, and who made that call in which session and turn. */
  readonly call?: string
  readonly actor?: string
  readonly session?: string
  readonly turn?: string
  /** The first sessions in which it was wanted, distinct, `maxSessions` at most. */
  readonly sessions?: readonly string[]
  /** Ids of what it took the place of. */
  readonly supersedes?: readonly string[]
  /** A person who said that it may be trusted. */
  readonly promoted?: { readonly by: string; readonly at: number }
  /** Of a document: its title, and the hash of the file. */
  readonly title?: string
  readonly file?: string
  readonly sections?: number
}
