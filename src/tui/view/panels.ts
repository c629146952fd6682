/** What stands above the editor: a question, a list to choose from, a preview, completions. Each is lines, and knows how many it may take. */
import { exactText, formatBytes, plainLine, plainText, undoKeys } from '../../terminal/index.ts'
import { type Editor, layOut, rowOf } from '../editor.ts'
import { completionRows, maxTitleChars } from '../limits.ts'
import { chosenRow, type Picker, type Preview, shownRows } from '../picker.ts'
import { optionsOf, type Question } from '../question.ts'
import type { AttachedFile, State } from '../state.ts'
import type { Completion } from '../completion.ts'
import { changeOf, fieldsOf } from './call-text.ts'
import type { DiffTexts } from './extras.ts'
import { clip, clipPlain, filled, spread, wrapPlain } from './text-lines.ts'
import type { Theme } from './theme.ts'
import { visibleWidth } from '@earendil-works/pi-tui'

export interface Panel {
  readonly lines: readonly string[]
  /** Where the cursor stands in it; null: it has none. */
  readonly cursor: { readonly row: number; readonly column: number } | null
}

export interface PanelDrawing {
  readonly theme: Theme
  readonly width: number
  /** Lines that the panel may take. */
  readonly rows: number
  readonly diff: DiffTexts | null
}

const bar = '─'

function titled(title: string, theme: Theme, width: number, style: (text: string) => string): string {
  const text = clip(` ${title} `, width - 4)
  return style(`${bar.repeat(2)}${theme.bold(text)}${bar.repeat(Math.max(0, width - 2 - visibleWidth(text)))}`)
}

/** The lines around a chosen one. */
function windowOf<Line>(lines: readonly Line[], chosen: number, rows: number): { readonly from: number; readonly shown: readonly Line[] } {
  const from = Math.max(0, Math.min(chosen - Math.floor(rows / 2), lines.length - rows))
  return { from, shown: lines.slice(from, from + rows) }
}

export function pickerPanel(picker: Picker, { theme, width, rows }: PanelDrawing): Panel {
  const found = shownRows(picker)
  const chosen = chosenRow(picker)
  const { shown } = windowOf(found, picker.selected, Math.max(1, rows - 4))
  const lines = shown.map((row) => {
    const isChosen = row === chosen
    const label = `${isChosen ? '›' : ' '} ${plainLine(row.label, maxTitleChars)}`
    const line = spread(isChosen ? theme.bold(label) : label, theme.muted(plainLine(row.detail, 60)), width - 1)
    return isChosen ? filled(line, width, theme.band) : line
  })
  const none = found.length === 0 ? [theme.muted('  nothing matches')] : []
  const filter = `${theme.accent('/')} ${plainText(picker.filter.text)}`
  const keys = `${found.length} of ${picker.rows.length} · Enter chooses · Esc closes`
  return {
    lines: [
      titled(picker.title, theme, width, theme.accent),
      clip(filter, width),
      ...none,
      ...lines,
      theme.muted(clip(`  ${keys}`, width)),
    ],
    cursor: { row: 1, column: 2 + visibleWidth(picker.filter.text.slice(0, picker.filter.at)) },
  }
}

export function previewPanel(preview: Preview, { theme, width, rows }: PanelDrawing): Panel {
  const keys = wrapPlain(`${undoKeys(preview.question).replace(/^y /, 'Enter ')} · Esc changes nothing`, width - 2)
  const available = Math.max(1, rows - 2 - keys.length)
  const from = Math.min(preview.scroll, Math.max(0, preview.lines.length - available))
  const lines = preview.lines.slice(from, from + available).map((line) => diffStyled(clipPlain(line, width - 2)[0] ?? '', theme))
  const below = preview.lines.length - from - lines.length
  return {
    lines: [
      titled(preview.title, theme, width, theme.warning),
      ...lines.map((line) => `  ${line}`),
      ...(below > 0 ? [theme.muted(clip(`  ${below} more lines: Down`, width))] : []),
      ...keys.map((line) => theme.muted(`  ${line}`)),
    ],
    cursor: null,
  }
}

function diffStyled(line: string, theme: Theme): string {
  if (/^(?:\+\+\+|---|@@)/.test(line)) return theme.muted(line)
  if (line.startsWith('+')) return theme.ok(line)
  return line.startsWith('-') ? theme.error(line) : line
}

export function completionPanel(completion: Completion, { theme, width }: PanelDrawing): Panel {
  const { choices, selected } = completion
  if (choices === null) return { lines: [theme.muted('  looking for files …')], cursor: null }
  if (choices.length === 0) return { lines: [theme.muted('  no file begins like this; ./ ~/ and / look among your own')], cursor: null }
  const { from, shown } = windowOf(choices, selected, completionRows)
  const widest = Math.min(Math.floor(width / 2), Math.max(...shown.map(({ label }) => visibleWidth(plainLine(label, 200)))))
  const lines = shown.map(({ label, detail }, at) => {
    const isChosen = from + at === selected
    const name = clip(plainLine(label, 200), widest)
    const line = `${isChosen ? '›' : ' '} ${name}${' '.repeat(Math.max(0, widest - visibleWidth(name)))}  ${theme.muted(detail)}`
    return isChosen ? filled(clip(line, width), width, theme.band) : clip(line, width)
  })
  return { lines, cursor: null }
}

export function filesLine(files: readonly AttachedFile[], theme: Theme, width: number): string {
  const names = files.map(({ name, bytes }) => `${plainLine(name, 60)} (${formatBytes(bytes)})`)
  return clip(theme.accent(`  + ${names.join(', ')}`), width)
}

