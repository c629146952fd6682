/** Whether two texts say the same: by shingles of their words, and by their vectors where there are some. */
import { sameCosine, sameShingles } from './tidy-limits.ts'

/** Pairs and single words: order counts, and short texts have something to compare. */
export function shinglesOf(text: string): ReadonlySet<string> {
  const words = text.toLowerCase().match(/[\p{L}\d]+/gu) ?? []
  const shingles = new Set<string>(words)
  for (let i = 0; i + 1 < words.length; i++) shingles.add(`${words[i]} ${words[i + 1]}`)
  return shingles
}

/** Jaccard: 1 for equal sets, 0 for sets without anything in common, and for empty ones. */
export function likeness(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let shared = 0
  for (const each of a) if (b.has(each)) shared++
  const all = a.size + b.size - shared
  return all === 0 ? 0 : shared / all
}

export interface Comparable {
  readonly hash: string
  readonly text: string
  readonly shingles: ReadonlySet<string>
  /** Unit vector, or null. */
  readonly vector: Float32Array | null
}

/** Numbers and negations turn a sentence round while nearly all its words stay. */
const turning =
  /\d[\d.,:]*|(?<!\p{L})(?:not|no|never|without|cannot|\p{L}+n't|nicht|kein\p{L}{0,2}|nie|ne|pas|jamais|non|nunca|não|не|нет|никогда)(?!\p{L})|않|안 |못/giu

/** @returns true for the same text, and for texts that differ in words of no weight. */
export function saysTheSame(a: Comparable, b: Comparable): boolean {
  if (a.hash === b.hash) return true
  const turns = ({ text }: Comparable): string => (text.toLowerCase().replaceAll('’', "'").match(turning) ?? []).join(' ')
  if (turns(a) !== turns(b)) return false
  const alike = likeness(a.shingles, b.shingles)
  // Vectors of short texts are near each other when only a name differs: words must agree with them.
  return (
    alike >= sameShingles ||
    (alike >= 0.5 && a.vector !== null && b.vector !== null && cosine(a.vector, b.vector) > sameCosine && sameNames(a.text, b.text))
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
