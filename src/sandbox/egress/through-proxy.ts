/**
 * Web access without a network: every connection is a tunnel through the egress proxy of the runner, which applies the policy. This file
 * only parses a URL; the proxy decides whether its host may be reached, and at which address.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { OxbowError } from '../../base/index.ts'
import { maxRefusalBytes } from '../limits.ts'
import { type Admit, type Destination, parseTarget } from './egress-policy.ts'

/** @param socket of the proxy */
export function admitThrough(socket: string): Admit {
  return (text) => {
    try {
      return Promise.resolve({ ...parseTarget(text), addresses: [], through: socket })
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

/** @throws OxbowError `denied` with the proxy's message, `tool_failed` */
export async function openThrough({ host, port }: Pick<Destination, 'host' | 'port'>, proxy: string, signal: AbortSignal): Promise<Socket> {
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const request = process
    .getBuiltinModule('node:http')
    .request({ socketPath: proxy, method: 'CONNECT', path: target, headers: { host: target }, signal })
  const answered = Promise.withResolvers<{ answer: IncomingMessage; socket: Socket; head: Buffer }>()
  request.on('connect', (answer, socket, head: Buffer) => answered.resolve({ answer, socket, head }))
  request.on('error', answered.reject)
  request.end()
  const { answer, socket, head } = await answered.promise
  if (answer.statusCode === 200) {
    if (head.length > 0) socket.unshift(head)
    return socket
  }
  const refusal = await refusalText(socket, head)
  throw new OxbowError(answer.statusCode === 403 ? 'denied' : 'tool_failed', refusal === '' ? `${target} cannot be reached.` : refusal, {
    hint: 'Go on without it, or try again later.',
  })
}

/** The proxy's line of text. */
async function refusalText(socket: Socket, head: Buffer): Promise<string> {
  let text = head.toString()
  try {
    for await (const bytes of socket) {
      text += String(bytes)
      if (text.length > maxRefusalBytes) break
    }
  } catch {
    // Use what was received by then.
  }
  socket.destroy()
  return text
    .trim()
    .replace(/^oxbow: /, '')
    .slice(0, maxRefusalBytes)
}
