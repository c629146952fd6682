/**
 * Applies the hunks of one file. No fuzz: every old line must match the file exactly. Only the line number may be wrong, and only if the
 * old lines occur once.
 */
import { failed } from '../failure.ts'
import { nearestMatch } from '../files/edit-file.ts'
import { excerptCharacters, excerptLines, maxPatchCompares, maxPatchLines } from '../limits.ts'
import type { Hunk, HunkLine } from './parse-diff.ts'

export interface Fitted {
  readonly text: string
  readonly added: number
  readonly removed: number
  /** Hunks that were found at another line than stated. */
  readonly shifted: number
}

/** @param virtual names the file in errors. @throws `edit_mismatch` with the hunk, and the file's lines there. */
export function fitHunks(text: string, hunks: readonly Hunk[], virtual: string): Fitted {
  const lines = linesOf(text, virtual)
  const out: string[] = []
  let done = 0
  let shift = 0
  let shifted = 0
  const search: Search = { compares: maxPatchCompares, index: null }
  for (const hunk of hunks) {
    const old = hunk.lines.filter((line) => line.kind !== '+')
    const at = placeOf(lines, old, hunk, { from: done, shift, search })
    if (typeof at !== 'number') throw misfit(text, lines, old, hunk, { virtual, of: hunks.length, places: at, done })
    shift = at - statedAt(hunk, old)
    if (shift !== 0) shifted += 1
    for (; done < at; done += 1) out.push(lines[done]!)
    for (const line of hunk.lines) {
      if (line.kind === '+') out.push(line.text)
      // Keep the file's own line: its last one may lack the newline that the diff has.
      else if (line.kind === ' ') out.push(lines[done]!)
      if (line.kind !== '+') done += 1
    }
  }
  for (; done < lines.length; done += 1) out.push(lines[done]!)
  const count = (kind: HunkLine['kind']): number =>
    hunks.reduce((sum, hunk) => sum + hunk.lines.filter((line) => line.kind === kind).length, 0)
  return { text: join(out), added: count('+'), removed: count('-'), shifted }
}

/** Counted first: each line becomes a string. */
function linesOf(text: string, virtual: string): readonly string[] {
  let count = 1
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count += 1
  if (count <= maxPatchLines) return text.match(/[^\n]*\n|[^\n]+$/g) ?? []
  throw failed('limit_reached', `${virtual} has more than ${maxPatchLines} lines. Nothing was changed.`, 'Use file_edit, or a command.')
}

/** Only the last line of a file may have no newline. */
function join(lines: readonly string[]): string {
  return lines.map((line, i) => (i < lines.length - 1 && !line.endsWith('\n') ? `${line}\n` : line)).join('')
}

/** Index of the first line that the hunk replaces, if its header is right. */
function statedAt(hunk: Hunk, old: readonly HunkLine[]): number {
  return old.length === 0 ? hunk.oldStart : Math.max(0, hunk.oldStart - 1)
}

interface Where {
  /** Lines above were consumed by earlier hunks. */
  readonly from: number
  readonly shift: number
  readonly search: Search
}

/** State of the search for hunks with a wrong line number. */
interface Search {
  /** How many lines may still be compared for this file: one of equal lines would take forever. */
  compares: number
  /** Positions of each line; built on first use. */
  index: ReadonlyMap<string, readonly number[]> | null
}

function makeIndex(lines: readonly string[]): ReadonlyMap<string, readonly number[]> {
  const index = new Map<string, number[]>()
  for (const [i, line] of lines.entries()) {
    const places = index.get(withoutNewline(line))
    if (places === undefined) index.set(withoutNewline(line), [i])
    else places.push(i)
  }
  return index
}

function withoutNewline(line: string): string {
  return line.endsWith('\n') ? line.slice(0, -1) : line
}

