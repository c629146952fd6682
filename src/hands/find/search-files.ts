/** Searches text line by line in a fixed order of files. Left out: binary files and, unless all is asked for, what ripgrep leaves out. */
import { lstat } from 'node:fs/promises'
import type { HandsOps } from '../../types/index.ts'
import { fromSystemError, throwIfCancelled } from '../failure.ts'
import { openRegularFile, toRealPlace } from '../files/workspace-path.ts'
import type { Place, Root } from '../files/workspace-path.ts'
import { maxDepth, searchBlockBytes } from '../limits.ts'
import { createMatchPage } from './match-page.ts'
import type { MatchPage } from './match-page.ts'
import { createGuard, toGlob, toPattern } from './pattern.ts'
import type { Guard } from './pattern.ts'
import { walkFolder } from './walk-folder.ts'
import type { Walk } from './walk-folder.ts'

export async function searchFiles(
  roots: readonly Root[],
  input: HandsOps['search']['input'],
  signal: AbortSignal,
): Promise<HandsOps['search']['output']> {
  const guard = createGuard()
  const page = createMatchPage(toPattern(input.pattern, input.regex, input.ignoreCase), input)
  const fits = toGlob(input.glob)
  const top = await toRealPlace(roots, input.path)
  let filesSearched = 0
  try {
    for await (const file of filesUnder(top, { roots, depth: maxDepth, ignored: input.all ? 'entered' : 'left_out', guard, signal })) {
      // One file that was named itself is searched whatever its name.
      if (fits !== null && file !== top && !guard(() => fits(file.virtual.slice(top.virtual.length + 1)))) continue
      if (await searchFile(roots, file.virtual, page, guard, signal)) filesSearched += 1
      if (page.hasMore()) break
    }
  } catch (error) {
    throw fromSystemError(error, top.virtual)
  }
  return { matches: [...page.matches], filesSearched, truncated: page.hasMore() }
}

async function* filesUnder(top: Place, walk: Walk): AsyncGenerator<Place> {
  if (!(await lstat(top.real)).isDirectory()) {
    yield top
    return
  }
  for await (const entry of walkFolder(top, walk)) {
    if (entry.kind === 'file') yield entry
  }
}

/** @returns false for a file that is binary or cannot be read. */
async function searchFile(roots: readonly Root[], path: string, page: MatchPage, guard: Guard, signal: AbortSignal): Promise<boolean> {
  const opened = await openRegularFile(roots, path).catch(() => null)
  if (opened === null) return false
  const found = page.file(opened.virtual)
  try {
    const buffer = Buffer.allocUnsafe(Math.min(searchBlockBytes, Math.max(1, opened.stats.size)))
    let carried = 0
    let line = 1
    for (;;) {
      throwIfCancelled(signal)
      const { bytesRead } = await opened.file.read(buffer, carried, buffer.length - carried, null)
      const filled = carried + bytesRead
      if (buffer.subarray(carried, filled).includes(0)) {
        found.forget()
        return false
      }
      // Whole lines only, so that no match is split; a line as long as the block is searched in pieces.
      const newline = buffer.lastIndexOf(10, filled - 1)
      const ends = bytesRead === 0 || newline === -1 ? filled : newline + 1
      const lines = buffer.toString('utf8', 0, ends).split('\n')
      // What stands after the last newline of a block is no line.
      if (lines.at(-1) === '') lines.pop()
      const first = line
      if (ends > 0) guard(() => found.take(lines, first))
      if (bytesRead === 0 || page.hasMore()) return true
      line += ends > 0 && newline !== -1 ? lines.length : 0
      buffer.copyWithin(0, ends, filled)
      carried = filled - ends
    }
  } finally {
    await opened.file.close()
  }
}
