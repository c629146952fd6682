/** A real gateway on loopback, a relay in front of it that can break every connection, and screens that remember. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net'
import { createFakeKernel, type FakeKernel } from '../gateway/fake-kernel.ts'
import { createToken, startGateway } from '../gateway/index.ts'
import { type OxbowError, systemRandom } from '../base/index.ts'
import { type Client, connect, type ConnectOptions, type FollowEvent } from './index.ts'

export interface TestGateway extends AsyncDisposable {
  readonly kernel: FakeKernel
  readonly url: string
  readonly token: string
  readonly relay: Relay
  open(options?: Partial<ConnectOptions>): Promise<Client>
}

/** Stands between client and gateway. */
export interface Relay {
  readonly port: number
  /** Breaks every connection. */
  cut(): void
  /** What the gateway says from now on is lost, until the next connection. */
  mute(): void
  /** Where connections lead from now on. */
  retarget(port: number): void
  close(): Promise<void>
}

export async function startRelay(port: number): Promise<Relay> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let target = port
  const server = createServer((from) => {
    const to = connectTcp(target, '127.0.0.1')
    const pair = [from, to] as const
    pairs.add(pair)
    from.pipe(to)
    to.pipe(from)
    for (const socket of pair) {
      socket.on('error', () => {})
      socket.on('close', () => {
        pairs.delete(pair)
        pair.forEach((each) => each.destroy())
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => pairs.forEach((pair) => pair.forEach((socket) => socket.destroy()))
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    mute: () => pairs.forEach(([from, to]) => to.unpipe(from).resume()),
    retarget: (next) => void (target = next),
    async close() {
      const closed = once(server, 'close')
      server.close()
      cut()
      await closed
    },
  }
}

const soon = { retryFirstMs: 2, retryMostMs: 5 }

export async function startTestGateway(kernel: FakeKernel = createFakeKernel()): Promise<TestGateway> {
  const token = createToken(systemRandom)
  const gateway = await startGateway({ kernel, host: '127.0.0.1', port: 0, token })
  const relay = await startRelay(Number(new URL(gateway.url).port))
  const url = `ws://127.0.0.1:${relay.port}/ws`
  const clients: Client[] = []
  return {
    kernel,
    url,
    token,
    relay,
    async open(options = {}) {
      const client = await connect({ url, token, client: 'test', limits: soon, ...options })
      clients.push(client)
      return client
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.close()))
      await relay.close()
      await gateway.close()
    },
  }
}

/** A screen that keeps what it is told, and can be waited on. */
export interface Screen {
  readonly events: readonly FollowEvent[]
  /** What a person reads, by call. */
  readonly text: ReadonlyMap<string, string>
  seqs(): readonly number[]
  count(type: FollowEvent['type']): number
  handler(this: void, event: FollowEvent): void
  until(fits: () => boolean): Promise<void>
}

export function createScreen(): Screen {
  const events: FollowEvent[] = []
  const text = new Map<string, string>()
  const waiting = new Set<() => void>()
  return {
    events,
    text,
    seqs: () => events.flatMap((event) => (event.type === 'record' ? [event.record.seq] : [])),
    count: (type: FollowEvent['type']) => events.filter((event) => event.type === type).length,
    handler(event: FollowEvent): void {
      events.push(event)
      if (event.type === 'text') text.set(event.call, (text.get(event.call) ?? '') + event.text)
      if (event.type === 'restart') text.set(event.call, event.text)
      waiting.forEach((look) => look())
    },
    until: async (fits: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!fits()) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
  }
}

export const hasCode =
  (code: OxbowError['code']) =>
  (error: OxbowError): boolean => {
    assert.equal(error.code, code)
    return error.hint !== ''
  }
