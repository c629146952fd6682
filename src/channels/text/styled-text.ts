/**
 * A document as one text with styles on it: how each chat shows it, whatever its dialect. Lists have their bullets, tables their columns,
 * headings are bold. A part of a message is a range of it.
 */
import type { Nodes, Parents, Root, RootContent, Table } from 'mdast'
import { maxCellChars, maxLinkText, maxLinkUrl } from './limits.ts'
import { definitionsOf, webLink } from './parse-markdown.ts'

/** What a piece of text looks like. */
export interface Style {
  readonly bold: boolean
  readonly italic: boolean
  readonly strike: boolean
  readonly code: boolean
  readonly quote: boolean
  /** Address; empty: no link. */
  readonly link: string
  /** Number of the block of code; 0: none. It has no other style. */
  readonly fence: number
  /** Language of the block of code, or empty. */
  readonly language: string
}

/** A piece of text in one style. */
export interface Run {
  readonly text: string
  readonly style: Style
}

/** A whole document. */
export interface StyledText {
  readonly text: string
  readonly runs: readonly Run[]
  /** Offsets at which a block ends, ascending. */
  readonly blockEnds: readonly number[]
}

const unstyled: Style = { bold: false, italic: false, strike: false, code: false, quote: false, link: '', fence: 0, language: '' }

/** What is written so far. */
interface Page {
  readonly runs: Run[]
  readonly blockEnds: number[]
  readonly definitions: ReadonlyMap<string, string>
  length: number
  fences: number
  last: string
}

/** Never throws. */
export function styledText(root: Root): StyledText {
  const page: Page = { runs: [], blockEnds: [], definitions: definitionsOf(root), length: 0, fences: 0, last: '\n' }
  writeBlocks(page, root.children, unstyled, '')
  return { text: page.runs.map(({ text }) => text).join(''), runs: page.runs, blockEnds: page.blockEnds }
}

function put(page: Page, text: string, style: Style): void {
  if (text === '') return
  page.runs.push({ text, style })
  page.length += text.length
  page.last = text.at(-1)!
}

/** Between blocks. Code is not within a quote, and is not indented. */
const separator = (style: Style): Style => ({ ...unstyled, quote: style.quote })
const isFence = ({ type }: RootContent): boolean => type === 'code' || type === 'table'

/** @param indent before each further line */
function writeBlocks(page: Page, blocks: readonly RootContent[], style: Style, indent: string, between = '\n\n'): void {
  let before: RootContent | null = null
  for (const block of blocks) {
    if (block.type === 'definition') continue
    if (before !== null) {
      page.blockEnds.push(page.length)
      const isApart = isFence(block) || isFence(before)
      put(page, isFence(block) ? between : between + indent, isApart ? unstyled : separator(style))
    }
    before = block
    writeBlock(page, block, style, indent)
  }
}

