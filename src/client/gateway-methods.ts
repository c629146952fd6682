/** The questions a terminal asks, each with its own promise about being asked twice. */
import type { CallId, CallOutcome, GuestStatus, IdMaker, Json, SentFile, SessionId, SessionInfo, TurnId } from '../types/index.ts'
import type { ClientLimits } from './limits.ts'
import type { Answer, Question, Requests } from './requests.ts'

export interface SendMessage {
  readonly session: SessionId
  readonly text: string
  readonly model?: string | undefined
  readonly attachments?: readonly SentFile[] | undefined
  /** Only to send again what has failed before: the same id is the same message. */
  readonly clientId?: CallId
}

export interface SentMessage {
  readonly clientId: CallId
  readonly turn: TurnId
  /** Of the record that keeps the message. */
  readonly cursor: number
  readonly duplicate: boolean
}

export interface GatewayMethods {
  status(): Promise<GuestStatus>
  /** Survives reconnections: asked again until it is answered, made once. */
  createSession(title?: string): Promise<SessionInfo>
  /** Newest activity first. */
  listSessions(limit?: number): Promise<readonly SessionInfo[]>
  /** Resolves when the message is in the journal. Survives reconnections: sent again until acknowledged, taken once. */
  sendTurn(message: SendMessage): Promise<SentMessage>
  /** @returns whether a turn was running. */
  cancelTurn(session: SessionId): Promise<boolean>
  approve(call: CallId, allow: boolean): Promise<void>
  /** Makes a system call as the user. A refusal is an outcome, not an error. */
  call(name: string, input: Json, session?: SessionId): Promise<CallOutcome>
}

export function gatewayMethods({ ask }: Requests, { requestTimeoutMs, callTimeoutMs }: ClientLimits, newId: IdMaker): GatewayMethods {
  /** It only reads, or carries an id: it may be asked again on the next connection. */
  const again = async (question: Question): Promise<Answer> => ask(question, { repeatable: true, timeoutMs: requestTimeoutMs })
  /** Asked twice it might happen twice: a lost connection is the caller's to judge. */
  const once = async (question: Question): Promise<Answer> => ask(question, { repeatable: false, timeoutMs: requestTimeoutMs })

  return {
    status: async () => resultOf(await again({ type: 'status', payload: {} })) as GuestStatus,
    createSession: async (title) =>
      resultOf(await again({ type: 'create_session', payload: { title, client_id: newId() as CallId } })) as SessionInfo,
    listSessions: async (limit = 50) => resultOf(await again({ type: 'list_sessions', payload: { limit } })) as readonly SessionInfo[],
    async sendTurn({ session, text, model, attachments, clientId = newId() as CallId }): Promise<SentMessage> {
      const answer = await again({ type: 'send_turn', payload: { session, client_id: clientId, text, model, attachments } })
      if (answer.type !== 'ack') throw new Error(`The gateway answered a message with ${answer.type}.`)
      const { turn, cursor, duplicate } = answer.payload
      return { clientId, turn, cursor, duplicate }
    },
    cancelTurn: async (session) =>
      (resultOf(await once({ type: 'cancel_turn', payload: { session } })) as { cancelled: boolean }).cancelled,
    approve: async (call, allow) => void (await once({ type: 'approve', payload: { call, allow } })),
    async call(name, input, session) {
      const answer = await ask({ type: 'call', payload: { name, input, session } }, { repeatable: false, timeoutMs: callTimeoutMs })
      return resultOf(answer) as CallOutcome
    },
  }
}

/** The gateway is of the same house and version (the protocol says so), so its results are believed. */
function resultOf(answer: Answer): unknown {
  if (answer.type !== 'result') throw new Error(`The gateway answered with ${answer.type} where a result was due.`)
  return answer.payload.result
}
