/** Everything that the full-screen terminal shows, what can happen to it, and what it asks to be done. Plain values. */
import type { SlashCommand, UndoInput } from '../terminal/index.ts'
import type { ConnectionState, FollowEvent } from '../client/index.ts'
import type { CallId, Failure, SessionId } from '../base/index.ts'
import type { GuestStatus, RecordView, SessionInfo } from '../protocol/index.ts'
import type { LabelBadge } from '../terminal/index.ts'
import type { Completion, FoundFile } from './completion.ts'
import { type Editor, emptyEditor } from './editor.ts'
import type { Picker, PickerRow, Preview } from './picker.ts'
import type { Decision, OfferedRule, Question } from './question.ts'
import { emptyTranscript, type Item, type Transcript } from './transcript.ts'

/** Everything that the screen shows. Only the reducer makes new ones. */
export interface State {
  readonly columns: number
  readonly rows: number
  /** Milliseconds; moves with each event. */
  readonly now: number
  readonly connection: ConnectionState['type'] | 'starting'
  readonly status: GuestStatus | null
  /** Null until the first message: a terminal without one leaves no session behind. */
  readonly session: { readonly id: SessionId; readonly title: string } | null
  readonly transcript: Transcript
  /** Where the page before the oldest record begins; null when all is shown. */
  readonly older: number | null
  readonly isLoading: boolean
  readonly editor: Editor
  readonly completion: Completion | null
  /** Commands of the person, as the guest knew them when a completion of commands was last opened. */
  readonly own: readonly SlashCommand[]
  /** Files attached to the next message. */
  readonly files: readonly AttachedFile[]
  readonly dialog: Picker | Preview | null
  readonly question: Question | null
  readonly search: Search | null
  /** The item and its line at the top of the transcript; null follows the newest. */
  readonly scroll: Anchor | null
  /** Item that is selected by keys. */
  readonly selected: string | null
  /** Items that are unfolded, or folded while `allOpen`. */
  readonly toggled: ReadonlySet<string>
  readonly allOpen: boolean
  readonly notice: { readonly text: string; readonly isError: boolean; readonly until: number } | null
  readonly lastKeyAt: number
  readonly interruptedAt: number
  /** Model of the next messages; empty: the configured one. */
  readonly model: string
  /** Micro-dollars that the session has cost. */
  readonly spent: number
  /** Labels of what the session has read. */
  readonly labels: readonly LabelBadge[]
  /** How much stricter the session is than the configuration; empty: not at all. */
  readonly mode: string
  readonly theme: ThemeName
  readonly version: string
}

/** Colours for a dark or a light background, or none. */
export type ThemeName = 'dark' | 'light' | 'plain'

export interface Anchor {
  readonly item: string
  readonly line: number
}

export interface Search {
  readonly query: string
  /** Items that contain it, the oldest first. */
  readonly found: readonly string[]
  readonly at: number
  /** Pages that may still be read to find more. */
  readonly pages: number
}

/** A file of the person that goes with the next message. */
export interface AttachedFile {
  readonly name: string
  readonly path: string
  readonly bytes: number
}

/** What can happen: input of the person, frames of the guest, and results of effects. */
export type Event =
  | { readonly type: 'key'; readonly key: string }
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'paste'; readonly text: string }
  | { readonly type: 'wheel'; readonly lines: number }
  | { readonly type: 'click'; readonly item: string }
  | { readonly type: 'resize'; readonly columns: number; readonly rows: number }
  | { readonly type: 'tick' }
  | { readonly type: 'theme'; readonly theme: ThemeName }
  | { readonly type: 'connection'; readonly state: ConnectionState['type'] }
  | { readonly type: 'status'; readonly status: GuestStatus }
  | { readonly type: 'follow'; readonly session: SessionId; readonly events: readonly FollowEvent[] }
  | { readonly type: 'opened'; readonly session: SessionInfo; readonly records: readonly RecordView[]; readonly next: number | null }
  | { readonly type: 'fresh'; readonly title: string }
  /** A session was started for the message that is on the screen. */
  | { readonly type: 'began'; readonly session: SessionInfo }
  /** Another guest: what streams comes again. */
  | { readonly type: 'relinked' }
  | { readonly type: 'lost_session' }
  | { readonly type: 'older'; readonly session: SessionId; readonly records: readonly RecordView[]; readonly next: number | null }
  | { readonly type: 'spent'; readonly session: SessionId; readonly microDollars: number }
  | { readonly type: 'labels'; readonly session: SessionId; readonly labels: readonly LabelBadge[]; readonly mode: string }
  | { readonly type: 'sent'; readonly message: string }
  | { readonly type: 'send_failed'; readonly message: string; readonly text: string; readonly failure: Failure }
  | { readonly type: 'attached'; readonly file: AttachedFile }
  | { readonly type: 'draft'; readonly text: string }
  /** The message of a command. */
  | { readonly type: 'expanded'; readonly text: string }
  | { readonly type: 'commands'; readonly own: readonly SlashCommand[] }
  | { readonly type: 'files'; readonly query: string; readonly files: readonly FoundFile[] }
  | { readonly type: 'rules'; readonly call: CallId; readonly rules: readonly OfferedRule[]; readonly labels: boolean }
  | { readonly type: 'decided'; readonly call: CallId; readonly next: string }
  | { readonly type: 'decide_failed'; readonly call: CallId; readonly failure: Failure }
  | { readonly type: 'agents'; readonly rows: readonly PickerRow[]; readonly isFirst: boolean }
  | { readonly type: 'dialog'; readonly dialog: Picker | Preview | null }
  | { readonly type: 'note'; readonly text: string; readonly tone: 'info' | 'warning' | 'error' }
  | { readonly type: 'say'; readonly text: string; readonly isError?: boolean }
  | { readonly type: 'heard'; readonly seq: number; readonly tone: 'info' | 'warning'; readonly line: string }
  | { readonly type: 'title'; readonly title: string }
  /** Of the next messages. */
  | { readonly type: 'model'; readonly model: string }

