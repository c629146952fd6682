/** The manifest: which records left the window, as ranges of their seqs, so that each of them can be asked for again. */
import { truncate } from '../../types/index.ts'
import { maxAboutChars, maxRanges } from './summary-limits.ts'

export interface Range {
  /** Seqs of the first and the last record, both included. */
  readonly from: number
  readonly to: number
  /** 0: nobody counted. */
  readonly messages: number
  readonly about: string
}

/**
 * @param kept ranges before, in order
 * @param added ranges behind them, in order
 * @returns both in order, at most `max`: where there are more, the neighbours with the fewest messages become one, older ones first
 */
export function addRanges(kept: readonly Range[], added: readonly Range[], max: number = maxRanges): readonly Range[] {
  const ranges = [...kept, ...added]
  while (ranges.length > Math.max(1, max)) {
    let at = 0
    let least = Infinity
    for (let i = 0; i + 1 < ranges.length; i++) {
      const messages = ranges[i]!.messages + ranges[i + 1]!.messages
      if (messages < least) [at, least] = [i, messages]
    }
    ranges.splice(at, 2, joinRanges(ranges[at]!, ranges[at + 1]!))
  }
  return ranges
}

function joinRanges(a: Range, b: Range): Range {
  const half = maxAboutChars >> 1
  const about = a.about === '' || b.about === '' ? a.about + b.about : `${truncate(a.about, half - 1)}; ${truncate(b.about, half - 1)}`
  return { from: a.from, to: b.to, messages: a.messages + b.messages, about: truncate(about, maxAboutChars) }
}

export function rangeLine({ from, to, messages, about }: Range): string {
  return `- #${from} to #${to}${messages > 0 ? `, ${messages} messages` : ''}${about === '' ? '' : `: ${about}`}`
}
