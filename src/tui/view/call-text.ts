/** What is shown of a call's input: its subject in one line, its fields, and what it changes in a file. Lenient: a model writes it. */
import { fieldsIn, plainLine } from '../../terminal/index.ts'
import type { DiffLine } from './extras.ts'
import { ownValue } from '../../base/index.ts'

export interface CallText {
  readonly name: string
  /** JSON text. */
  readonly input: string
}

export interface Field {
  readonly name: string
  readonly lines: readonly string[]
}

/** @returns each field of the input with its lines; one without a name when the input is no object */
export function fieldsOf(input: string): readonly Field[] {
  const fields = Object.entries(fieldsIn(input))
  if (fields.length === 0) return input === '' || input === '{}' ? [] : [{ name: 'input', lines: input.split('\n') }]
  return fields.map(([name, value]) => ({
    name: plainLine(name, 40),
    lines: (typeof value === 'string' ? value : JSON.stringify(value)).split('\n'),
  }))
}

/** A change of one file: as lines, or as two texts to compare. */
export interface Diff {
  readonly before: string
  readonly after: string
  readonly lines: readonly DiffLine[] | null
}

/** @returns what the input of a call says of a change: a diff, another text or the whole text of a path; null: it says of none */
export function changeOf({ input }: Pick<CallText, 'input'>): Diff | null {
  const fields = fieldsIn(input)
  const text = (field: string): string => {
    const value = ownValue(fields, field)
    return typeof value === 'string' ? value : ''
  }
  if (text('diff') !== '') return { before: '', after: '', lines: ofPatch(text('diff')) }
  if (text('path') === '') return null
  if (text('find') !== '' || text('replace') !== '') return { before: text('find'), after: text('replace'), lines: null }
  return text('text') === '' ? null : { before: '', after: '', lines: added(text('text')) }
}

function added(text: string): readonly DiffLine[] {
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => ({ kind: 'added', text: line }))
}

/** Lines of a unified diff; its headers are shown as they are. */
function ofPatch(patch: string): readonly DiffLine[] {
  return patch
    .replace(/\n$/, '')
    .split('\n')
    .map((line): DiffLine => {
      if (/^(?:\+\+\+|---|@@|diff |index )/.test(line)) return { kind: 'same', text: line }
      if (line.startsWith('+')) return { kind: 'added', text: line.slice(1) }
      if (line.startsWith('-')) return { kind: 'removed', text: line.slice(1) }
      return { kind: 'same', text: line.replace(/^ /, '') }
    })
}
