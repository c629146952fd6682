/**
 * The sandbox of an isolated guest, which cannot start anything itself. Its runner listens on a socket for each profile, in a folder that
 * both see, and forwards requests to hands and their replies without reading either. The guest connects to those sockets.
 */
import type { AddressInfo, Server, Socket } from 'node:net'
import { join } from 'node:path'
import { OxbowError, toFailure } from '../../base/index.ts'
import {
  createMessageReader,
  createMessageWriter,
  greetingId,
  type HandsOp,
  joinContent,
  type Profile,
  type Sandbox,
  type SandboxStatus,
  splitContent,
} from '../../protocol/index.ts'
import { attachHands, type HandsProcess } from '../hands/hands-process.ts'
import { isHandsOp, parseRequest } from '../hands/hands-reply.ts'
import { keepHands } from '../keep-hands.ts'
import { connectPrograms } from './remote-servers.ts'
import { maxPendingBytes, maxPendingRequests, maxRelayedConnections, maxRelayedMs, maxReplyBytes, maxServedConnections } from '../limits.ts'

export interface SandboxService {
  /** Ends every connection. The sandbox stays open. */
  close(): Promise<void>
}

/** @returns the socket of a profile within the folder */
export function handsSocket(folder: string, profile: Profile): string {
  return join(folder, `hands-${profile}.sock`)
}

/** @throws a system error when a socket cannot be made */
export async function serveSandbox(sandbox: Sandbox, folder: string): Promise<SandboxService> {
  const { createServer } = process.getBuiltinModule('node:net')
  const { rmSync, chmodSync } = process.getBuiltinModule('node:fs')
  const sockets = new Set<Socket>()
  const servers: Server[] = []
  for (const profile of sandbox.status.profiles) {
    const path = handsSocket(folder, profile)
    // Left by a runner that was killed.
    rmSync(path, { force: true })
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      relay(socket, sandbox, profile)
    })
    server.maxConnections = maxServedConnections
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
    chmodSync(path, 0o600)
    servers.push(server)
  }
  return {
    async close() {
      for (const socket of sockets) socket.destroy()
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    },
  }
}

function relay(socket: Socket, sandbox: Sandbox, profile: Profile): void {
  const running = new Map<number, AbortController>()
  const writer = createMessageWriter(socket)
  const reply = (id: number, message: object, content: Uint8Array | null = null): Promise<unknown> =>
    writer.send(id, JSON.stringify(message), content)
  const answer = async (id: number, op: HandsOp, body: never, signal: AbortSignal): Promise<void> => {
    try {
      const hands = await sandbox.hands(profile)
      const { plain, content } = splitContent(await hands.ask(op, body, { signal, timeoutMs: maxRelayedMs }))
      await reply(id, { ok: plain, ...(content !== null && { bytes: content.length }) }, content)
    } catch (error) {
      const { code, message, hint } = toFailure(error, 'tool_failed', 'Try again.')
      await reply(id, { failure: { code, message, hint } })
    } finally {
      running.delete(id)
    }
  }
  const push = createMessageReader(
    { messageBytes: maxReplyBytes, pendingBytes: maxPendingBytes },
    {
      message(id, text, content) {
        const request = readRequest(text, content)
        if (request === null || running.has(id) || id === greetingId || running.size >= maxPendingRequests) {
          socket.destroy()
          return
        }
        const controller = new AbortController()
        running.set(id, controller)
        void answer(id, request.op, request.body as never, controller.signal)
      },
      cancel(id, begun) {
        if (begun) void reply(id, { failure: cancelledBeforeSent })
        else running.get(id)?.abort()
      },
    },
  )
  socket.on('data', (bytes) => {
    if (push(bytes) !== null) socket.destroy()
    // While a guest does not read replies, no more requests are read: replies would pile up here.
    else if (socket.writableNeedDrain) socket.pause()
  })
  socket.on('drain', () => socket.resume())
  socket.on('error', () => undefined)
  socket.once('close', () => {
    for (const controller of running.values()) controller.abort()
  })
  void reply(greetingId, {})
}

const cancelledBeforeSent = { code: 'cancelled', message: 'Cancelled.', hint: 'Send the request again if you still need it.' }

/** @returns null for anything but a request: the guest has another version, or was taken over */
function readRequest(text: string, content: Buffer): { readonly op: HandsOp; readonly body: unknown } | null {
  try {
    const { op, input, bytes } = JSON.parse(text) as { op?: unknown; input?: unknown; bytes?: unknown }
    const body = joinContent(input, bytes, content)
    const parsed = isHandsOp(op) ? parseRequest(op, body) : null
    return parsed === null ? null : { op: op as HandsOp, body: parsed }
  } catch {
    return null
  }
}

/** The guest's end. @param status of the runner's sandbox when it started the guest */
export function connectSandbox(folder: string, status: SandboxStatus): Sandbox {
  const { serve, lockOf } = connectPrograms(folder)
  const plan = { start: (profile: Profile) => connectProfile(handsSocket(folder, profile)), serve, close: () => Promise.resolve() }
  return Object.assign(
    keepHands(status, plan, () => undefined),
    { lockOf },
  )
}

async function connectProfile(path: string): Promise<HandsProcess> {
  const socket = process.getBuiltinModule('node:net').connect(path)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => undefined)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', (cause) =>
      reject(
        new OxbowError('sandbox_failed', 'The runner does not answer on the socket of the sandbox.', { hint: 'Start Oxbow again.', cause }),
      ),
    )
  })
  return attachHands({
    input: socket,
    output: socket,
    diagnostics: () => 'the runner did not greet',
    exited: closed,
    gone: closed,
    kill: () => void socket.destroy(),
  })
}

export interface SocketRelay {
  readonly port: number
  /** Ends every connection. */
  close(): Promise<void>
}

/**
 * Forwards connections to an address of this machine to a unix socket, unread.
 * @param port 0 lets the system choose
 * @param path of the socket; it may be created later: connections before that are closed
 * @throws a system error when the address cannot be listened on
 */
export async function openRelay(host: string, port: number, path: string): Promise<SocketRelay> {
  const { connect, createServer } = process.getBuiltinModule('node:net')
  const open = new Set<Socket>()
  const tie = (one: Socket, other: Socket): void => {
    open.add(one)
    one.on('error', () => other.destroy())
    one.once('close', () => {
      open.delete(one)
      other.destroy()
    })
    one.pipe(other)
  }
  const server = createServer((near) => {
    const far = connect(path)
    tie(near, far)
    tie(far, near)
  })
  server.maxConnections = maxRelayedConnections
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const each of open) each.destroy()
      await closed
    },
  }
}
