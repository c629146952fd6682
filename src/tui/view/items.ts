/** Items of the transcript as lines. Two columns at the left hold the mark of an item; all text of models and tools is cleaned here. */
import { fieldsIn, formatMoney, formatMs, plainLine, plainText, subjectOf } from '../../terminal/index.ts'
import { assertNever, forPeople, ownValue } from '../../base/index.ts'
import type { CallView } from '../../protocol/index.ts'
import { foldedDiffLines, foldedLines, liveLines, maxTitleChars, openLines } from '../limits.ts'
import { isOpen, type State } from '../state.ts'
import type { CallItem, EndItem, Item, NoteItem, ReplyItem, UserItem } from '../transcript.ts'
import { type CallText, changeOf, type Diff, fieldsOf } from './call-text.ts'
import type { DiffTexts } from './extras.ts'
import type { MarkdownLines } from './markdown.ts'
import { clip, clipPlain, filled, spread, wrapPlain } from './text-lines.ts'
import { type Theme, themeOf } from './theme.ts'

export interface ItemLines {
  /** @returns the lines of the item, with a blank one before it; the same array while nothing changes */
  linesOf(state: State, item: Item): readonly string[]
  /** From now on edits are shown as differences. */
  setDiff(diff: DiffTexts): void
  /** Forgets what was drawn. */
  clear(): void
}

interface Drawing {
  readonly theme: Theme
  readonly width: number
  readonly isOpen: boolean
  readonly isSelected: boolean
  readonly now: number
  readonly markdown: MarkdownLines
  readonly diff: DiffTexts | null
}

interface Drawn {
  readonly key: string
  readonly lines: readonly string[]
}

export function createItemLines(markdown: MarkdownLines): ItemLines {
  let drawn = new WeakMap<Item, Drawn>()
  let diff: DiffTexts | null = null
  return {
    linesOf(state, item) {
      const open = isOpen(state, item.id)
      const isSelected = state.selected === item.id
      const key = `${state.columns} ${state.theme} ${open} ${isSelected} ${isRunning(item) ? Math.floor(state.now / spinnerMs) : ''}`
      const cached = drawn.get(item)
      if (cached?.key === key) return cached.lines
      const drawing = {
        theme: themeOf(state.theme),
        width: Math.max(10, state.columns - 1),
        isOpen: open,
        isSelected,
        now: state.now,
        markdown,
        diff,
      }
      const lines = draw(item, drawing)
      drawn.set(item, { key, lines })
      return lines
    },
    setDiff(ready) {
      diff = ready
      drawn = new WeakMap()
    },
    clear: () => void (drawn = new WeakMap()),
  }
}

const spinnerMs = 120
const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

export function spinnerAt(now: number): string {
  return spinner[Math.floor(now / spinnerMs) % spinner.length]!
}

function isRunning(item: Item): boolean {
  return item.kind === 'call' && item.call.status === 'running'
}

function draw(item: Item, drawing: Drawing): readonly string[] {
  switch (item.kind) {
    case 'user':
      return userLines(item, drawing)
    case 'reply':
      return replyLines(item, drawing)
    case 'call':
      return callLines(item, drawing)
    case 'note':
      return noteLines(item, drawing)
    case 'end':
      return endLines(item, drawing)
    default:
      return assertNever(item)
  }
}

const indent = '  '

function userLines({ text, files, state }: UserItem, { theme, width }: Drawing): readonly string[] {
  const lines = wrapPlain(text, width - 3)
  const mark = state === 'failed' ? theme.error('✗ ') : theme.accent('› ')
  const shown = lines.map((line, at) => filled((at === 0 ? mark : indent) + line, width, theme.band))
  const standing = { sending: 'sending …', queued: 'queued: read at the next step', sent: '', failed: 'not sent' }[state]
  const more = [...files.map((file) => `+ ${plainLine(file, maxTitleChars)}`), ...(standing === '' ? [] : [standing])]
  return ['', ...shown, ...more.map((line) => indent + theme.muted(clip(line, width - 2)))]
}

