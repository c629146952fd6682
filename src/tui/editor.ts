/**
 * A multi-line text editor as a value: what is typed, the cursor, undo, killed text, the history of messages, and large pasted texts as
 * placeholders. Pure; keys are names such as `ctrl+w`. Where up and down lead depends on how lines wrap, so the width is an argument.
 */
import { visibleWidth } from '@earendil-works/pi-tui'
import { inlinePasteChars, inlinePasteLines, maxEditorChars, maxHistory, maxPasteChars, maxUndo } from './limits.ts'
import { ownValue } from '../base/index.ts'

export interface Editor {
  readonly text: string
  /** Offset of the cursor. */
  readonly at: number
  readonly undo: readonly Pick<Editor, 'text' | 'at'>[]
  readonly killed: string
  /** Earlier messages, the newest last. */
  readonly history: readonly string[]
  /** Place in the history, and what was typed before it was entered; null outside. */
  readonly recalled: { readonly at: number; readonly draft: string } | null
  /** Pasted texts, by placeholder. */
  readonly pastes: Readonly<Record<string, string>>
}

/** An editor without text and without history. */
export const emptyEditor: Editor = { text: '', at: 0, undo: [], killed: '', history: [], recalled: null, pastes: {} }

/** @returns the message: placeholders become the pasted text */
export function messageIn({ text, pastes }: Editor): string {
  return text.replace(placeholder, (found) => ownValue(pastes, found) ?? found)
}

const placeholder = /\[Pasted text #\d+, \d+ (?:lines?|characters)\]/g

/** @returns an empty editor whose history has the message that was sent */
export function sentFrom(editor: Editor, message: string): Editor {
  return { ...emptyEditor, killed: editor.killed, history: remember(editor.history, message) }
}

/** Adds a message to the history, unless it is blank or repeats the last one. */
export function remember(history: readonly string[], message: string): readonly string[] {
  return message.trim() === '' || history.at(-1) === message ? history : [...history, message].slice(-maxHistory)
}

/** Types text at the cursor. @returns the same editor where it would become too long */
export function insert(editor: Editor, added: string): Editor {
  const { text, at } = editor
  if (text.length + added.length > maxEditorChars) return editor
  return edited(editor, text.slice(0, at) + added + text.slice(at), at + added.length)
}

/** Inserts a short text, and a placeholder for a long one. @returns null when it is too long */
export function paste(editor: Editor, raw: string): Editor | null {
  const text = raw.replace(/\r\n?/g, '\n')
  const held = Object.values(editor.pastes).reduce((sum, one) => sum + one.length, 0)
  if (held + text.length > maxPasteChars) return null
  const lines = text.split('\n').length
  if (text.length <= inlinePasteChars && lines <= inlinePasteLines) return insert(editor, text)
  const size = lines > 1 ? `${lines} lines` : `${text.length} characters`
  const name = `[Pasted text #${Object.keys(editor.pastes).length + 1}, ${size}]`
  return { ...insert(editor, name), pastes: { ...editor.pastes, [name]: text } }
}

/** Replaces everything, as a step that can be undone. */
export function setText(editor: Editor, text: string): Editor {
  return edited(editor, text, text.length)
}

/** Replaces the characters from `from` to the cursor. */
export function replaceBefore(editor: Editor, from: number, text: string): Editor {
  return edited(editor, editor.text.slice(0, from) + text + editor.text.slice(editor.at), from + text.length)
}

/** @returns null for a key that does nothing in an editor */
export function editKey(editor: Editor, key: string, width: number): Editor | null {
  const { text } = editor
  const move = ownValue(moves, key)?.(editor, width)
  if (move !== undefined) return { ...editor, at: move }
  const cut = ownValue(deletions, key)?.(editor)
  if (cut !== undefined) {
    const [from, to] = cut
    if (from === to) return editor
    const kills = key !== 'backspace' && key !== 'delete' && key !== 'ctrl+h'
    return { ...edited(editor, text.slice(0, from) + text.slice(to), from), ...(kills && { killed: text.slice(from, to) }) }
  }
  switch (key) {
    case 'up':
    case 'down':
      return vertical(editor, key === 'up' ? -1 : 1, width)
    case 'ctrl+y':
      return editor.killed === '' ? editor : insert(editor, editor.killed)
    case 'ctrl+-':
    case 'ctrl+_': {
      const last = editor.undo.at(-1)
      return last === undefined ? editor : { ...editor, ...last, undo: editor.undo.slice(0, -1) }
    }
    case 'ctrl+p':
      return recall(editor, -1)
    case 'ctrl+n':
      return recall(editor, 1)
    default:
      return null
  }
}

function edited(editor: Editor, text: string, at: number): Editor {
  const undo = [...editor.undo, { text: editor.text, at: editor.at }].slice(-maxUndo)
  return { ...editor, text, at, undo, recalled: null }
}

type Place = (editor: Editor, width: number) => number

const moves: Readonly<Record<string, Place>> = {
  left: before,
  'ctrl+b': before,
  right: after,
  'ctrl+f': after,
  home: lineStart,
  'ctrl+a': lineStart,
  end: lineEnd,
  'ctrl+e': lineEnd,
  'alt+left': wordBefore,
  'ctrl+left': wordBefore,
  'alt+b': wordBefore,
  'alt+right': wordAfter,
  'ctrl+right': wordAfter,
  'alt+f': wordAfter,
}

/** What a key deletes, as offsets. */
const deletions: Readonly<Record<string, (editor: Editor) => readonly [number, number]>> = {
  backspace: (editor) => [before(editor), editor.at],
  'shift+backspace': (editor) => [before(editor), editor.at],
  'ctrl+h': (editor) => [before(editor), editor.at],
  delete: (editor) => [editor.at, after(editor)],
  'ctrl+d': (editor) => [editor.at, after(editor)],
  'ctrl+w': (editor) => [wordBefore(editor), editor.at],
  'alt+backspace': (editor) => [wordBefore(editor), editor.at],
  'ctrl+backspace': (editor) => [wordBefore(editor), editor.at],
  'alt+d': (editor) => [editor.at, wordAfter(editor)],
  'ctrl+u': (editor) => [lineStart(editor) === editor.at ? before(editor) : lineStart(editor), editor.at],
  'ctrl+k': (editor) => [editor.at, lineEnd(editor) === editor.at ? after(editor) : lineEnd(editor)],
}

/** A placeholder that ends or begins at the cursor counts as one character. */
function placeholderAt({ text, at, pastes }: Editor, end: 'start' | 'end'): string | undefined {
  return Object.keys(pastes).find((name) => (end === 'end' ? text.endsWith(name, at) : text.startsWith(name, at)))
}

function before(editor: Editor): number {
  const { text, at } = editor
  const whole = placeholderAt(editor, 'end')
  if (whole !== undefined) return at - whole.length
  // No character of people is longer.
  const near = [...graphemes(text.slice(Math.max(0, at - 64), at))]
  return at - (near.at(-1)?.length ?? 0)
}

function after(editor: Editor): number {
  const { text, at } = editor
  const whole = placeholderAt(editor, 'start')
  if (whole !== undefined) return at + whole.length
  return at + ([...graphemes(text.slice(at, at + 64))][0]?.length ?? 0)
}

function lineStart({ text, at }: Editor): number {
  return text.lastIndexOf('\n', at - 1) + 1
}

function lineEnd({ text, at }: Editor): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end
}

