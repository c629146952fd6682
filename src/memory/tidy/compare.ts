/**
 * Finds duplicates and contradictions among notes and facts. Duplicates are recognized by word shingles, and by vectors where available.
 */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import type { MemoryEntry } from '../../store/index.ts'
import { apartOf, mayShare } from '../keep/provenance.ts'
import { pinTag, protections } from './decay.ts'
import { sameValue, type Statement, topicOf } from './statements.ts'
import { changeOf, type TidyChange, type TidyStep, withRelated } from './tidy-change.ts'
import { comparedAtOnce, sameCosine, sameShingles } from './tidy-limits.ts'

export interface Known extends Comparable {
  readonly entry: MemoryEntry
  readonly statement: Statement | null
}

/** Order in which duplicates are kept: trusted before untrusted, notes before facts, then better protected, then older. */
function byWorth(a: Known, b: Known): number {
  const untrusted = ({ entry }: Known): number => Number(entry.labels.includes('untrusted'))
  const found = ({ entry }: Known): number => Number(entry.kind !== 'note')
  const weak = ({ entry }: Known): number => -protections.indexOf(entry.protection)
  return (
    untrusted(a) - untrusted(b) ||
    found(a) - found(b) ||
    weak(a) - weak(b) ||
    a.entry.createdAt - b.entry.createdAt ||
    (a.entry.id < b.entry.id ? -1 : 1)
  )
}

/**
 * Compares all pairs in batches, yielding to the event loop in between. @returns the changes that merge duplicates. A person's note is
 * merged only into another note.
 */
export async function mergeDuplicates(known: readonly Known[], now: number): Promise<readonly TidyChange[]> {
  const changes: TidyChange[] = []
  const gone = new Set<string>()
  const sorted = known.toSorted(byWorth)
  let compared = 0
  for (const [i, kept] of sorted.entries()) {
    if (gone.has(kept.entry.id)) continue
    for (const other of sorted.slice(i + 1)) {
      if (++compared % comparedAtOnce === 0) await yieldToEventLoop()
      if (gone.has(other.entry.id) || !mayMerge(kept, other)) continue
      gone.add(other.entry.id)
      changes.push(
        changeOf('merged', other.entry, other.text, { supersededBy: kept.entry.id, validTo: now, updatedAt: now }, kept.entry.id),
      )
    }
  }
  return changes
}

/** Pinned entries merge only with identical text, and no entry merges into one that ends earlier. */
function mayMerge(kept: Known, other: Known): boolean {
  if (!mayShare(kept.entry.author, other.entry.author)) return false
  if ((kept.entry.validTo ?? Infinity) < (other.entry.validTo ?? Infinity)) return false
  const [a, b] = [kept.statement, other.statement]
  if (a !== null && b !== null && topicOf(a) === topicOf(b) && !sameValue(a.value, b.value)) return false
  const pinned = other.entry.tags.includes(pinTag)
  return pinned ? kept.hash === other.hash : areDuplicates(kept, other)
}

/**
 * Contradictions: the same subject and attribute with different values. If only one value can be valid and the later one is as
 * trustworthy, it supersedes the earlier one. Otherwise both are flagged and a person is asked.
 */
export function findContradictions(known: readonly Known[], now: number): Pick<TidyStep, 'changes' | 'asks'> {
  const topics = new Map<string, (Known & { readonly statement: Statement })[]>()
  for (const each of known) {
    if (each.statement === null || !(each.statement.single || opposites.has(each.statement.attribute))) continue
    const topic = topicOf(
      each.statement.single
        ? each.statement
        : { subject: each.statement.subject, attribute: `likes ${each.statement.value.toLowerCase()}` },
    )
    // What one keeps to itself contradicts nothing that others say: each would be told of the other.
    const key = `${apartOf(each.entry.author)}\n${topic}`
    const held = topics.get(key)
    if (held === undefined) topics.set(key, [each as Known & { readonly statement: Statement }])
    else held.push(each as Known & { readonly statement: Statement })
  }
  const changes: TidyChange[] = []
  const asks: string[] = []
  for (const same of topics.values()) {
    const inTime = same.toSorted((a, b) => a.entry.validFrom - b.entry.validFrom || a.entry.createdAt - b.entry.createdAt)
    for (let i = 0; i + 1 < inTime.length; i++) {
      const [earlier, later] = [inTime[i]!, inTime[i + 1]!]
      if (!haveDifferentValues(earlier.statement, later.statement)) continue
      if (isCertain(earlier.entry, later.entry)) {
        const after = { supersededBy: later.entry.id, validTo: later.entry.validFrom, updatedAt: now }
        changes.push(changeOf('superseded', earlier.entry, earlier.text, after, later.entry.id))
      } else if (!earlier.entry.contradicts.includes(later.entry.id)) {
        changes.push(...flag(earlier, later, now))
        asks.push(
          `${JSON.stringify(earlier.text)} (${earlier.entry.id}) or ${JSON.stringify(later.text)} (${later.entry.id})? memory_supersede or memory_confirm settles it.`,
        )
      }
    }
  }
  return { changes, asks }
}

