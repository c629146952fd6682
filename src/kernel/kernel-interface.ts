/** The kernel as the gateway sees it: what terminals and programs can ask of it. And what it is made of, as the composition root sees it. */
import type { CallId, Json, OxbowError, SessionId } from '../base/index.ts'
import type { MadeCall, CallOutcome, GuestStatus, Notice, OutputOf, PendingApproval, SessionInfo } from '../protocol/index.ts'
import type { CallReference } from './calls/call-reference.ts'
import type { KernelEvent, PastDelivery } from './records/events.ts'
import type { StartTurn } from './turns/start-turn.ts'

export interface Kernel {
  status(): GuestStatus
  /** @param clientId made by the terminal; becomes the session's id, so that a repeated request returns the same session */
  createSession(title?: string, clientId?: CallId): Promise<SessionInfo>
  listSessions(limit: number): Promise<readonly SessionInfo[]>
  /** Resolves when the message is in the journal. @throws OxbowError `not_found`, `limit_reached`, `store_full` … */
  sendTurn: StartTurn
  /** @returns whether a turn was running. */
  cancelTurn(session: SessionId): Promise<boolean>
  /** Decides a parked call. @returns what must still happen; empty: it is decided @throws OxbowError `not_found` when none waits under this id. */
  approve(call: CallId, allow: boolean): Promise<string>
  /**
   * Makes a call that is offered to terminals, as the user, through the gate.
   * @param id makes it repeatable: the same id returns the recorded outcome, or continues the recorded intent
   */
  call<Name extends string>(
    name: Name & MadeCall<Name>,
    input: Json,
    session?: SessionId,
    id?: CallId,
  ): Promise<CallOutcome<OutputOf<Name>>>
  /**
   * @returns a function that stops following
   * @throws OxbowError `not_found` for an unknown session, or the reason of `past.leaving`
   */
  follow(session: SessionId, cursor: number, listener: (event: KernelEvent) => void, past?: PastDelivery): Promise<() => void>
  /** @returns a function that stops it */
  onNotice(listener: (notice: Notice) => void): () => void
  /**
   * The kernel for a program with an API key: the key's rights only.
   * @throws OxbowError `unauthenticated` for a key that is unknown, wrong, revoked or expired; so does each later request
   */
  withKey(key: string): Promise<Kernel>
  /**
   * @returns whether everything is allowed, as to the owner
   * @throws OxbowError `unauthenticated` when the key of this kernel was revoked or has expired; never for the owner's
   */
  check(): Promise<boolean>
  isOfChannels?(): Promise<boolean> // Its key is the process of channels', which asks as often as people write.
  /**
   * @param listener called once, when the key of this kernel is revoked, expires, or has other rights: what was opened with it must end
   * @returns a function that stops it. Absent: the owner's rights stay
   */
  onEnd?(listener: (why: OxbowError) => void): () => void
  /** Calls that a model outside of this guest makes; only for a program with an API key. */
  readonly foreign?: ForeignCalls
  /** From now on turns begin no call. Resolves once their calls have ended: a `close`, which has to follow, cuts nothing off then. */
  settle(): Promise<void>
  /** Interrupts turns, which continue at the next start, and flushes the journal. */
  close(): Promise<void>
}

/** A call that the rights of a key allow to a model outside. */
export interface ForeignTool extends CallReference {
  /** It reaches what is outside of the workspace, or what it returns comes from there. */
  readonly isOpen: boolean
}

interface FoundTool extends Pick<ForeignTool, 'name' | 'right'> {
  readonly by: 'model' | 'program'
  /** It tells what others have written. */
  readonly quotes: boolean
}

export interface OfferedCalls {
  /** What a model may call. */
  readonly calls: readonly ForeignTool[]
  /** By what programs use their agent, by `Kernel.call`; no model may. */
  readonly programs: readonly ForeignTool[]
}

export interface ForeignCall {
  readonly id: CallId
  readonly name: string
  readonly input: unknown
  readonly session: SessionId
}

export interface ForeignEnd {
  readonly outcome: CallOutcome
  readonly pictures: readonly { readonly mediaType: string; readonly data: Uint8Array }[]
}

export interface ForeignRun {
  readonly id: CallId
  readonly name: string
  /** Empty: it was refused before it had one. */
  readonly session: SessionId | ''
  /**
   * @param seen a question that was answered: it waits for what follows
   * @returns how the call ended, or what a person must decide first
   * @throws the reason of the signal, with which the call goes on
   */
  next(signal: AbortSignal, seen?: PendingApproval): Promise<{ readonly ended: ForeignEnd } | { readonly asks: PendingApproval }>
  cancel(): void
}

export interface ForeignCalls {
  /** Makes the session that remembers what the program has read. */
  openSession(title: string): Promise<SessionId>
  /** @throws OxbowError `unauthenticated` for a revoked key, like all methods */
  tools(): Promise<OfferedCalls>
  /** A tool's call, and who makes it; the key's right to make it is checked when it is made. Null: no such tool. */
  find(tool: string): Promise<FoundTool | null>
  /** The folders and files to which the key's right to read files is limited; null: it is not. */
  readable(): Promise<readonly string[] | null>
  /** @throws OxbowError `limit_reached` */
  begin(call: ForeignCall): Promise<ForeignRun>
  /** Passes the reply of a turn on, which the program has followed. */
  reply(call: ForeignCall, outcome: CallOutcome): Promise<ForeignRun>
  /** A call that was made before; null: it is a message to the agent. @throws OxbowError `not_found` */
  again(id: CallId): Promise<ForeignRun | null>
  /** The session to which the key has sent a message. @throws OxbowError `not_found` */
  sentTo(message: CallId): Promise<SessionId>
  /** Whether what the session has read may leave without a question: text is streamed only then. */
  mayLeave(session: SessionId): Promise<boolean>
  /** Whether the key has a right, perhaps a limited one. */
  may(right: string): Promise<boolean>
  /** @param listener called when a call has ended that may have changed files @returns a function that stops it */
  onChange(listener: () => void): () => void
  /** Another value once other calls may be offered. */
  version(): unknown
  /** @param listener called while the call runs @returns a function that stops it */
  onProgress(session: SessionId, call: CallId, listener: (elapsedMs: number) => void): Promise<() => void>
}