/** @returns the index; all positions where it would fit if there is not exactly one; or null if the search would take too long. */
function placeOf(
  lines: readonly string[],
  old: readonly HunkLine[],
  hunk: Hunk,
  { from, shift, search }: Where,
): number | readonly number[] | null {
  const stated = statedAt(hunk, old)
  // The offset of the previous hunk most likely applies here too.
  for (const at of [stated + shift, stated]) if (at >= from && at <= lines.length && fitsAt(lines, old, at)) return at
  // Without old lines only the number says where.
  if (old.length === 0) return []
  search.index ??= makeIndex(lines)
  // Try each position of its rarest line.
  let rarest: { offset: number; places: readonly number[] } | null = null
  for (const [offset, line] of old.entries()) {
    const standing = search.index.get(withoutNewline(line.text)) ?? []
    if (rarest === null || standing.length < rarest.places.length) rarest = { offset, places: standing }
  }
  const places: number[] = []
  for (const place of rarest?.places ?? []) {
    const at = place - rarest!.offset
    if (at < from || places.length >= maxPlaces) continue
    const same = old.findIndex((line, i) => !isSame(lines, at + i, line.text))
    if (same === -1) places.push(at)
    search.compares -= same === -1 ? old.length : same + 1
    if (search.compares <= 0) return null
  }
  return places.length === 1 ? places[0]! : places
}

/** The number that an error message shows. */
const maxPlaces = 10

function fitsAt(lines: readonly string[], old: readonly HunkLine[], at: number): boolean {
  return old.every((line, i) => isSame(lines, at + i, line.text))
}

/** Handwritten diffs rarely mark a missing newline at the end of a file, so it is ignored. */
function isSame(lines: readonly string[], at: number, text: string): boolean {
  const line = lines[at]
  return line === text || (at === lines.length - 1 && line !== undefined && !line.endsWith('\n') && `${line}\n` === text)
}

interface Misfit {
  readonly virtual: string
  readonly of: number
  readonly places: readonly number[] | null
  readonly done: number
}

function misfit(text: string, lines: readonly string[], old: readonly HunkLine[], hunk: Hunk, found: Misfit): Error {
  const which = `Hunk ${hunk.number} of ${found.of} for ${found.virtual} (line ${hunk.at} of the diff, ${hunk.header})`
  const unchanged = 'Nothing was changed.'
  if (found.places === null) {
    const hint = 'Correct the line number in its header.'
    return failed(
      'edit_mismatch',
      `${which} does not match at its line number, and a search for it would take too long. ${unchanged}`,
      hint,
    )
  }
  if (found.places.length > 1) {
    const numbers = found.places.map((at) => at + 1).join(', ')
    const hint = 'Correct the line number in its header, or give it more lines of context.'
    return failed(
      'edit_mismatch',
      `${which} matches at ${found.places.length} places, lines ${numbers}, but not at its line number. ${unchanged}`,
      hint,
    )
  }
  if (old.length === 0 || lines.length === 0) {
    const has = lines.length === 1 ? '1 line' : `${lines.length} lines`
    return failed(
      'edit_mismatch',
      `${which} does not match: the file has ${has}. ${unchanged}`,
      'Read the file and write the hunk for its current content.',
    )
  }
  const wanted = old.map((line) => line.text).join('')
  const near = nearestMatch(text, wanted)
  const at = near === null ? Math.min(statedAt(hunk, old), lines.length - 1) : near.line - 1
  const differs = Math.max(
    0,
    old.findIndex((line, i) => !isSame(lines, at + i, line.text)),
  )
  const there = lines[at + differs]
  const message = [
    `${which} does not match.`,
    at < found.done && fitsAt(lines, old, at)
      ? `Its lines are at line ${at + 1}, which an earlier hunk covers: order hunks from top to bottom.`
      : `Line ${at + differs + 1} of the file ${there === undefined ? 'does not exist' : `is ${quote(there)}`}; the hunk has ${quote(old[differs]!.text)}.`,
    `${unchanged} The file from line ${at + 1}:`,
    lines
      .slice(at, at + Math.max(excerptLines, differs + 1))
      .join('')
      .slice(0, excerptCharacters)
      .replace(/\n$/, ''),
  ]
  const hint =
    near?.onlySpaces === true
      ? 'Only spaces, tabs or line ends differ: copy them exactly.'
      : 'Write the hunk for the current content of the file.'
  return failed('edit_mismatch', message.join('\n'), hint)
}

function quote(line: string): string {
  return JSON.stringify(line.replace(/\n$/, '').slice(0, 120))
}
