/** A gateway on loopback in front of a kernel in memory. */
import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import { systemRandom } from '../base/index.ts'
import { protocolVersion, type ServerFrame } from '../protocol/index.ts'
import { parseServerFrame } from '../protocol/server-frames.ts'
import { createToken } from './admission.ts'
import { createFakeKernel, type FakeKernel } from './fake-kernel.ts'
import { type Gateway, type GatewayOptions, startGateway } from './gateway.ts'

export interface TestGateway extends AsyncDisposable {
  readonly kernel: FakeKernel
  readonly gateway: Gateway
  readonly token: string
  readonly http: string
  readonly bugs: unknown[]
  open(): Promise<FakeTerminal>
}

export async function startTestGateway(
  options: Partial<Omit<GatewayOptions, 'kernel'>> & { readonly kernel?: FakeKernel } = {},
): Promise<TestGateway> {
  const kernel = options.kernel ?? createFakeKernel()
  const token = createToken(systemRandom)
  const bugs: unknown[] = []
  const gateway = await startGateway({ host: '127.0.0.1', port: 0, token, onBug: (error) => bugs.push(error), ...options, kernel })
  const http = gateway.url.replace('ws:', 'http:').replace('/ws', '')
  return { kernel, gateway, token, http, bugs, open: () => openTerminal(gateway.url, token), [Symbol.asyncDispose]: gateway.close }
}

/** A terminal that sends whatever it is told to, also what no honest one would, and keeps all that it gets. */

type FrameOf<Type extends ServerFrame['type']> = Extract<ServerFrame, { type: Type }>['payload']

export interface FakeTerminal {
  readonly socket: WebSocket
  /** The stream under the socket, for what the protocol does not allow. */
  readonly stream: Duplex
  readonly frames: readonly ServerFrame[]
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  /** Sends text and bytes as they are, everything else as JSON. */
  send(frame: unknown): void
  /** The next frame of a type that was not taken yet. Rejects when the connection ends without one. */
  take<Type extends ServerFrame['type']>(type: Type): Promise<FrameOf<Type>>
  /** Sends a request and takes its answer. */
  ask(type: string, payload: object): Promise<ServerFrame>
}

/** Opens a connection and says hello, unless `greet` is false. Rejects with the HTTP status when it is turned away. */
export async function openTerminal(
  url: string,
  token: string,
  { greet = true, headers = {} }: { greet?: boolean; headers?: Readonly<Record<string, string>> } = {},
): Promise<FakeTerminal> {
  const socket = new WebSocket(url, { headers: { ...(token !== '' && { authorization: `Bearer ${token}` }), ...headers } })
  const frames: ServerFrame[] = []
  const taken = new Set<ServerFrame>()
  const waiting = new Set<() => void>()
  const wake = (): void => waiting.forEach((look) => look())
  let ended = false
  let stream: Duplex | undefined

  socket.on('upgrade', (response) => (stream = response.socket))
  socket.on('message', (data: Buffer) => {
    frames.push(parseServerFrame(JSON.parse(data.toString())))
    wake()
  })
  socket.on('error', () => {})
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => {
      ended = true
      wake()
      resolve({ code, reason: reason.toString() })
    })
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('unexpected-response', (_, response) => {
      response.resume()
      reject(new Error(`HTTP ${response.statusCode}`))
    })
    void closed.then(() => reject(new Error('closed')))
  })

  const send = (frame: unknown): void => {
    socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame))
  }
  const takeWhere = async (fits: (frame: ServerFrame) => boolean): Promise<ServerFrame> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = frames.find((frame) => !taken.has(frame) && fits(frame))
        if (found === undefined && !ended) return
        waiting.delete(look)
        if (found === undefined) return reject(new Error(`the connection ended; got ${frames.map(({ type }) => type).join(', ')}`))
        taken.add(found)
        resolve(found)
      }
      waiting.add(look)
      look()
    })
  let asked = 0
  const terminal: FakeTerminal = {
    socket,
    stream: stream as Duplex,
    frames,
    closed,
    send,
    take: async (type) => (await takeWhere((frame) => frame.type === type)).payload as never,
    async ask(type, payload) {
      const request_id = `ask-${(asked += 1)}`
      send({ type, payload: { request_id, ...payload } })
      return takeWhere((frame) => 'request_id' in frame.payload && frame.payload.request_id === request_id)
    },
  }
  if (greet) await terminal.ask('hello', { protocol: protocolVersion, client: 'test' })
  return terminal
}
