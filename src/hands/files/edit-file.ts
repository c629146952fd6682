/** Replaces exact text. When it is missing or ambiguous, the error shows the nearest match or the line numbers. */
import type { HandsOps } from '../../protocol/index.ts'
import { failed, fromSystemError } from '../failure.ts'
import {
  excerptCharacters,
  excerptLines,
  maxBlockCompares,
  maxCompareLines,
  maxEditBytes,
  maxEditPlaces,
  maxReplaceTries,
} from '../limits.ts'
import { contentHash, requireHash } from './file-state.ts'
import { readWholeText } from './read-file.ts'
import { type Place, refuseGuarded, type Root, toPlace } from './workspace-path.ts'
import { replaceFile, keepsChanging } from './write-file.ts'

export async function editFile(roots: readonly Root[], input: HandsOps['edit']['input']): Promise<HandsOps['edit']['output']> {
  if (input.find === '') throw failed('bad_input', 'The text to find is empty.', 'Pass the exact text to replace.')
  const { ifHash = '' } = input
  for (let tries = 0; tries < maxReplaceTries; tries += 1) {
    const { place, text, mode, hash: was, standing } = await readWholeText(roots, input.path)
    refuseGuarded(roots, place)
    if (ifHash !== '') requireHash(place, was, ifHash)
    const { count, first } = placesOf(text, input.find)
    if (count === 0) throw notFound(place, text, input.find)
    if (count > 1 && !input.all) throw moreThanOnce(place, text, count, first)
    refuseTooMuch(place, text, input, count)
    const bytes = Buffer.from(text.split(input.find).join(input.replace))
    try {
      if (!(await replaceFile({ ...place, mode }, bytes, standing))) continue
    } catch (error) {
      throw fromSystemError(error, place.virtual)
    }
    return { replaced: count, firstLine: lineAt(text, first[0] ?? 0), hash: contentHash(bytes), was }
  }
  throw keepsChanging(toPlace(roots, input.path).virtual)
}

/** Occurrences that a replacement would replace, without overlaps. `first` has as many as an error shows. */
function placesOf(text: string, find: string): { readonly count: number; readonly first: readonly number[] } {
  const first: number[] = []
  let count = 0
  for (let at = text.indexOf(find); at !== -1; at = text.indexOf(find, at + find.length)) {
    count += 1
    if (first.length < 10) first.push(at)
  }
  return { count, first }
}

/** Checked before the edit: replacing a short text that occurs everywhere could exhaust memory. */
function refuseTooMuch(place: Place, text: string, { find, replace }: HandsOps['edit']['input'], count: number): void {
  const bytes = Buffer.byteLength(text) + count * (Buffer.byteLength(replace) - Buffer.byteLength(find))
  if (bytes <= maxEditBytes && count <= maxEditPlaces) return
  throw failed(
    'limit_reached',
    `Replacing ${count} occurrences, so that ${place.virtual} has ${bytes} bytes, is too much for an edit.`,
    'Use a command such as sed.',
  )
}

function lineAt(text: string, index: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < index; at = text.indexOf('\n', at + 1)) line += 1
  return line
}

function notFound(place: Place, text: string, find: string): Error {
  const nearest = nearestMatch(text, find)
  const message = `The text to replace is not in ${place.virtual}.`
  if (nearest === null) {
    return failed('edit_mismatch', `${message} Nothing in the file resembles it.`, 'Read the file and copy the text exactly.')
  }
  const numbered = /^ *\d+\t/.test(find)
  const hint = numbered
    ? 'Leave out the line numbers that file_read adds to each line.'
    : nearest.onlySpaces
      ? 'Only spaces, tabs or line ends differ: copy them exactly.'
      : 'Copy the text exactly as it is in the file.'
  return failed('edit_mismatch', `${message} Nearest match, at line ${nearest.line}:\n${nearest.excerpt}`, hint)
}

function moreThanOnce(place: Place, text: string, count: number, first: readonly number[]): Error {
  const lines = first.map((at) => lineAt(text, at)).join(', ') + (count > first.length ? ', …' : '')
  return failed(
    'edit_mismatch',
    `The text to replace occurs ${count} times in ${place.virtual}, at lines ${lines}.`,
    'Include more surrounding lines, or set all.',
  )
}

// Finds the part of a file that most resembles a missing text, so that a failed edit shows what to correct.

interface NearestMatch {
  readonly line: number
  readonly excerpt: string
  /** The lines are equal except for white space. */
  readonly onlySpaces: boolean
}

/** Less similar matches are not shown. */
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
    // Compare the whole block only where its first line matches: long files stay cheap.
    if (first < worthShowing || i < anchor) continue
    // Where all lines are similar the search would take too long: use the best match so far.
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

/** Share of the block's lines found at the place, ignoring surrounding white space. */
function blockLikeness(lines: readonly string[], from: number, block: readonly string[]): number {
  const same = block.filter((line, i) => lines[from + i]?.trim() === line.trim())
  return same.length / block.length
}

/** Pairs of adjacent characters, without spaces. */
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
