/**
 * The connections between a guest's node and the one with its hands: HTTP upgrades at the door of that node, which then carry bytes both ways.
 * How doors prove to each other who they are is the door's matter; that a connection is for a place, its token proves.
 */
import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import { dialMs } from '../limits.ts'

const path = /^\/hands\/([0-9a-f]{32})$/
const protocol = 'oxbow-hands'

/** @returns the id of a place; null: it is no request for hands */
export function handsPath({ url, headers }: Pick<IncomingMessage, 'url' | 'headers'>): string | null {
  return headers.upgrade === protocol ? (path.exec(url ?? '')?.[1] ?? null) : null
}

/** @returns whether the connection may come in; one that may not is closed */
export function admit({ headers }: Pick<IncomingMessage, 'headers'>, socket: Duplex, head: Buffer, token: string | null): boolean {
  const given = Buffer.from(/^Bearer ([0-9a-f]{64})$/.exec(headers.authorization ?? '')?.[1] ?? '', 'hex')
  const wanted = Buffer.from(token ?? '', 'hex')
  if (given.length !== 32 || wanted.length !== 32 || !timingSafeEqual(given, wanted)) {
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    return false
  }
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${protocol}\r\nConnection: Upgrade\r\n\r\n`)
  if (head.length > 0) socket.unshift(head)
  return true
}

/** @param options how the door of the other node is spoken to: certificates @throws Error where it does not let this in */
export async function dial(url: string, id: string, token: string, options: object = {}): Promise<Socket> {
  const { request } = url.startsWith('https:') ? process.getBuiltinModule('node:https') : process.getBuiltinModule('node:http')
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/hands/${id}`, {
      agent: false,
      ...options,
      headers: { connection: 'Upgrade', upgrade: protocol, authorization: `Bearer ${token}` },
      timeout: dialMs,
    })
    asked.once('upgrade', (_response, socket, head) => {
      socket.setTimeout(0)
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    asked.once('response', (response) => {
      response.resume()
      reject(new Error(`the node answered ${response.statusCode}`))
    })
    asked.once('timeout', () => asked.destroy(new Error('the node does not answer')))
    asked.once('error', reject)
    asked.end()
  })
}

/** Carries bytes both ways until one end is gone. */
export function tie(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy())
    from.once('close', () => to.destroy())
    from.pipe(to)
  }
}
