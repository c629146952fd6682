/** Whether two texts say the same: by shingles of their words, and by their vectors where there are some. */
import { sameCosine, sameShingles } from './tidy-limits.ts'

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

export interface Comparable {
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
