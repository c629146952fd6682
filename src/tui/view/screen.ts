/** The whole screen as lines: transcript, what stands above the editor, the editor, the status bar. */
import { visibleWidth } from '@earendil-works/pi-tui'
import { badgeText, describeModel, describeSandbox, formatMoney, formatMs, plainLine, plainText } from '../../terminal/index.ts'
import { failureSentences } from '../../base/index.ts'
import { maxEditorRows } from '../limits.ts'
import { topOf } from '../scrolling.ts'
import type { State, Surroundings } from '../state.ts'
import { countItems, itemAt } from '../transcript.ts'
import type { DiffTexts } from './extras.ts'
import { formatCount, type ItemLines, spinnerAt } from './items.ts'
import { completionPanel, editorLines, filesLine, type Panel, pickerPanel, previewPanel, questionPanel, searchLine } from './panels.ts'
import { clip, marked, onlyStyles, spread, wrapPlain } from './text-lines.ts'
import { type Theme, themeOf } from './theme.ts'

export interface Frame {
  /** Exactly as many as the screen has rows, none wider than it. */
  readonly lines: readonly string[]
  readonly cursor: { readonly row: number; readonly column: number } | null
  /** The item on each row; null on a row without one. */
  readonly items: readonly (string | null)[]
}

export interface ScreenDrawing {
  frameOf(state: State): Frame
  readonly heightOf: Surroundings['heightOf']
  readonly viewRows: Surroundings['viewRows']
  readonly lineOf: Surroundings['lineOf']
  setDiff(diff: DiffTexts): void
}

export function createScreenDrawing(items: ItemLines): ScreenDrawing {
  let diff: DiffTexts | null = null
  const linesAt = (state: State, index: number): readonly string[] => {
    const item = itemAt(state.transcript, index)
    return item === undefined ? [] : items.linesOf(state, item)
  }
  const heightOf: Surroundings['heightOf'] = (state, index) => linesAt(state, index).length
  const bottom = (state: State): Panel => bottomOf(state, diff)
  const viewRows: Surroundings['viewRows'] = (state) => Math.max(1, state.rows - bottom(state).lines.length)
  return {
    heightOf,
    viewRows,
    lineOf(state, index, text) {
      const wanted = text.toLowerCase()
      const at = linesAt(state, index).findIndex((line) => onlyText(line).toLowerCase().includes(wanted))
      return Math.max(0, at)
    },
    frameOf(state) {
      const panel = bottom(state)
      const rows = Math.max(0, state.rows - panel.lines.length)
      const shown = transcriptRows(state, rows, { linesAt, heightOf, viewRows: () => Math.max(1, rows) })
      const lines = [...shown.map(({ line }) => line), ...panel.lines].slice(-state.rows)
      const cut = shown.length + panel.lines.length - lines.length
      return {
        lines: lines.map((line) => onlyStyles(clip(line, state.columns))),
        cursor:
          panel.cursor === null
            ? null
            : { row: Math.max(0, shown.length + panel.cursor.row - cut), column: Math.min(panel.cursor.column, state.columns - 1) },
        items: shown.map(({ item }) => item),
      }
    },
    setDiff: (ready) => void (diff = ready),
  }
}

interface Row {
  readonly line: string
  readonly item: string | null
}

interface Reading extends Pick<Surroundings, 'heightOf' | 'viewRows'> {
  readonly linesAt: (state: State, index: number) => readonly string[]
}

function transcriptRows(state: State, rows: number, reading: Reading): readonly Row[] {
  if (countItems(state.transcript) === 0) {
    const welcome = welcomeLines(state, themeOf(state.theme)).slice(0, rows)
    return padded(
      welcome.map((line) => ({ line, item: null })),
      rows,
    )
  }
  const top = topOf(state, reading)
  const shown: Row[] = []
  for (let index = top.index; shown.length < rows && index < countItems(state.transcript); index++) {
    const lines = reading.linesAt(state, index)
    const item = itemAt(state.transcript, index)!.id
    for (const line of lines.slice(index === top.index ? top.line : 0)) shown.push({ line, item })
  }
  const query = state.search?.query ?? ''
  const theme = themeOf(state.theme)
  const marks = shown.slice(0, rows).map(({ line, item }) => ({ line: query === '' ? line : marked(line, query, theme.inverse), item }))
  return padded(marks, rows)
}

