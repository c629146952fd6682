/** Searches text line by line in a fixed order of files; binary files, `.git` and `node_modules` are passed over. */
import { lstat } from 'node:fs/promises'
import type { HandsOps } from '../../types/index.ts'
import { fromSystemError, throwIfCancelled } from '../failure.ts'
import { maxDepth, maxMatchCharacters, searchBlockBytes } from '../limits.ts'
import { createGuard, toGlob, toPattern } from './pattern.ts'
import type { Guard } from './pattern.ts'
import { openRegularFile, toRealPlace } from './workspace-path.ts'
import type { Place, Root } from './workspace-path.ts'
import { walkFolder } from './walk-folder.ts'

type Match = HandsOps['search']['output']['matches'][number]

export async function searchFiles(
  roots: readonly Root[],
  input: HandsOps['search']['input'],
  signal: AbortSignal,
): Promise<HandsOps['search']['output']> {
  const guard = createGuard()
  const pattern = toPattern(input.pattern, input.regex, input.ignoreCase)
  const fits = toGlob(input.glob)
  const top = await toRealPlace(roots, input.path)
  const matches: Match[] = []
  let filesSearched = 0
  try {
    for await (const file of filesUnder(top, signal)) {
      // One file that was named itself is searched whatever its name.
      if (fits !== null && file !== top && !guard(() => fits(file.virtual.slice(top.virtual.length + 1)))) continue
      const searched = await searchFile(roots, file.virtual, pattern, guard, input.maxMatches + 1 - matches.length, signal)
      if (searched === null) continue
      filesSearched += 1
      matches.push(...searched)
      if (matches.length > input.maxMatches) return { matches: matches.slice(0, input.maxMatches), filesSearched, truncated: true }
    }
  } catch (error) {
    throw fromSystemError(error, top.virtual)
  }
  return { matches, filesSearched, truncated: false }
}

async function* filesUnder(top: Place, signal: AbortSignal): AsyncGenerator<Place> {
  if (!(await lstat(top.real)).isDirectory()) {
    yield top
    return
  }
  for await (const entry of walkFolder(top, maxDepth, signal)) {
    if (entry.kind === 'file') yield entry
  }
}

/** @returns null for a file that is binary or cannot be read. */
async function searchFile(
  roots: readonly Root[],
  path: string,
  pattern: RegExp,
  guard: Guard,
  most: number,
  signal: AbortSignal,
): Promise<Match[] | null> {
  const opened = await openRegularFile(roots, path).catch(() => null)
  if (opened === null) return null
  const matches: Match[] = []
  try {
    const buffer = Buffer.allocUnsafe(Math.min(searchBlockBytes, Math.max(1, opened.stats.size)))
    let carried = 0
    let line = 1
    for (;;) {
      throwIfCancelled(signal)
      const { bytesRead } = await opened.file.read(buffer, carried, buffer.length - carried, null)
      const filled = carried + bytesRead
      if (buffer.subarray(carried, filled).includes(0)) return null
      // Whole lines only, so that no match is split; a line as long as the block is searched in pieces.
      const newline = buffer.lastIndexOf(10, filled - 1)
      const ends = bytesRead === 0 || newline === -1 ? filled : newline + 1
      const lines = buffer.toString('utf8', 0, ends).split('\n')
      const first = line
      if (ends > 0) guard(() => collect(lines, pattern, opened.virtual, first, most, matches))
      if (bytesRead === 0 || matches.length >= most) return matches
      line += lines.length - 1
      buffer.copyWithin(0, ends, filled)
      carried = filled - ends
    }
  } finally {
    await opened.file.close()
  }
}

function collect(lines: readonly string[], pattern: RegExp, path: string, firstLine: number, most: number, matches: Match[]): void {
  for (const [i, line] of lines.entries()) {
    // What stands after the last newline of a block is no line.
    if (line === '' && i === lines.length - 1) return
    const found = pattern.exec(line)
    if (found === null) continue
    matches.push({ path, line: firstLine + i, text: showMatch(line, found.index) })
    if (matches.length >= most) return
  }
}

/** A long line is shown around its match. */
function showMatch(line: string, at: number): string {
  const text = line.replace(/\r$/, '')
  if (text.length <= maxMatchCharacters) return text
  const from = Math.max(0, Math.min(at - maxMatchCharacters / 3, text.length - maxMatchCharacters))
  const to = from + maxMatchCharacters
  return `${from > 0 ? '…' : ''}${text.slice(from, to)}${to < text.length ? '…' : ''}`
}
