/** Whole lines, broken between words. What goes on stands under the last column that its line has, so that tables stay tables. */
import { textWidth } from './text-width.ts'

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