/** Empty rows stand above a short conversation, so that the newest is next to the editor. */
function padded(shown: readonly Row[], rows: number): readonly Row[] {
  return [...shown, ...Array.from({ length: Math.max(0, rows - shown.length) }, (): Row => ({ line: '', item: null }))]
}

/** What an empty conversation shows: the program, the model, how it is confined, and how to begin. */
function welcomeLines({ status, version, columns, connection }: State, theme: Theme): readonly string[] {
  const width = columns - 4
  const title = `${theme.bold('Oxbow')} ${theme.muted(version)}`
  if (status === null) return ['', `  ${title}`, '', `  ${theme.muted(connection === 'starting' ? 'starting …' : connection)}`]
  const { read_only: readOnly, notice } = status
  const { held, problems } = describeSandbox(status.sandbox)
  const facts = [
    ['model', plainLine(describeModel(status), 80)],
    ['sandbox', plainLine(held, 120)],
  ] as const
  const warnings = [
    ...problems.map((problem) => `! ${plainText(problem)}`),
    ...(readOnly === null ? [] : [`! read-only: ${failureSentences(readOnly)}`]),
  ]
  return [
    '',
    `  ${title}`,
    '',
    ...facts.map(([name, value]) => clip(`  ${theme.muted(name.padEnd(8))} ${value}`, columns)),
    '',
    ...(notice === '' ? [] : [...wrapPlain(notice, width).map((line) => `  ${line}`), '']),
    ...warnings.flatMap((warning) => wrapPlain(warning, width).map((line) => `  ${theme.warning(line)}`)),
    ...[
      ['/sessions', 'go on with an earlier conversation'],
      ['@file', 'name a file of the workspace, or attach one: @./notes.md'],
      ['/help', 'all commands and keys'],
    ].map(([key = '', what = '']) => clip(`  ${theme.accent(key.padEnd(10))} ${theme.muted(what)}`, columns)),
  ]
}

