/**
 * Writes running text: collapses white space, breaks lines and paragraphs, and delays inline marks (`**`, links) until a word
 * follows, so that no empty pair is written. Independent of HTML.
 */
import { maxPageCharacters } from '../limits.ts'

export interface TextWriter {
  /** Text in which white space collapses to one space. */
  words(text: string): void
  /** 1: a line break before the next text; 2: an empty line. */
  breakLine(level: 1 | 2): void
  /** Text as it is, on its own lines; truncated to what is kept of a page. */
  verbatim(text: string): void
  /** Written once, before the next word. */
  mark(text: string): void
  /** Marks the following text until `close` with the same key, or until the line breaks. */
  open(key: string, before: string, after: string): void
  close(key: string): void
  /** Separates the next word when it is on the same line, instead of a space. */
  separate(text: string): void
  /** Prefix of each line from now on. */
  setPrefix(prefix: string): void
  /** Characters written so far. */
  readonly size: number
  /** Closes open marks. @returns the whole text */
  end(): string
}

interface OpenMark {
  readonly key: string
  readonly before: string
  readonly after: string
  written: boolean
}

interface Writing {
  readonly out: string[]
  size: number
  prefix: string
  marker: string
  /** Line breaks to write before the next word; none at the top. */
  due: number
  isLineEmpty: boolean
  /** Separator between the last word and the next. */
  gap: string
  opened: OpenMark[]
}

export function createTextWriter(): TextWriter {
  const writing: Writing = { out: [], size: 0, prefix: '', marker: '', due: 0, isLineEmpty: true, gap: '', opened: [] }
  return {
    words: (text) => writeWords(writing, text),
    breakLine: (level) => breakLine(writing, level),
    verbatim: (text) => writeVerbatim(writing, text),
    mark(text) {
      writing.marker = text
    },
    open(key, before, after) {
      if (writing.opened.length < maxOpenMarks) writing.opened.push({ key, before, after, written: false })
    },
    close: (key) => closeMark(writing, key),
    separate(text) {
      if (!writing.isLineEmpty) writing.gap = text
    },
    setPrefix(text) {
      writing.prefix = text
    },
    get size() {
      return writing.size
    },
    end() {
      endMarks(writing)
      return writing.out.join('').replace(/^\n+/, '').trimEnd()
    },
  }
}

/** Limit of nested marks within one line; more are decoration, or meant to cost time. */
const maxOpenMarks = 20

function put(writing: Writing, text: string): void {
  writing.out.push(text)
  writing.size += text.length
}

function startLine(writing: Writing): void {
  if (writing.due > 0 && writing.size > 0) put(writing, '\n'.repeat(writing.due))
  put(writing, writing.prefix)
  writing.due = 0
}

function writeWords(writing: Writing, text: string): void {
  const words = text.split(/[ \t\n\r\f]+/)
  if (words.length > 1 && words[0] === '' && writing.gap === '') writing.gap = ' '
  const joined = words.filter((word) => word !== '').join(' ')
  if (joined === '') return
  if (writing.isLineEmpty) {
    startLine(writing)
    put(writing, writing.marker)
    writing.marker = ''
  } else put(writing, writing.gap)
  for (const one of writing.opened) {
    if (!one.written) put(writing, one.before)
    one.written = true
  }
  put(writing, joined)
  writing.isLineEmpty = false
  writing.gap = words.at(-1) === '' ? ' ' : ''
}

function writeVerbatim(writing: Writing, text: string): void {
  breakLine(writing, 1)
  for (const line of text.split('\n')) {
    // The prefix may be longer than the line.
    if (writing.size > maxPageCharacters) return
    startLine(writing)
    put(writing, line)
    writing.due = 1
  }
}

function breakLine(writing: Writing, level: 1 | 2): void {
  endMarks(writing)
  writing.due = Math.max(writing.due, level)
  writing.isLineEmpty = true
  writing.gap = ''
}

function closeMark(writing: Writing, key: string): void {
  const at = writing.opened.findLastIndex((one) => one.key === key)
  // Closes the marks opened inside it, too.
  if (at >= 0) putEnds(writing, writing.opened.splice(at))
}

function endMarks(writing: Writing): void {
  putEnds(writing, writing.opened)
  writing.opened = []
}

function putEnds(writing: Writing, marks: readonly OpenMark[]): void {
  for (const { written, after } of marks.toReversed()) if (written) put(writing, after)
}
