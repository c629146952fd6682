/** A record of the journal as a person reads it: one line in a pipe, as much as fits in a terminal; `--json` has all of it. */
import { erasedText, isErased, type JournalRecord } from '../../types/index.ts'
import { describeExchange } from '../view/exchange-text.ts'
import { plainLine } from '../view/terminal-text.ts'
import { formatTime } from '../view/text-format.ts'
import { textWidth } from '../wrap/text-width.ts'
import { wrapWords } from '../wrap/wrap-words.ts'

/** Characters of a body in a pipe. */
const bodyChars = 100
/** Columns that a body must have beside the rest; with fewer it goes below. */
const leastBesideColumns = 40
/** What a body below has at least, however narrow the terminal is. */
const leastBelowColumns = 20
/** Under the time. */
const indent = ' '.repeat(8)

/** @param columns of the terminal; `Infinity` for a pipe */
export function recordLine(record: JournalRecord, columns: number): string {
  const column = (text: string, width: number): string => plainLine(text, bodyChars).padEnd(width)
  const { seq, at, actor, phase, name } = record
  const head = [String(seq).padStart(6), formatTime(at), column(actor, 12), column(phase, 10), column(name, 15)].join('  ')
  const body = erasedLine(record.body) ?? (phase === 'exchange' && name === 'model.generate' ? describeExchange(record.body) : record.body)
  if (columns === Infinity) return `${head}  ${plainLine(body, bodyChars)}`
  const beside = columns - textWidth(head) - 2
  if (beside >= leastBesideColumns) return `${head}  ${plainLine(body, beside)}`
  return `${wrapWords(head.trimEnd(), columns)}\n${indent}${plainLine(body, Math.max(leastBelowColumns, columns - indent.length))}`
}

function erasedLine(body: string): string | null {
  if (!body.startsWith('{"erased":')) return null
  const found: unknown = JSON.parse(body)
  return isErased(found) ? `${erasedText} ${found.bytes} bytes: ${found.reason}` : null
}