function onlyText(line: string): string {
  // oxlint-disable-next-line no-control-regex -- styles
  return line.replace(/\u001b\[[0-9;]*m/g, '')
}

/** Everything below the transcript. */
function bottomOf(state: State, diff: DiffTexts | null): Panel {
  const theme = themeOf(state.theme)
  const { columns: width, rows } = state
  const editor = editorLines(state.editor, Math.max(4, width - 4), Math.max(1, Math.min(maxEditorRows, Math.floor(rows / 3))))
  const drawing = { theme, width, diff, rows: Math.max(4, rows - 4) }
  const panel = panelOf(state, { ...drawing, rows: Math.max(4, Math.min(drawing.rows - editor.lines.length, Math.floor(rows * 0.7))) })
  const above = [
    ...activityLines(state, theme),
    ...(panel?.lines ?? []),
    ...(state.files.length === 0 ? [] : [filesLine(state.files, theme, width)]),
  ]
  const prompt = state.question?.focused === true || state.dialog !== null ? theme.muted : theme.accent
  const frame = theme.muted('─'.repeat(width))
  const placeholder =
    state.editor.text === '' && countItems(state.transcript) === 0 ? theme.muted('Type a message; / for commands, @ for files') : ''
  const rowsOfEditor = editor.lines.map(
    (line, at) => `${at === 0 ? prompt('›') : ' '} ${at === 0 && placeholder !== '' ? placeholder : line}`,
  )
  const lines = [...above, frame, ...rowsOfEditor, frame, statusLine(state, theme)]
  const own = { row: above.length + 1 + editor.cursor.row, column: 2 + editor.cursor.column }
  const panelRow = activityLines(state, theme).length
  const inPanel =
    panel?.cursor === undefined || panel.cursor === null ? null : { row: panelRow + panel.cursor.row, column: panel.cursor.column }
  const isModal = panel !== null && (state.dialog !== null || state.question?.focused === true || state.search !== null)
  return { lines, cursor: isModal ? inPanel : own }
}

function panelOf(state: State, drawing: Parameters<typeof questionPanel>[1]): Panel | null {
  const { question, dialog, search, completion } = state
  if (dialog?.kind === 'picker') return pickerPanel(dialog, drawing)
  if (dialog?.kind === 'preview') return previewPanel(dialog, drawing)
  if (question !== null) return questionPanel(question, drawing)
  if (search !== null) return searchLine(state, drawing.theme, drawing.width)
  return completion === null ? null : completionPanel(completion, drawing)
}

/** A failure says what to do about it at its end. */
const maxNoticeLines = 4

/** What runs now, a notice, and that newer messages are below. */
function activityLines(state: State, theme: Theme): readonly string[] {
  const { transcript, notice, columns, now, scroll } = state
  const lines: string[] = []
  if (scroll !== null) lines.push(theme.warning(clip('  ↓ newer messages below · Ctrl+End, Esc', columns)))
  if (notice !== null) {
    const style = notice.isError ? theme.error : theme.warning
    for (const line of wrapPlain(plainLine(notice.text, 400), columns - 3).slice(0, maxNoticeLines))
      lines.push(clip(style(`  ${line}`), columns))
  }
  if (transcript.turn !== null) {
    const running = transcript.live.findLast((item) => item.kind === 'call' && item.call.status === 'running')
    const answering = transcript.live.findLast((item) => item.kind === 'reply' && !item.done)
    const what =
      transcript.waiting.length > 0
        ? 'waits for you'
        : running?.kind === 'call'
          ? plainLine(running.call.name.replace('.', '_'), 40)
          : answering === undefined
            ? 'thinking'
            : 'answering'
    const time = formatMs(Math.max(0, Math.floor((now - transcript.beganAt) / 1_000) * 1_000))
    lines.push('', clip(`${theme.accent(spinnerAt(now))} ${what} ${theme.muted(`${time} · Esc stops`)}`, columns))
  }
  return lines
}

const connectionMarks = { starting: '…', connected: '●', reconnecting: '◌', gone: '○' } as const

function statusLine(state: State, theme: Theme): string {
  const { connection, session, status, model, transcript, spent, columns, search, labels, mode } = state
  const style = connection === 'connected' ? theme.ok : connection === 'starting' ? theme.muted : theme.error
  const title = session === null ? 'new session' : plainLine(session.title, 40) || session.id.slice(0, 8)
  const shownModel = plainLine(model === '' ? (status?.model ?? '') : model, 40)
  const standing = connection === 'connected' ? '' : ` ${connection}`
  const named = `${style(connectionMarks[connection])}${standing} ${theme.muted(title)}`
  const context = status?.context_tokens
  const used = transcript.contextTokens
  const share =
    used === 0
      ? ''
      : context === undefined || context <= 0
        ? formatCount(used)
        : `${Math.min(100, Math.round((used / context) * 100))}% of ${formatCount(context)}`
  const facts = [shownModel, share, spent > 0 ? formatMoney(spent) : '', search === null && columns >= 100 ? '/help' : '']
  const right = facts.filter((fact) => fact !== '').join(' · ')
  const room = columns - visibleWidth(named) - visibleWidth(right) - 4
  const badgeWith = (read: string): string => [mode, read].filter((part) => part !== '').join(' · ')
  const whole = badgeWith(badgeText(labels))
  const badge = visibleWidth(whole) <= room ? whole : badgeWith(labels.map(({ label }) => label).join(' · '))
  const left = badge === '' ? named : `${named}  ${theme.warning(badge)}`
  return visibleWidth(left) + visibleWidth(right) + 2 > columns
    ? clip(`${left}  ${theme.muted(right)}`, columns)
    : spread(left, theme.muted(right), columns)
}
