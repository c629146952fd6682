/** The reducer of the full-screen terminal: what happens, from keys to frames of the gateway, becomes the next state and what to do. */
import { plainLine } from '../terminal/index.ts'
import { assertNever, failureSentences } from '../base/index.ts'
import { modeCall, type RecordView, renameSessionCall, titleSessionCall } from '../protocol/index.ts'
import { withFiles } from './completion.ts'
import { remember, setText } from './editor.ts'
import { maxTitleChars } from './limits.ts'
import { canUnfold, say, sendText, takeKey, takeText, toggle, withCommands } from './keys.ts'
import { newPicker, withRows } from './picker.ts'
import { questionFor } from './question.ts'
import { indexOf, scrollBy, searchFor, showMatch } from './scrolling.ts'
import type { Effect, Event, State, Step, Surroundings } from './state.ts'
import {
  changeItem,
  emptyTranscript,
  type Item,
  itemAt,
  note,
  ofAgents,
  takeEvent,
  type Transcript,
  withoutCall,
  withOlder,
} from './transcript.ts'

export function update(before: State, event: Event, around: Surroundings): Step {
  const now = around.now()
  const [after, effects] = apply({ ...before, now }, event, around)
  const current = after.notice !== null && after.notice.until <= now ? { ...after, notice: null } : after
  return ask(current, effects)
}

/** Keeps the question in step with the calls that wait. */
function ask(state: State, effects: readonly Effect[]): Step {
  const { now, lastKeyAt, editor, dialog, search } = state
  const attention = { now, lastKeyAt, isWriting: editor.text !== '', isElsewhere: dialog !== null || search !== null }
  const question = questionFor(state.transcript.waiting, state.question, attention)
  if (question === state.question) return [state, effects]
  const isNew = question !== null && question.pending.call !== state.question?.pending.call
  return [{ ...state, question }, isNew ? [...effects, { type: 'offer_rules', call: question.pending.call }] : effects]
}

function apply(state: State, event: Event, around: Surroundings): Step {
  switch (event.type) {
    case 'key':
      return takeKey(state, event.key, around)
    case 'text':
    case 'paste':
      return takeText(state, event.text, event.type === 'paste', around)
    case 'wheel':
      return scrollBy(state, event.lines, around)
    case 'click':
      return [clicked(state, event.item), []]
    case 'resize':
      return [{ ...state, columns: event.columns, rows: event.rows }, []]
    case 'tick':
      return [state, []]
    case 'theme':
      return [{ ...state, theme: event.theme }, []]
    case 'status':
      return [{ ...state, status: event.status }, []]
    case 'connection':
      return [connected(state, event.state), []]
    case 'follow':
    case 'opened':
    case 'fresh':
    case 'began':
    case 'relinked':
    case 'lost_session':
    case 'older':
      return applySession(state, event, around)
    case 'expanded':
      return sendText(state, event.text, '', around)
    case 'sent':
    case 'send_failed':
    case 'attached':
    case 'draft':
    case 'commands':
    case 'files':
    case 'rules':
    case 'decided':
    case 'decide_failed':
    case 'agents':
    case 'dialog':
    case 'note':
    case 'say':
    case 'heard':
    case 'title':
    case 'model':
    case 'spent':
    case 'labels':
      return applyResult(state, event)
    default:
      return assertNever(event)
  }
}

function clicked(state: State, id: string): State {
  const item = itemAt(state.transcript, indexOf(state, id))
  return item !== undefined && canUnfold(item) ? toggle(state, id) : state
}

function connected(state: State, type: State['connection']): State {
  if (type === state.connection) return state
  const next: State = { ...state, connection: type }
  if (type === 'reconnecting') return say(next, 'Connection to the guest lost; reconnecting.', true)
  return type === 'connected' && state.connection === 'reconnecting' ? say(next, 'Reconnected.') : next
}

type SessionEvent = Extract<Event, { type: 'follow' | 'opened' | 'fresh' | 'began' | 'relinked' | 'lost_session' | 'older' }>

