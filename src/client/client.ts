/**
 * The typed gateway client that every terminal uses. It keeps one connection and reconnects when that is lost: messages that were
 * not acknowledged are sent again with the same id, and every followed session continues from its cursor.
 */
import {
  type CallId,
  type Clock,
  createIdMaker,
  type IdMaker,
  type Json,
  OxbowError,
  type Random,
  type SessionId,
  systemClock,
  systemRandom,
  type TurnId,
} from '../base/index.ts'
import type {
  MadeCall,
  CallOutcome,
  ClientResult,
  ClientTools,
  GuestStatus,
  InputOf,
  Notice,
  OutputOf,
  SentFile,
  ServerFrame,
  SessionInfo,
  TurnSource,
} from '../protocol/index.ts'
import type { FollowHandler, StreamFrame } from './follower.ts'
import { createFollowing, type Following } from './following.ts'
import { type ClientLimits, clientLimits } from './limits.ts'
import { type ConnectionState, keepConnected, type OpenSocket } from './connection.ts'
import { type Answer, createRequests, type Question, type Requests } from './requests.ts'

export interface ConnectOptions {
  /** `ws://host:port/ws` */
  readonly url: string
  readonly token: string
  /** Name of the terminal, e.g. `cli`. */
  readonly client: string
  /** False: a lost connection is not retried. Default true. */
  readonly reconnect?: boolean
  /** Called when the connection is lost, restored, or given up. */
  readonly onState?: (state: ConnectionState) => void
  /** Called with what a person should hear of; what happens while the connection is lost is not repeated. */
  readonly onNotice?: (notice: Notice) => void
  readonly clock?: Clock
  readonly random?: Random
  readonly limits?: Partial<ClientLimits>
}

/** Every method rejects with an OxbowError: the guest's failure, or `timeout`, `guest_unreachable`, `limit_reached`. */
export interface Client extends GatewayMethods {
  /** The guest's status when the client last connected; `status` requests the current one. */
  greeting(): GuestStatus
  /**
   * Everything of the session after `cursor` (0: all), then live, across reconnections. Resolves once the past is complete; the
   * handler runs before and after. @throws OxbowError `not_found`; later failures are the handler's last event.
   */
  follow(session: SessionId, cursor: number, handler: FollowHandler): Promise<Following>
  /** Resolves when the connection is closed; unanswered requests fail with `cancelled`. */
  close(): Promise<void>
}

/** Resolves when the guest has answered hello. @throws OxbowError `guest_unreachable`, `unauthenticated` … for the first connection */
export async function connectBy(openSocket: OpenSocket, options: ConnectOptions): Promise<Client> {
  const { url, token, client, clock = systemClock, random = systemRandom } = options
  // Programs in JavaScript call this, too.
  if (typeof token !== 'string')
    throw new OxbowError('bad_input', 'connect needs a token.', {
      hint: 'Pass an API key (`oxbow keys create`) or the token of the guest.',
    })
  const limits: ClientLimits = { ...clientLimits, ...options.limits }
  const requests = createRequests(limits)
  const following = createFollowing(requests, limits)
  const connection = await keepConnected({
    wire: { openSocket, url, token, client, limits },
    clock,
    random,
    reconnect: options.reconnect ?? true,
    onState: options.onState ?? (() => {}),
    onFrame(frame) {
      // A snapshot is both an answer and part of the stream: the stream receives it first.
      if (isStreamFrame(frame) && !following.receive(frame)) connection.restart()
      else if (frame.type === 'notice') options.onNotice?.(frame.payload)
      else if (frame.type === 'error') settleError(requests, frame.payload)
      else if ('request_id' in frame.payload) requests.settle(frame.payload.request_id, frame as Answer)
    },
    onUp(send) {
      requests.connected(send)
      following.up()
    },
    onDown(failure, fails) {
      requests.lost(failure, fails)
      following.down()
    },
    onGone(failure, closed) {
      requests.lost(failure, 'all')
      following.end(failure, closed)
    },
  })
  const { greeting, close } = connection
  return { ...gatewayMethods(requests, limits, createIdMaker(clock, random)), follow: following.follow, greeting, close }
}

function isStreamFrame(frame: ServerFrame): frame is StreamFrame {
  return (
    frame.type === 'record' ||
    frame.type === 'delta' ||
    frame.type === 'snapshot' ||
    frame.type === 'progress' ||
    frame.type === 'approval' ||
    frame.type === 'reply_restarted'
  )
}

