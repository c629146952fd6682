/**
 * Compares what memory knows with itself: what says the same becomes one, and contradictions are found. Two texts say the same by the
 * shingles of their words, and by their vectors where there are some.
 */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import type { MemoryEntry } from '../../store/index.ts'
import { pinTag, protections } from './decay.ts'
import { sameValue, type Statement, topicOf } from './statements.ts'
import { changeOf, type TidyChange, type TidyStep, withRelated } from './tidy-change.ts'
import { comparedAtOnce, sameCosine, sameShingles } from './tidy-limits.ts'

export interface Known extends Comparable {
  readonly entry: MemoryEntry
  readonly statement: Statement | null
}

/** The one that stays: trusted before untrusted, a person's note before a fact, better protected, older. */
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
 * Each with each, some at a time: the event loop is free between. @returns what makes one of those that say the same. None takes the
 * place of a note that a person wrote but another note.
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

/** What is pinned becomes one with nothing but the same words, and nothing with what ends before it. */
function mayMerge(kept: Known, other: Known): boolean {
  if ((kept.entry.validTo ?? Infinity) < (other.entry.validTo ?? Infinity)) return false
  const [a, b] = [kept.statement, other.statement]
  if (a !== null && b !== null && topicOf(a) === topicOf(b) && !sameValue(a.value, b.value)) return false
  const pinned = other.entry.tags.includes(pinTag)
  return pinned ? kept.hash === other.hash : saysTheSame(kept, other)
}

/**
 * Contradictions: the same subject and attribute, another value. Where only one value can hold and the later one is as trustworthy,
 * the earlier one held until then. Otherwise both are marked, and a person is asked.
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
    const held = topics.get(topic)
    if (held === undefined) topics.set(topic, [each as Known & { readonly statement: Statement }])
    else held.push(each as Known & { readonly statement: Statement })
  }
  const changes: TidyChange[] = []
  const asks: string[] = []
  for (const same of topics.values()) {
    const inTime = same.toSorted((a, b) => a.entry.validFrom - b.entry.validFrom || a.entry.createdAt - b.entry.createdAt)
    for (let i = 0; i + 1 < inTime.length; i++) {
      const [earlier, later] = [inTime[i]!, inTime[i + 1]!]
      if (!saysOtherwise(earlier.statement, later.statement)) continue
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

/** To like and not to like the same thing are one question. */
const opposites: ReadonlySet<string> = new Set(['likes', 'does not like'])

function saysOtherwise(a: Statement, b: Statement): boolean {
  return a.single ? !sameValue(a.value, b.value) : a.attribute !== b.attribute
}

/** A later word of the same person ends an earlier one. What others wrote ends nothing, and nothing ends what is pinned. */
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

/** Pairs and single words: order counts, and short texts have something to compare. */
function shinglesOf(text: string): ReadonlySet<string> {
  const words = text.toLowerCase().match(/[\p{L}\d]+/gu) ?? []
  const shingles = new Set<string>(words)
  for (let i = 0; i + 1 < words.length; i++) shingles.add(`${words[i]} ${words[i + 1]}`)
  return shingles
}

/**
 * Whether what two sets share is at least this part of all that they have; nothing is like an empty one. Most pairs are told apart by
 * their first words, and the rest is not looked at.
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
  /** What turns its sentences round. */
  readonly turns: string
  /** Unit vector, or null. */
  readonly vector: Float32Array | null
}

/** Read once: each is compared with hundreds of others. */
export function comparable(hash: string, text: string): Comparable {
  const turns = (text.toLowerCase().replaceAll('’', "'").match(turning) ?? []).join(' ')
  return { hash, text, shingles: shinglesOf(text), turns, vector: null }
}

/** Numbers and negations turn a sentence round while nearly all its words stay. */
const turning =
  /\d[\d.,:]*|(?<!\p{L})(?:not|no|never|without|cannot|\p{L}+n't|nicht|kein\p{L}{0,2}|nie|ne|pas|jamais|non|nunca|não|не|нет|никогда)(?!\p{L})|않|안 |못/giu

/** @returns true for the same text, and for texts that differ in words of no weight. */
export function saysTheSame(a: Comparable, b: Comparable): boolean {
  if (a.hash === b.hash) return true
  if (a.turns !== b.turns) return false
  if (areAlike(a.shingles, b.shingles, sameShingles)) return true
  // Vectors of short texts are near each other when only a name differs: words must agree with them.
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
