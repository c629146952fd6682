/** What each key does, by what is open: a question, a dialog, the search, a list of completions, and else the editor. Pure. */
import { isCommand, readCommand, readMessage, typedAnswer } from '../terminal/index.ts'
import { assertNever, ownValue } from '../base/index.ts'
import { answerTo } from '../protocol/index.ts'
import { answerKey, draftText, type Question } from './question.ts'
import { choose, type Completion, completionAt, isWhole, moveChoice } from './completion.ts'
import { editKey, type Editor, insert, messageIn, paste, sentFrom, setText } from './editor.ts'
import { errorNoticeMs, exitWindowMs, maxPasteChars, noticeMs } from './limits.ts'
import { chosenRow, type Picker, pickerKey, pickerText, type Preview } from './picker.ts'
import { runCommand } from './run-command.ts'
import { openSearch, scrollBy, scrollToStart, searchFor, showMatch } from './scrolling.ts'
import type { Effect, State, Step, Surroundings } from './state.ts'
import { type Item, put } from './transcript.ts'

/** Columns of the editor: the screen without prompt and margin. */
function editorWidth(columns: number): number {
  return Math.max(4, columns - 4)
}

export function takeKey(state: State, key: string, around: Surroundings): Step {
  const touched = { ...state, lastKeyAt: state.question?.focused === true ? state.lastKeyAt : state.now }
  const global = globalKey(touched, key, around)
  if (global !== null) return global
  if (state.question?.focused === true) {
    const answered = questionKey(state, state.question, key)
    if (answered !== null) return answered
  }
  if (touched.dialog !== null) return dialogKey(touched, touched.dialog, key)
  if (touched.search !== null) return searchKey(touched, key, around)
  return editorKey(touched, key, around)
}

export function takeText(state: State, text: string, isPasted: boolean, around: Surroundings): Step {
  const { question, dialog, search } = state
  if (question?.focused === true) {
    if (question.mode !== 'choose') return [{ ...state, question: draftText(question, text, isPasted) }, []]
    // Keys such as `y`, one at a time; a pasted text answers nothing.
    const answered = isPasted || text.length > 1 ? null : questionKey(state, question, text)
    return answered ?? [state, []]
  }
  const touched = { ...state, lastKeyAt: state.now, selected: null }
  if (dialog?.kind === 'picker') return [{ ...touched, dialog: pickerText(dialog, text) }, []]
  // A pasted text answers nothing.
  if (dialog !== null) return isPasted ? [touched, []] : answerPreview(touched, dialog, text)
  if (search !== null) return showMatch(searchFor(touched, search.query + text.replace(/\s+/g, ' '), around), 0, around)
  const editor = isPasted ? paste(touched.editor, text) : insert(touched.editor, text)
  if (editor === null)
    return [say(touched, `Pasted text may have ${maxPasteChars} characters. Attach it as a file: /attach FILE`, true), []]
  return complete({ ...touched, editor }, text !== ' ')
}

/** Shows a notice for some seconds; an error stays longer. */
export function say(state: State, text: string, isError = false): State {
  return { ...state, notice: { text, isError, until: state.now + (isError ? errorNoticeMs : noticeMs) } }
}

/** Keys that mean the same everywhere. */
function globalKey(state: State, key: string, around: Surroundings): Step | null {
  const page = Math.max(1, around.viewRows(state) - 2)
  const inQuestion = state.question?.focused === true
  switch (key) {
    case 'ctrl+c':
      return interrupt(state)
    case 'ctrl+z':
      return [state, [{ type: 'suspend' }]]
    case 'ctrl+l':
      return [state, [{ type: 'redraw' }]]
    case 'ctrl+o':
      return [{ ...state, allOpen: !state.allOpen, toggled: new Set() }, []]
    case 'pageUp':
    case 'pageDown':
      return inQuestion || state.dialog !== null ? null : scrollBy(state, key === 'pageUp' ? -page : page, around)
    case 'shift+up':
    case 'shift+down':
      return scrollBy(state, key === 'shift+up' ? -1 : 1, around)
    case 'ctrl+home':
      return scrollToStart(state, around)
    case 'ctrl+end':
      return [{ ...state, scroll: null }, []]
    case 'ctrl+f':
      return inQuestion ? null : [state.search === null ? openSearch(state, around) : { ...state, search: null, scroll: null }, []]
    default:
      return null
  }
}

/** As in a shell: stops what runs, else clears what is typed; twice leaves. */
function interrupt(state: State): Step {
  const again = state.now - state.interruptedAt < exitWindowMs
  if (again) return [state, [{ type: 'exit' }]]
  const { question, dialog, search, editor, transcript, files } = state
  if (dialog !== null || search !== null) return [{ ...state, dialog: null, search: null }, []]
  if (question?.focused === true && question.mode !== 'choose')
    return [{ ...state, question: { ...question, mode: 'choose', error: '' } }, []]
  const marked = { ...state, interruptedAt: state.now }
  if (transcript.turn !== null) return [say(marked, 'Stopping the turn. Press Ctrl+C again to leave.'), [{ type: 'cancel' }]]
  if (editor.text !== '' || files.length > 0)
    return [{ ...state, editor: { ...setText(editor, ''), pastes: {} }, files: [], completion: null, selected: null }, []]
  return [say(marked, 'Press Ctrl+C again to leave.'), []]
}

