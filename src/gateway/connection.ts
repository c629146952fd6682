/**
 * One terminal's connection, from the WebSocket handshake to its end: hello first, then every frame gets exactly one answer. It
 * ends when the peer leaves, goes silent or reads too slowly, or with the gateway; requests already received still run. The gateway
 * loads this file with the first terminal.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { Kernel, KernelEvent } from '../kernel/index.ts'
import type { Client } from './clients.ts'
import { type Failure, OxbowError, type SessionId } from '../base/index.ts'
import { type ClientFrame, endsTurn, protocolVersion, type RecordView } from '../protocol/index.ts'
import { subprotocol } from './admission.ts'
import { answerRequest, createEventTexts, describeFailure, errorText, type EventTexts, frameText, readFrame, resultText } from './frames.ts'
import { type GatewayLimits, maxReasonBytes, oversizeFactor, batchMs, pastBufferPart } from './limits.ts'

/** @param connections contains the connection while it is open @param client whoever connects */
export type Handshake = (request: IncomingMessage, stream: Duplex, head: Buffer, connections: Set<Connection>, client: Client) => void

export function createHandshake(deps: Omit<ConnectionDeps, 'texts' | 'kernel' | 'take'>): Handshake {
  const served = { ...deps, texts: createEventTexts() }
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: hardFrameLimit(deps.limits),
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  })
  return (request, stream, head, connections, client) =>
    server.handleUpgrade(request, stream, head, (socket) => {
      const connection = serveConnection(socket, stream, { ...served, ...client })
      connections.add(connection)
      const stop = client.kernel.onEnd?.(({ message }) => connection.close(policyViolation, message))
      socket.once('close', () => {
        stop?.()
        connections.delete(connection)
      })
    })
}

interface ConnectionDeps extends Pick<Client, 'kernel' | 'take'> {
  readonly texts: EventTexts
  readonly limits: GatewayLimits
  readonly onBug: (error: unknown) => void
}

export interface Connection {
  /** Called at intervals: ends a peer that has not answered a ping or said hello since the last call, and pings again. */
  check(): void
  close(code: number, reason: string): void
  /** Ends the connection without a close frame. */
  cut(): void
  /** Resolves when every request that was received has its answer, or the connection has ended. */
  settled(): Promise<void>
}

/** Close codes of RFC 6455 section 7.4.1. */
const policyViolation = 1008
const tooBig = 1009

export function serveConnection(socket: WebSocket, stream: Duplex, deps: ConnectionDeps): Connection {
  const { kernel, limits } = deps
  let stopNotices = (): void => {}
  const outbox = createOutbox(socket, stream, limits.maxBufferedBytes, () => {
    subscriptions.clear()
    stopNotices()
  })
  const subscriptions = createSubscriptions({ kernel, texts: deps.texts, max: limits.maxSubscriptions, outbox })
  let greeted = false
  let alive = true
  let checked = false

  const fail = (requestId: string | null, failure: Failure): void => outbox.send(errorText(requestId, failure))
  const turnAway = (requestId: string | null, failure: Failure): void => {
    fail(requestId, failure)
    outbox.close(policyViolation, failure.message)
  }

  const { answer, settled } = createAnswering(deps, outbox, subscriptions)

  const greet = ({ payload: { request_id, protocol } }: Extract<ClientFrame, { type: 'hello' }>): void => {
    if (greeted) return fail(request_id, secondHello)
    if (protocol !== protocolVersion) return turnAway(request_id, otherProtocol(protocol))
    greeted = true
    outbox.send(frameText({ type: 'hello_ack', payload: { request_id, protocol: protocolVersion, status: kernel.status() } }))
    stopNotices = kernel.onNotice((notice) => outbox.send(frameText({ type: 'notice', payload: notice })))
  }

  const receive = (frame: ClientFrame): void => {
    if (frame.type === 'hello') return greet(frame)
    if (!greeted) return turnAway(frame.payload.request_id, helloFirst)
    if (frame.type !== 'unsubscribe') return void answer(frame)
    subscriptions.remove(frame.payload.session)
    outbox.send(resultText(frame.payload.request_id, null))
  }

  socket.on('message', (raw: RawData, isBinary: boolean) => {
    // Frames that were under way when the connection began to close.
    if (!outbox.open) return
    // With the default `binaryType` this is a single Buffer.
    const data = raw as Buffer
    if (data.length > limits.maxFrameBytes) {
      fail(null, frameTooBig(data.length, limits.maxFrameBytes))
      return outbox.close(tooBig, `a frame holds at most ${limits.maxFrameBytes} bytes`)
    }
    const read = readFrame(data, isBinary)
    if (read.ok) return receive(read.frame)
    if (greeted) fail(read.requestId, read.failure)
    else turnAway(read.requestId, read.failure)
  })
  socket.on('pong', () => (alive = true))
  // Protocol errors close the connection by themselves; `close` follows.
  socket.on('error', () => {})

  return {
    check() {
      if (!alive) return socket.terminate()
      if (!greeted && checked) return turnAway(null, helloFirst)
      checked = true
      alive = false
      if (outbox.open) socket.ping()
    },
    close: outbox.close,
    cut: () => socket.terminate(),
    settled: () => Promise.race([settled(), outbox.closed]),
  }
}