function applySession(state: State, event: SessionEvent, around: Surroundings): Step {
  if (event.type === 'fresh') return [{ ...withoutSession(state), session: null, spent: 0, labels: [], mode: '' }, []]
  if (event.type === 'began') {
    const title = event.session.title === '' ? (messagesOf(state.transcript).at(-1) ?? '') : event.session.title
    return [{ ...state, session: { id: event.session.id, title: plainLine(title, maxTitleChars) } }, []]
  }
  if (event.type === 'lost_session') return [{ ...state, session: null }, []]
  if (event.type === 'relinked') return [{ ...state, transcript: withoutStream(state.transcript) }, []]
  if (event.type === 'opened') {
    const { session, records, next } = event
    const transcript = records.reduce<Transcript>((sum, record) => takeEvent(sum, { type: 'record', record }), emptyTranscript)
    const shown = session.busy ? transcript : withoutTurn(transcript)
    const history = messagesOf(shown).reduce(remember, state.editor.history)
    const opened: State = {
      ...withoutSession(state),
      session: { id: session.id, title: session.title },
      labels: [],
      mode: '',
      transcript: shown,
      older: next,
      editor: { ...state.editor, history },
    }
    return [opened, [{ type: 'count_cost' }, { type: 'read_labels' }]]
  }
  if (state.session?.id !== event.session) return [state, []]
  if (event.type === 'follow') return follow(state, event.events)
  const transcript = withOlder(state.transcript, event.records)
  const loaded: State = { ...state, transcript, older: event.next, isLoading: false }
  if (loaded.search === null || loaded.search.query === '') return [loaded, []]
  // The search that asked for older messages goes on in them.
  const before = loaded.search.found[0]
  const searched = searchFor(loaded, loaded.search.query, around)
  const at = before === undefined ? (searched.search?.found.length ?? 0) : (searched.search?.found.indexOf(before) ?? 0)
  return showMatch({ ...searched, search: { ...searched.search!, at, pages: loaded.search.pages } }, -1, around)
}

function withoutSession(state: State): State {
  return {
    ...state,
    transcript: emptyTranscript,
    older: null,
    isLoading: false,
    question: null,
    dialog: null,
    search: null,
    scroll: null,
    selected: null,
    toggled: new Set(),
  }
}

/** What had streamed of an answer is sent again, from its beginning. */
function withoutStream(transcript: Transcript): Transcript {
  return { ...transcript, live: transcript.live.filter((item) => item.kind !== 'reply' || item.done) }
}

/** A turn that was cut off is not running: the session says so. */
function withoutTurn(transcript: Transcript): Transcript {
  const { past, live } = transcript
  return transcript.turn === null
    ? transcript
    : { ...transcript, past: [...past, ...live], live: [], turn: null, beganAt: 0, waiting: ofAgents(transcript.waiting) }
}

function messagesOf({ past, live }: Transcript): readonly string[] {
  return [...past, ...live].flatMap((item: Item) => (item.kind === 'user' ? [item.text] : []))
}

function follow(state: State, events: Extract<Event, { type: 'follow' }>['events']): Step {
  const transcript = events.reduce(takeEvent, state.transcript)
  const ended = state.transcript.turn !== null && transcript.turn === null
  const titled = events.find(
    (event) =>
      event.type === 'record' && [titleSessionCall, renameSessionCall].includes(event.record.name) && event.record.phase === 'outcome',
  )
  const named = titled?.type === 'record' ? titleIn(titled.record.body) : ''
  const session = state.session !== null && named !== '' ? { ...state.session, title: named } : state.session
  const effects: readonly Effect[] = ended ? [{ type: 'count_cost' }, { type: 'read_labels' }] : []
  const isLabelled = !ended && events.some((event) => event.type === 'record' && changesBadges(event.record, state.labels))
  return [{ ...state, transcript, session }, isLabelled ? [{ type: 'read_labels' }] : effects]
}

/** @returns whether a record has a label that the status line does not show yet, or sets how strict the session is */
function changesBadges({ name, phase, body }: RecordView, shown: State['labels']): boolean {
  if (name === modeCall) return phase === 'outcome'
  const { labels } = (body ?? {}) as { readonly labels?: unknown }
  return Array.isArray(labels) && labels.some((label) => shown.every((badge) => badge.label !== label))
}

