/**
 * Where a text may be cut, and how well: between sentences and paragraphs of prose, lines and blocks of code, and blocks of Markdown, which
 * are recognized by line as in CommonMark.
 */
import { sentences } from './script-words.ts'
import { passageUnits } from './text-limits.ts'

/** Preference of a border: the strongest in reach wins, and among equals the last. */
export const strength = { sentence: 1, line: 2, paragraph: 3, block: 4, section: 5 } as const

/** A place between two characters at which a text may be cut. */
export interface Border {
  readonly at: number
  readonly strength: number
}

/** A dot after these does not end a sentence. ICU handles only those before a lower-case letter. */
const abbreviation =
  /(?:^|[\s(["'„“«])(?:mr|mrs|ms|dr|prof|st|sr|jr|gen|col|capt|lt|sgt|rev|hon|mt|no|nos|fig|figs|vol|ch|sec|art|pp?|cf|vs|etc|approx|dept|est|inc|ltd|co|corp|al|ed|eds|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|e\.g|i\.e|z\.b|d\.h|u\.a|bzw|ca|nr|str|hr|fr|p\.ej|sra?|mme|mlle|m|[a-z]|(?:[a-z]\.)+[a-z])\.\s+$/i
/** A number and a dot: `3. ` of a list, `am 3. Mai`. */
const ordinal = /(?:^|\s)\d{1,3}\.\s+$/
/** Maximum length of an abbreviation. */
const tail = 16

/** Borders inside `(from, to)` of a text, in order, including one after each line. */
function sentenceBorders(text: string, from: number, to: number): Border[] {
  const borders: Border[] = []
  const part = from === 0 && to === text.length ? text : text.slice(from, to)
  for (const { index } of sentences().segment(part)) {
    if (index === 0) continue
    const before = part.slice(Math.max(0, index - tail), index)
    const ofLine = before.endsWith('\n') || before.endsWith('\r')
    if (!ofLine && (abbreviation.test(before) || ordinal.test(before))) continue
    borders.push({ at: from + index, strength: strength.sentence })
  }
  return borders
}

const emptyLines = /\n[^\S\n]*\n(?:[^\S\n]*\n)*/g

/** Borders of plain text: sentences, and paragraphs after empty lines. */
export function textBorders(text: string): Border[] {
  const paragraphs = new Set<number>()
  for (const match of text.matchAll(emptyLines)) paragraphs.add(match.index + match[0].length)
  const borders = sentenceBorders(text, 0, text.length).filter(({ at }) => !paragraphs.has(at))
  for (const at of paragraphs) if (at < text.length) borders.push({ at, strength: strength.paragraph })
  return borders.sort((one, other) => one.at - other.at)
}

/** Closing brackets at the margin belong to the block above. */
const opensBlock = /^[^\s})\]]/

/** Borders inside `(from, to)`, in order. */
export function codeBorders(text: string, from: number, to: number): Border[] {
  const borders: Border[] = []
  let afterEmpty = false
  let at = from
  while (at < to) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 || newline >= to ? to : newline + 1
    const isEmpty = end - at < 200 && text.slice(at, end).trim() === ''
    if (at > from && !isEmpty) {
      const opens = opensBlock.test(text.slice(at, at + 1))
      borders.push({ at, strength: afterEmpty ? (opens ? strength.block : strength.paragraph) : strength.line })
    }
    afterEmpty = isEmpty
    at = end
  }
  return borders
}

/**
 * Where Markdown may be cut: before headings, between blocks, between the items of a list and the rows of a table, between
 * sentences of a paragraph; inside fenced code and tables only if they do not fit a passage.
 */

export interface Heading {
  readonly at: number
  readonly level: number
  readonly title: string
}

interface MarkdownPlan {
  readonly borders: readonly Border[]
  readonly headings: readonly Heading[]
}

type Kind = 'heading' | 'fence' | 'table' | 'item' | 'prose' | 'empty'
interface Block {
  readonly kind: Kind
  readonly from: number
  to: number
}

const heading = /^ {0,3}(#{1,6})(?:[ \t]+|$)/
const fence = /^ {0,3}(`{3,}|~{3,})/
const row = /^\s*\|/
const item = /^\s{0,12}(?:[-*+]|\d{1,9}[.)])[ \t]/
/** Shorter paragraphs and items are not cut. */
const smallBlock = 96
/** Characters of a line that are examined, and of a title. */
const maxLead = 400

export function planMarkdown(text: string): MarkdownPlan {
  const borders: Border[] = []
  const headings: Heading[] = []
  let before: Kind = 'empty'
  for (const block of blocksOf(text)) {
    if (block.kind !== 'empty' && block.from > 0) borders.push({ at: block.from, strength: strengthOf(block.kind, before) })
    // Empty lines do not separate a heading from its text.
    if (block.kind !== 'empty' || before !== 'heading') before = block.kind
    if (block.kind === 'heading') headings.push(readHeading(text, block))
    else for (const border of bordersInside(text, block)) borders.push(border)
  }
  return { borders, headings }
}

function bordersInside(text: string, { kind, from, to }: Block): readonly Border[] {
  if (kind === 'prose' || kind === 'item') return to - from < smallBlock ? [] : sentenceBorders(text, from, to)
  return kind === 'empty' || to - from <= passageUnits ? [] : codeBorders(text, from, to)
}

function strengthOf(kind: Kind, before: Kind): number {
  if (kind === 'heading') return strength.section
  // The block after a heading belongs to it.
  if (before === 'heading') return strength.sentence
  if (kind === 'item' && before === 'item') return strength.line
  if (before === 'empty') return kind === 'item' ? strength.line : strength.paragraph
  return kind === 'fence' || before === 'fence' ? strength.paragraph : strength.line
}

/** The blocks of a text, end to end. */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = []
  let open: string | null = null
  let at = 0
  while (at < text.length) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline + 1
    const line = text.slice(at, Math.min(end, at + maxLead))
    const last = blocks.at(-1)
    const mark = fence.exec(line)?.[1]
    if (open !== null) {
      if (last !== undefined) last.to = end
      if (mark?.startsWith(open) && line.trim() === mark) open = null
    } else if (mark !== undefined) {
      blocks.push({ kind: 'fence', from: at, to: end })
      open = mark
    } else {
      const kind = kindOf(line, end - at)
      const goesOn =
        last !== undefined && (last.kind === kind ? kind !== 'heading' && kind !== 'item' : last.kind === 'item' && kind === 'prose')
      if (goesOn) last.to = end
      else blocks.push({ kind, from: at, to: end })
    }
    at = end
  }
  return blocks
}

function kindOf(line: string, length: number): Kind {
  if (length <= maxLead && line.trim() === '') return 'empty'
  if (heading.test(line)) return 'heading'
  if (row.test(line)) return 'table'
  return item.test(line) ? 'item' : 'prose'
}

function readHeading(text: string, { from, to }: Block): Heading {
  const line = text.slice(from, Math.min(to, from + maxLead)).trim()
  const marks = heading.exec(line)?.[1] ?? '#'
  return {
    at: from,
    level: marks.length,
    title: line
      .slice(marks.length)
      .replace(/[\s#]+$/, '')
      .trim(),
  }
}
