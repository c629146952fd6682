/**
 * Text that comes in pieces, shown so that its lines end between words. A terminal alone ends them anywhere.
 *
 * What was shown is never taken back, because how wide a terminal draws a character is not known for certain. Instead a word
 * that begins near the edge is held back until its end is known. Code, tables and what is set in as code stay as they are.
 */
import { breaksBetween, charWidth } from './text-width.ts'

/** Nearer to the edge than this a word waits for its end; longer words than this are few. */
const edgeCells = 24
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

/** @param columns width of the terminal, asked anew for each word: a person may resize it */
export function createWordFlow(columns: () => number): WordFlow {
  /** Cells that are filled in the row. */
  let column = 0
  let blanks = ''
  /** What has come of a word and is not written. */
  let held = ''
  let heldCells = 0
  /** The beginning of the word is written: the rest follows it. */
  let begun = false
  let last = ''
  let head = ''
  let code: string | null = null

  const startRow = (): void => {
    column = 0
    blanks = ''
    begun = false
    last = ''
  }
  const put = (): string => {
    const text = blanks + held
    column += blanks.length + heldCells
    blanks = ''
    held = ''
    heldCells = 0
    return text
  }
  /** The word has ended: it goes into this row or begins the next one. */
  const place = (): string => {
    if (held === '') {
      begun = false
      return ''
    }
    const width = columns()
    if (column > width) column %= width
    const fits = begun || column === 0 || column + blanks.length + heldCells <= width
    if (!fits) startRow()
    const text = put()
    begun = false
    return fits ? text : `\n${text}`
  }
  const endLine = (): string => {
    const text = place()
    const mark = fence.exec(head)?.[1]
    if (mark !== undefined) code = code === null ? mark : code === mark ? null : code
    startRow()
    head = ''
    return `${text}\n`
  }
  const takeChar = (char: string): string => {
    if (char === '\n') return endLine()
    if (head.length < headChars) head += char
    let out = ''
    if (char === ' ' || char === '\t') {
      out = place()
      blanks += char
    } else {
      if (last !== '' && last !== ' ' && breaksBetween(last, char)) out = place()
      held += char
      heldCells += charWidth(char)
    }
    last = char === '\t' ? ' ' : char
    return code !== null || setAsItIs.test(head) ? out + put() : out
  }
  return {
    take(text) {
      let out = ''
      for (const char of text) out += takeChar(char)
      if (held !== '' && (begun || column + blanks.length + heldCells + edgeCells <= columns())) {
        out += put()
        begun = true
      }
      return out
    },
    end() {
      const text = place()
      startRow()
      return text
    },
    forget() {
      code = null
      head = ''
    },
  }
}
