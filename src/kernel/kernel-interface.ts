/** The kernel as the gateway sees it: what terminals and programs can ask of it. */
import type { CallId, CallOutcome, GuestStatus, Json, Notice, SessionId, SessionInfo } from '../types/index.ts'
import type { KernelEvent, PastDelivery } from './events.ts'
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
  /** Decides a parked call. @throws OxbowError `not_found` when none waits under this id. */
  approve(call: CallId, allow: boolean): Promise<void>
  /**
   * Makes a call that is offered to terminals, as the user, through the gate.
   * @param id makes it repeatable: the same id returns the recorded outcome, or continues the recorded intent
   */
  call(name: string, input: Json, session?: SessionId, id?: CallId): Promise<CallOutcome>
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
  /** Interrupts turns, which continue at the next start, and flushes the journal. */
  close(): Promise<void>
}
