/**
 * Frames of the gateway's WebSocket: JSON `{type, payload}`, snake_case. The client speaks first (`hello`); every client
 * frame has a `request_id` that its one answer (`ack`, `result` or `error`) carries back. Everything else the server sends
 * is an event stream: `record` frames have a cursor and can be asked for again; `delta` and `progress` have none, and are
 * made good by the `snapshot` that a `subscribe` is answered with.
 */
import { z } from 'zod'
import type { Failure } from './error.ts'
import type { CallId, SessionId, TurnId, UserId } from './id.ts'
import { isUuid } from './id.ts'
import type { Json } from './text.ts'
import { maxAttachments } from './message.ts'
import type { JournalRecord } from './record.ts'
import type { SandboxStatus } from './hands.ts'

export const protocolVersion = 1

const requestId = z.string().min(1).max(64)
const uuid = z.string().refine(isUuid, 'must be a lower-case UUID')
const session = uuid.transform((text) => text as SessionId)
const frame = <Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) =>
  z.object({ type: z.literal(type), payload: z.object({ request_id: requestId, ...shape }) })

export const clientFrameSchema: z.ZodType<ClientFrame> = z.discriminatedUnion('type', [
  frame('hello', { protocol: z.int(), client: z.string().max(100) }),
  frame('create_session', { title: z.string().max(200).optional(), client_id: uuid.transform((text) => text as CallId).optional() }),
  frame('list_sessions', { limit: z.int().min(1).max(1000).default(50) }),
  frame('send_turn', {
    session,
    client_id: uuid.transform((text) => text as CallId),
    text: z.string().min(1),
    model: z.string().min(1).max(200).optional(),
    attachments: z
      .array(
        z.object({
          name: z.string().max(1_000),
          media_type: z.string().max(255),
          data: z.string().min(1).optional(),
          pieces: z.array(z.string().regex(/^[0-9a-f]{64}$/, 'must be a hash that attachment.put gave')).optional(),
        }),
      )
      .max(maxAttachments)
      .optional(),
  }),
  frame('cancel_turn', { session }),
  frame('subscribe', { session, cursor: z.int().nonnegative() }),
  frame('unsubscribe', { session }),
  frame('approve', {
    call: z
      .string()
      .min(1)
      .max(200)
      .transform((text) => text as CallId),
    allow: z.boolean(),
  }),
  frame('call', { name: z.string().min(1).max(100), input: z.json(), session: session.optional() }),
  frame('status', {}),
])

interface ClientPayloads {
  hello: { protocol: number; client: string }
  /** `client_id`, where the client makes one, becomes the id of the session: asking again with it is the same session. */
  create_session: { title?: string | undefined; client_id?: CallId | undefined }
  list_sessions: { limit: number }
  /** `client_id` is made by the client once for each message: sending it again is the same turn. */
  send_turn: {
    session: SessionId
    client_id: CallId
    text: string
    model?: string | undefined
    attachments?: readonly SentFile[] | undefined
  }
  cancel_turn: { session: SessionId }
  /** All records of the session with `seq > cursor`, then live; 0 is from the beginning. */
  subscribe: { session: SessionId; cursor: number }
  unsubscribe: { session: SessionId }
  approve: { call: CallId; allow: boolean }
  /** Any call that the registry offers to terminals. */
  call: { name: string; input: Json; session?: SessionId | undefined }
  status: object
}

/**
 * A file that a terminal sends with a message: its `data` as base64, as far as a frame has room, or the `pieces` that it has
 * uploaded by `attachment.put`, in order. What kind it is is told from its content; `media_type` helps where that cannot tell.
 */
export interface SentFile {
  readonly name: string
  readonly media_type: string
  readonly data?: string | undefined
  readonly pieces?: readonly string[] | undefined
}

export type ClientFrame = {
  [Type in keyof ClientPayloads]: {
    readonly type: Type
    readonly payload: Readonly<ClientPayloads[Type]> & { readonly request_id: string }
  }
}[keyof ClientPayloads]

export interface SessionInfo {
  readonly id: SessionId
  readonly title: string
  readonly created_at: number
  readonly active_at: number
  readonly turns: number
  /** True while a turn runs or waits. */
  readonly busy: boolean
  /** When it was put away; absent: it was not. */
  readonly archived_at?: number
  /** The session that it was forked from, and the last record that both share. */
  readonly parent?: SessionId
  readonly forked_at?: number
}

/** What a terminal shows about the guest. */
export interface GuestStatus {
  readonly user: UserId
  readonly version: string
  /** Asked when none is named, as `provider/model`. */
  readonly model: string
  /** Asked in turn when that one does not answer, as the configuration names them. */
  readonly fallback: readonly string[]
  /** `raw`: the bytes of each exchange with a model are kept in the journal. */
  readonly recording: 'raw' | 'parsed'
  /** One sentence that a newcomer should read, e.g. that the offline interpreter is no model; empty for none. */
  readonly notice: string
  readonly sandbox: SandboxStatus
  /** Where everything is kept: `file`, or the address of the database without its password. */
  readonly store: string
  /** What a person should know about a store that works, e.g. that its database has no pgvector; absent: nothing. */
  readonly store_warning?: string
  /** What makes vectors, as `memory.embedder` names it. */
  readonly embedder: string
  /** Set when the store is damaged or full: why, and what to do. Reading still works. */
  readonly read_only: Failure | null
}

/** An approval that waits, as a terminal shows it. */
export interface PendingApproval {
  readonly call: CallId
  readonly session: SessionId
  readonly turn: TurnId
  readonly name: string
  /** The exact input that would run, as JSON text. */
  readonly input: string
  /** Why it is asked: what policy says, or what the conversation has held. A guest of before may not say. */
  readonly reason?: string
  readonly at: number
}

/** What is told of the reply that runs: of a step of a turn, which is a call. */
interface StepNews {
  session: SessionId
  turn: TurnId
  call: CallId
}

export interface ServerPayloads {
  hello_ack: { request_id: string; protocol: number; status: GuestStatus }
  /** The message is in the journal and cannot be lost. `duplicate`: it already was. */
  ack: { request_id: string; turn: TurnId; cursor: number; duplicate: boolean }
  result: { request_id: string; result: Json }
  error: { request_id: string | null } & Failure
  record: { cursor: number; record: RecordView }
  /** All records up to `cursor` were sent; `text` is what the running reply has said so far in this step. */
  snapshot: {
    request_id: string
    session: SessionId
    cursor: number
    turn: TurnId | null
    call: CallId | null
    text: string
    pending: readonly PendingApproval[]
  }
  /** `offset`: UTF-16 length of the step's text before this delta. */
  delta: StepNews & { offset: number; text: string }
  /** What `call` has said so far is void: its answer begins anew, perhaps by another model. */
  reply_restarted: StepNews & { model: string; why: string }
  /** `output`: the end of what the call has put out so far, where it puts out text while it runs. */
  progress: StepNews & { name: string; elapsed_ms: number; output?: string }
}

export type ServerFrame = {
  [Type in keyof ServerPayloads]: { readonly type: Type; readonly payload: Readonly<ServerPayloads[Type]> }
}[keyof ServerPayloads]

/** A record as terminals see it: the body parsed, the chain's own fields left out. */
export type RecordView = Pick<JournalRecord, 'seq' | 'at' | 'actor' | 'session' | 'turn' | 'call' | 'name' | 'phase'> & {
  readonly body: Json
}
