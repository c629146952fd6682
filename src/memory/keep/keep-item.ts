/** From a text to what the store keeps of it: passages with their terms, made by the text thread, and a hash of the whole. */
import type { MemoryEntry, MemoryItem, Passage } from '../../store/index.ts'
import { dayTerms, termsOfDay } from '../recall/day-terms.ts'
import type { KeepDeps } from '../keep-deps.ts'
import type { TextFormat } from '../text-engine.ts'
import { maxContextCharacters } from './keep-limits.ts'

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