/** Answers each request when the kernel has, up to the limit at once. */
function createAnswering({ kernel, take, limits, onBug }: ConnectionDeps, outbox: Outbox, subscriptions: Subscriptions) {
  let inFlight = 0
  let onSettled: (() => void)[] = []
  const settled = (): Promise<void> => (inFlight === 0 ? Promise.resolve() : new Promise((resolve) => onSettled.push(resolve)))
  const answer = async (frame: Exclude<ClientFrame, { type: 'hello' | 'unsubscribe' }>): Promise<void> => {
    const { request_id } = frame.payload
    if (inFlight >= limits.maxInFlight) return outbox.send(errorText(request_id, inFlightFull(limits.maxInFlight)))
    inFlight += 1
    try {
      take?.()
      if (frame.type === 'subscribe') await subscriptions.add(frame)
      else outbox.send(await answerRequest(kernel, frame))
    } catch (error) {
      outbox.send(errorText(request_id, describeFailure(error, onBug)))
    } finally {
      inFlight -= 1
      if (inFlight === 0) {
        onSettled.forEach((resolve) => resolve())
        onSettled = []
      }
    }
  }
  return { answer, settled }
}

/** `ws` itself refuses larger frames, with close code 1009 and no error frame. */
function hardFrameLimit(limits: GatewayLimits): number {
  return limits.maxFrameBytes * oversizeFactor
}

const secondHello: Failure = {
  code: 'bad_input',
  message: 'This connection has already sent hello.',
  hint: 'type: send hello once, as the first frame.',
}
const helloFirst: Failure = {
  code: 'bad_input',
  message: 'The first frame must be hello.',
  hint: 'type: send a hello frame with the protocol version first.',
}

function otherProtocol(requested: number): Failure {
  const hint = `protocol: must be ${protocolVersion}. Update the older of the two, terminal or guest.`
  return { code: 'bad_input', message: `This guest speaks protocol ${protocolVersion}, not ${requested}.`, hint }
}

function inFlightFull(max: number): Failure {
  return {
    code: 'limit_reached',
    message: `${max} requests of this connection are waiting for an answer.`,
    hint: 'Wait for answers before sending more requests.',
  }
}

function frameTooBig(bytes: number, max: number): Failure {
  return {
    code: 'limit_reached',
    message: `The frame has ${bytes} bytes; the limit is ${max}.`,
    hint: 'Send less text, or put it in a file of the workspace and name the file.',
  }
}

type SubscribeFrame = Extract<ClientFrame, { type: 'subscribe' }>

/** The sessions that one connection follows. */
interface Subscriptions {
  /** Resolves when the snapshot, which is the answer, has been sent. @throws OxbowError */
  add(frame: SubscribeFrame): Promise<void>
  /** Nothing of the session is sent once this returns. */
  remove(session: SessionId): void
  clear(): void
}

interface SubscriptionDeps {
  readonly kernel: Kernel
  readonly texts: EventTexts
  readonly max: number
  readonly outbox: Pick<Outbox, 'send' | 'sendBatched' | 'drained'>
}

/** Events that the user waits for: the end of a turn, and a question to them. */
function isUrgent(record: RecordView): boolean {
  return record.phase === 'parked' || endsTurn(record)
}

interface Subscription {
  readonly leaving: AbortController
  /** Set once the past has been sent. */
  stop: (() => void) | null
}

