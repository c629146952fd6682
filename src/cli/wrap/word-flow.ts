/**
 * Text that comes in pieces, shown so that its lines end between words. A terminal alone ends them anywhere.
 *
 * What was shown is never taken back, because how wide a terminal draws a character is not known for certain. Instead a word
 * that begins near the edge is held back until its end is known. Code, tables and what is set in as code stay as they are.
 */
import { breaksBetween, charWidth } from './text-width.ts'

/** Nearer to the edge than this a word waits for its end; longer words than this are few. */
const edgeCells = 24
/** Where a tab leads: to the next multiple of it. */
const tabCells = 8
/** Enough of a line to see what it is. */
const headChars = 8

const fence = /^ {0,3}(```|~~~)/
const setAsItIs = /^(?: {4}|\t|\|)/

export interface WordFlow {
  /** @returns what to write now; the end of it may be held back until more comes */
  take(text: string): string
  /** @returns what was held back; the next text begins at the left edge. */
  end(): string
  /** A text is over: code that was not ended is. */
  forget(): void
}

/** What of a text is set in as it is: fences, lines that are indented, and tables. */
function createCodeMarks() {
  let head = ''
  let code: string | null = null
  return {
    /** @returns whether the line is to stay as it is, as far as it has come */
    isCode(char: string): boolean {
      if (head.length < headChars) head += char
      return code !== null || setAsItIs.test(head)
    },
    endLine() {
      const mark = fence.exec(head)?.[1]
      if (mark !== undefined && (code === null || code === mark)) code = code === null ? mark : null
      head = ''
    },
    forget() {
      code = null
      head = ''
    },
  }
}

/** One row of the terminal: what is written in it, and the word that is not yet. */
function createRow(columns: () => number) {
  /** Cells that are filled. */
  let column = 0
  let blanks = ''
  let held = ''
  let heldCells = 0
  /** The beginning of the word is written: the rest follows it. */
  let begun = false

  const start = (): void => {
    column = 0
    blanks = ''
    begun = false
  }
  /** Where the word begins. */
  const behindBlanks = (): number => {
    let at = column
    for (const blank of blanks) at += blank === '\t' ? tabCells - (at % tabCells) : 1
    return at
  }
  const put = (): string => {
    const text = blanks + held
    column = behindBlanks() + heldCells
    blanks = ''
    held = ''
    heldCells = 0
    return text
  }
  return {
    start,
    /** Writes all that there is, wherever that leads. */
    put,
    addBlank: (char: string) => void (blanks += char),
    addToWord(char: string) {
      held += char
      heldCells += charWidth(char)
    },
    /** The word has ended: it goes into this row or begins the next one. */
    place(): string {
      const width = columns()
      if (column > width) column %= width
      const fits = held === '' || begun || column === 0 || behindBlanks() + heldCells <= width
      begun = false
      if (held === '') return ''
      if (!fits) start()
      return `${fits ? '' : '\n'}${put()}`
    },
    /** Writes what there is of a word that is far enough from the edge. */
    begin(): string {
      if (held === '' || (!begun && behindBlanks() + heldCells + edgeCells > columns())) return ''
      begun = true
      return put()
    },
  }
}

/** @param columns width of the terminal, asked anew for each word: a person may resize it */
export function createWordFlow(columns: () => number): WordFlow {
  const marks = createCodeMarks()
  const row = createRow(columns)
  let last = ' '

  const startRow = (): void => {
    row.start()
    last = ' '
  }
  const endLine = (): string => {
    const text = row.place()
    marks.endLine()
    startRow()
    return `${text}\n`
  }
  const takeChar = (char: string): string => {
    if (char === '\n') return endLine()
    const isCode = marks.isCode(char)
    const isBlank = char === ' ' || char === '\t'
    const isEnd = isBlank || (last !== ' ' && breaksBetween(last, char))
    const text = isEnd ? row.place() : ''
    if (isBlank) row.addBlank(char)
    else row.addToWord(char)
    last = isBlank ? ' ' : char
    return isCode ? text + row.put() : text
  }
  return {
    take(text) {
      let out = ''
      for (const char of text) out += takeChar(char)
      return out + row.begin()
    },
    end() {
      const text = row.place()
      startRow()
      return text
    },
    forget: marks.forget,
  }
}