function writeBlock(page: Page, block: RootContent, style: Style, indent: string): void {
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- all others are text
  switch (block.type) {
    case 'paragraph':
      return writeInline(page, block.children, style, indent)
    case 'heading':
      return writeInline(page, block.children, { ...style, bold: true }, indent)
    case 'blockquote':
      return writeBlocks(page, block.children, { ...style, quote: true }, indent)
    case 'code':
      return writeFence(page, block.value, /^[\w+#.-]{1,30}/.exec(block.lang ?? '')?.[0] ?? '')
    case 'table':
      return writeFence(page, tableText(block), '')
    case 'thematicBreak':
      return put(page, '———', style)
    case 'list':
      block.children.forEach((item, index) => {
        const mark = block.ordered === true ? `${(block.start ?? 1) + index}. ` : '• '
        if (index > 0) {
          page.blockEnds.push(page.length)
          put(page, `\n${indent}`, separator(style))
        }
        put(page, mark, style)
        writeBlocks(page, item.children, style, `${indent}  `, '\n')
      })
      return
    case 'html':
      return put(page, indented(block.value, indent), style)
    default:
      return writeInline(page, [block], style, indent)
  }
}

/** It begins with a line of its own. */
function writeFence(page: Page, code: string, language: string): void {
  if (page.last !== '\n') put(page, '\n', unstyled)
  page.fences += 1
  put(page, code, { ...unstyled, fence: page.fences, language })
}

const indented = (text: string, indent: string): string => (indent === '' ? text : text.replaceAll('\n', `\n${indent}`))

function writeInline(page: Page, nodes: readonly Nodes[], style: Style, indent: string): void {
  for (const node of nodes) {
    // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- all others have only children
    switch (node.type) {
      case 'text':
      case 'html':
        put(page, indented(node.value, indent), style)
        break
      case 'inlineCode':
        put(page, node.value.replaceAll('\n', ' '), { ...style, code: true })
        break
      case 'break':
        put(page, `\n${indent}`, style)
        break
      case 'strong':
        writeInline(page, node.children, { ...style, bold: true }, indent)
        break
      case 'emphasis':
        writeInline(page, node.children, { ...style, italic: true }, indent)
        break
      case 'delete':
        writeInline(page, node.children, { ...style, strike: true }, indent)
        break
      case 'link':
        writeLink(page, node.url, plainOf(node), node, style, indent)
        break
      case 'linkReference':
        writeLink(page, page.definitions.get(node.identifier) ?? '', plainOf(node), node, style, indent)
        break
      case 'image':
        writeLink(page, node.url, node.alt ?? '', null, style, indent)
        break
      case 'imageReference':
        writeLink(page, page.definitions.get(node.identifier) ?? '', node.alt ?? '', null, style, indent)
        break
      default:
        if ('children' in node) writeInline(page, node.children, style, indent)
    }
  }
}

/** What becomes of a link. One that says it leads to one address and leads to another is shown with the other. */
export function linkOf(url: string, shown: string): { readonly target: string; readonly note: string } {
  const target = url.length > maxLinkUrl ? null : webLink(url)
  const address = target ?? /^mailto:([^?\s]{3,100})/i.exec(url)?.[1] ?? ''
  const isLink = target !== null && shown.length <= maxLinkText && !shown.includes('\n')
  const looksLikeAddress = /^\s*(?:https?:\/\/|www\.)/i.test(shown)
  const isHonest = !looksLikeAddress || webLink(shown.trim().replace(/^www\./i, 'https://www.')) === target
  if (isLink && isHonest) return { target, note: '' }
  return { target: '', note: shown.trim() === '' || address === '' || shown.includes(address) ? '' : ` (${address})` }
}

function writeLink(page: Page, url: string, shown: string, parent: Parents | null, style: Style, indent: string): void {
  const { target, note } = linkOf(url, shown)
  const text = { ...style, link: target }
  if (parent === null) put(page, indented(shown === '' ? url : shown, indent), text)
  else writeInline(page, parent.children, text, indent)
  put(page, note, style)
}

/** All text within a node. */
export function plainOf(node: Nodes): string {
  if ('value' in node) return node.value
  if (node.type === 'image' || node.type === 'imageReference') return node.alt ?? ''
  return 'children' in node ? node.children.map(plainOf).join('') : ''
}

/** In columns, for a typeface with one width. */
function tableText({ children }: Table): string {
  const rows = children.map((row) => row.children.map((cell) => plainOf(cell).replaceAll(/\s+/g, ' ')))
  const widths = (rows[0] ?? []).map((_, column) => Math.min(maxCellChars, Math.max(...rows.map((row) => widthOf(row[column] ?? '')))))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))))
      .join(' │ ')
      .trimEnd()
  const [head = [], ...body] = rows
  return [line(head), widths.map((width) => '─'.repeat(width)).join('─┼─'), ...body.map(line)].join('\n')
}

/** Columns that a text takes: two for signs of East Asia and pictures, none for marks on others. */
function widthOf(text: string): number {
  let width = 0
  for (const sign of text) {
    if (/\p{M}|\p{Cf}/u.test(sign)) continue
    width += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
      sign,
    )
      ? 2
      : 1
  }
  return width
}
