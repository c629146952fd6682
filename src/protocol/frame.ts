/**
 * Frames of the gateway's WebSocket: JSON `{type, payload}` in snake_case. The client sends the first frame (`hello`). Every client frame
 * has a `request_id`, which its one answer (`ack`, `result` or `error`) repeats. All other server frames are events: `record` frames have
 * a cursor and can be requested again; `delta` and `progress` have none, and a client that missed some catches up with the `snapshot`
 * that answers `subscribe`.
 */
import { type PendingApproval, type RecordView, type TurnSource, turnSource } from './view-schema.ts'
import { z } from 'zod'
import type { Tier } from './call.ts'
import type { ToolSpec } from './model.ts'
import { type CallId, type Failure, isUuid, type Json, type JsonObject, type SessionId, type TurnId, type UserId } from '../base/index.ts'
import { maxAttachments } from './message.ts'
import type { NoticeName } from './notices.ts'
import type { SandboxStatus } from './hands/hands.ts'

export const protocolVersion = 1

/** A tool that the program runs itself. `tier` judges its calls like the guest's; absent: `read_only`. */
export interface ClientTool extends ToolSpec {
  readonly tier?: Tier | undefined
}

/** What the program that sent a message wants of its turn: tools that it runs itself, how they may be used, the form of the answer. */
export interface ClientTools {
  readonly tools: readonly ClientTool[]
  /** Stricter than the policy for this turn: calls of the model that change something ask, or are refused. */
  readonly caution?: 'ask' | 'read_only' | undefined
  /** For the first answer of the turn; `none` for all of them. Absent: the model decides. */
  readonly choice?: 'none' | 'required' | { readonly tool: string } | undefined
  /** One call at a time. */
  readonly serial?: true | undefined
  /** What the model writes must be JSON of this schema, as far as the model supports that. */
  readonly output?: { readonly name: string; readonly schema: JsonObject } | undefined
}

/** What a program's tool returned. */
export interface ClientResult {
  /** The tool call, as the turn that asked for it named it. */
  readonly call: CallId
  readonly text: string
}

const requestId = z.string().min(1).max(64).describe('Chosen by the client; the one answer repeats it.')
const uuid = z.string().refine(isUuid, 'must be a lower-case UUID')
const session = uuid.transform((text) => text as SessionId).describe('Id of the session.')
const newId = uuid.transform((text) => text as CallId)
const frame = <Type extends string, Shape extends z.ZodRawShape>(type: Type, about: string, shape: Shape) =>
  z.object({ type: z.literal(type), payload: z.object({ request_id: requestId, ...shape }) }).describe(about)

const newCall = z
  .string()
  .min(1)
  .max(200)
  .transform((text) => text as CallId)

/** As many as a program may have tools, each called once, and more. */
const maxResults = 256

/** Its shape only: the kernel checks the rest as part of the call. */
const clientWish = z.looseObject({
  tools: z.array(z.looseObject({ name: z.string() })),
}) as unknown as z.ZodType<ClientTools>

/** Files of a message, for every way in which it is sent. */
export const sentFiles: z.ZodType<SentFile[]> = z
  .array(
    z.object({
      name: z.string().max(1_000),
      media_type: z.string().max(255),
      data: z.string().min(1).optional().describe('The content as base64, if it is small.'),
      pieces: z
        .array(z.string().regex(/^[0-9a-f]{64}$/, 'must be a hash that attachment.put returned'))
        .optional()
        .describe('Hashes of its pieces, as attachment.put returned them.'),
    }),
  )
  .max(maxAttachments)

export const clientFrameSchema: z.ZodType<ClientFrame> = z.discriminatedUnion('type', [
  frame('hello', 'The first frame of a connection. Answer: `hello_ack`.', {
    protocol: z.int().describe('Version of the protocol.'),
    client: z.string().max(100).describe('Name of the terminal, for the log.'),
  }),
  frame('create_session', 'Starts a session. Answer: `result` with the session.', {
    title: z.string().max(200).optional().describe('Default: the first line of the first message.'),
    client_id: newId.optional().describe('Becomes the id of the session, so that a repeated frame creates no second one.'),
  }),
  frame('list_sessions', 'Lists sessions that are not archived, newest activity first. Answer: `result` with a list.', {
    limit: z.int().min(1).max(1000).default(50).describe('Maximum number of sessions.'),
  }),
  frame('send_turn', 'Sends a message to the agent. Answer: `ack` once it is in the journal; the reply comes as events.', {
    session,
    client_id: newId.describe('A new UUID for each message, and the id of its turn: a repeated frame starts no second turn.'),
    text: z.string().min(1).optional().describe('The message. Absent only where `results` continue the conversation.'),
    model: z.string().min(1).max(200).optional().describe('Model for this turn. Default: the configured one.'),
    attachments: sentFiles
      .optional()
      .describe('Files: `name`, `media_type`, and `data` as base64 or the `pieces` that `attachment.put` returned.'),
    client: clientWish.optional().describe('Tools that the sender runs itself, and `caution`; as `client` of `turn.send`.'),
    results: z
      .array(z.object({ call: newCall, text: z.string() }))
      .max(maxResults)
      .optional()
      .describe('Results of the tools with which the newest turn ended; they, not the text, continue the conversation.'),
    source: turnSource.optional().describe('Where the message comes from, by which is decided whether it is answered.'),
  }),
  frame('cancel_turn', 'Stops the running turn of a session. Answer: `result` with `cancelled`.', { session }),
  frame('subscribe', 'Follows a session: every record after the cursor, then live events. Answer: `snapshot`, after the past.', {
    session,
    cursor: z.int().nonnegative().describe('The highest cursor that was received; 0 for everything.'),
  }),
  frame('unsubscribe', 'Ends following. Answer: `result`; no event of the session comes after it.', { session }),
  frame(
    'approve',
    'Decides a call that waits. Answer: `result`, whose `next` says what must still happen (empty: it is decided). `call.decide` can do more: another input, a rule, a reason.',
    {
      call: z
        .string()
        .min(1)
        .max(200)
        .transform((text) => text as CallId)
        .describe('Id of the call.'),
      allow: z.boolean(),
    },
  ),
  frame('call', 'Makes any call that is offered to terminals ([calls.md](calls.md)). Answer: `result` with the outcome.', {
    name: z.string().min(1).max(100).describe('`family.verb`.'),
    input: z.json().describe('As the call describes it.'),
    session: session.optional().describe('The session that the call belongs to.'),
    client_id: newId.optional().describe('A UUID, and the id of the call: a repeated frame gets the first outcome.'),
  }),
  frame('status', 'Asks for the status of the guest: is it healthy, which model, which sandbox. Answer: `result`.', {}),
])

