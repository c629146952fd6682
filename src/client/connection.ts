/**
 * One connection to the gateway: opened, greeted, watched for silence, and opened again when it is lost, until the client closes it
 * or reconnecting cannot help. How a socket is opened is an argument: `node-client.ts` and `browser-client.ts` each bring their own.
 */
import { type Clock, type Failure, isErrorCode, type Random, retryDelayMs, toError } from '../base/index.ts'
import { type GuestStatus, protocolVersion, type ServerFrame } from '../protocol/index.ts'
import type { ClientLimits } from './limits.ts'

/** How the connection to the guest is; `reconnecting` says when the next try is. */
export type ConnectionState =
  | { readonly type: 'connected'; readonly status: GuestStatus }
  | { readonly type: 'reconnecting'; readonly failure: Failure; readonly delayMs: number }
  /** The client does not reconnect. */
  | { readonly type: 'gone'; readonly failure: Failure }

/** Which requests fail with a connection: those sent that must not be repeated; all that were sent, because they would end the next one too; all. */
export type LossScope = 'unrepeatable' | 'sent' | 'all'

/** A WebSocket that is open or being opened. */
export interface Socket {
  send(text: string): void
  /** Sends a close frame; `onClose` follows. */
  close(): void
  /** Ends the connection at once; `onClose` follows. */
  terminate(): void
}

/** Called in order; the last is `onRefused` or `onClose`, exactly once, and never before `openSocket` has returned. */
interface SocketEvents {
  readonly onOpen: () => void
  readonly onMessage: (text: string) => void
  /** The peer sent something that is no message. */
  readonly onAlive: () => void
  /** The peer answered with plain HTTP. @param body possibly truncated */
  readonly onRefused: (status: number, body: string) => void
  readonly onError: (error: Error) => void
  readonly onClose: (code: number, reason: string) => void
}

/** @throws OxbowError `bad_input` for an invalid address or token */
export type OpenSocket = (address: { readonly url: string; readonly token: string }, events: SocketEvents) => Socket

interface ReconnectDeps {
  readonly wire: Omit<WireOptions, 'onOpen' | 'onFrame' | 'onEnd'>
  readonly clock: Clock
  readonly random: Random
  readonly reconnect: boolean
  readonly onFrame: WireOptions['onFrame']
  readonly onState: (state: ConnectionState) => void
  readonly onUp: (send: (text: string) => void) => void
  /** A connection, or an attempt to open one, failed and will be retried. */
  readonly onDown: (failure: Failure, fails: LossScope) => void
  readonly onGone: (failure: Failure, closed: boolean) => void
}

interface Link {
  /** The guest's status at the newest hello. */
  greeting(): GuestStatus
  /** Replaces a connection whose events cannot be followed. */
  restart(): void
  close(): Promise<void>
}

const closedHere: Failure = { code: 'cancelled', message: 'The client was closed.', hint: 'Connect again.' }