function replyLines({ text, reasoning, done }: ReplyItem, drawing: Drawing): readonly string[] {
  const { theme, width, markdown } = drawing
  const thoughts = reasoning.trim() === '' ? [] : reasoningLines(reasoning.trim(), drawing)
  const spoken =
    text.trim() === '' ? [] : markdown.linesOf(text.trimEnd(), width - 2, theme).map((line) => (line === '' ? '' : indent + line))
  const between = thoughts.length > 0 && spoken.length > 0 ? [''] : []
  return thoughts.length === 0 && spoken.length === 0 && done ? [] : ['', ...thoughts, ...between, ...spoken]
}

function reasoningLines(reasoning: string, { theme, width, isOpen: open, isSelected }: Drawing): readonly string[] {
  const lines = wrapPlain(reasoning, width - 4)
  const mark = open ? '▾' : '▸'
  const title = selectable(`${mark} reasoning`, isSelected, theme)
  const head = open ? title : spread(`${title}${theme.muted(`  ${plainLine(reasoning, 400)}`)}`, '', width - 2)
  return [indent + head, ...(open ? lines.map((line) => indent + theme.italic(theme.muted(`│ ${line}`))) : [])]
}

function selectable(text: string, isSelected: boolean, theme: Theme): string {
  return isSelected ? theme.inverse(text) : theme.muted(text)
}

function callLines({ call, beganAt, output }: CallItem, drawing: Drawing): readonly string[] {
  const { theme, width, isOpen: open, isSelected, now } = drawing
  const name = call.name.replace('.', '_')
  const text: CallText = { name, input: call.input }
  const time = call.ms !== null ? formatMs(call.ms) : call.status === 'running' ? formatMs(Math.max(0, now - beganAt)) : ''
  const title = isSelected ? theme.inverse(plainLine(name, 60)) : theme.bold(plainLine(name, 60))
  const subject = subjectOf(text.input, Math.max(20, width))
  const head = spread(`${markOf(call, drawing)} ${title}  ${subject}`, theme.muted(statusOf(call) + time), width)
  return ['', head, ...(open ? openBody(call, output, drawing) : foldedBody(call, output, drawing))]
}

function markOf({ status }: CallView, { theme, now }: Drawing): string {
  switch (status) {
    case 'running':
      return theme.accent(spinnerAt(now))
    case 'waiting':
      return theme.warning('?')
    case 'ok':
      return theme.ok('✓')
    case 'cancelled':
      return theme.muted('–')
    case 'failed':
    case 'refused':
    case 'unknown':
      return theme.error('✗')
    default:
      return assertNever(status)
  }
}

function statusOf({ status }: CallView): string {
  return status === 'ok' || status === 'running' ? '' : status === 'waiting' ? 'waits for approval' : `${status} `
}

/** The few lines that tell most people enough: a difference, the end of an output, an error. */
function foldedBody(call: CallView, output: string, drawing: Drawing): readonly string[] {
  const { theme, width } = drawing
  if (call.status === 'running' && output !== '') return gutter(clipPlain(output.trimEnd(), width - 4).slice(-liveLines), theme)
  const change = changeOf(call)
  if (change !== null && call.status !== 'refused') {
    const lines = diffLines(change, drawing)
    const shown = lines.slice(0, foldedDiffLines)
    return [...gutter(shown, theme), ...hiddenLine(lines.length - shown.length, theme), ...failureOf(call, drawing)]
  }
  if (call.status === 'failed' || call.status === 'refused' || call.status === 'unknown') return failureOf(call, drawing)
  if (call.status !== 'ok' || !isCommandCall(call)) return []
  const lines = resultLines(call, width)
  const shown = lines.slice(-foldedLines)
  return [...hiddenLine(lines.length - shown.length, theme), ...gutter(shown, theme)]
}

/** What starts a command, or a program, says so in its input. */
function isCommandCall({ input }: CallView): boolean {
  const fields = fieldsIn(input)
  return ['command', 'binary'].some((field) => typeof ownValue(fields, field) === 'string')
}

function resultLines({ text }: CallView, width: number): readonly string[] {
  const trimmed = text.trimEnd()
  return trimmed === '' ? [] : clipPlain(trimmed, width - 4)
}

function failureOf(call: CallView, { theme, width }: Drawing): readonly string[] {
  if (call.status === 'ok' || call.status === 'running' || call.status === 'waiting' || call.text === '') return []
  const lines = wrapPlain(forPeople(call.text).trim(), width - 4)
  const shown = isCommandCall(call) ? lines.slice(-foldedLines) : lines.slice(0, foldedLines)
  return [...gutter(shown.map(theme.error), theme), ...hiddenLine(lines.length - shown.length, theme)]
}