/** Liking and disliking the same thing contradict each other. */
const opposites: ReadonlySet<string> = new Set(['likes', 'does not like'])

function haveDifferentValues(a: Statement, b: Statement): boolean {
  return a.single ? !sameValue(a.value, b.value) : a.attribute !== b.attribute
}

/** A later trusted statement of the same author supersedes an earlier one that is neither confirmed nor pinned. */
function isCertain(earlier: MemoryEntry, later: MemoryEntry): boolean {
  const trusted = !later.labels.includes('untrusted')
  return (
    trusted &&
    later.validFrom > earlier.validFrom &&
    later.author === earlier.author &&
    earlier.confirmedBy.length === 0 &&
    !earlier.tags.includes(pinTag)
  )
}

function flag(a: Known, b: Known, now: number): readonly TidyChange[] {
  const mark = (one: Known, other: Known): TidyChange =>
    changeOf(
      'flagged',
      one.entry,
      one.text,
      { contradicts: withRelated(one.entry.contradicts, other.entry.id), updatedAt: now },
      other.entry.id,
    )
  return [mark(a, b), mark(b, a)]
}

/** Word pairs capture order; single words make short texts comparable. */
function shinglesOf(text: string): ReadonlySet<string> {
  const words = text.toLowerCase().match(/[\p{L}\d]+/gu) ?? []
  const shingles = new Set<string>(words)
  for (let i = 0; i + 1 < words.length; i++) shingles.add(`${words[i]} ${words[i + 1]}`)
  return shingles
}

/**
 * Whether the Jaccard similarity of two sets is at least `least`; false if one is empty. Stops at the first words for most pairs.
 */
export function areAlike(a: ReadonlySet<string>, b: ReadonlySet<string>, least: number): boolean {
  const shared = (least * (a.size + b.size)) / (1 + least) - rounding
  if (a.size === 0 || Math.min(a.size, b.size) < shared) return false
  let mayMiss = a.size - shared
  for (const each of a) if (!b.has(each) && --mayMiss < 0) return false
  return true
}

const rounding = 1e-9

interface Comparable {
  readonly hash: string
  readonly text: string
  readonly shingles: ReadonlySet<string>
  /** Numbers and negations. */
  readonly turns: string
  /** Unit vector, or null. */
  readonly vector: Float32Array | null
}

/** Precomputed, because each text is compared with hundreds of others. */
export function comparable(hash: string, text: string): Comparable {
  const turns = (text.toLowerCase().replaceAll('’', "'").match(turning) ?? []).join(' ')
  return { hash, text, shingles: shinglesOf(text), turns, vector: null }
}

/** Numbers and negations change the meaning of a sentence while nearly all words stay the same. */
const turning =
  /\d[\d.,:]*|(?<!\p{L})(?:not|no|never|without|cannot|\p{L}+n't|nicht|kein\p{L}{0,2}|nie|ne|pas|jamais|non|nunca|não|не|нет|никогда)(?!\p{L})|않|안 |못/giu

/** @returns true for equal texts and for those that differ only in insignificant words. */
export function areDuplicates(a: Comparable, b: Comparable): boolean {
  if (a.hash === b.hash) return true
  if (a.turns !== b.turns) return false
  if (areAlike(a.shingles, b.shingles, sameShingles)) return true
  // Vectors of short texts that differ only in a name are close, so words and names must match too.
  return (
    a.vector !== null &&
    b.vector !== null &&
    areAlike(a.shingles, b.shingles, 0.5) &&
    cosine(a.vector, b.vector) > sameCosine &&
    sameNames(a.text, b.text)
  )
}

function sameNames(a: string, b: string): boolean {
  const names = (text: string): string => [...new Set(text.slice(1).match(/\b\p{Lu}[\p{L}\d]*/gu) ?? [])].sort().join(' ')
  return names(a) === names(b)
}

function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < Math.min(a.length, b.length); i++) sum += a[i]! * b[i]!
  return sum
}