function questionKey(state: State, question: Question, key: string): Step | null {
  const answered = answerKey(question, key, state.now, editorWidth(state.columns))
  if (answered === null) return null
  if ('question' in answered) return [{ ...state, question: answered.question }, []]
  const { call, ...seen } = answerTo(question.pending)
  return [{ ...state, question: { ...question, isSent: true } }, [{ type: 'decide', call, decision: { ...seen, ...answered.decision } }]]
}

function dialogKey(state: State, dialog: Picker | Preview, key: string): Step {
  if (key === 'escape') return [{ ...state, dialog: null }, []]
  if (dialog.kind === 'preview') {
    if (key === 'enter') return answerPreview(state, dialog, 'yes')
    const by = ownValue({ up: -1, down: 1, pageUp: -10, pageDown: 10 }, key)
    if (by === undefined) return [state, []]
    return [{ ...state, dialog: { ...dialog, scroll: Math.max(0, Math.min(dialog.lines.length - 1, dialog.scroll + by)) } }, []]
  }
  if (key === 'enter') return choosePicked(state, dialog)
  return [{ ...state, dialog: pickerKey(dialog, key, state.columns) ?? dialog }, []]
}

/** Does what was answered; `n` closes it, as Escape does. */
function answerPreview(state: State, { question }: Preview, typed: string): Step {
  if (/^no?$/i.test(typed)) return [{ ...state, dialog: null }, []]
  const answer = typedAnswer(question.answers, typed)
  if (answer === undefined) return [state, []]
  const { input } = answer
  return [{ ...state, dialog: null }, [input.apply === true ? { type: 'undo', input } : { type: 'preview_undo', input, title: '' }]]
}

function choosePicked(state: State, picker: Picker): Step {
  const row = chosenRow(picker)
  const closed: State = { ...state, dialog: null }
  if (row === undefined) return [closed, []]
  switch (picker.purpose) {
    case 'sessions':
    case 'agents':
    case 'approvals':
      return [closed, [{ type: 'open', prefix: row.id }]]
    case 'models':
      return [say({ ...closed, model: row.id }, `The next messages go to ${row.id}.`), []]
    case 'definitions':
      return [closed, [{ type: 'choose_agent', agent: row.id }]]
    case 'turns':
      return [closed, [{ type: 'preview_undo', input: { turn: row.id }, title: row.label }]]
    default:
      return assertNever(picker.purpose)
  }
}

function searchKey(state: State, key: string, around: Surroundings): Step {
  const { query } = state.search!
  switch (key) {
    case 'escape':
      return [{ ...state, search: null }, []]
    case 'enter':
    case 'up':
    case 'shift+tab':
      return showMatch(state, -1, around)
    case 'down':
    case 'tab':
    case 'shift+enter':
      return showMatch(state, 1, around)
    case 'backspace':
      return showMatch(searchFor(state, Array.from(query).slice(0, -1).join(''), around), 0, around)
    case 'ctrl+u':
    case 'ctrl+w':
      return [searchFor(state, '', around), []]
    default:
      return [state, []]
  }
}

function editorKey(state: State, key: string, around: Surroundings): Step {
  const { completion, editor } = state
  if (completion !== null) {
    const done = completionKey(state, key)
    if (done !== null) return done
  }
  switch (key) {
    case 'enter':
      if (state.selected !== null && editor.text === '') return [toggle(state, state.selected), []]
      // As in a shell: a backslash at the end continues the message.
      if (editor.text.slice(0, editor.at).endsWith('\\')) return [{ ...state, editor: continueLine(editor) }, []]
      return submit(state, around)
    case 'shift+enter':
    case 'alt+enter':
    case 'ctrl+j':
      return [{ ...state, editor: insert(editor, '\n'), completion: null }, []]
    case 'escape':
      return escape(state)
    case 'alt+up':
    case 'alt+down':
      return [selectNext(state, key === 'alt+up' ? -1 : 1), []]
    case 'tab':
      if (state.question !== null) return [{ ...state, question: { ...state.question, focused: true, focusedAt: state.now } }, []]
      return complete(state, true)
    case 'ctrl+d':
      if (editor.text === '') return [state, [{ type: 'exit' }]]
      break
    case 'backspace':
      if (editor.text === '' && state.files.length > 0) return [{ ...state, files: state.files.slice(0, -1) }, []]
      break
    default:
      break
  }
  const next = editKey(editor, key, editorWidth(state.columns))
  if (next === null) return [state, []]
  return next.text === editor.text
    ? [{ ...state, editor: next, completion: null }, []]
    : complete({ ...state, editor: next, selected: null }, false)
}

