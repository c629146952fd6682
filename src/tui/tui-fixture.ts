/** Records of turns as a guest sends them, a state over them, and the surroundings of the reducer with a real drawing. */
import { stripVTControlCharacters } from 'node:util'
import type { FollowEvent } from '../client/index.ts'
import type { CallId, Json, SessionId, TurnId } from '../base/index.ts'
import type { Phase, RecordView } from '../protocol/index.ts'
import { type Effect, type Event, newState, type State, type Surroundings, type ThemeName } from './state.ts'
import { type Item, textOfItem } from './transcript.ts'
import { update } from './update.ts'
import { createItemLines } from './view/items.ts'
import { createMarkdown } from './view/markdown.ts'
import { createScreenDrawing, type Frame } from './view/screen.ts'

export const session = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId

export interface Journal {
  add(turn: string, call: string, name: string, phase: Phase, body?: Json): RecordView
  /** A whole turn: a message and its answer. */
  turn(id: string, text: string, reply: string): readonly RecordView[]
  /** The beginning of a turn. */
  begin(id: string, text: string): readonly RecordView[]
}

export function createJournal(): Journal {
  let seq = 0
  const add: Journal['add'] = (turn, call, name, phase, body = {}) => {
    seq += 1
    return { seq, at: seq * 100, actor: 'agent:ox', session, turn: turn as TurnId, call: call as CallId, name, phase, body }
  }
  const begin: Journal['begin'] = (id, text) => [
    add(id, id, 'turn.send', 'intent', { input: { text } }),
    add(id, id, 'turn.send', 'started', { text }),
  ]
  return {
    add,
    begin,
    turn: (id, text, reply) => [
      ...begin(id, text),
      add(id, `${id}g`, 'model.generate', 'intent', { input: { inputTokens: 1_000 } }),
      add(id, `${id}g`, 'model.generate', 'outcome', {
        status: 'ok',
        message: { role: 'assistant', parts: [{ type: 'text', text: reply }] },
      }),
      add(id, id, 'turn.send', 'outcome', { status: 'ok', reply }),
    ],
  }
}

export const recorded = (record: RecordView): FollowEvent => ({ type: 'record', record })

export interface App {
  state(): State
  /** @returns what is to be done */
  send(...events: readonly Event[]): readonly Effect[]
  /** Presses keys by name; what is no name is typed. */
  press(...keys: readonly string[]): readonly Effect[]
  frame(): Frame
  /** The screen as text. */
  text(): string
  /** How many heights of items were asked for since the last call. */
  takeHeights(): number
  passes(ms: number): void
}

const named = /^(?:(?:ctrl|alt|shift)\+.+|enter|escape|tab|backspace|delete|up|down|left|right|home|end|pageUp|pageDown)$/

export function openApp(theme: ThemeName = 'plain', columns = 80, rows = 24): App {
  let now = 1_000_000
  let ids = 0
  let heights = 0
  const drawing = createScreenDrawing(createItemLines(createMarkdown()))
  const around: Surroundings = {
    ...drawing,
    heightOf(state, index) {
      heights += 1
      return drawing.heightOf(state, index)
    },
    textOf: (item: Item) => textOfItem(item).toLowerCase(),
    now: () => now,
    newId: () => `message-${(ids += 1)}` as CallId,
  }
  let state = newState({ columns, rows, now, theme, version: '0.1.0', model: '' })
  const send: App['send'] = (...events) =>
    events.flatMap((event) => {
      const [next, effects] = update(state, event, around)
      state = next
      return effects
    })
  return {
    state: () => state,
    send,
    press: (...keys) => keys.flatMap((key) => send(named.test(key) ? { type: 'key', key } : { type: 'text', text: key })),
    frame: () => drawing.frameOf(state),
    text: () =>
      drawing
        .frameOf(state)
        .lines.map((line) => stripVTControlCharacters(line).trimEnd())
        .join('\n'),
    takeHeights() {
      const taken = heights
      heights = 0
      return taken
    },
    passes: (ms) => void (now += ms),
  }
}

/** Opens the session with these records. */
export function opened(app: App, records: readonly RecordView[], busy = false): void {
  const info = { id: session, title: 'Ports', created_at: 0, active_at: 0, turns: 1, busy }
  app.send({ type: 'connection', state: 'connected' }, { type: 'opened', session: info, records, next: null })
}

export function followed(app: App, ...events: readonly FollowEvent[]): readonly Effect[] {
  return app.send({ type: 'follow', session, events })
}