/** Everything of the input, field by field behind a gutter that no value can imitate: what is shown is what runs. */
export function questionPanel(question: Question, drawing: PanelDrawing): Panel {
  const { theme, width, rows } = drawing
  const { pending, others, mode, focused, isSent, error } = question
  const more = others === 0 ? '' : ` (${others} more wait)`
  const head = titled(`${plainLine(pending.name.replace('.', '_'), 60)} asks to run${more}`, theme, width, theme.warning)
  const why =
    pending.reason === undefined || pending.reason === '' ? [] : [theme.muted(clip(`  why: ${plainLine(pending.reason, 300)}`, width))]
  const failed = error === '' ? [] : wrapPlain(error, width - 4).map((line) => `  ${theme.error(line)}`)
  if (mode !== 'choose') return draftPanel(question, drawing, [head, ...why, ...failed])
  const options = optionsOf(question).flatMap((option, at) => {
    const isChosen = focused && at === question.selected
    const text = clip(`${isChosen ? '›' : ' '} ${theme.accent(option.key)}  ${plainLine(option.label, 200)}`, width)
    if (!isChosen) return [text]
    const rule = option.type === 'always' ? wrapPlain(exactText(option.rule.text), width - 8).map((line) => `      ${line}`) : []
    return [filled(text, width, theme.band), ...rule]
  })
  const keys = isSent ? '  sending …' : focused ? '  ↑↓ and Enter, or the letter · Tab: back to the text' : '  Press Tab to answer'
  const waits = question.rules === null ? [theme.muted('    looking for rules …')] : []
  const rest = [...why, ...failed, ...options, ...waits, focused ? theme.muted(clip(keys, width)) : theme.warning(clip(keys, width))]
  const input = inputLines(question, drawing)
  const available = Math.max(3, rows - rest.length - 1)
  const from = Math.min(question.scroll, Math.max(0, input.length - available + 1))
  const fits = input.length <= available
  const shown = fits ? input : input.slice(from, from + available - 1)
  const below = input.length - from - shown.length
  const scroll = fits
    ? []
    : [
        theme.warning(
          clip(`  lines ${from + 1} to ${from + shown.length} of ${input.length}${below > 0 ? ': PgDn shows the rest' : ''}`, width),
        ),
      ]
  return { lines: [head, ...shown, ...scroll, ...rest], cursor: null }
}

function inputLines({ pending }: Question, { theme, width, diff }: PanelDrawing): readonly string[] {
  const text = { name: pending.name, input: pending.input }
  const fields = fieldsOf(pending.input).flatMap(({ name, lines }) => {
    const shown = lines.flatMap((line) => wrapPlain(exactText(line), width - 6))
    const label = theme.bold(`${exactText(name)}:`)
    const [only = ''] = shown
    if (shown.length === 1 && name.length + visibleWidth(only) < width - 8) return [`  ${theme.muted('│')} ${label} ${only}`]
    return [`  ${theme.muted('│')} ${label}`, ...shown.map((line) => `  ${theme.muted('│')}   ${line}`)]
  })
  const change = changeOf(text)
  if (change === null || change.lines !== null || diff === null) return fields
  const lines = diff(change.before, change.after).map(({ kind, text: line }) => {
    const shown = clip(`${kind === 'added' ? '+' : kind === 'removed' ? '-' : ' '} ${exactText(plainText(line))}`, width - 4)
    return kind === 'same' ? theme.muted(shown) : kind === 'added' ? theme.ok(shown) : theme.error(shown)
  })
  return [...fields, `  ${theme.muted('├─ the change')}`, ...lines.map((line) => `  ${theme.muted('│')} ${line}`)]
}

function draftPanel({ draft, mode }: Question, { theme, width, rows }: PanelDrawing, head: readonly string[]): Panel {
  const help =
    mode === 'edit' ? 'Enter allows this instead, judged again · Shift+Enter: new line · Esc' : 'Why not? Enter denies it · Esc: back'
  const { lines, cursor } = editorLines(draft, width - 4, Math.max(1, rows - head.length - 1))
  return {
    lines: [...head, ...lines.map((line) => `  ${theme.accent('│')} ${line}`), theme.muted(clip(`  ${help}`, width))],
    cursor: { row: head.length + cursor.row, column: 4 + cursor.column },
  }
}

/** The rows of an editor around its cursor. */
export function editorLines(editor: Editor, width: number, maxRows: number): Panel & { readonly cursor: NonNullable<Panel['cursor']> } {
  const rows = layOut(editor.text, width)
  const at = rowOf(rows, editor.at)
  const { from, shown } = windowOf(rows, at, maxRows)
  const lines = shown.map(({ start, end }) => plainText(editor.text.slice(start, end)).replaceAll('\t', ' '))
  return { lines, cursor: { row: at - from, column: Math.min(width, visibleWidth(editor.text.slice(rows[at]!.start, editor.at))) } }
}

export function searchLine({ search, older }: State, theme: Theme, width: number): Panel {
  const { query, found, at } = search!
  const place = query === '' ? '' : found.length === 0 ? 'not found' : `${at + 1} of ${found.length}`
  const more = older === null ? '' : ' · Up goes on in older messages'
  const left = `${theme.accent('search:')} ${plainLine(query, 200)}`
  const line = spread(
    left,
    theme.muted(`${place}${found.length > 0 || query === '' ? ' · Enter, Up: before · Down: after · Esc' : ''}${more}`),
    width,
  )
  return { lines: [line], cursor: { row: 0, column: 8 + visibleWidth(plainLine(query, 200)) } }
}