/** Resolves with the first connection; rejects when that fails. */
export function keepConnected(deps: ReconnectDeps): Promise<Link> {
  const { wire: options, clock, random, onState } = deps
  const first = Promise.withResolvers<Link>()
  const gone = Promise.withResolvers<void>()
  let wire: Wire | null = null
  let greeting: GuestStatus | null = null
  let retry: ReturnType<typeof setTimeout> | undefined
  let closing = false
  let attempt = 0
  let lostAtMs: number | null = null
  /** Of this machine; a page has none, and its key may be revoked. */
  const isGuestToken = options.token !== '' && !options.token.startsWith('oxbow_')

  const open = (): void => {
    wire = openWire({ ...options, onOpen: opened, onFrame: deps.onFrame, onEnd: ended })
  }
  const opened = (status: GuestStatus): void => {
    const current = wire
    greeting = status
    attempt = 0
    lostAtMs = null
    first.resolve(link)
    onState({ type: 'connected', status })
    deps.onUp((text) => current?.send(text))
  }
  const ended = ({ failure, mayReturn, tooBig }: WireEnd): void => {
    wire = null
    if (greeting === null) return first.reject(toError(failure))
    if (closing) return leave(closedHere)
    lostAtMs ??= clock.monotonicMs()
    const isLate = clock.monotonicMs() - lostAtMs >= options.limits.giveUpMs
    if (!deps.reconnect || !mayReturn || isLate) return leave(failure.code === 'unauthenticated' && isGuestToken ? replaced : failure)
    deps.onDown(failure, tooBig ? 'sent' : 'unrepeatable')
    const delayMs = retryDelayMs(attempt++, random, { firstMs: options.limits.retryFirstMs, maxMs: options.limits.retryMostMs })
    retry = setTimeout(open, delayMs)
    onState({ type: 'reconnecting', failure, delayMs })
  }
  const leave = (failure: Failure): void => {
    deps.onGone(failure, closing)
    if (!closing) onState({ type: 'gone', failure })
    closing = true
    gone.resolve()
  }
  const link: Link = {
    greeting: () => greeting as GuestStatus,
    restart: () => wire?.cut(),
    close() {
      clearTimeout(retry)
      if (!closing) {
        closing = true
        if (wire === null) leave(closedHere)
        else wire.close()
      }
      return gone.promise
    },
  }
  open()
  return first.promise
}

interface Wire {
  send(text: string): void
  /** Sends a close frame; `onEnd` follows. */
  close(): void
  /** Ends the connection at once, because its events cannot be followed; `onEnd` follows, without a frame before it. */
  cut(): void
}

interface WireOptions {
  readonly openSocket: OpenSocket
  readonly url: string
  readonly token: string
  /** Name of the terminal, for the guest's log. */
  readonly client: string
  readonly limits: ClientLimits
  /** The guest has answered hello. */
  readonly onOpen: (status: GuestStatus) => void
  readonly onFrame: (frame: Exclude<ServerFrame, { type: 'hello_ack' }>) => void
  /** Called exactly once, as the last callback; also when the connection was never made. */
  readonly onEnd: (end: WireEnd) => void
}

const helloId = 'hello'
const startHint = 'Start it with `oxbow`, or see its log in the workspace’s logs folder.'
const noGateway: WireEnd = {
  failure: unreachable('What answers at this address is not a gateway.', 'Check the address.'),
  mayReturn: false,
  tooBig: false,
}
const silent: WireEnd = { failure: unreachable('The guest stopped responding.'), mayReturn: true, tooBig: false }
const outOfStep: WireEnd = { failure: unreachable('The connection to the guest lost part of the reply.'), mayReturn: true, tooBig: false }

/** @throws OxbowError `bad_input` for an invalid address or token */
function openWire({ openSocket, url, token, client, limits, onOpen, onFrame, onEnd }: WireOptions): Wire {
  let end: WireEnd | null = null
  let ended = false
  let closing = false
  let lastFailure: Failure | null = null

  const finish = (reason: WireEnd): void => {
    if (ended) return
    ended = true
    clearTimeout(watch)
    onEnd(reason)
  }
  const cut = (reason: WireEnd): void => {
    end ??= reason
    socket.terminate()
  }
  let watchMs = limits.openTimeoutMs
  // A timer of Node is refreshed, which allocates nothing; one of a browser is a number.
  const resetWatch = (): void => {
    if (typeof watch === 'object') return void watch.refresh()
    clearTimeout(watch)
    watch = setTimeout(() => cut(silent), watchMs)
  }

  const receive = (frame: ServerFrame): void => {
    if (frame.type === 'hello_ack') {
      clearTimeout(watch)
      watchMs = limits.silenceMs
      watch = setTimeout(() => cut(silent), watchMs)
      return onOpen(frame.payload.status)
    }
    if (frame.type === 'error') {
      const { request_id, ...failure } = frame.payload
      if (request_id === null || request_id === helloId) lastFailure = failure
    }
    onFrame(frame)
  }

  const hello = { request_id: helloId, protocol: protocolVersion, client: client.slice(0, 100) }
  const socket = openSocket(
    { url, token },
    {
      onOpen: () => socket.send(JSON.stringify({ type: 'hello', payload: hello })),
      onMessage: (text) => {
        if (ended || closing || end !== null) return
        resetWatch()
        const frame = parse(text)
        return frame === null ? cut(noGateway) : receive(frame)
      },
      onAlive: resetWatch,
      onRefused: (status, body) => finish(refusedUpgrade(status, body)),
      onError: (error) => (end ??= broken(error)),
      onClose: (code, reason) => finish(end ?? closedBy(code, reason, lastFailure)),
    },
  )

  // Until hello this bounds the opening; then everything received resets it.
  let watch = setTimeout(() => cut(silent), limits.openTimeoutMs)

  return {
    send: (text) => socket.send(text),
    close() {
      closing = true
      clearTimeout(watch)
      watch = setTimeout(() => socket.terminate(), limits.closeTimeoutMs)
      socket.close()
    },
    cut: () => cut(outOfStep),
  }
}

