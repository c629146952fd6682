/**
 * A styled text in ranges that a writer can write within the limit of its platform, each by itself. A range ends between blocks where it can, else at
 * the end of a line, else between words, else between two signs as people see them; never within a link that fits into a range.
 */
import type { Run, StyledText } from './styled-text.ts'

/** Writes a range. */
export type Write = (runs: readonly Run[]) => string
/** How much of the limit a written range takes. */
export type Measure = (written: string, plain: string) => number

/** A range, written and as text. */
export interface Range {
  readonly written: string
  readonly plain: string
}

/** An end between blocks is taken where the range has at least this share of what would fit; one at a line or word, a larger share. */
const blockShare = 0.25
const lineShare = 0.5

/** @returns at least one range */
export function splitText(styled: StyledText, write: Write, measure: Measure, limit: number): readonly Range[] {
  const { text } = styled
  const slice = slicerOf(styled.runs)
  const ranges: Range[] = []
  const rangeOf = (from: number, to: number): Range => {
    const plain = text.slice(from, to).replace(/\n+$/, '')
    return { plain, written: write(slice(from, from + plain.length)) }
  }
  const fits = ({ written, plain }: Range): boolean => measure(written, plain) <= limit
  for (let from = 0; ;) {
    while (text[from] === '\n') from += 1
    if (text.length - from <= limit) {
      const rest = rangeOf(from, text.length)
      if (fits(rest)) return rest.plain === '' && ranges.length > 0 ? ranges : [...ranges, rest]
    }
    let most = largest(from, Math.min(text.length, from + limit), (to) => fits(rangeOf(from, to)))
    // What is written may get longer where less of it is: an end that does not fit is not taken.
    for (;;) {
      const end = endOf(styled, from, most)
      const range = rangeOf(from, end)
      if (fits(range) || most <= from + 1) {
        ranges.push(range)
        from = end
        break
      }
      most = end < most ? end : most - 1
    }
  }
}

/** @returns the largest offset that fits, at least one past `from` */
function largest(from: number, to: number, fits: (to: number) => boolean): number {
  if (fits(to)) return to
  let [low, high] = [from + 1, to - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (fits(middle)) low = middle
    else high = middle - 1
  }
  return low
}

/** @returns where the range from `from` ends that may reach to `most` */
function endOf({ text, runs, blockEnds }: StyledText, from: number, most: number): number {
  if (most >= text.length) return text.length
  const block = lastAtMost(blockEnds, most)
  if (block > from + (most - from) * blockShare) return block
  const least = from + (most - from) * lineShare
  const range = text.slice(from, most)
  const line = from + (text[most] === '\n' ? range.length : range.lastIndexOf('\n'))
  if (line > least) return line
  const word = from + range.lastIndexOf(' ') + 1
  const near = outsideLink(runs, word > least ? word : graphemeEnd(text, from, most), from)
  return near > from ? near : graphemeEnd(text, from, most)
}

/** @returns -1: nowhere */
function lastAtMost(ascending: readonly number[], most: number): number {
  let [low, high] = [0, ascending.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (ascending[middle]! <= most) low = middle + 1
    else high = middle
  }
  return low === 0 ? -1 : ascending[low - 1]!
}

const segments = new Intl.Segmenter('und', { granularity: 'grapheme' })

/** The last end of a whole sign at or before `most`. A sign longer than all that fits is cut between characters. */
function graphemeEnd(text: string, from: number, most: number): number {
  let end = from
  for (const { index, segment } of segments.segment(text.slice(from, most + 2))) {
    const next = from + index + segment.length
    if (next > most) break
    end = next
  }
  if (end > from) return end
  const isInPair = /[\ud800-\udbff]/.test(text[most - 1]!) && most < text.length
  return isInPair ? (most - 1 > from ? most - 1 : most + 1) : most
}

/** @returns the start of the link in which `at` is, or `at` */
function outsideLink(runs: readonly Run[], at: number, from: number): number {
  let [start, link, linkStart] = [0, '', 0]
  for (const { text, style } of runs) {
    if (style.link !== link) {
      link = style.link
      linkStart = start
    }
    const end = start + text.length
    if (end > at) return link !== '' && linkStart < at && linkStart > from ? linkStart : at
    start = end
  }
  return at
}

/** @returns what gives the runs of a range, in time that grows with the range */
function slicerOf(runs: readonly Run[]): (from: number, to: number) => readonly Run[] {
  const starts: number[] = []
  let length = 0
  for (const { text } of runs) {
    starts.push(length)
    length += text.length
  }
  return (from, to) => {
    const found: Run[] = []
    let [low, high] = [0, runs.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (starts[middle]! + runs[middle]!.text.length <= from) low = middle + 1
      else high = middle
    }
    for (let index = low; index < runs.length && starts[index]! < to; index += 1) {
      const { text, style } = runs[index]!
      const start = starts[index]!
      found.push({ text: text.slice(Math.max(0, from - start), to - start), style })
    }
    return found
  }
}
