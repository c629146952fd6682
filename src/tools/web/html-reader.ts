/** What each HTML tag does to the text of a page; text-writer.ts writes the lines. */
import { maxListLevels } from '../limits.ts'
import { createTextWriter, type TextWriter } from './text-writer.ts'

interface HtmlReader {
  start(name: string, attributes: Attributes, selfClosing: boolean): void
  end(name: string): void
  text(text: string): void
  /** Characters of text so far. */
  size(): number
  done(): { readonly title: string; readonly text: string }
}

interface Reading {
  readonly writer: TextWriter
  /** Whether Markdown marks are written. */
  readonly marks: boolean
  /** Whether menus and footers are included. */
  readonly whole: boolean
  base: string
  title: string
  inTitle: boolean
  /** The element whose content is skipped, and how many elements of its name are open within. */
  left: { readonly name: string; depth: number } | null
  /** Preformatted text collected so far. */
  verbatim: string | null
  readonly lists: { readonly ordered: boolean; count: number }[]
  quotes: number
  row: { cells: number; heads: number } | null
}

/** @param url base of links unless the page names another */
export function createReader(url: string, marks: boolean, whole: boolean): HtmlReader {
  const reading: Reading = {
    writer: createTextWriter(),
    marks,
    whole,
    base: url,
    title: '',
    inTitle: false,
    left: null,
    verbatim: null,
    lists: [],
    quotes: 0,
    row: null,
  }
  return {
    start: (name, attributes, selfClosing) => startTag(reading, name, attributes, selfClosing),
    end: (name) => endTag(reading, name),
    text: (text) => addText(reading, text),
    size: () => reading.writer.size + (reading.verbatim?.length ?? 0),
    done() {
      endVerbatim(reading)
      return { title: reading.title.replace(/\s+/g, ' ').trim(), text: reading.writer.end() }
    },
  }
}

function startTag(reading: Reading, name: string, attributes: Attributes, selfClosing: boolean): void {
  const { left, writer } = reading
  if (left !== null) {
    if (name !== left.name || selfClosing) return
    if (!endedBySibling.has(name)) return void (left.depth += 1)
    reading.left = null
  }
  if (isLeftOut(reading, name, attributes)) {
    breakAround(reading, name)
    if (!selfClosing) reading.left = { name, depth: 1 }
    return
  }
  if (reading.verbatim !== null && name !== 'pre') {
    if (name === 'br') reading.verbatim += '\n'
    return
  }
  breakAround(reading, name)
  own(atStart, name)?.(reading, attributes)
  layOut(reading)
  if (!reading.marks) return
  const heading = own(headings, name)
  if (heading !== undefined) writer.mark(`${heading} `)
  const mark = own(emphasis, name)
  if (mark !== undefined) writer.open(name, mark, mark)
}

function endTag(reading: Reading, name: string): void {
  const { left, writer } = reading
  if (left !== null) {
    // A menu that is never closed ends with the body.
    const ends = name === 'body' || name === 'html'
    if (name === left.name) left.depth -= 1
    if (ends || left.depth === 0) reading.left = null
    return
  }
  if (reading.verbatim !== null && name !== 'pre') return
  if (own(emphasis, name) !== undefined) writer.close(name)
  own(atEnd, name)?.(reading)
  layOut(reading)
  breakAround(reading, name)
}

function addText(reading: Reading, text: string): void {
  if (reading.inTitle) reading.title = `${reading.title}${text}`.slice(0, maxTitleCharacters)
  else if (reading.left !== null) return
  else if (reading.verbatim !== null) reading.verbatim += text
  else reading.writer.words(text)
}

function isLeftOut({ whole }: Reading, name: string, attributes: Attributes): boolean {
  return !empty.has(name) && (unread.has(name) || (!whole && surroundings.has(name)) || isHidden(attributes))
}

function breakAround({ writer, lists }: Reading, name: string): void {
  const isInnerList = lists.length > 0 && (name === 'ul' || name === 'ol')
  if (lines.has(name) || isInnerList) writer.breakLine(1)
  else if (paragraphs.has(name)) writer.breakLine(2)
}

function layOut({ writer, quotes, lists }: Reading): void {
  writer.setPrefix('> '.repeat(quotes) + '  '.repeat(Math.max(0, lists.length - 1)))
}

const atStart: Readonly<Record<string, (reading: Reading, attributes: Attributes) => void>> = {
  base(reading, attributes) {
    const base = URL.parse(attributes.get('href') ?? '', reading.base)?.href
    if (base !== undefined && base.length <= maxLinkCharacters) reading.base = base
  },
  title(reading) {
    reading.inTitle = reading.title === ''
  },
  br: ({ writer }) => writer.breakLine(1),
  hr({ writer, marks }) {
    writer.breakLine(2)
    if (marks) writer.words('---')
    writer.breakLine(2)
  },
  pre(reading) {
    reading.verbatim ??= ''
  },
  blockquote(reading) {
    reading.quotes = Math.min(reading.quotes + 1, maxListLevels)
  },
  ul: (reading) => startList(reading, false),
  ol: (reading) => startList(reading, true),
  li({ writer, lists }) {
    const list = lists.at(-1)
    if (list !== undefined) list.count += 1
    writer.mark(list?.ordered === true ? `${list.count}. ` : '- ')
  },
  tr(reading) {
    endRow(reading)
    reading.row = { cells: 0, heads: 0 }
  },
  td: (reading) => startCell(reading, 0),
  th: (reading) => startCell(reading, 1),
  img(reading, attributes) {
    const alt = (attributes.get('alt') ?? '').trim()
    const source = linkTo(reading, attributes.get('src'))
    if (alt !== '') reading.writer.words(reading.marks && source !== '' ? `![${alt}](${source})` : `[picture: ${alt}]`)
  },
  a(reading, attributes) {
    const target = linkTo(reading, attributes.get('href'))
    reading.writer.close('a')
    if (reading.marks && target !== '') reading.writer.open('a', '[', `](${target})`)
  },
}