/** Something to be done outside; its results come back as events. */
export type Effect =
  | { readonly type: 'send'; readonly id: CallId; readonly text: string; readonly files: readonly AttachedFile[]; readonly model: string }
  | { readonly type: 'cancel' }
  | { readonly type: 'cancel_all' }
  | { readonly type: 'load_older'; readonly before: number }
  | { readonly type: 'open'; readonly prefix: string }
  | { readonly type: 'open_newest' }
  | { readonly type: 'new'; readonly title: string }
  | { readonly type: 'list_sessions' }
  | { readonly type: 'list_models' }
  /** If it can be used. */
  | { readonly type: 'choose_model'; readonly model: string }
  /** Agents that a person has defined, characters among them. */
  | { readonly type: 'list_definitions' }
  /** Empty: the usual one. */
  | { readonly type: 'choose_agent'; readonly agent: string }
  | { readonly type: 'list_turns' }
  | { readonly type: 'preview_undo'; readonly input: UndoInput; readonly title: string }
  | { readonly type: 'undo'; readonly input: UndoInput }
  | { readonly type: 'fork'; readonly message: number | null }
  | { readonly type: 'rename'; readonly title: string }
  | { readonly type: 'archive' }
  | { readonly type: 'compact' }
  | { readonly type: 'cost' }
  | { readonly type: 'count_cost' }
  | { readonly type: 'read_labels' }
  | { readonly type: 'show_status' }
  | { readonly type: 'list_approvals' }
  /** Reads the tree of agents: at once, or a moment later. */
  | { readonly type: 'watch_agents'; readonly isFirst: boolean }
  | {
      readonly type: 'control_agent'
      readonly verb: 'tell' | 'pause' | 'raise' | 'kill'
      readonly agent: string
      readonly argument: string
    }
  | { readonly type: 'offer_rules'; readonly call: CallId }
  | { readonly type: 'decide'; readonly call: CallId; readonly decision: Decision }
  | { readonly type: 'complete_files'; readonly query: string }
  /** Asks for the commands of the person. */
  | { readonly type: 'list_commands' }
  | { readonly type: 'attach'; readonly path: string }
  | { readonly type: 'prompt'; readonly words: readonly string[] }
  /** Makes the message of a command, which is then sent. */
  | { readonly type: 'expand'; readonly name: string; readonly line: string }
  | { readonly type: 'set_theme'; readonly theme: ThemeName }
  | { readonly type: 'redraw' }
  | { readonly type: 'suspend' }
  | { readonly type: 'exit' }

/** What the reducer must know of the drawing, and of the world. */
export interface Surroundings {
  /** Lines that an item takes on the screen. */
  readonly heightOf: (state: State, index: number) => number
  /** Rows of the transcript. */
  readonly viewRows: (state: State) => number
  /** The first line of the item that shows the text, or 0. */
  readonly lineOf: (state: State, index: number, text: string) => number
  /** What a search looks through, in lower case. */
  readonly textOf: (item: Item) => string
  readonly now: () => number
  readonly newId: () => CallId
}

/** What the reducer makes of an event: the next state, and effects to run in order. */
export type Step = readonly [state: State, effects: readonly Effect[]]

export interface Opening {
  readonly columns: number
  readonly rows: number
  readonly now: number
  readonly theme: ThemeName
  readonly version: string
  readonly model: string
}

/** The state of a screen that has just opened, before the guest has answered. */
export function newState({ columns, rows, now, theme, version, model }: Opening): State {
  return {
    columns,
    rows,
    now,
    connection: 'starting',
    status: null,
    session: null,
    transcript: emptyTranscript,
    older: null,
    isLoading: false,
    editor: emptyEditor,
    completion: null,
    own: [],
    files: [],
    dialog: null,
    question: null,
    search: null,
    scroll: null,
    selected: null,
    toggled: new Set(),
    allOpen: false,
    notice: null,
    lastKeyAt: -Infinity,
    interruptedAt: -Infinity,
    model,
    spent: 0,
    labels: [],
    mode: '',
    theme,
    version,
  }
}

/** @returns whether the item is unfolded */
export function isOpen({ toggled, allOpen }: Pick<State, 'toggled' | 'allOpen'>, id: string): boolean {
  return toggled.has(id) !== allOpen
}
