/**
 * Puts running text together: collapses white space, breaks lines and paragraphs, and holds marks around words (`**`, links)
 * back until there is a word, so that no empty pair is written. It knows nothing of HTML.
 */
import { maxPageCharacters } from '../limits.ts'

export interface TextWriter {
  /** Text in which white space means nothing more than a space. */
  words(text: string): void
  /** 1: at least a new line before what follows; 2: at least an empty one. */
  breakLine(level: 1 | 2): void
  /** Text as it is, on lines of its own; of more than is kept of a page, the beginning. */
  verbatim(text: string): void
  /** Stands before the next word, once. */
  mark(text: string): void
  /** Marks what follows until `close` of the same key, or until the line breaks. */
  open(key: string, before: string, after: string): void
  close(key: string): void
  /** Put between this and the next word when both stand on one line, in place of a space. */
  separate(text: string): void
  /** Begins each line from now on. */
  setPrefix(prefix: string): void
  /** Characters written so far. */
  readonly size: number
  /** Ends what is open. @returns the whole text */
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
  /** Breaks that are due before the next word; nothing stands above the first. */
  due: number
  isLineEmpty: boolean
  /** Between the last word and the next. */
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

/** Marks within marks within one line; more are decoration, or meant to cost time. */
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
  const said = words.filter((word) => word !== '').join(' ')
  if (said === '') return
  if (writing.isLineEmpty) {
    startLine(writing)
    put(writing, writing.marker)
    writing.marker = ''
  } else put(writing, writing.gap)
  for (const one of writing.opened) {
    if (!one.written) put(writing, one.before)
    one.written = true
  }
  put(writing, said)
  writing.isLineEmpty = false
  writing.gap = words.at(-1) === '' ? ' ' : ''
}

function writeVerbatim(writing: Writing, text: string): void {
  breakLine(writing, 1)
  for (const line of text.split('\n')) {
    // The prefix of a line may be longer than the line.
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
  // What was opened inside and not closed ends here too.
  if (at >= 0) putEnds(writing, writing.opened.splice(at))
}

function endMarks(writing: Writing): void {
  putEnds(writing, writing.opened)
  writing.opened = []
}

function putEnds(writing: Writing, marks: readonly OpenMark[]): void {
  for (const { written, after } of marks.toReversed()) if (written) put(writing, after)
}
