/** The kernel's facade: what the gateway (and nothing above it) sees. */
import type {
  CallId,
  CallOutcome,
  GuestStatus,
  Json,
  PendingApproval,
  RecordView,
  SentFile,
  SessionId,
  SessionInfo,
  TurnId,
} from '../types/index.ts'

/**
 * What a follower of a session receives, in order: every record after its cursor, one `snapshot`, then live events. A
 * `delta` is the coalesced text of one tick. `frame` caches the serialised form for all followers.
 */
export type KernelEvent =
  | { readonly type: 'record'; readonly record: RecordView }
  | {
      readonly type: 'snapshot'
      readonly session: SessionId
      readonly cursor: number
      readonly turn: TurnId | null
      readonly call: CallId | null
      readonly text: string
      readonly pending: readonly PendingApproval[]
    }
  | {
      readonly type: 'delta'
      readonly session: SessionId
      readonly turn: TurnId
      readonly call: CallId
      readonly offset: number
      readonly text: string
    }
  /** What `call` has said so far is void: its answer begins anew, perhaps by another model. */
  | {
      readonly type: 'reply_restarted'
      readonly session: SessionId
      readonly turn: TurnId
      readonly call: CallId
      readonly model: string
      readonly why: string
    }
  | {
      readonly type: 'progress'
      readonly session: SessionId
      readonly turn: TurnId
      readonly call: CallId
      readonly name: string
      readonly elapsed_ms: number
    }

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
  createSession(title?: string): Promise<SessionInfo>
  listSessions(limit: number): Promise<readonly SessionInfo[]>
  /** Resolves when the message is in the journal. @throws OxbowError `not_found`, `limit_reached`, `store_full` … */
  sendTurn(send: SendTurn): Promise<{ readonly turn: TurnId; readonly cursor: number; readonly duplicate: boolean }>
  /** @returns whether a turn was running. */
  cancelTurn(session: SessionId): Promise<boolean>
  /** Decides a parked call. @throws OxbowError `not_found` when none waits under this id. */
  approve(call: CallId, allow: boolean): Promise<void>
  /** Makes a call that is offered to terminals, as the user, through the gate. */
  call(name: string, input: Json, session?: SessionId): Promise<CallOutcome>
  /** @returns a function that stops the following. @throws OxbowError `not_found` for an unknown session. */
  follow(session: SessionId, cursor: number, listener: (event: KernelEvent) => void): Promise<() => void>
  /** Stops turns where they stand (they continue at the next start) and flushes. */
  close(): Promise<void>
}