const atEnd: Readonly<Record<string, (reading: Reading) => void>> = {
  title(reading) {
    reading.inTitle = false
  },
  pre: endVerbatim,
  blockquote(reading) {
    reading.quotes = Math.max(0, reading.quotes - 1)
  },
  ul: ({ lists }) => void lists.pop(),
  ol: ({ lists }) => void lists.pop(),
  tr: endRow,
  table: endRow,
  a: ({ writer }) => writer.close('a'),
}

function startList({ lists }: Reading, ordered: boolean): void {
  if (lists.length < maxListLevels) lists.push({ ordered, count: 0 })
}

/** Cells share a line only while their text has one: a table used for layout then reads as the page, not as one row. */
function startCell({ row, writer }: Reading, heads: 0 | 1): void {
  if (row !== null) {
    row.cells += 1
    row.heads += heads
  }
  writer.separate(' | ')
}

function endRow(reading: Reading): void {
  const { row, writer, marks } = reading
  reading.row = null
  if (row === null || !marks || row.heads < 2 || row.heads !== row.cells) return
  writer.breakLine(1)
  writer.words(Array.from({ length: Math.min(row.cells, maxColumns) }, () => '---').join(' | '))
}

function endVerbatim(reading: Reading): void {
  const { verbatim, writer, marks } = reading
  if (verbatim === null) return
  reading.verbatim = null
  const text = verbatim.replace(/^\n/, '').replace(/\n$/, '')
  const ticks = (text.match(/`+/g) ?? []).reduce((longest, run) => Math.max(longest, run.length), 2)
  const fence = '`'.repeat(ticks + 1)
  writer.verbatim(marks ? `${fence}\n${text}\n${fence}` : text)
  writer.breakLine(2)
}

/** @returns a URL that a reader could follow, or an empty string */
function linkTo({ base }: Reading, href: string | undefined): string {
  if (href === undefined || href.startsWith('#') || href.length > maxLinkCharacters) return ''
  const target = URL.parse(href, base)
  // A long base can make it too long.
  if (target === null || target.href.length > maxLinkCharacters || !['http:', 'https:', 'mailto:'].includes(target.protocol)) return ''
  return target.href.replaceAll('(', '%28').replaceAll(')', '%29')
}

const maxLinkCharacters = 1_000
const maxTitleCharacters = 300
const maxColumns = 50

/** Names come from the page: they must not find properties of Object.prototype. */
function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

// The elements of HTML by their meaning for text.

const set = (names: string): ReadonlySet<string> => new Set(names.split(' '))

/** Their content is not text of the page. */
const unread: ReadonlySet<string> = set(
  'script style noscript template svg iframe object canvas audio video select datalist dialog frameset map',
)
/** Repeated on every page of a site. Skipped unless there is nothing else. */
const surroundings: ReadonlySet<string> = set('nav footer aside')

/** Void elements: no end tag. */
const empty: ReadonlySet<string> = set('area base br col embed hr img input link meta param source track wbr')

/** Their end tag is optional: the next element of the same name ends them. */
const endedBySibling: ReadonlySet<string> = set('p li dt dd tr td th thead tbody tfoot option optgroup rt rp')

/** Begin and end a paragraph. */
const paragraphs: ReadonlySet<string> = set(
  'p div section article main header footer nav aside address figure figcaption blockquote ul ol dl table form fieldset details summary h1 h2 h3 h4 h5 h6 hgroup pre center body',
)
/** Begin and end a line. */
const lines: ReadonlySet<string> = set('li dt dd tr legend caption option label')

/** Markdown marks around words. */
const emphasis: Readonly<Record<string, string>> = {
  b: '**',
  strong: '**',
  i: '*',
  em: '*',
  code: '`',
  kbd: '`',
  samp: '`',
  del: '~~',
  s: '~~',
}

const headings: Readonly<Record<string, string>> = { h1: '#', h2: '##', h3: '###', h4: '####', h5: '#####', h6: '######' }

type Attributes = ReadonlyMap<string, string>

/** Elements that a browser would not show are skipped: instructions to models are hidden in them. */
function isHidden(attributes: Attributes): boolean {
  if (attributes.has('hidden') || attributes.get('aria-hidden') === 'true') return true
  const style = (attributes.get('style') ?? '').toLowerCase().replace(/\s/g, '')
  return /(?:^|;)(?:display:none|visibility:(?:hidden|collapse)|(?:font-size|opacity):[0.]+(?:%|[a-z]{1,4})?(?:[;!]|$))/.test(style)
}