function settleError(requests: Requests, { request_id, ...failure }: Extract<ServerFrame, { type: 'error' }>['payload']): void {
  if (request_id !== null) requests.settle(request_id, failure)
}

interface SendMessage {
  readonly session: SessionId
  readonly text: string
  readonly model?: string | undefined
  readonly attachments?: readonly SentFile[] | undefined
  /** Tools that the sender runs itself, and how cautious the turn is. */
  readonly client?: ClientTools | undefined
  /** Results of those tools; the text may then be empty. */
  readonly results?: readonly ClientResult[] | undefined
  /** Where the message comes from, by which is decided whether it is answered; absent: it is written to the agent itself. */
  readonly source?: TurnSource | undefined
  /** To send a failed message again: the same id is the same message. */
  readonly clientId?: CallId
}

export interface SentMessage {
  readonly clientId: CallId
  readonly turn: TurnId
  /** Of the message's record. */
  readonly cursor: number
  readonly duplicate: boolean
}

interface GatewayMethods {
  status(): Promise<GuestStatus>
  /** Survives reconnections: retried until it is answered, created once. @param id a UUID for the session, by which it is deduplicated */
  createSession(title?: string, id?: CallId): Promise<SessionInfo>
  /** Newest activity first. */
  listSessions(limit?: number): Promise<readonly SessionInfo[]>
  /** Resolves when the message is in the journal. Survives reconnections: retried until it is acknowledged, delivered once. */
  sendTurn(message: SendMessage): Promise<SentMessage>
  /** @returns whether a turn was running */
  cancelTurn(session: SessionId): Promise<boolean>
  /** @returns what must still happen; empty: it is decided */
  approve(call: CallId, allow: boolean): Promise<string>
  /**
   * Makes a system call as the user. A refusal is an outcome, not an error.
   * @param id a UUID for the call: it survives reconnections then, and is made once however often it is sent
   */
  call<Name extends string>(
    name: Name & MadeCall<Name>,
    input: InputOf<Name>,
    session?: SessionId,
    id?: CallId,
  ): Promise<CallOutcome<OutputOf<Name>>>
}

function gatewayMethods({ ask }: Requests, { requestTimeoutMs, callTimeoutMs }: ClientLimits, newId: IdMaker): GatewayMethods {
  /** A request that only reads or carries an id: it may be sent again on the next connection. */
  const again = async (question: Question): Promise<Answer> => ask(question, { repeatable: true, timeoutMs: requestTimeoutMs })
  /** A request that might happen twice if it were sent twice: it fails when the connection is lost. */
  const once = async (question: Question): Promise<Answer> => ask(question, { repeatable: false, timeoutMs: requestTimeoutMs })

  return {
    status: async () => resultOf(await again({ type: 'status', payload: {} })) as GuestStatus,
    createSession: async (title, id = newId() as CallId) =>
      resultOf(await again({ type: 'create_session', payload: { title, client_id: id } })) as SessionInfo,
    listSessions: async (limit = 50) => resultOf(await again({ type: 'list_sessions', payload: { limit } })) as readonly SessionInfo[],
    async sendTurn({ session, text, clientId = newId() as CallId, ...message }): Promise<SentMessage> {
      const payload = { session, client_id: clientId, ...(text !== '' && { text }), ...message }
      const answer = await again({ type: 'send_turn', payload })
      if (answer.type !== 'ack') throw new Error(`The gateway answered a message with ${answer.type}.`)
      const { turn, cursor, duplicate } = answer.payload
      return { clientId, turn, cursor, duplicate }
    },
    cancelTurn: async (session) =>
      (resultOf(await once({ type: 'cancel_turn', payload: { session } })) as { cancelled: boolean }).cancelled,
    approve: async (call, allow) => (resultOf(await once({ type: 'approve', payload: { call, allow } })) as { next: string }).next,
    async call(name, input, session, id) {
      const answer = await ask(
        { type: 'call', payload: { name, input: input as Json, session, ...(id !== undefined && { client_id: id }) } },
        { repeatable: id !== undefined, timeoutMs: callTimeoutMs },
      )
      return resultOf(answer) as CallOutcome<OutputOf<typeof name>>
    },
  }
}

/** The gateway speaks the same protocol version, so its results have the expected type. */
function resultOf(answer: Answer): unknown {
  if (answer.type !== 'result') throw new Error(`The gateway answered with ${answer.type} where a result was expected.`)
  return answer.payload.result
}
