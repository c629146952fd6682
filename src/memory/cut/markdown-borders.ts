/**
 * Where Markdown may be cut: before headings, between blocks, between the items of a list and the rows of a table, between
 * sentences of a paragraph; inside fenced code and tables only when they do not fit a passage. Only lines are read, as CommonMark
 * has its blocks; what is inside them does not matter here.
 */
import { codeBorders } from './code-borders.ts'
import { type Border, sentenceBorders, strength } from './sentence-borders.ts'
import { passageUnits } from '../text/text-limits.ts'

export interface Heading {
  readonly at: number
  readonly level: number
  readonly title: string
}

export interface MarkdownPlan {
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
/** A paragraph or an item below this is not torn. */
const smallBlock = 96
/** Longest line that is looked at for what it is, and longest title. */
const maxLead = 400

export function planMarkdown(text: string): MarkdownPlan {
  const borders: Border[] = []
  const headings: Heading[] = []
  let before: Kind = 'empty'
  for (const block of blocksOf(text)) {
    if (block.kind !== 'empty' && block.from > 0) borders.push({ at: block.from, strength: strengthOf(block.kind, before) })
    // Empty lines below a heading do not part it from what it is about.
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
  // What follows a heading at once belongs to it.
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