function hiddenLine(count: number, theme: Theme): readonly string[] {
  return count <= 0 ? [] : [indent + theme.muted(`  … ${count} more ${count === 1 ? 'line' : 'lines'}`)]
}

function gutter(lines: readonly string[], theme: Theme): readonly string[] {
  return lines.map((line) => `${indent}${theme.muted('│')} ${line}`)
}

function openBody(call: CallView, output: string, drawing: Drawing): readonly string[] {
  const { theme, width } = drawing
  const change = changeOf(call)
  const input = fieldsOf(call.input).flatMap(({ name, lines }) => fieldLines(name, lines, drawing))
  const result = output !== '' && call.status === 'running' ? output : forPeople(call.text)
  const shown = result.trim() === '' ? [] : clipPlain(result.trimEnd(), width - 4)
  const colour = call.status === 'ok' || call.status === 'running' ? (line: string): string => line : theme.error
  return [
    ...gutter(input.slice(0, openLines), theme),
    ...(change === null ? [] : [indent + theme.muted('│'), ...gutter(diffLines(change, drawing).slice(0, openLines), theme)]),
    ...(shown.length === 0 ? [] : [indent + theme.muted('├─')]),
    ...gutter(shown.slice(0, openLines).map(colour), theme),
    ...hiddenLine(shown.length - openLines, theme),
  ]
}

function fieldLines(name: string, lines: readonly string[], { theme, width }: Drawing): readonly string[] {
  const [first = '', ...rest] = lines.flatMap((line) => wrapPlain(line, width - 8))
  return [`${theme.muted(`${name}:`)} ${clip(first, width - name.length - 8)}`, ...rest.map((line) => `  ${line}`)]
}

function diffLines(change: Diff, { theme, width, diff }: Drawing): readonly string[] {
  const lines =
    change.lines ??
    (diff === null
      ? [
          ...change.before.split('\n').map((text) => ({ kind: 'removed', text }) as const),
          ...change.after.split('\n').map((text) => ({ kind: 'added', text }) as const),
        ]
      : diff(change.before, change.after))
  return lines.map(({ kind, text }) => {
    const clean = plainText(text).replaceAll('\t', '    ')
    const line = clip(`${kind === 'added' ? '+' : kind === 'removed' ? '-' : ' '} ${clean}`, width - 4)
    if (kind === 'same') return theme.muted(line)
    return filled(line, width - 4, kind === 'added' ? theme.added : theme.removed)
  })
}

function noteLines({ tone, text }: NoteItem, { theme, width }: Drawing): readonly string[] {
  const style = { info: theme.muted, warning: theme.warning, error: theme.error }[tone]
  const mark = { info: '·', warning: '!', error: '✗' }[tone]
  return ['', ...wrapPlain(text, width - 3).map((line, at) => (line === '' ? '' : `${style(at === 0 ? mark : ' ')} ${style(line)}`))]
}

function endLines({ status, failure, ms, tokens, microDollars }: EndItem, { theme, width }: Drawing): readonly string[] {
  const facts = [
    ...(ms > 0 ? [formatMs(ms)] : []),
    ...(tokens > 0 ? [`${formatCount(tokens)} tokens`] : []),
    ...(microDollars > 0 ? [formatMoney(microDollars)] : []),
  ].join(' · ')
  const ended = { cancelled: 'stopped', limit: 'a limit was reached', failed: 'failed' } as const
  const word = ownValue(ended, status as keyof typeof ended) ?? ''
  const why = failure === null ? [] : wrapPlain(`${failure.message}${failure.hint === '' ? '' : `\n${failure.hint}`}`, width - 3)
  const explained = why.map((line, at) => `${theme.error(at === 0 ? '✗' : ' ')} ${theme.error(line)}`)
  const line = [word, facts].filter((part) => part !== '').join(' · ')
  return [...(explained.length === 0 ? [] : ['', ...explained]), ...(line === '' ? [] : ['', indent + theme.muted(line)])]
}

export function formatCount(count: number): string {
  if (count < 1_000) return String(count)
  return count < 1_000_000 ? `${(count / 1_000).toFixed(count < 10_000 ? 1 : 0)}k` : `${(count / 1_000_000).toFixed(1)}M`
}