function titleIn(body: unknown): string {
  const change = (body as { readonly change?: { readonly title?: unknown } } | null)?.change
  return typeof change?.title === 'string' ? plainLine(change.title, maxTitleChars) : ''
}

type ResultEvent = Exclude<
  Event,
  SessionEvent | { type: 'key' | 'text' | 'paste' | 'wheel' | 'click' | 'resize' | 'tick' | 'theme' | 'status' | 'connection' | 'expanded' }
>

/** Answers to what was asked for. */
function applyResult(state: State, event: ResultEvent): Step {
  const { transcript, question } = state
  switch (event.type) {
    case 'sent':
      return [{ ...state, transcript: changeItem(transcript, event.message, sentItem) }, []]
    case 'send_failed': {
      const failed = changeItem(transcript, event.message, (item) => (item.kind === 'user' ? { ...item, state: 'failed' } : item))
      const explained = note(failed, `failed-${event.message}`, 'error', `${event.failure.message}\n${event.failure.hint}`)
      const editor = state.editor.text === '' ? setText(state.editor, event.text) : state.editor
      return [{ ...state, transcript: explained, editor }, []]
    }
    case 'draft':
      return [{ ...state, editor: setText(state.editor, event.text) }, []]
    case 'attached':
      return [{ ...state, files: [...state.files.filter(({ path }) => path !== event.file.path), event.file] }, []]
    case 'commands':
      return [withCommands(state, event.own), []]
    case 'files':
      return [{ ...state, completion: withFiles(state.completion, event.query, event.files) }, []]
    case 'rules':
      if (question?.pending.call !== event.call) return [state, []]
      return [{ ...state, question: { ...question, rules: event.rules, labels: event.labels } }, []]
    case 'decided': {
      const decided: State = { ...state, transcript: { ...transcript, waiting: withoutCall(transcript.waiting, event.call) } }
      return [event.next === '' ? decided : say(decided, event.next), []]
    }
    case 'decide_failed': {
      const text = failureSentences(event.failure)
      if (question?.pending.call !== event.call) return [say(state, text, true), []]
      return [{ ...state, question: { ...question, isSent: false, error: text } }, []]
    }
    case 'agents': {
      if (event.isFirst && event.rows.length === 0) return [say(state, 'No agent is live.'), []]
      const open = state.dialog?.kind === 'picker' && state.dialog.purpose === 'agents' ? state.dialog : null
      const dialog = event.isFirst ? newPicker('agents', 'Agents', event.rows) : open === null ? null : withRows(open, event.rows)
      // Closed: it is not read any more.
      return dialog === null ? [state, []] : [{ ...state, dialog }, [{ type: 'watch_agents', isFirst: false }]]
    }
    case 'dialog':
      return [{ ...state, dialog: event.dialog }, []]
    case 'note':
      return [
        { ...state, transcript: note(transcript, `note-${state.now}-${transcript.live.length}`, event.tone, event.text), scroll: null },
        [],
      ]
    case 'say':
      return [say(state, event.text, event.isError), []]
    case 'heard':
      return [{ ...state, transcript: note(transcript, `notice-${event.seq}`, event.tone, event.line) }, []]
    case 'model':
      return [say({ ...state, model: event.model }, `The next messages go to ${event.model}.`), []]
    case 'title':
      return [state.session === null ? state : { ...state, session: { ...state.session, title: event.title } }, []]
    case 'spent':
      return [state.session?.id === event.session ? { ...state, spent: event.microDollars } : state, []]
    case 'labels':
      return [state.session?.id === event.session ? { ...state, labels: event.labels, mode: event.mode } : state, []]
    default:
      return assertNever(event)
  }
}

/** An acknowledged message waits until its record says that a turn has it. */
function sentItem(item: Item): Item {
  return item.kind === 'user' && item.state === 'sending' ? { ...item, state: 'queued' } : item
}
