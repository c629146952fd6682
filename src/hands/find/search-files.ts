/** Searches text line by line in a fixed order of files. Skips binary files and, unless `all` is set, what ripgrep skips. */
import { lstat } from 'node:fs/promises'
import type { HandsOps } from '../../protocol/index.ts'
import { fromSystemError, throwIfCancelled } from '../failure.ts'
import { openRegularFile, type Place, type Root, toRealPlace } from '../files/workspace-path.ts'
import { maxDepth, maxMatchCharacters, searchBlockBytes, smallFileBytes } from '../limits.ts'
import { createGuard, type Guard, toGlob, toPattern } from './pattern.ts'
import { type Walk, walkBatches, wasCut } from './walk-folder.ts'

/** @param guard tests pass their own */
export async function searchFiles(
  roots: readonly Root[],
  input: HandsOps['search']['input'],
  signal: AbortSignal,
  guard: Guard = createGuard(),
): Promise<HandsOps['search']['output']> {
  const page = createMatchPage(toPattern(input.pattern, input.regex, input.ignoreCase), input)
  const matchesGlob = toGlob(input.glob)
  const top = await toRealPlace(roots, input.path)
  const walk: Walk = { roots, depth: maxDepth, ignored: input.all ? 'entered' : 'left_out', guard, signal, cut: '' }
  let filesSearched = 0
  try {
    // A file that is named directly is searched whatever its name.
    const isFolder = (await lstat(top.real)).isDirectory()
    const batches = isFolder ? walkBatches(top, walk, (entry) => entry.kind === 'file', matchesGlob) : [[top]]
    for await (const batch of batches) {
      throwIfCancelled(signal)
      filesSearched += await searchBatch(batch, page, walk)
      if (page.hasMore()) break
    }
  } catch (error) {
    throw fromSystemError(error, top.virtual)
  }
  return { matches: [...page.matches], filesSearched, truncated: page.hasMore() || wasCut(walk, page.matches.length) }
}

/** Reads in parallel, searches in order. @returns how many files were searched, without binary and unreadable ones. */
async function searchBatch(batch: readonly Place[], page: MatchPage, walk: Walk): Promise<number> {
  const read = await Promise.all(batch.map((file) => readSmall(walk.roots, file.virtual)))
  let waiting: { path: string; text: string }[] = []
  let waitingCharacters = 0
  let searched = 0
  const searchWaiting = (): void => {
    const files = waiting
    waiting = []
    waitingCharacters = 0
    if (files.length === 0) return
    walk.guard(() => {
      for (const { path, text } of files) {
        if (page.hasMore()) return
        page.file(path).take(linesOf(text, 1), 1)
        searched += 1
      }
    })
  }
  for (const [i, file] of read.entries()) {
    if (file === 'binary') continue
    if (file !== 'large') {
      // Not more than one block of a large file, for the same timeout.
      if (waitingCharacters + file.text.length > searchBlockBytes) searchWaiting()
      waiting.push(file)
      waitingCharacters += file.text.length
    } else {
      searchWaiting()
      if (!page.hasMore() && (await searchLarge(batch[i]!.virtual, page, walk))) searched += 1
    }
  }
  searchWaiting()
  return searched
}

/** @returns `binary` also for an unreadable file. */
async function readSmall(roots: readonly Root[], path: string): Promise<{ path: string; text: string } | 'binary' | 'large'> {
  const opened = await openRegularFile(roots, path).catch(() => null)
  if (opened === null) return 'binary'
  try {
    if (opened.stats.size > smallFileBytes) return 'large'
    // One byte more, to detect a file that grows meanwhile.
    const buffer = Buffer.allocUnsafe(opened.stats.size + 1)
    const { bytesRead } = await opened.file.read(buffer, 0, buffer.length, 0)
    if (bytesRead === buffer.length) return 'large'
    const bytes = buffer.subarray(0, bytesRead)
    return bytes.includes(0) ? 'binary' : { path: opened.virtual, text: bytes.toString() }
  } catch {
    return 'binary'
  } finally {
    await opened.file.close()
  }
}

/** Drops the empty string after the last newline, and the byte order mark of the first line. */
function linesOf(text: string, first: number): string[] {
  const lines = (first === 1 ? text.replace(/^\uFEFF/, '') : text).split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

/** @returns false for a file that is binary or cannot be read. */
async function searchLarge(path: string, page: MatchPage, { roots, guard, signal }: Walk): Promise<boolean> {
  const opened = await openRegularFile(roots, path).catch(() => null)
  if (opened === null) return false
  const found = page.file(opened.virtual)
  try {
    const buffer = Buffer.allocUnsafe(searchBlockBytes)
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
      const lines = linesOf(buffer.toString('utf8', 0, ends), line)
      const first = line
      if (ends > 0) guard(() => found.take(lines, first))
      if (bytesRead === 0 || page.hasMore()) return true
      line += newline === -1 ? 0 : lines.length
      buffer.copyWithin(0, ends, filled)
      carried = filled - ends
    }
  } finally {
    await opened.file.close()
  }
}

// One page of the matches of a search, collected line by line over many files.

type Match = HandsOps['search']['output']['matches'][number]

interface MatchPage {
  readonly matches: readonly Match[]
  /** There is a match after this page: nothing more needs to be read. */
  readonly hasMore: () => boolean
  readonly file: (path: string) => FileMatches
}

/** The matches of one file while it is read. */
interface FileMatches {
  /** Adds lines in order; does nothing once the page is full. @param first number of the first line */
  readonly take: (lines: readonly string[], firstLine: number) => void
  /** Removes what this file added, because it turned out to be binary. */
  readonly forget: () => void
}

function createMatchPage(pattern: RegExp, input: Pick<HandsOps['search']['input'], 'contextLines' | 'skip' | 'maxMatches'>): MatchPage {
  const matches: Match[] = []
  let toSkip = input.skip
  let hasMore = false

  const file = (path: string): FileMatches => {
    const before = { matches: matches.length, toSkip }
    let last: Match | null = null
    /** Lines since the last match and its context: the context of the next match. */
    let waiting: string[] = []

    const between = (line: string): void => {
      if (input.contextLines === 0) return
      if (last !== null && last.after.length < input.contextLines) {
        last.after.push(showMatch(line, 0))
        return
      }
      waiting.push(line)
      if (waiting.length > input.contextLines) waiting.shift()
    }
    const take = (lines: readonly string[], firstLine: number): void => {
      for (const [i, whole] of lines.entries()) {
        const line = whole.endsWith('\r') ? whole.slice(0, -1) : whole
        const found = pattern.exec(line)
        if (found === null) between(line)
        else if (toSkip > 0) {
          toSkip -= 1
          between(line)
        } else if (matches.length >= input.maxMatches) {
          hasMore = true
          return
        } else {
          last = {
            path,
            line: firstLine + i,
            text: showMatch(line, found.index),
            before: waiting.map((each) => showMatch(each, 0)),
            after: [],
          }
          waiting = []
          matches.push(last)
        }
      }
    }
    const forget = (): void => {
      matches.length = before.matches
      toSkip = before.toSkip
      hasMore = false
    }
    return { take, forget }
  }
  return { matches, hasMore: () => hasMore, file }
}

/** A long line is shown around its match. */
function showMatch(text: string, at: number): string {
  if (text.length <= maxMatchCharacters) return text
  const from = Math.max(0, Math.min(at - maxMatchCharacters / 3, text.length - maxMatchCharacters))
  const to = from + maxMatchCharacters
  return `${from > 0 ? '…' : ''}${text.slice(from, to)}${to < text.length ? '…' : ''}`
}