interface ClientPayloads {
  hello: { protocol: number; client: string }
  /** An optional `client_id` becomes the id of the session, so that a repeated request creates no second session. */
  create_session: { title?: string | undefined; client_id?: CallId | undefined }
  list_sessions: { limit: number }
  /** The client makes one `client_id` per message, so that a repeated frame starts no second turn. */
  send_turn: {
    session: SessionId
    client_id: CallId
    text?: string | undefined
    model?: string | undefined
    attachments?: readonly SentFile[] | undefined
    client?: ClientTools | undefined
    results?: readonly ClientResult[] | undefined
    source?: TurnSource | undefined
  }
  cancel_turn: { session: SessionId }
  /** Sends all records of the session with `seq > cursor`, then live events; 0 starts at the beginning. */
  subscribe: { session: SessionId; cursor: number }
  unsubscribe: { session: SessionId }
  approve: { call: CallId; allow: boolean }
  /** Makes any call that is offered to terminals. */
  /** An optional `client_id` becomes the id of the call, so that a repeated frame gets the first outcome. */
  call: { name: string; input: Json; session?: SessionId | undefined; client_id?: CallId | undefined }
  status: object
}

/**
 * A file that a terminal sends with a message: its content as base64 in `data` if it fits into the frame, or the hashes of the `pieces`
 * uploaded with `attachment.put`, in order. The media type is detected from the content; `media_type` is used if that is ambiguous.
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

/** What a terminal shows about the guest. */
export interface GuestStatus {
  readonly user: UserId
  readonly version: string
  /** The default model, as `provider/model`. */
  readonly model: string
  /** The window of that model, in tokens; guests of older versions leave it out. */
  readonly context_tokens?: number
  /** Fallback models in order, as the configuration names them. */
  readonly fallback: readonly string[]
  /** `raw`: the journal keeps the bytes of each exchange with a model. */
  readonly recording: 'raw' | 'parsed'
  /** A sentence for a new user, e.g. that the offline interpreter is not a model; empty if there is nothing to say. */
  readonly notice: string
  readonly sandbox: SandboxStatus
  /** The guest itself runs in a container without network; guests of older versions leave it out. */
  readonly isolated?: boolean
  /** `file`, or the URL of the database without its password. */
  readonly store: string
  /** A warning about a working store, e.g. that its database lacks pgvector; absent if all is well. */
  readonly store_warning?: string
  /** The embedding model, as in `memory.embedder`. */
  readonly embedder: string
  /** Turns since the start that memory was recalled for: before the first request to the model, or too late for it. Older guests leave it out. */
  readonly recalls?: { readonly in_time: number; readonly late: number }
  /** Services that could not be opened; absent: none. The rest works. */
  readonly services?: readonly ServiceProblem[]
  /** Why the guest only reads: the store is damaged or full. Null if it is not. */
  readonly read_only: Failure | null
}

/** A service of the guest that does not work, and why. */
export interface ServiceProblem {
  readonly name: string
  readonly problem: string
}

/** The step of the running turn, a call, that an event is about. */
interface StepEvent {
  session: SessionId
  turn: TurnId
  call: CallId
}

/** Something that a person should hear of, whichever session they look at. `at` is in Unix milliseconds. */
export interface Notice {
  readonly seq: number
  readonly at: number
  readonly kind: NoticeName
  readonly session: string
  readonly fields: JsonObject
}

export interface ServerPayloads {
  hello_ack: { request_id: string; protocol: number; status: GuestStatus }
  /** The message is in the journal and cannot be lost. `duplicate`: it already was. */
  ack: { request_id: string; turn: TurnId; cursor: number; duplicate: boolean }
  result: { request_id: string; result: Json }
  error: { request_id: string | null } & Failure
  record: { cursor: number; record: RecordView }
  /** All records up to `cursor` were sent; `text` is the text so far of the running step. */
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
  delta: StepEvent & { offset: number; text: string }
  /** The text of `call` so far is void: the answer starts over, perhaps with another model. */
  reply_restarted: StepEvent & { model: string; why: string }
  /** What a person should hear of without asking, in whatever session it happened. What was said is not in it. */
  notice: Notice
  /** A call of an agent below the session begins or ends to wait for approval. */
  approval: { session: SessionId; waits: boolean; approval: PendingApproval }
  /** `output`: the end of the output so far, for calls that produce output while they run. */
  progress: StepEvent & { name: string; elapsed_ms: number; output?: string }
}

/** A frame that the gateway sends; `type` tells the payload. */
export type ServerFrame = {
  [Type in keyof ServerPayloads]: { readonly type: Type; readonly payload: Readonly<ServerPayloads[Type]> }
}[keyof ServerPayloads]
