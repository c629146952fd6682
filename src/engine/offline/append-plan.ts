/**
 * Appending with the tools there are: read the file, then replace its last lines by themselves and the new text. The edit
 * fails, and changes nothing, when those lines are not exactly what the file ends with or stand in it twice. A file
 * that is not there is written.
 */
import type { Command, Step } from './command.ts'
import type { Exchange } from './conversation.ts'
import { phrase, sayFailed } from './reply-phrasing.ts'
import { readNumbered, readTotalLines } from './tool-text.ts'

/** Lines taken as the end of the file: enough to be unlike the rest of it. */
const tailLines = 5

export function appendPlan(command: Extract<Command, { kind: 'append' }>, done: readonly Exchange[]): Step {
  const { path, text } = command
  const change = done.find((each) => each.call.name !== 'file_read')
  if (change !== undefined) return { say: phrase(command, change) }
  const read = done.at(-1)
  if (read === undefined) return { calls: [{ name: 'file_read', arguments: { path } }] }
  if (read.result?.ok !== true) {
    const absent = /not.?found|no such|does not exist|not there|no file/i.test(read.result?.text ?? '')
    if (!absent) return { say: sayFailed(`append to ${path}`, read) }
    return { calls: [{ name: 'file_write', arguments: { path, text: endLine(text) } }] }
  }
  const shown = read.result.text
  const total = readTotalLines(shown)
  if (total !== null && done.length === 1) {
    return { calls: [{ name: 'file_read', arguments: { path, from_line: Math.max(1, total - tailLines + 1), max_lines: tailLines } }] }
  }
  const lines = readNumbered(shown)
  if (lines.length === 0 && shown.includes('is empty')) return { calls: [{ name: 'file_write', arguments: { path, text: endLine(text) } }] }
  const tail = lines.slice(-tailLines).map((line) => line.text)
  if (total !== null || tail.join('').trim() === '' || shown.includes('was cut')) {
    return { say: `I did not append to ${path}: I cannot tell its last lines apart from the rest.` }
  }
  const find = tail.join('\n')
  return { calls: [{ name: 'file_edit', arguments: { path, find, replace: `${find}\n${text.replace(/\n$/, '')}`, all: false } }] }
}

function endLine(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}
