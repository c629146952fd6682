/** Finds the place in a file that most resembles a text that is not in it, so that a failed edit says what to mend. */
import { excerptCharacters, excerptLines, maxBlockCompares, maxCompareLines } from '../limits.ts'

export interface NearestMatch {
  readonly line: number
  readonly excerpt: string
  /** The lines are equal when spaces are not counted. */
  readonly onlySpaces: boolean
}

/** Below this likeness a place is not worth showing. */
const worthShowing = 0.5

/** @returns null when nothing in the file resembles the text. */
export function nearestMatch(file: string, wanted: string): NearestMatch | null {
  const lines = file.split('\n', maxCompareLines)
  const block = wanted.replace(/^\n+|\n+$/g, '').split('\n')
  const anchor = Math.max(
    0,
    block.findIndex((line) => line.trim() !== ''),
  )
  const anchorPairs = pairsOf(block[anchor] ?? '')
  let best = { score: 0, line: 0 }
  let compares = maxBlockCompares
  for (const [i, line] of lines.entries()) {
    const first = likeness(anchorPairs, pairsOf(line))
    // The whole block is compared only where its first line fits: long files stay cheap.
    if (first < worthShowing || i < anchor) continue
    // Where all lines are alike it would take for ever: the best so far has to do.
    if (compares <= 0) break
    compares -= block.length
    const score = first + blockLikeness(lines, i - anchor, block)
    if (score > best.score) best = { score, line: i - anchor + 1 }
  }
  if (best.score === 0) return null
  const place = lines.slice(best.line - 1, best.line - 1 + block.length)
  return {
    line: best.line,
    excerpt: place.slice(0, excerptLines).join('\n').slice(0, excerptCharacters),
    onlySpaces: squeeze(place.join('\n')) === squeeze(block.join('\n')),
  }
}

function squeeze(text: string): string {
  return text.replace(/\s+/g, '')
}

/** Share of the block's lines that are at the place, spaces around them not counted. */
function blockLikeness(lines: readonly string[], from: number, block: readonly string[]): number {
  const same = block.filter((line, i) => lines[from + i]?.trim() === line.trim())
  return same.length / block.length
}

/** Pairs of neighbouring characters, spaces left out. */
function pairsOf(line: string): ReadonlySet<string> {
  const text = squeeze(line.slice(0, excerptCharacters))
  const pairs = new Set<string>()
  for (let i = 0; i < Math.max(1, text.length - 1); i += 1) pairs.add(text.slice(i, i + 2))
  return pairs
}

/** Sørensen–Dice coefficient of two sets: 1 for the same, 0 for nothing in common. */
function likeness(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let shared = 0
  for (const pair of a) if (b.has(pair)) shared += 1
  return (2 * shared) / (a.size + b.size)
}
