/** One connection: opened, greeted, alive. The only file that knows the WebSocket library. */
import { type ClientOptions, type RawData, WebSocket } from 'ws'
import { type Failure, type GuestStatus, OxbowError, protocolVersion, type ServerFrame } from '../types/index.ts'
import { type ClientLimits, maxReadBytes, maxRefusalBytes } from './limits.ts'
import { broken, closedBy, refusedUpgrade, unreachable, type WireEnd } from './refusal.ts'

export interface Wire {
  send(text: string): void
  /** Says goodbye; `onEnd` follows. */
  close(): void
  /** Cuts at once, because what was received cannot be followed; `onEnd` follows and no frame before it. */
  cut(): void
}

export interface WireOptions {
  readonly url: string
  readonly token: string
  /** Name of the terminal, for the guest's log. */
  readonly client: string
  readonly limits: ClientLimits
  /** The guest has said hello. */
  readonly onOpen: (status: GuestStatus) => void
  readonly onFrame: (frame: Exclude<ServerFrame, { type: 'hello_ack' }>) => void
  /** Called exactly once, and nothing after it; also when the connection was never made. */
  readonly onEnd: (end: WireEnd) => void
}

const helloId = 'hello'
const noGateway: WireEnd = { failure: unreachable('What answers is no gateway.', 'Check the address.'), mayReturn: false, tooBig: false }
const silent: WireEnd = { failure: unreachable('The guest has fallen silent.'), mayReturn: true, tooBig: false }
const outOfStep: WireEnd = { failure: unreachable('The connection to the guest lost a part of the reply.'), mayReturn: true, tooBig: false }

/** @throws OxbowError `bad_input` for an address or a token that cannot be one */
export function openWire({ url, token, client, limits, onOpen, onFrame, onEnd }: WireOptions): Wire {
  const socket = createSocket(url, { headers: { authorization: `Bearer ${token}` }, perMessageDeflate: false, maxPayload: maxReadBytes })
  let end: WireEnd | null = null
  let ended = false
  let closing = false
  let lastFailure: Failure | null = null

  const finish = (found: WireEnd): void => {
    if (ended) return
    ended = true
    clearTimeout(watch)
    onEnd(found)
  }
  const cut = (found: WireEnd): void => {
    end ??= found
    socket.terminate()
  }
  // Until hello this bounds the opening, then every sign of life sets it back.
  let watch = setTimeout(() => cut(silent), limits.openTimeoutMs)
  const sign = (): void => void watch.refresh()

  const receive = (frame: ServerFrame): void => {
    if (frame.type === 'hello_ack') {
      clearTimeout(watch)
      watch = setTimeout(() => cut(silent), limits.silenceMs)
      return onOpen(frame.payload.status)
    }
    if (frame.type === 'error') {
      const { request_id, ...failure } = frame.payload
      if (request_id === null || request_id === helloId) lastFailure = failure
    }
    onFrame(frame)
  }

  socket.on('open', () =>
    socket.send(
      JSON.stringify({ type: 'hello', payload: { request_id: helloId, protocol: protocolVersion, client: client.slice(0, 100) } }),
    ),
  )
  socket.on('message', (raw: RawData) => {
    if (ended || closing || end !== null) return
    sign()
    const frame = parse(raw as Buffer)
    if (frame !== null) receive(frame)
    else cut(noGateway)
  })
  socket.on('ping', sign)
  socket.on('unexpected-response', (_, response) => {
    let body = ''
    response.setEncoding('utf8')
    response.on('data', (text: string) => body.length < maxRefusalBytes && (body += text))
    response.on('close', () => {
      finish(refusedUpgrade(response.statusCode ?? 0, body))
      socket.terminate()
    })
  })
  socket.on('error', (error) => (end ??= broken(error)))
  socket.on('close', (code, reason) => finish(end ?? closedBy(code, reason.toString(), lastFailure)))

  return {
    send: (text) => socket.send(text),
    close() {
      closing = true
      clearTimeout(watch)
      watch = setTimeout(() => socket.terminate(), limits.closeTimeoutMs)
      socket.close(1000)
    },
    cut: () => cut(outOfStep),
  }
}

function createSocket(url: string, options: ClientOptions): WebSocket {
  try {
    return new WebSocket(url, 'oxbow', options)
  } catch (error) {
    throw new OxbowError('bad_input', `${JSON.stringify(url)} cannot be connected to.`, {
      hint: 'The address is ws://host:port/ws, the token the one line of the guest’s token file.',
      cause: error,
    })
  }
}

function parse(data: Buffer): ServerFrame | null {
  try {
    const value = JSON.parse(data.toString()) as ServerFrame | null
    const isFrame = typeof value?.type === 'string' && typeof value.payload === 'object' && (value.payload as object | null) !== null
    return isFrame && !Array.isArray(value.payload) ? value : null
  } catch {
    return null
  }
}
