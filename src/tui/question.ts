/**
 * A call that waits for approval, as a dialog. A model can choose the moment of its question, so keys that were meant for something else
 * never answer one: a question that appears while a person types waits until they pause or press Tab, and takes no key in its first moment.
 */
import { assertNever, type Json, ownValue } from '../base/index.ts'
import type { InputOf, OutputOf, PendingApproval } from '../protocol/index.ts'
import { type Editor, editKey, emptyEditor, insert, messageIn, paste, setText } from './editor.ts'
import { questionGraceMs, typingPauseMs } from './limits.ts'

/** A rule that an approval can keep. */
export type OfferedRule = OutputOf<'approval.list'>[number]['rules'][number]

/** The answer to a question, without the call that it is for. */
export type Decision = Omit<InputOf<'call.decide'>, 'call'>

export interface Question {
  readonly pending: PendingApproval
  /** How many more wait behind it. */
  readonly others: number
  /** Null until they have come. */
  readonly rules: readonly OfferedRule[] | null
  /** True where a rule must hold after reading what makes the call ask now. */
  readonly labels: boolean
  readonly mode: 'choose' | 'reason' | 'edit'
  readonly selected: number
  /** False while the person types something else. */
  readonly focused: boolean
  /** The person went back to the text: only Tab leads here again. */
  readonly isDismissed: boolean
  readonly focusedAt: number
  /** First line of the input that is shown. */
  readonly scroll: number
  readonly draft: Editor
  readonly error: string
  /** The decision is on its way. */
  readonly isSent: boolean
}

/** One answer that a person can choose, with its key. */
export type Option =
  | { readonly type: 'once' | 'edit' | 'deny' | 'reason'; readonly key: string; readonly label: string }
  | { readonly type: 'always'; readonly key: string; readonly label: string; readonly rule: OfferedRule }

const scopeNames: Readonly<Record<string, string>> = {
  call: 'exactly this call',
  pattern: 'calls like it',
  session: 'calls like it, in this session',
  folder: 'calls like it, in this folder',
}

/** @returns the answers to a question, in the order in which they are shown */
export function optionsOf({ rules, pending }: Question): readonly Option[] {
  const always = (rules ?? []).map((rule, at): Option => ({
    type: 'always',
    key: String(at + 1),
    label: `Always allow ${ownValue(scopeNames, rule.scope) ?? rule.scope}`,
    rule,
  }))
  const edit: readonly Option[] = isJson(pending.input) ? [{ type: 'edit', key: 'e', label: 'Change the input, then allow' }] : []
  return [
    { type: 'once', key: 'y', label: 'Allow once' },
    ...always,
    ...edit,
    { type: 'deny', key: 'n', label: 'Deny' },
    { type: 'reason', key: 'r', label: 'Deny and say why' },
  ]
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** What else takes the person's keys. */
export interface Attention {
  readonly now: number
  readonly lastKeyAt: number
  /** There is text in the editor. */
  readonly isWriting: boolean
  /** A dialog or a search is open, and hides the question. */
  readonly isElsewhere: boolean
}

/** @returns the question for the first waiting call; the same one while it waits and nothing changes */
export function questionFor(waiting: readonly PendingApproval[], before: Question | null, attention: Attention): Question | null {
  const [pending] = waiting
  if (pending === undefined) return null
  const { now, lastKeyAt, isWriting, isElsewhere } = attention
  const others = waiting.length - 1
  const isFree = now - lastKeyAt >= typingPauseMs && !isWriting && !isElsewhere
  if (before?.pending.call === pending.call) {
    const focused = before.focused ? !isElsewhere : isFree && !before.isDismissed
    if (focused === before.focused && others === before.others) return before
    return { ...before, others, focused, focusedAt: focused && !before.focused ? now : before.focusedAt }
  }
  return {
    pending,
    others,
    rules: null,
    labels: false,
    mode: 'choose',
    selected: 0,
    focused: isFree,
    isDismissed: false,
    focusedAt: now,
    scroll: 0,
    draft: emptyEditor,
    error: '',
    isSent: false,
  }
}

export type Answered = { readonly question: Question } | { readonly decision: Decision } | null

/** @returns the question after the key, or what was decided; null for a key that is not for it */
export function answerKey(question: Question, key: string, now: number, width: number): Answered {
  if (question.mode !== 'choose') return draftKey(question, key, width)
  if (now - question.focusedAt < questionGraceMs || question.isSent) return { question }
  const options = optionsOf(question)
  const count = options.length
  switch (key) {
    case 'up':
      return { question: { ...question, selected: (question.selected + count - 1) % count } }
    case 'down':
      return { question: { ...question, selected: (question.selected + 1) % count } }
    case 'pageUp':
      return { question: { ...question, scroll: Math.max(0, question.scroll - 5) } }
    case 'pageDown':
      return { question: { ...question, scroll: question.scroll + 5 } }
    case 'tab':
    case 'escape':
      return { question: { ...question, focused: false, isDismissed: true } }
    case 'enter':
      return take(question, options[question.selected])
    default: {
      const option = options.find((one) => one.key === key.toLowerCase())
      if (option === undefined) return null
      const chosen = { ...question, selected: options.indexOf(option) }
      // A rule holds for good: its key shows the whole of it, and Enter keeps it.
      return option.type === 'always' ? { question: chosen } : take(chosen, option)
    }
  }
}

function take(question: Question, option: Option | undefined): Answered {
  if (option === undefined) return { question }
  switch (option.type) {
    case 'once':
      return { decision: { allow: true } }
    case 'deny':
      return { decision: { allow: false } }
    case 'always':
      return { decision: { allow: true, remember: { scope: option.rule.scope, rule: option.rule.id, labels: question.labels } } }
    case 'reason':
      return { question: { ...question, mode: 'reason', draft: emptyEditor, error: '' } }
    case 'edit':
      return {
        question: {
          ...question,
          mode: 'edit',
          draft: setText(emptyEditor, JSON.stringify(JSON.parse(question.pending.input), null, 2)),
          error: '',
        },
      }
    default:
      return assertNever(option)
  }
}

function draftKey(question: Question, key: string, width: number): Answered {
  if (key === 'escape') return { question: { ...question, mode: 'choose', error: '' } }
  if (key === 'shift+enter' || key === 'alt+enter' || key === 'ctrl+j')
    return { question: { ...question, draft: insert(question.draft, '\n') } }
  if (key === 'enter') return question.mode === 'reason' ? deny(question) : allowEdited(question)
  const draft = editKey(question.draft, key, width)
  return draft === null ? null : { question: { ...question, draft, error: '' } }
}

export function draftText(question: Question, text: string, isPasted: boolean): Question {
  const draft = isPasted ? paste(question.draft, text) : insert(question.draft, text)
  return draft === null ? { ...question, error: 'This is too long.' } : { ...question, draft, error: '' }
}

function deny({ draft }: Question): Answered {
  const reason = messageIn(draft).trim()
  return { decision: reason === '' ? { allow: false } : { allow: false, reason } }
}

function allowEdited(question: Question): Answered {
  try {
    return { decision: { allow: true, input: JSON.parse(messageIn(question.draft)) as Json } }
  } catch (error) {
    return { question: { ...question, error: `This is not JSON: ${(error as Error).message}` } }
  }
}