function createSubscriptions({ kernel, texts, max, outbox }: SubscriptionDeps): Subscriptions {
  const { send, sendBatched } = outbox
  const subscriptions = new Map<SessionId, Subscription>()

  // However many sessions catch up, one page at a time is read, and only when the reader has taken most of what was sent.
  let pages: Promise<unknown> = Promise.resolve()
  const pace = (work: () => Promise<boolean>): Promise<boolean> => {
    const page = pages.then(outbox.drained).then(work)
    pages = page.catch(() => {})
    return page
  }
  const end = (subscription: Subscription): void => {
    subscription.leaving.abort()
    subscription.stop?.()
  }
  return {
    async add({ payload }) {
      const { session, cursor, request_id } = payload
      if (subscriptions.has(session)) {
        throw new OxbowError('bad_input', `This connection already follows session ${session}.`, { hint: 'session: unsubscribe first.' })
      }
      if (subscriptions.size >= max) {
        throw new OxbowError('limit_reached', `A connection follows at most ${max} sessions.`, { hint: 'Unsubscribe from one first.' })
      }
      const subscription: Subscription = { leaving: new AbortController(), stop: null }
      const { signal } = subscription.leaving
      subscriptions.set(session, subscription)
      const listener = (event: KernelEvent): void => {
        if (signal.aborted) return
        if (event.type === 'record' && !isUrgent(event.record)) return sendBatched(texts.of(event))
        if (event.type !== 'snapshot') return send(texts.of(event))
        const { type, ...snapshot } = event
        send(frameText({ type, payload: { request_id, ...snapshot } }))
      }
      try {
        subscription.stop = await kernel.follow(session, cursor, listener, { leaving: signal, pace })
      } catch (error) {
        if (subscriptions.get(session) === subscription) subscriptions.delete(session)
        if (!signal.aborted) throw error
      }
      if (!signal.aborted) return
      // It may have been aborted just after the past was sent.
      subscription.stop?.()
      throw new OxbowError('cancelled', `The subscription to session ${session} ended before it began.`, { hint: 'Subscribe again.' })
    },
    remove(session) {
      const subscription = subscriptions.get(session)
      subscriptions.delete(session)
      if (subscription !== undefined) end(subscription)
    },
    clear() {
      subscriptions.forEach(end)
      subscriptions.clear()
    },
  }
}

/**
 * Writes to one terminal. Frames of one turn of the event loop leave in a single write at its end, so that the request to a model or
 * the commit that the loop is about goes first: the write is the most expensive step of a message. A reader that falls too far
 * behind is disconnected instead of buffered for; it reconnects with its cursor and misses nothing.
 */
interface Outbox {
  /** Sends at the end of this turn of the event loop; does nothing once the connection is closing. */
  send(text: string | Buffer): void
  /** Sends with the next frame, after `batchMs` at the latest: for events that nobody waits for. */
  sendBatched(text: string | Buffer): void
  /** Resolves when the reader has taken most of what was sent, or takes nothing more. */
  drained(): Promise<void>
  /** Sends a close frame, with as much of the reason as fits; frames sent before still arrive. */
  close(code: number, reason: string): void
  readonly open: boolean
  /** Resolves when nothing more will be sent. */
  readonly closed: Promise<void>
}

const tooSlow: { readonly code: number; readonly reason: string } = { code: 1013, reason: 'too slow: reconnect with your cursor' }

/**
 * @param stream the stream under the socket, corked between writes
 * @param onClose called once, as soon as nothing more will be sent, which may be long before a slow reader receives the close frame
 */
function createOutbox(socket: WebSocket, stream: Duplex, maxBufferedBytes: number, onClose: () => void): Outbox {
  let open = true
  const closed = Promise.withResolvers<void>()
  /** When the frames under the cork are written; `idle`: there are no frames. */
  let flush: 'idle' | 'later' | 'now' = 'idle'
  let timer: NodeJS.Timeout | undefined
  const uncork = (): void => {
    clearTimeout(timer)
    flush = 'idle'
    stream.uncork()
  }
  const shut = (): void => {
    if (!open) return
    open = false
    closed.resolve()
    onClose()
  }
  const close = (code: number, reason: string): void => {
    shut()
    socket.close(code, truncateReason(reason))
  }
  const put = (text: string | Buffer, when: 'later' | 'now'): void => {
    if (!open) return
    if (socket.bufferedAmount > maxBufferedBytes) return close(tooSlow.code, tooSlow.reason)
    if (flush === 'idle') stream.cork()
    if (flush !== 'now' && when === 'now') setImmediate(uncork)
    if (flush === 'idle' && when === 'later') timer = setTimeout(uncork, batchMs)
    if (flush !== 'now') flush = when
    socket.send(text, sendOptions)
  }
  socket.once('close', () => {
    clearTimeout(timer)
    shut()
  })
  return {
    send: (text) => put(text, 'now'),
    sendBatched: (text) => put(text, 'later'),
    async drained() {
      const isOpen = (): boolean => open
      while (isOpen() && socket.bufferedAmount > maxBufferedBytes * pastBufferPart) await oneOf(stream, ['drain', 'close'])
    },
    close,
    closed: closed.promise,
    get open() {
      return open
    },
  }
}

function oneOf(stream: Duplex, events: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      for (const event of events) stream.off(event, end)
      resolve()
    }
    for (const event of events) stream.on(event, end)
  })
}

/** A longer reason would throw. Never cuts within a character. */
function truncateReason(reason: string): string {
  return new TextDecoder().decode(Buffer.from(reason).subarray(0, maxReasonBytes), { stream: true })
}

/** The buffers contain JSON text, never binary data. */
const sendOptions = { binary: false } as const