function parse(text: string): ServerFrame | null {
  try {
    const value = JSON.parse(text) as ServerFrame | null
    const isFrame = typeof value?.type === 'string' && typeof value.payload === 'object' && (value.payload as object | null) !== null
    return isFrame && !Array.isArray(value.payload) ? value : null
  } catch {
    return null
  }
}

/** Why a connection ended, and whether reconnecting can help. */
interface WireEnd {
  readonly failure: Failure
  /** False: the next attempt would end the same way. */
  readonly mayReturn: boolean
  /** A frame was too big for the gateway: sending it again would end the next connection too. */
  readonly tooBig: boolean
}

/** The gateway refused the upgrade with plain HTTP. @param body possibly truncated */
function refusedUpgrade(status: number, body: string): WireEnd {
  const told = failureIn(body)
  const failure = told ?? unreachable(`Something else answers at this address (HTTP ${status}).`, 'Check the gateway’s address.')
  // A full gateway may accept later, and the door of a cluster while another node takes over; a wrong token, host or path stays wrong.
  return { failure, mayReturn: told?.code === 'limit_reached' || told?.code === 'guest_unreachable', tooBig: false }
}

/** No connection could be made, or it broke. */
function broken(error: Error): WireEnd {
  return { failure: unreachable(`The guest cannot be reached (${error.message}).`, startHint), mayReturn: true, tooBig: false }
}

/** @param last the last error frame without a request id: the gateway sends one before it refuses a connection */
function closedBy(code: number, reason: string, last: Failure | null): WireEnd {
  const detail = reason === '' ? '' : `: ${reason}`
  const failure = unreachable(`The connection to the guest was closed (${code}${detail}).`, startHint)
  if (code === 1008) return { failure: last ?? failure, mayReturn: false, tooBig: false }
  if (code !== 1009) return { failure, mayReturn: true, tooBig: false }
  const tooBig = { code: 'limit_reached', message: `A frame was too large for the gateway${detail}.`, hint: 'Send less at once.' } as const
  return { failure: last ?? tooBig, mayReturn: true, tooBig: true }
}

/** The token of a guest, which was right before, is refused. */
const replaced: Failure = unreachable(
  'The guest has ended, and another listens at its address, with a token of its own.',
  'Try again: that finds the guest that runs now.',
)

export function unreachable(message: string, hint: string = startHint): Failure {
  return { code: 'guest_unreachable', message, hint }
}

function failureIn(body: string): Failure | null {
  try {
    const { error, ...problem } = JSON.parse(body) as { readonly error?: object } & Partial<Record<string, unknown>>
    // Problem details (RFC 9457); guests of older versions send a failure.
    const { code, message, detail = message, hint = '' } = { ...error, ...problem } as Partial<Record<string, unknown>>
    return isErrorCode(code) && typeof detail === 'string' && typeof hint === 'string' ? { code, message: detail, hint } : null
  } catch {
    return null
  }
}
