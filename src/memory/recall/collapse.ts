/** One result for what says the same: the best stays and names what it stands for. */
import type { Candidate } from './candidate.ts'
import { duplicateShare, duplicateWords } from './recall-limits.ts'

/**
 * @param list in order: of several alike the first stays
 * @param enough how many are wanted; nothing is compared after that
 */
export function collapse(list: readonly Candidate[], enough: number): Candidate[] {
  const kept: { candidate: Candidate; shingles: ReadonlySet<string>; standsFor: string[] }[] = []
  for (const candidate of list) {
    const { entry, text } = candidate.passage
    // The other passages of an entry are read with it.
    if (kept.some((each) => each.candidate.passage.entry.id === entry.id)) continue
    const shingles = shinglesOf(text)
    const same = kept.find((each) => isDuplicate(each.candidate, each.shingles, candidate, shingles))
    if (same !== undefined) same.standsFor.push(entry.id)
    else if (kept.length < enough) kept.push({ candidate, shingles, standsFor: [] })
    else break
  }
  return kept.map(({ candidate, standsFor }) => ({ ...candidate, standsFor }))
}

function isDuplicate(a: Candidate, ofA: ReadonlySet<string>, b: Candidate, ofB: ReadonlySet<string>): boolean {
  // What holds does not stand for what held, nor the trusted for what is not.
  if (a.holds !== b.holds || a.passage.entry.labels.join() !== b.passage.entry.labels.join()) return false
  if (a.passage.text === b.passage.text) return true
  if (Math.min(ofA.size, ofB.size) < duplicateWords) return false
  return overlap(ofA, ofB) >= duplicateShare
}

/** Runs of three words, or of three characters where words have no spaces. A number or a name that differs makes three of them differ. */
function shinglesOf(text: string): ReadonlySet<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? []
  const pieces = words.length * 8 < text.length ? Array.from(text.toLowerCase()) : words
  const shingles = new Set<string>()
  for (let i = 0; i + 2 < pieces.length; i++) shingles.add(`${pieces[i]} ${pieces[i + 1]} ${pieces[i + 2]}`)
  return shingles
}

/** Share of what either has that both have. */
function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let both = 0
  for (const each of a) if (b.has(each)) both += 1
  return both / (a.size + b.size - both)
}