function continueLine(editor: Editor): Editor {
  return insert(editKey(editor, 'backspace', 80) ?? editor, '\n')
}

function completionKey(state: State, key: string): Step | null {
  const completion = state.completion!
  switch (key) {
    case 'up':
    case 'down':
      return completion.choices === null || completion.choices.length === 0
        ? null
        : [{ ...state, completion: moveChoice(completion, key === 'up' ? -1 : 1) }, []]
    case 'escape':
      return [{ ...state, completion: null }, []]
    case 'enter':
    case 'tab': {
      if (key === 'enter' && isWhole(state.editor, completion)) return null
      const chosen = choose(state.editor, completion)
      if (chosen === null) return key === 'tab' ? [state, []] : null
      const next: State = { ...state, editor: chosen.editor, completion: null }
      if (chosen.attach !== null) return [next, [{ type: 'attach', path: chosen.attach }]]
      return chosen.goesOn ? complete(next, true) : [next, []]
    }
    default:
      return null
  }
}

/** Opens, narrows or closes the list of completions. @param opens false: only an open list is kept up */
function complete(state: State, opens: boolean): Step {
  const found = completionAt(state.editor, state.completion, state.own)
  const completion = opens || state.completion !== null ? found : null
  return [{ ...state, completion }, completion === null ? [] : wanted(completion, state)]
}

/** @returns what has to be asked for the completion */
function wanted(completion: Completion, state: State): readonly Effect[] {
  if (completion.kind === 'command') return state.completion?.kind === 'command' ? [] : [{ type: 'list_commands' }]
  return completion.query === queryOf(state) ? [] : [{ type: 'complete_files', query: completion.query }]
}

/** Takes up the commands of the person, also in what is being completed. */
export function withCommands(before: State, own: State['own']): State {
  const state = { ...before, own }
  const completion = completionAt(state.editor, state.completion, own)
  return completion?.kind === 'command' ? { ...state, completion } : state
}

function queryOf({ completion }: State): string | null {
  return completion?.kind === 'file' ? completion.query : null
}

/** Closes what is open; else stops the running turn. */
function escape(state: State): Step {
  if (state.selected !== null) return [{ ...state, selected: null }, []]
  if (state.scroll !== null) return [{ ...state, scroll: null }, []]
  if (state.transcript.turn !== null) return [say(state, 'Stopping the turn.'), [{ type: 'cancel' }]]
  return [state, []]
}

export function toggle(state: State, id: string): State {
  const toggled = new Set(state.toggled)
  if (!toggled.delete(id)) toggled.add(id)
  return { ...state, toggled }
}

/** Selects the next item that can be unfolded. */
function selectNext(state: State, by: -1 | 1): State {
  const { past, live } = state.transcript
  const all: readonly Item[] = [...past, ...live]
  const from = state.selected === null ? (by < 0 ? all.length : -1) : all.findIndex(({ id }) => id === state.selected)
  for (let at = from + by; at >= 0 && at < all.length; at += by) {
    if (canUnfold(all[at]!)) return { ...state, selected: all[at]!.id, scroll: { item: all[at]!.id, line: 0 } }
  }
  return by > 0 ? { ...state, selected: null, scroll: null } : state
}

export function canUnfold(item: Item): boolean {
  return item.kind === 'call' || (item.kind === 'reply' && item.reasoning.trim() !== '')
}

function submit(state: State, around: Surroundings): Step {
  const message = messageIn(state.editor)
  const command = readCommand(state.editor.text)
  if (command !== null) {
    if (!isCommand(command.name)) {
      // It may be one of the person's own, which the guest knows.
      const editor = sentFrom(state.editor, message.trim())
      return [{ ...state, editor, completion: null, notice: null }, [{ type: 'expand', name: command.name, line: state.editor.text }]]
    }
    return runCommand({ ...state, editor: sentFrom(state.editor, message.trim()), completion: null, notice: null }, command, around)
  }
  const text = readMessage(message.trimEnd())
  if (text.trim() === '') return state.files.length === 0 ? [state, []] : [say(state, 'Write something about the files, then send.'), []]
  return sendText(state, text, message, around)
}

/** @param written what the person has written, for their history */
export function sendText(state: State, text: string, written: string, around: Surroundings): Step {
  const id = around.newId()
  const transcript = put(state.transcript, { kind: 'user', id, text, files: state.files.map(({ name }) => name), state: 'sending', seq: 0 })
  const next: State = {
    ...state,
    transcript,
    editor: written === '' ? state.editor : sentFrom(state.editor, written),
    files: [],
    completion: null,
    scroll: null,
    notice: null,
  }
  return [next, [{ type: 'send', id, text, files: state.files, model: state.model }]]
}