function wordBefore({ text, at }: Editor): number {
  return at - (/(?:[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]+|^)?\s*$/u.exec(text.slice(Math.max(0, at - 1_000), at))?.[0].length ?? 0)
}

function wordAfter({ text, at }: Editor): number {
  return at + (/^\s*(?:[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]+)?/u.exec(text.slice(at, at + 1_000))?.[0].length ?? 0)
}

/** Up and down within the text, and beyond its first and last row into the history. */
function vertical(editor: Editor, by: -1 | 1, width: number): Editor {
  const rows = layOut(editor.text, width)
  const row = rowOf(rows, editor.at)
  const target = rows[row + by]
  if (target === undefined) return recall(editor, by)
  const column = visibleWidth(editor.text.slice(rows[row]!.start, editor.at))
  return { ...editor, at: offsetAt(editor.text, target, column) }
}

function recall(editor: Editor, by: -1 | 1): Editor {
  const { history, recalled, text } = editor
  const from = recalled?.at ?? history.length
  const to = from + by
  if (to < 0 || to > history.length || (recalled === null && by > 0)) return editor
  const draft = recalled?.draft ?? text
  const shown = to === history.length ? draft : history[to]!
  return { ...editor, text: shown, at: shown.length, recalled: to === history.length ? null : { at: to, draft }, undo: [] }
}

/** A row of the editor as offsets; the newline that ends it is not in it. */
export interface Row {
  readonly start: number
  readonly end: number
}

/** @returns at least one row; rows break after blanks, and within a word that is wider than a row */
export function layOut(text: string, width: number): readonly Row[] {
  const rows: Row[] = []
  let lineFrom = 0
  for (const line of text.split('\n')) {
    rows.push(...wrapLine(line, lineFrom, Math.max(1, width)))
    lineFrom += line.length + 1
  }
  return rows
}

function wrapLine(line: string, offset: number, width: number): readonly Row[] {
  if (line.length * 2 <= width || visibleWidth(line) <= width) return [{ start: offset, end: offset + line.length }]
  const rows: Row[] = []
  let [start, at, columns, afterBlank] = [0, 0, 0, 0]
  for (const grapheme of graphemes(line)) {
    const wide = visibleWidth(grapheme)
    if (columns + wide > width) {
      const end = afterBlank > start ? afterBlank : at
      rows.push({ start: offset + start, end: offset + end })
      columns = visibleWidth(line.slice(end, at))
      start = end
    }
    columns += wide
    at += grapheme.length
    if (grapheme === ' ') afterBlank = at
  }
  return [...rows, { start: offset + start, end: offset + line.length }]
}

/** @returns the row with this offset; the end of a wrapped row is the beginning of the next */
export function rowOf(rows: readonly Row[], at: number): number {
  return Math.max(
    0,
    rows.findLastIndex(({ start }) => start <= at),
  )
}

function offsetAt(text: string, { start, end }: Row, column: number): number {
  let [at, columns] = [start, 0]
  for (const grapheme of graphemes(text.slice(start, end))) {
    const wide = visibleWidth(grapheme)
    if (columns + wide > column) break
    columns += wide
    at += grapheme.length
  }
  return at
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

function* graphemes(text: string): Generator<string> {
  for (const { segment } of segmenter.segment(text)) yield segment
}
