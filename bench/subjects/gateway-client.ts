/**
 * A terminal of the gateway, on bare `ws` and frames: lean, so that what is measured is the guest. It looks at the few frames
 * that it needs and checks that every turn succeeded, because a fast failure is no figure.
 */
import { WebSocket } from 'ws'
import { type CallId, createIdMaker, type JsonObject, type SessionId, systemClock, systemRandom } from '../../src/base/index.ts'
import { type CallOutcome, type ClientFrame, protocolVersion } from '../../src/protocol/index.ts'

type Type = Exclude<ClientFrame['type'], 'hello'>
type PayloadOf<Name extends Type> = Omit<Extract<ClientFrame, { type: Name }>['payload'], 'request_id'>

export interface GatewayClient extends Disposable {
  /** A new session, which this client follows. */
  open(): Promise<SessionId>
  /** Follows a session that exists, from behind this cursor. */
  follow(session: SessionId, cursor: number): Promise<void>
  unfollow(session: SessionId): Promise<void>
  /** Sends a message and resolves at the turn's outcome, with the characters that streamed. */
  turn(session: SessionId, text: string): Promise<number>
  /** Makes a call as this terminal. @returns its outcome */
  call(name: string, input: JsonObject): Promise<CallOutcome>
  /** Sends a message and resolves when it is acknowledged. */
  send(session: SessionId, text: string): Promise<void>
}

/** Turns of one terminal, in sessions that are created untimed. */
export interface SessionTurns {
  /** Prepares the next turn: a new session where the one before has had its turns. */
  prepare(): Promise<void>
  turn(text: string): Promise<number>
}

/** @param most turns in one session, so that short conversations are measured; `history` measures long ones */
export async function sessionTurns(terminal: GatewayClient, most: number): Promise<SessionTurns> {
  let session = await terminal.open()
  let taken = 0
  return {
    turn(text) {
      taken += 1
      return terminal.turn(session, text)
    },
    async prepare() {
      if (taken < most) return
      await terminal.unfollow(session)
      session = await terminal.open()
      taken = 0
    },
  }
}

interface RunningTurn {
  readonly done: PromiseWithResolvers<number>
  readonly session: SessionId
}

const newId = createIdMaker(systemClock, systemRandom) as () => CallId

export async function connectGateway(url: string, token: string): Promise<GatewayClient> {
  const socket = new WebSocket(url, { perMessageDeflate: false, headers: { authorization: `Bearer ${token}` } })
  const inbox = createInbox()
  const { waiting, turns, streamed } = inbox
  let asked = 0

  const request = (type: Type | 'hello', payload: object): Promise<unknown> => {
    const answer = Promise.withResolvers<unknown>()
    const id = String(++asked)
    waiting.set(id, answer)
    socket.send(JSON.stringify({ type, payload: { request_id: id, ...payload } }))
    return answer.promise
  }
  const ask = <Name extends Type>(type: Name, payload: PayloadOf<Name>): Promise<unknown> => request(type, payload)

  socket.on('message', inbox.read)
  await whenOpen(socket, (gone) => {
    for (const each of waiting.values()) each.reject(gone)
    for (const each of turns.values()) each.done.reject(gone)
  })
  await request('hello', { protocol: protocolVersion, client: 'bench' })

  const follow = async (session: SessionId, cursor: number): Promise<void> => void (await ask('subscribe', { session, cursor }))
  return {
    async open() {
      const { id } = (await ask('create_session', {})) as { id: SessionId }
      await follow(id, 0)
      return id
    },
    follow,
    unfollow: async (session) => void (await ask('unsubscribe', { session })),
    turn(session, text) {
      const id = newId()
      const done = Promise.withResolvers<number>()
      turns.set(id, { done, session })
      streamed.set(session, 0)
      ask('send_turn', { session, client_id: id, text }).catch(done.reject)
      return done.promise
    },
    call: async (name, input) => (await ask('call', { name, input })) as CallOutcome,
    send: async (session, text) => void (await ask('send_turn', { session, client_id: newId(), text })),
    [Symbol.dispose]: () => {
      inbox.clear()
      socket.terminate()
    },
  }
}

/** What was asked and not answered yet, and how the frames that come settle it. */
function createInbox() {
  const waiting = new Map<string, PromiseWithResolvers<unknown>>()
  const turns = new Map<string, RunningTurn>()
  /** Characters that have streamed in a session since its newest turn began. */
  const streamed = new Map<string, number>()

  const onRecord = (text: string): void => {
    if (!text.includes('"name":"turn.send"') || !text.includes('"phase":"outcome"')) return
    const { record } = (JSON.parse(text) as { payload: { record: { call: string; body: { status: string } } } }).payload
    const turn = turns.get(record.call)
    turns.delete(record.call)
    if (record.body.status === 'ok') turn?.done.resolve(streamed.get(turn.session) ?? 0)
    else turn?.done.reject(new Error(`a turn of the bench failed: ${text.slice(0, 500)}`))
  }
  const onDelta = (text: string): void => {
    const { payload } = JSON.parse(text) as { payload: { session: string; text: string } }
    streamed.set(payload.session, (streamed.get(payload.session) ?? 0) + payload.text.length)
  }
  const onAnswer = (text: string): void => {
    const frame = JSON.parse(text) as { type: string; payload: { request_id: string; result?: unknown } }
    const answer = waiting.get(frame.payload.request_id)
    waiting.delete(frame.payload.request_id)
    if (frame.type === 'error') answer?.reject(new Error(`the gateway refused: ${text}`))
    else answer?.resolve(frame.payload.result)
  }
  const read = (data: Buffer): void => {
    const text = data.toString()
    if (text.startsWith('{"type":"delta"')) onDelta(text)
    else if (text.startsWith('{"type":"record"')) onRecord(text)
    else if (!text.startsWith('{"type":"progress"')) onAnswer(text)
  }
  const clear = (): void => {
    waiting.clear()
    turns.clear()
  }
  const fail = (error: Error): void => {
    for (const each of waiting.values()) each.reject(error)
    for (const each of turns.values()) each.done.reject(error)
    clear()
  }
  return { waiting, turns, streamed, read, fail, clear }
}

async function whenOpen(socket: WebSocket, onGone: (why: Error) => void): Promise<void> {
  const opened = Promise.withResolvers<void>()
  socket.once('open', () => opened.resolve())
  socket.on('error', opened.reject)
  socket.on('close', (code, reason) => onGone(new Error(`the gateway closed with ${code}: ${String(reason)}`)))
  await opened.promise
}
