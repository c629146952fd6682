/** The kernel's facade: what the gateway (and nothing above it) sees. */
import type {
  CallId,
  CallOutcome,
  GuestStatus,
  Json,
  RecordView,
  SentFile,
  ServerPayloads,
  SessionId,
  SessionInfo,
  TurnId,
} from '../types/index.ts'

type Told<Type extends keyof ServerPayloads> = { readonly type: Type } & Readonly<ServerPayloads[Type]>

/**
 * What a follower of a session receives, in order: every record after its cursor, one `snapshot`, then live events. A `delta` is the
 * coalesced text of one tick. All followers are handed the same object, so that it is made into a frame once.
 */
export type KernelEvent =
  | { readonly type: 'record'; readonly record: RecordView }
  | Omit<Told<'snapshot'>, 'request_id'>
  | Told<'delta'>
  | Told<'reply_restarted'>
  | Told<'progress'>

export interface SendTurn {
  readonly session: SessionId
  /** Made by the terminal, once for each message; it becomes the id of the `turn.send` call. */
  readonly clientId: CallId
  readonly text: string
  readonly model?: string | undefined
  readonly attachments?: readonly SentFile[] | undefined
}

export interface Kernel {
  status(): GuestStatus
  /** @param clientId made by the terminal; becomes the id of the session, and asking again with it gives the same one */
  createSession(title?: string, clientId?: CallId): Promise<SessionInfo>
  listSessions(limit: number): Promise<readonly SessionInfo[]>
  /** Resolves when the message is in the journal. @throws OxbowError `not_found`, `limit_reached`, `store_full` … */
  sendTurn(send: SendTurn): Promise<{ readonly turn: TurnId; readonly cursor: number; readonly duplicate: boolean }>
  /** @returns whether a turn was running. */
  cancelTurn(session: SessionId): Promise<boolean>
  /** Decides a parked call. @throws OxbowError `not_found` when none waits under this id. */
  approve(call: CallId, allow: boolean): Promise<void>
  /** Makes a call that is offered to terminals, as the user, through the gate. */
  call(name: string, input: Json, session?: SessionId): Promise<CallOutcome>
  /**
   * @param leaving ends it while the past is told, and has no part in it afterwards
   * @returns a function that stops the following
   * @throws OxbowError `not_found` for an unknown session, or the reason of `leaving`
   */
  follow(session: SessionId, cursor: number, listener: (event: KernelEvent) => void, leaving?: AbortSignal): Promise<() => void>
  /** Stops turns where they stand (they continue at the next start) and flushes. */
  close(): Promise<void>
}
