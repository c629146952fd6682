/** The gateway of Discord: discord.com/developers/docs/events/gateway. Events have numbers, and a session that was cut gets what it has missed. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { GatewayCloseCodes, GatewayIntentBits, GatewayOpcodes } from 'discord-api-types/v10'
import { type WebSocket, WebSocketServer } from 'ws'

interface Session {
  readonly id: string
  readonly events: string[]
  sequence: number
  socket: WebSocket | null
}

interface Frame {
  readonly op: GatewayOpcodes
  readonly d: unknown
}

export interface Gateway {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  dispatch(type: string, data: object): void
  /** Ends each connection without a word; its session can be continued. */
  cut(): void
  /** As `cut`, and no session can be continued. */
  forget(): void
  /** Asks each to connect again, as Discord does when a server of its own is replaced. */
  reconnect(): void
  count(): number
  close(): void
}

interface GatewayDeps {
  readonly address: () => string
  readonly accepts: (token: string) => boolean
  /** Whether the intent Message Content was turned on. */
  readonly readsContent: () => boolean
  readonly ready: object
  readonly onIdentify: (how: 'identify' | 'resume') => void
}

const firstHeartbeatMs = 41_250

/** @returns a gateway with no session yet */
export function createGateway(deps: GatewayDeps): Gateway {
  const server = new WebSocketServer({ noServer: true })
  const sessions = new Map<string, Session>()
  const open = (): readonly WebSocket[] => [...server.clients]
  const send = (socket: WebSocket, op: GatewayOpcodes, d: unknown): void => socket.send(JSON.stringify({ op, d, s: null, t: null }))
  const push = (session: Session, type: string, data: object): void => {
    session.sequence += 1
    const frame = JSON.stringify({ op: GatewayOpcodes.Dispatch, s: session.sequence, t: type, d: data })
    session.events.push(frame)
    session.socket?.send(frame)
  }
  const identify = (socket: WebSocket, { token, intents, properties }: Readonly<Record<string, unknown>>): void => {
    if (typeof token !== 'string' || !deps.accepts(token)) return socket.close(GatewayCloseCodes.AuthenticationFailed)
    if (typeof intents !== 'number' || typeof properties !== 'object') return socket.close(GatewayCloseCodes.DecodeError)
    if ((intents & GatewayIntentBits.MessageContent) !== 0 && !deps.readsContent()) return socket.close(GatewayCloseCodes.DisallowedIntents)
    deps.onIdentify('identify')
    const session: Session = { id: randomUUID(), events: [], sequence: 0, socket }
    sessions.set(session.id, session)
    push(session, 'READY', { v: 10, ...deps.ready, session_id: session.id, resume_gateway_url: deps.address() })
  }
  const resume = (socket: WebSocket, { token, session_id: id, seq }: Readonly<Record<string, unknown>>): void => {
    const session = sessions.get(String(id))
    if (typeof token !== 'string' || !deps.accepts(token) || session === undefined)
      return send(socket, GatewayOpcodes.InvalidSession, false)
    deps.onIdentify('resume')
    session.socket = socket
    for (const event of session.events.slice(Number(seq))) socket.send(event)
    push(session, 'RESUMED', {})
  }
  const received = (socket: WebSocket, { op, d }: Frame): void => {
    if (op === GatewayOpcodes.Heartbeat) send(socket, GatewayOpcodes.HeartbeatAck, null)
    else if (op === GatewayOpcodes.Identify) identify(socket, d as Readonly<Record<string, unknown>>)
    else if (op === GatewayOpcodes.Resume) resume(socket, d as Readonly<Record<string, unknown>>)
    else socket.close(GatewayCloseCodes.UnknownOpcode)
  }
  const cut = (): void => {
    for (const socket of open()) socket.terminate()
    for (const session of sessions.values()) session.socket = null
  }
  return {
    upgrade(request, raw, head) {
      server.handleUpgrade(request, raw, head, (socket) => {
        socket.on('message', (data: Buffer) => received(socket, JSON.parse(data.toString()) as Frame))
        send(socket, GatewayOpcodes.Hello, { heartbeat_interval: firstHeartbeatMs })
      })
    },
    dispatch(type, data) {
      for (const session of sessions.values()) push(session, type, data)
    },
    cut,
    forget() {
      cut()
      sessions.clear()
    },
    reconnect() {
      for (const socket of open()) send(socket, GatewayOpcodes.Reconnect, null)
    },
    count: () => open().filter(({ readyState }) => readyState === 1).length,
    close() {
      cut()
      server.close()
    },
  }
}
