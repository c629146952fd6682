/** What the terminal programs need of the gateway client; tests bring a fake. */
import type { CallOutcome, GuestStatus, Json, PendingApproval, RecordView, SessionInfo } from '../../types/index.ts'

/** Ids are plain text here: they come from people's fingers, and the gateway checks them. */
export interface GatewayPort {
  status(): Promise<GuestStatus>
  createSession(title?: string): Promise<SessionInfo>
  listSessions(limit: number): Promise<readonly SessionInfo[]>
  sendTurn(send: {
    session: string
    text: string
    model?: string | undefined
  }): Promise<{ turn: string; cursor: number; duplicate: boolean }>
  cancelTurn(session: string): Promise<boolean>
  approve(call: string, allow: boolean): Promise<void>
  call(name: string, input: Json, session?: string): Promise<CallOutcome>
  /** Tells every record after the cursor, then a snapshot, then live; over reconnects. @returns what stops it. */
  follow(session: string, cursor: number, handler: (event: SessionEvent) => void): Promise<() => void>
  close(): Promise<void>
}

export type SessionEvent =
  | { readonly type: 'record'; readonly record: RecordView }
  | {
      readonly type: 'snapshot'
      readonly turn: string | null
      readonly call: string | null
      readonly text: string
      readonly pending: readonly PendingApproval[]
    }
  | { readonly type: 'delta'; readonly turn: string; readonly call: string; readonly offset: number; readonly text: string }
  | { readonly type: 'progress'; readonly call: string; readonly name: string; readonly elapsed_ms: number }
