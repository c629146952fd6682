/** What the runtime is handed: a process that can make calls, and the conversation that it goes on with. */
import type { CallId, ProcessId, SessionId, TurnId } from '../../base/index.ts'
import type { CallOutcome } from '../call.ts'
import type { MadeCall } from '../call-names.ts'
import type { ConversationItem } from '../message-schema.ts'

/** A conversation as a turn finds it. */
export interface HeldConversation {
  readonly items: readonly ConversationItem[]
  /** Replaces the messages before the items; null: there are no such messages. */
  readonly summary: ConversationItem | null
}

/** A running agent's view of the kernel: it can make calls and nothing else. */
export interface Process {
  readonly id: ProcessId
  readonly session: SessionId
  readonly turn: TurnId
  /** Aborts when the turn is cancelled or times out. */
  readonly signal: AbortSignal
  /**
   * Makes a system call. Throws only for bugs; all other failures are outcomes.
   * @param id makes the call resumable: after a crash, the same id returns the recorded outcome or continues the recorded intent
   */
  call<Name extends string>(name: Name & MadeCall<Name>, input: unknown, id?: CallId): Promise<CallOutcome>
  /**
   * Makes a call that a model requested; only calls offered to models. `args` is the text as the model wrote it.
   * @returns null for a tool of the program that sent the message: its result comes with the next one
   */
  callTool(name: string, args: string, id: CallId): Promise<CallOutcome | null>
  /** @returns whether the call may run concurrently with others; true for unknown names */
  isReadOnly(name: string): boolean
  /**
   * Reads as much of the conversation as the context window can hold, oldest first, with the message of this turn.
   * @throws OxbowError of the store
   */
  conversation(): Promise<HeldConversation>
  /**
   * The item of a call as the next turn will find it: the same object, whose wire form and tokens are made once. Undefined: none is cached.
   */
  itemOf(call: CallId): ConversationItem | undefined
  /** @returns whether messages wait for this turn, which `turn.inbox` takes; costs no call */
  hasMail(): boolean
  /** The agent to which this turn has handed its session, with which it ends; empty: none. */
  successor(): string
  newCallId(): CallId
}
