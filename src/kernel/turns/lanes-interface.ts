/** What the rest of the kernel sees of the lanes, and what a lane passes to the agent. */
import type { CallId, SessionId, TurnId } from '../../base/index.ts'
import type { Attachment, Caller, ClientTools, KeptFile, LaneResult, Mail, TurnSource } from '../../protocol/index.ts'
import type { Entry } from '../records/journal.ts'

export interface TurnInput {
  readonly text: string
  readonly model?: string | undefined
  readonly attachments?: readonly KeptFile[] | undefined
  /** Tools of the program that sent it. */
  readonly client?: ClientTools | undefined
  /** The turn continues the conversation behind results of the program's tools; its text is for people, no message to the model. */
  readonly continues?: true | undefined
  readonly source?: TurnSource | undefined // Absent: it was written to the agent itself.
}

/** A turn, as a lane passes it to the agent. */
export interface LaneTurn {
  readonly id: TurnId
  readonly caller: Caller
  readonly input: TurnInput
  readonly resumed: boolean
  /** Who had the session when it began: see `holderOf`. Absent: a turn of an older version. */
  readonly began?: string | undefined
  readonly signal: AbortSignal
  hasMail(): boolean
  /** Takes all waiting messages, and records them as part of this turn. */
  takeMail(): Promise<readonly Mail[]>
  /** Files of its own message and of those it has taken since. */
  attachments(): readonly Attachment[]
  /** The time limit pauses while the turn waits for a user. */
  onWait(waiting: boolean): void
}

/** How far a message had come before a crash. */
export interface TurnPast {
  readonly started: boolean
  /** The turn that took it. */
  readonly into: TurnId | null
  readonly cancelled: boolean
  /** See `LaneTurn.began`. */
  readonly began?: string | undefined
  /** The guest has crashed in it too often: it ends. */
  readonly hopeless?: boolean
}

export interface Lanes {
  /** Queues a message and resolves when its turn, or the turn that took it, has ended. */
  run(id: CallId, caller: Caller, input: TurnInput, signal: AbortSignal, past: TurnPast): Promise<LaneResult>
  /** Observes an entry that is being appended: after the outcome of a turn the next turn begins. */
  observe(entry: Pick<Entry, 'name' | 'phase' | 'call'> & { readonly session: SessionId | '' }): void
  /** Cancels the turn that runs or waits to begin; with `waiting`, all messages behind it too. @returns how many there were */
  cancel(session: SessionId, waiting?: boolean): number
  /** Sessions with a turn that runs, or messages that wait. */
  sessions(): readonly SessionId[]
  /** @returns whether a turn runs */
  isRunning(session: SessionId): boolean
  /** Every session with a turn that runs. */
  running(): readonly RunningTurn[]
  /** @returns whether a turn runs or waits, or a message is being sent */
  isBusy(session: SessionId): boolean
  /** Reserves a place for a message that is about to be sent; `admitted` releases it. @returns false when the lane is full */
  admit(session: SessionId): boolean
  admitted(session: SessionId): void
  /** Claims the lane of a session that exists, while its message is recorded: both are one commit. Its turn awaits it, and tries again. */
  claim(session: SessionId): void
  /** Leaves the session's turns and messages to another worker that has taken it over. Resolves when nothing runs here. */
  lose(session: SessionId): Promise<void>
  /** Interrupts every turn; its intent stays open, and it continues at the next start. */
  stop(): Promise<void>
}

interface RunningTurn {
  readonly session: SessionId
  readonly turn: TurnId
  /** Unix milliseconds. */
  readonly since: number
  /** Messages that wait for it to end, or to take them. */
  readonly waiting: number
}
