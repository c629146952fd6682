/** Word wrapping of whole lines and of streamed text. */

/** Cells of a table before the last one: each ends with two or more spaces. */
const cells = /^ *(?:\S+(?: \S+)* {2,})*/
const smallIndent = 2

/** @returns the text wrapped at `columns`, except for words that are longer than a row; with `Infinity`, the text unchanged. */
export function wrapWords(text: string, columns: number): string {
  if (columns === Infinity) return text
  return text
    .split('\n')
    .map((line) => (textWidth(line) <= columns ? line : wrapLine(line, columns)))
    .join('\n')
}

function wrapLine(line: string, columns: number): string {
  const indent = ' '.repeat(indentOf(line, columns))
  const room = columns - indent.length
  const rows: string[] = []
  let row = ''
  // Spaces belong to the word after them.
  for (const word of line.match(/ *[^ ]+/g) ?? []) {
    // It would not fit on a row of its own either.
    const isLong = textWidth(word.trimStart()) > room
    if (row.trim() === '' || isLong || textWidth(row + word) <= columns) row += word
    else {
      rows.push(row)
      row = indent + word.trimStart()
    }
  }
  return [...rows, row].join('\n')
}

function indentOf(line: string, columns: number): number {
  const beside = textWidth(cells.exec(line)?.[0] ?? '')
  // If the cells leave less than half of the terminal, wrapped rows begin at the left edge.
  if (beside > 0 && beside <= columns / 2) return beside
  const own = line.length - line.trimStart().length
  return Math.min(own + smallIndent, Math.floor(columns / 2))
}

// Streamed text. Printed text is never erased and reprinted, because the width of a character on a terminal is uncertain. Instead, a word
// near the edge is held back until it is complete. Code and tables are not wrapped.

/** A word that begins nearer to the edge than this is held back until it is complete. Few words are longer. */
const edgeCells = 24
/** Distance of tab stops. */
const tabCells = 8
/** Characters at the start of a line that tell whether it is code. */
const headChars = 8

const fence = /^ {0,3}(```|~~~)/
const unwrapped = /^(?: {4}|\t|\|)/

interface WordFlow {
  /** @returns the text to write now; the last word may be held back until it is complete */
  take(text: string): string
  /** @returns the text that was held back; the next text begins at the left edge. */
  end(): string
  /** A text is over: ends a code block that it left open. */
  forget(): void
}

/** Recognizes lines that are not wrapped: fenced code, indented lines and tables. */
function createCodeDetector() {
  let head = ''
  let code: string | null = null
  return {
    /** @returns whether the line is code, judging by its characters so far */
    isCode(char: string): boolean {
      if (head.length < headChars) head += char
      return code !== null || unwrapped.test(head)
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

/** One row of the terminal: the text written so far, and the word that is held back. */
function createRow(columns: () => number) {
  /** Number of filled cells. */
  let column = 0
  let blanks = ''
  let word = ''
  let wordCells = 0
  /** The beginning of the word is already written. */
  let begun = false

  const start = (): void => {
    column = 0
    blanks = ''
    begun = false
  }
  /** @returns the column at which the word begins. */
  const wordColumn = (): number => {
    let at = column
    for (const blank of blanks) at += blank === '\t' ? tabCells - (at % tabCells) : 1
    return at
  }
  const put = (): string => {
    const text = blanks + word
    column = wordColumn() + wordCells
    blanks = ''
    word = ''
    wordCells = 0
    return text
  }
  return {
    start,
    /** @returns the blanks and the word, even if they do not fit the row. */
    put,
    addBlank: (char: string) => void (blanks += char),
    addToWord(char: string) {
      word += char
      wordCells += charWidth(char)
    },
    /** The word is complete. @returns it, preceded by a newline if it does not fit this row. */
    place(): string {
      const width = columns()
      if (column > width) column %= width
      const fits = word === '' || begun || column === 0 || wordColumn() + wordCells <= width
      begun = false
      if (word === '') return ''
      if (!fits) start()
      return `${fits ? '' : '\n'}${put()}`
    },
    /** @returns the incomplete word if it is far enough from the edge. */
    begin(): string {
      if (word === '' || (!begun && wordColumn() + wordCells + edgeCells > columns())) return ''
      begun = true
      return put()
    },
  }
}

/** @param columns called for each word, because a person may resize the terminal */
export function createWordFlow(columns: () => number): WordFlow {
  const detector = createCodeDetector()
  const row = createRow(columns)
  let last = ' '

  const startRow = (): void => {
    row.start()
    last = ' '
  }
  const endLine = (): string => {
    const text = row.place()
    detector.endLine()
    startRow()
    return `${text}\n`
  }
  const takeChar = (char: string): string => {
    if (char === '\n') return endLine()
    const isCode = detector.isCode(char)
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
    forget: detector.forget,
  }
}

// Width of text in cells. An estimate for emoji sequences, which terminals render differently: nothing that moves the cursor back may depend
// on it.

const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}]$/u
const hangul = '\\u1100-\\u115f\\ua960-\\ua97f\\uac00-\\ud7a3'
const ideographs =
  '\\u2e80-\\u303e\\u3041-\\u33ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\ua000-\\ua4cf\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff01-\\uff60\\uffe0-\\uffe6\\u{20000}-\\u{3fffd}'
const wide = new RegExp(`^[${hangul}${ideographs}\\p{Emoji_Presentation}]$`, 'u')
/** Scripts without spaces: a line may end before or after any character. Hangul has spaces. */
const spaceless = new RegExp(`^[${ideographs}\\p{Emoji_Presentation}]$`, 'u')
const closing =
  /^[\p{Pe}\p{Pf}\p{Po}\u3005\u30fc\u3041\u3043\u3045\u3047\u3049\u3063\u3083\u3085\u3087\u30a1\u30a3\u30a5\u30a7\u30a9\u30c3\u30e3\u30e5\u30e7]$/u
const opening = /^[\p{Ps}\p{Pi}]$/u
const joiner = '\u200d'

/** @param char one code point */
function charWidth(char: string): 0 | 1 | 2 {
  if (char < '\u0300') return 1
  if (zeroWidth.test(char)) return 0
  return wide.test(char) ? 2 : 1
}

export function textWidth(text: string): number {
  let width = 0
  for (const char of text) width += charWidth(char)
  return width
}

/** @returns whether a line may end between these two code points. Neither is a space. */
function breaksBetween(before: string, after: string): boolean {
  if (before < '\u0300' && after < '\u0300') return false
  if (before === joiner || charWidth(after) === 0) return false
  return (spaceless.test(before) || spaceless.test(after)) && !closing.test(after) && !opening.test(before)
}
