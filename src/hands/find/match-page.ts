/** One page of the matches of a search, gathered line by line over many files. */
import type { HandsOps } from '../../types/index.ts'
import { maxMatchCharacters } from '../limits.ts'

type Match = HandsOps['search']['output']['matches'][number]

export interface MatchPage {
  readonly matches: readonly Match[]
  /** A match stands behind the page: nothing more needs to be read. */
  readonly hasMore: () => boolean
  readonly file: (path: string) => FileMatches
}

/** The matches of one file while it is read. */
export interface FileMatches {
  /** Takes lines in order, the first of them with its number; does nothing at the end of the page. */
  readonly take: (lines: readonly string[], firstLine: number) => void
  /** Takes back what this file added: it turned out to be binary. */
  readonly forget: () => void
}

export function createMatchPage(
  pattern: RegExp,
  input: Pick<HandsOps['search']['input'], 'contextLines' | 'skip' | 'maxMatches'>,
): MatchPage {
  const matches: Match[] = []
  let toSkip = input.skip
  let hasMore = false

  const file = (path: string): FileMatches => {
    const before = { matches: matches.length, toSkip }
    let last: Match | null = null
    /** Lines since the last match and its context: what stands before the next match. */
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
