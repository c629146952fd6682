/**
 * Puts the hunks of one file where they belong. No fuzz: every old line must stand in the file exactly as the hunk has it. Only
 * the line number may be wrong, and only while there is one place where the old lines stand.
 */
import { failed } from '../failure.ts'
import { nearestMatch } from '../files/nearest-match.ts'
import { excerptCharacters, excerptLines } from '../limits.ts'
import type { Hunk, HunkLine } from './parse-hunk.ts'

export interface Fitted {
  readonly text: string
  readonly added: number
  readonly removed: number
  /** Hunks that were found at another line than they say. */
  readonly shifted: number
}

/** @param virtual names the file in errors. @throws `edit_mismatch`: which hunk, and what stands there instead. */
export function fitHunks(text: string, hunks: readonly Hunk[], virtual: string): Fitted {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? []
  const out: string[] = []
  let done = 0
  let shift = 0
  let shifted = 0
  for (const hunk of hunks) {
    const old = hunk.lines.filter((line) => line.kind !== '+')
    const at = placeOf(lines, old, hunk, done, shift)
    if (typeof at !== 'number') throw misfit(text, lines, old, hunk, { virtual, of: hunks.length, places: at, done })
    shift = at - statedAt(hunk, old)
    if (shift !== 0) shifted += 1
    out.push(...lines.slice(done, at))
    done = at
    for (const line of hunk.lines) {
      if (line.kind === '+') out.push(line.text)
      // What stays is what stands in the file: its last line may lack the newline that the diff gives it.
      else if (line.kind === ' ') out.push(lines[done]!)
      if (line.kind !== '+') done += 1
    }
  }
  out.push(...lines.slice(done))
  const count = (kind: HunkLine['kind']): number =>
    hunks.reduce((sum, hunk) => sum + hunk.lines.filter((line) => line.kind === kind).length, 0)
  return { text: join(out), added: count('+'), removed: count('-'), shifted }
}

/** Only the last line of a file may have no newline. */
function join(lines: readonly string[]): string {
  return lines.map((line, i) => (i < lines.length - 1 && !line.endsWith('\n') ? `${line}\n` : line)).join('')
}

/** Index of the first line that the hunk replaces, if its header is right. */
function statedAt(hunk: Hunk, old: readonly HunkLine[]): number {
  return old.length === 0 ? hunk.oldStart : Math.max(0, hunk.oldStart - 1)
}

/** @returns the index, or all the places where it would fit when it is not clear which is meant. */
function placeOf(lines: readonly string[], old: readonly HunkLine[], hunk: Hunk, from: number, shift: number): number | readonly number[] {
  const stated = statedAt(hunk, old)
  // What was off before is most likely off by as much here.
  for (const at of [stated + shift, stated]) if (at >= from && at <= lines.length && fitsAt(lines, old, at)) return at
  // Without old lines nothing but the number says where.
  if (old.length === 0) return []
  const places: number[] = []
  for (let at = from; at + old.length <= lines.length && places.length < maxPlaces; at += 1) if (fitsAt(lines, old, at)) places.push(at)
  return places.length === 1 ? places[0]! : places
}

/** As many as an error message names. */
const maxPlaces = 10

function fitsAt(lines: readonly string[], old: readonly HunkLine[], at: number): boolean {
  return old.every((line, i) => isSame(lines, at + i, line.text))
}

/** A diff written by hand seldom says that a file's last line has no newline; such a line is the same all the same. */
function isSame(lines: readonly string[], at: number, text: string): boolean {
  const line = lines[at]
  return line === text || (at === lines.length - 1 && line !== undefined && !line.endsWith('\n') && `${line}\n` === text)
}

interface Misfit {
  readonly virtual: string
  readonly of: number
  readonly places: readonly number[]
  readonly done: number
}

function misfit(text: string, lines: readonly string[], old: readonly HunkLine[], hunk: Hunk, found: Misfit): Error {
  const which = `Hunk ${hunk.number} of ${found.of} for ${found.virtual} (line ${hunk.at} of the diff, ${hunk.header})`
  const unchanged = 'Nothing was changed.'
  if (found.places.length > 1) {
    const numbers = found.places.map((at) => at + 1).join(', ')
    const hint = 'Correct the line number in its header, or give it more lines of context.'
    return failed(
      'edit_mismatch',
      `${which} fits at ${found.places.length} places, lines ${numbers}, and at none as it says. ${unchanged}`,
      hint,
    )
  }
  if (old.length === 0 || lines.length === 0) {
    const has = lines.length === 1 ? '1 line' : `${lines.length} lines`
    return failed(
      'edit_mismatch',
      `${which} does not fit: the file has ${has}. ${unchanged}`,
      'Read the file and write the hunk for what stands in it.',
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
    `${which} does not fit.`,
    at < found.done && fitsAt(lines, old, at)
      ? `Its lines stand at line ${at + 1}, which a hunk before it has taken: hunks go from top to bottom.`
      : `Line ${at + differs + 1} of the file ${there === undefined ? 'does not exist' : `is ${quote(there)}`}; the hunk has ${quote(old[differs]!.text)}.`,
    `${unchanged} What stands there, from line ${at + 1}:`,
    lines
      .slice(at, at + Math.max(excerptLines, differs + 1))
      .join('')
      .slice(0, excerptCharacters)
      .replace(/\n$/, ''),
  ]
  const hint =
    near?.onlySpaces === true ? 'Only spaces, tabs or line ends differ: copy them exactly.' : 'Write the hunk for what stands in the file.'
  return failed('edit_mismatch', message.join('\n'), hint)
}

function quote(line: string): string {
  return JSON.stringify(line.replace(/\n$/, '').slice(0, 120))
}
