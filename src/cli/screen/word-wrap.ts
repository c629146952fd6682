/** Wrapping between words: of whole lines, and of text that arrives in pieces. */

/** Cells of columns: they end with two spaces or more. */
const cells = /^ *(?:\S+(?: \S+)* {2,})*/
const smallIndent = 2

/** @returns the text with no line wider than `columns` but those with a word that no row could hold; `Infinity` leaves it as it is. */
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
  // A run of spaces belongs to the word behind it.
  for (const word of line.match(/ *[^ ]+/g) ?? []) {
    // A row of its own would not hold it either.
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
  // Where columns leave less than half of the terminal, what goes on begins at the left.
  if (beside > 0 && beside <= columns / 2) return beside
  const own = line.length - line.trimStart().length
  return Math.min(own + smallIndent, Math.floor(columns / 2))
}

// Streamed text. Nothing that was shown is taken back, because the width that a terminal gives a character is not certain. Instead a
// word that begins near the edge is held back until its end is known. Code and tables stay as they are.

/** Nearer to the edge than this a word waits for its end; longer words than this are few. */
const edgeCells = 24
/** Where a tab leads: to the next multiple of it. */
const tabCells = 8
/** Enough of a line to see what it is. */
const headChars = 8

const fence = /^ {0,3}(```|~~~)/
const setAsItIs = /^(?: {4}|\t|\|)/

interface WordFlow {
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

// Cells that a text takes. Terminals differ over emoji sequences, where this is an estimate: nothing that moves the cursor back may
// depend on it.

const unseen = /^[\p{Mn}\p{Me}\p{Cf}]$/u
const hangul = '\\u1100-\\u115f\\ua960-\\ua97f\\uac00-\\ud7a3'
const ideographs =
  '\\u2e80-\\u303e\\u3041-\\u33ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\ua000-\\ua4cf\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff01-\\uff60\\uffe0-\\uffe6\\u{20000}-\\u{3fffd}'
const wide = new RegExp(`^[${hangul}${ideographs}\\p{Emoji_Presentation}]$`, 'u')
/** Written without spaces, so that a line may end beside any of them. Hangul has spaces. */
const spaceless = new RegExp(`^[${ideographs}\\p{Emoji_Presentation}]$`, 'u')
const closing =
  /^[\p{Pe}\p{Pf}\p{Po}\u3005\u30fc\u3041\u3043\u3045\u3047\u3049\u3063\u3083\u3085\u3087\u30a1\u30a3\u30a5\u30a7\u30a9\u30c3\u30e3\u30e5\u30e7]$/u
const opening = /^[\p{Ps}\p{Pi}]$/u
const joiner = '\u200d'

/** @param char one code point */
function charWidth(char: string): 0 | 1 | 2 {
  if (char < '\u0300') return 1
  if (unseen.test(char)) return 0
  return wide.test(char) ? 2 : 1
}

export function textWidth(text: string): number {
  let width = 0
  for (const char of text) width += charWidth(char)
  return width
}

/** @returns whether a line may end between these two code points, neither of which is a space. */
function breaksBetween(before: string, after: string): boolean {
  if (before < '\u0300' && after < '\u0300') return false
  if (before === joiner || charWidth(after) === 0) return false
  return (spaceless.test(before) || spaceless.test(after)) && !closing.test(after) && !opening.test(before)
}
