/**
 * Cuts a text into overlapping passages of about 640 units, at the strongest border in reach.
 *
 * Invariants: each passage is a slice of the text at its `start`; together they cover the text; none begins or ends inside a surrogate
 * pair or inside a grapheme cluster shorter than a passage. Time and memory are linear in the length of the text.
 */
import { OxbowError } from '../../base/index.ts'
import type { CutPassage, TextFormat } from './text-engine.ts'
import { type Border, codeBorders, type Heading, planMarkdown, strength, textBorders } from './borders.ts'
import { graphemes } from './script-words.ts'
import { storedTermsOf } from './classes.ts'
import { termsOf } from './terms.ts'
import { maxCutUnits, overlapUnits, passageUnits, smallestSection } from './text-limits.ts'

interface Plan {
  readonly borders: readonly Border[]
  readonly headings: readonly Heading[]
}

/** White space has no passages. @throws OxbowError `limit_reached` for a text longer than 16 Mi units */
export function cutText(text: string, format: TextFormat): CutPassage[] {
  if (text.length > maxCutUnits) {
    throw new OxbowError('limit_reached', `A text of ${text.length} characters is too long for memory.`, {
      hint: `Split it into parts of at most ${maxCutUnits} characters.`,
    })
  }
  if (text.trim() === '') return []
  const plan = planOf(text, format)
  let path: readonly Heading[] = []
  let next = 0
  return rangesOf(text, plan.borders).map(({ start, end }, part) => {
    // Headings inside the passage are not part of its path.
    while (next < plan.headings.length && (plan.headings[next]?.at ?? 0) < start) path = under(path, plan.headings[next++] as Heading)
    const own = text.slice(start, end)
    const first = plan.headings[next]
    const above = first?.at === start ? path.filter(({ level }) => level < first.level) : path
    const context = above.map(({ title }) => termsOf(title).join(' ')).filter((terms) => terms !== '')
    return { part, start, text: own, terms: storedTermsOf(own), context: context.join(' ') }
  })
}

function planOf(text: string, format: TextFormat): Plan {
  if (format === 'markdown') return planMarkdown(text)
  return { borders: format === 'code' ? codeBorders(text, 0, text.length) : textBorders(text), headings: [] }
}

function under(path: readonly Heading[], heading: Heading): readonly Heading[] {
  return [...path.filter(({ level }) => level < heading.level), heading]
}

interface Range {
  readonly start: number
  readonly end: number
}

function rangesOf(text: string, borders: readonly Border[]): Range[] {
  const ranges: Range[] = []
  let start = 0
  // Where new text begins, after the overlap.
  let fresh = 0
  let first = 0
  for (;;) {
    while (first < borders.length && (borders[first] as Border).at <= fresh) first += 1
    const cut = chooseCut(text, { start, fresh }, borders, first)
    ranges.push({ start, end: cut.at })
    if (cut.at >= text.length) return ranges
    fresh = cut.at
    // Sections and functions do not overlap.
    start = cut.strength >= strength.block ? fresh : overlapStart(text, start, fresh, borders, first)
  }
}

/** The strongest border in reach, preferably in the second half; without one, a gap between two words. */
function chooseCut(text: string, { start, fresh }: { start: number; fresh: number }, borders: readonly Border[], first: number): Border {
  const limit = start + passageUnits
  let best: Border | null = null
  let following = Infinity
  for (let place = first; place < borders.length; place += 1) {
    const border = borders[place] as Border
    if (border.at > limit) break
    if (border.strength >= strength.section && border.at - fresh >= smallestSection) return border
    const isLate = border.at - start >= passageUnits / 2
    const bestIsLate = best !== null && best.at - start >= passageUnits / 2
    if (best === null || (isLate && !bestIsLate) || (isLate === bestIsLate && border.strength >= best.strength)) {
      best = border
      following = borders[place + 1]?.at ?? Infinity
    }
  }
  if (text.length <= limit) return { at: text.length, strength: strength.section }
  // A short passage is fine if the next block then stays whole.
  const isBlock = best !== null && best.strength >= strength.paragraph && following > limit
  if (best !== null && (isBlock || best.at - start >= passageUnits / 4)) return best
  return { at: between(text, start, Math.max(fresh, start), limit), strength: 0 }
}

/** The last gap between two words in the last quarter before `limit`; else between two graphemes, else between characters. */
function between(text: string, start: number, after: number, limit: number): number {
  const ends = graphemeStarts(text, start, limit).filter((at) => at > after)
  const late = ends.findLast((at) => at > limit - passageUnits / 4 && /\s/.test(text[at - 1] ?? ''))
  return late ?? ends.at(-1) ?? wellFormed(text, limit)
}

function overlapStart(text: string, start: number, end: number, borders: readonly Border[], first: number): number {
  const from = end - overlapUnits
  let best: Border | null = null
  for (let place = Math.max(0, first - 1); place < borders.length && (borders[place] as Border).at < end; place += 1) {
    const border = borders[place] as Border
    if (border.at >= from && border.at > start && border.strength > (best?.strength ?? 0)) best = border
  }
  if (best !== null) return best.at
  const starts = graphemeStarts(text, start, end).filter((at) => at >= from && at > start)
  return starts.find((at) => /\s/.test(text[at - 1] ?? '')) ?? starts[0] ?? end
}

// oxlint-disable-next-line no-control-regex -- a carriage return may be half of a line's end, all else of ASCII stands alone
const plain = /^[\t\n\u0020-\u007e]*$/

/** Borders of grapheme clusters in `(start, to]`, given that `start` is one. */
function graphemeStarts(text: string, start: number, to: number): number[] {
  // A cluster that begins before `to` may end after it.
  const part = text.slice(start, to + passageUnits / 4)
  // Fast path for ASCII: each character is a cluster.
  if (plain.test(part)) return Array.from({ length: to - start }, (_, place) => start + place + 1)
  return Array.from(graphemes().segment(part), ({ index }) => start + index).filter((at) => at > start && at <= to)
}

function wellFormed(text: string, at: number): number {
  return /[\ud800-\udbff]/.test(text[at - 1] ?? '') && /[\udc00-\udfff]/.test(text[at] ?? '') ? at - 1 : at
}
