/** Socket Mode: docs.slack.dev/apis/events-api/using-socket-mode. An envelope that is not acknowledged comes again, a few times. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'

/** Slack waits three seconds. */
const ackMs = 3_000
const maxRetries = 3

interface Pending {
  readonly message: string
  timer: NodeJS.Timeout
}

export interface SocketMode {
  /** @returns an address that is good once */
  open(root: string): string
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** @param message the id by which it is said to be acknowledged */
  deliver(type: string, payload: object, message: string): void
  /** How many connections there are. */
  count(): number
  /** Asks each connection to end, as Slack does every few hours. */
  refresh(): void
  /** Ends each connection without a word. */
  cut(): void
  close(): void
}

/** @param onAck with the id of the message */
export function createSocketMode(onAck: (message: string) => void): SocketMode {
  const server = new WebSocketServer({ noServer: true })
  const tickets = new Set<string>()
  const sockets = new Set<WebSocket>()
  const pending = new Map<string, Pending>()
  const send = (type: string, payload: object, message: string, attempt: number): void => {
    const socket = [...sockets].at(-1)
    if (socket === undefined) return
    const id = randomUUID()
    const timer = setTimeout(() => {
      // It has expired: an acknowledgement that comes now does not count.
      pending.delete(id)
      if (attempt < maxRetries) send(type, payload, message, attempt + 1)
    }, ackMs)
    pending.set(id, { message, timer })
    const retry = type === 'events_api' ? { retry_attempt: attempt, retry_reason: attempt === 0 ? '' : 'timeout' } : {}
    socket.send(JSON.stringify({ envelope_id: id, type, payload, accepts_response_payload: type !== 'events_api', ...retry }))
  }
  const received = (data: string): void => {
    const { envelope_id: id = '' } = JSON.parse(data) as { readonly envelope_id?: string }
    const found = pending.get(id)
    if (found === undefined) return
    clearTimeout(found.timer)
    pending.delete(id)
    onAck(found.message)
  }
  return {
    open(root) {
      const ticket = randomUUID()
      tickets.add(ticket)
      return `${root.replace('http', 'ws')}/link/?ticket=${ticket}&app_id=A0001`
    },
    upgrade(request, raw, head) {
      const ticket = new URL(request.url ?? '', 'http://local').searchParams.get('ticket') ?? ''
      if (!tickets.delete(ticket)) {
        raw.end('HTTP/1.1 408 Request Timeout\r\n\r\n')
        return
      }
      server.handleUpgrade(request, raw, head, (socket) => {
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
        socket.on('message', (data: Buffer) => received(data.toString()))
        socket.send(
          JSON.stringify({
            type: 'hello',
            num_connections: sockets.size,
            connection_info: { app_id: 'A0001' },
            debug_info: { host: 'fake' },
          }),
        )
      })
    },
    deliver: (type, payload, message) => send(type, payload, message, 0),
    count: () => sockets.size,
    refresh() {
      for (const socket of sockets)
        socket.send(JSON.stringify({ type: 'disconnect', reason: 'refresh_requested', debug_info: { host: 'fake' } }))
    },
    cut() {
      for (const socket of sockets) socket.terminate()
    },
    close() {
      for (const { timer } of pending.values()) clearTimeout(timer)
      for (const socket of sockets) socket.terminate()
      server.close()
    },
  }
}
