/**
 * One terminal's connection: hello first, then every frame gets exactly one answer. It ends by the peer, by silence, by
 * falling behind, or with the gateway; what was asked before still happens, only nobody is told.
 */
import type { Duplex } from 'node:stream'
import type { RawData, WebSocket } from 'ws'
import type { Kernel } from '../kernel/index.ts'
import { type ClientFrame, type Failure, protocolVersion } from '../types/index.ts'
import { errorText, type EventTexts, frameText, resultText } from './frame-text.ts'
import { type GatewayLimits, oversizeFactor } from './limits.ts'
import { createOutbox, type Outbox } from './outbox.ts'
import { readFrame } from './read-frame.ts'
import { answerRequest, describeFailure } from './requests.ts'
import { createSubscriptions, type Subscriptions } from './subscriptions.ts'

export interface ConnectionDeps {
  readonly kernel: Kernel
  readonly texts: EventTexts
  readonly limits: GatewayLimits
  readonly onBug: (error: unknown) => void
}

export interface Connection {
  /** Called at intervals: ends a peer that is silent, or has not said hello, since the last call; asks for a sign of life. */
  check(): void
  close(code: number, reason: string): void
  /** Cuts the connection without a goodbye. */
  cut(): void
}

/** Close codes of RFC 6455 section 7.4.1. */
const policyViolation = 1008
const tooBig = 1009

export function serveConnection(socket: WebSocket, stream: Duplex, deps: ConnectionDeps): Connection {
  const { kernel, limits } = deps
  const outbox = createOutbox(socket, stream, limits.maxBufferedBytes, () => subscriptions.clear())
  const subscriptions = createSubscriptions({
    kernel,
    texts: deps.texts,
    max: limits.maxSubscriptions,
    send: outbox.send,
    sendPatiently: outbox.sendPatiently,
  })
  let greeted = false
  let alive = true
  let checked = false

  const fail = (requestId: string | null, failure: Failure): void => outbox.send(errorText(requestId, failure))
  const turnAway = (requestId: string | null, failure: Failure): void => {
    fail(requestId, failure)
    outbox.close(policyViolation, failure.message)
  }

  const answer = createAnswering(deps, outbox, subscriptions)

  const greet = ({ payload: { request_id, protocol } }: Extract<ClientFrame, { type: 'hello' }>): void => {
    if (greeted) return fail(request_id, secondHello)
    if (protocol !== protocolVersion) return turnAway(request_id, otherProtocol(protocol))
    greeted = true
    outbox.send(frameText({ type: 'hello_ack', payload: { request_id, protocol: protocolVersion, status: kernel.status() } }))
  }

  const receive = (frame: ClientFrame): void => {
    if (frame.type === 'hello') return greet(frame)
    if (!greeted) return turnAway(frame.payload.request_id, helloFirst)
    if (frame.type !== 'unsubscribe') return void answer(frame)
    subscriptions.remove(frame.payload.session)
    outbox.send(resultText(frame.payload.request_id, null))
  }

  socket.on('message', (raw: RawData, isBinary: boolean) => {
    // Frames that were already on their way when the connection began to close.
    if (!outbox.open) return
    // The default `binaryType` hands over one Buffer.
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
  }
}

/** Answers requests one by one as the kernel is done with them, and no more at once than the limit. */
function createAnswering({ kernel, limits, onBug }: ConnectionDeps, outbox: Outbox, subscriptions: Subscriptions) {
  let inFlight = 0
  return async (frame: Exclude<ClientFrame, { type: 'hello' | 'unsubscribe' }>): Promise<void> => {
    const { request_id } = frame.payload
    if (inFlight >= limits.maxInFlight) return outbox.send(errorText(request_id, inFlightFull(limits.maxInFlight)))
    inFlight += 1
    try {
      if (frame.type === 'subscribe') await subscriptions.add(frame)
      else outbox.send(await answerRequest(kernel, frame))
    } catch (error) {
      outbox.send(errorText(request_id, describeFailure(error, onBug)))
    } finally {
      inFlight -= 1
    }
  }
}

/** What `ws` itself refuses to read, with 1009 and no further word. */
export function hardFrameLimit(limits: GatewayLimits): number {
  return limits.maxFrameBytes * oversizeFactor
}

const secondHello: Failure = {
  code: 'bad_input',
  message: 'This connection has said hello before.',
  hint: 'type: say hello once, as the first frame.',
}
const helloFirst: Failure = {
  code: 'bad_input',
  message: 'The first frame must be hello.',
  hint: 'type: send a hello frame with the protocol version first.',
}

function otherProtocol(asked: number): Failure {
  const hint = `protocol: must be ${protocolVersion}. Update the older of the two, terminal or guest.`
  return { code: 'bad_input', message: `This guest speaks protocol ${protocolVersion}, not ${asked}.`, hint }
}

function inFlightFull(max: number): Failure {
  return {
    code: 'limit_reached',
    message: `${max} requests of this connection wait for their answer.`,
    hint: 'Wait for answers before asking more.',
  }
}

function frameTooBig(bytes: number, max: number): Failure {
  return {
    code: 'limit_reached',
    message: `The frame has ${bytes} bytes; ${max} is the most.`,
    hint: 'Send less text, or put it in a file of the workspace and name the file.',
  }
}
