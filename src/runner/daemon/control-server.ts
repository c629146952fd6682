/**
 * One control socket. Clients are served side by side, and requests of a client too: one that is slow, silent or hostile delays nobody. It may
 * not send a message in pieces for ever, ask without reading the replies, or ask for more at once than a program has use for.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { isOxbowError, OxbowError, toFailure } from '../../base/index.ts'
import { type ControlReply, controlRequest } from '../../protocol/index.ts'
import { controlFrame, createControlReader } from './control-frames.ts'
import { maxControlClients, maxControlRequests, maxUnreadBytes, slowMessageMs } from './limits.ts'

/** @throws what is replied as a failure */
export type Operate = (op: string, input: Readonly<Record<string, unknown>>, gone: AbortSignal) => Promise<unknown>

export interface ControlServer {
  close(): Promise<void>
}

/** @param onBug receives errors that no operation throws on purpose @throws the error of the system where it cannot listen */
export async function openControlServer(path: string, operate: Operate, onBug: (error: unknown) => void): Promise<ControlServer> {
  const clients = new Set<Socket>()
  const server: Server = createServer((socket) => {
    if (clients.size < maxControlClients) {
      clients.add(socket)
      socket.once('close', () => clients.delete(socket))
      serveClient(socket, operate, onBug)
    } else socket.destroy()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  server.on('error', () => {})
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of clients) socket.destroy()
      }),
  }
}

function serveClient(socket: Socket, operate: Operate, onBug: (error: unknown) => void): void {
  const gone = new AbortController()
  let open = 0
  let slow: NodeJS.Timeout | undefined
  const reply = (message: ControlReply): void => {
    if (socket.destroyed) return
    socket.write(frameOf(message))
    // It asks and does not read.
    if (socket.writableLength > maxUnreadBytes) socket.destroy()
  }
  const refuse = (id: string, error: unknown): void => {
    const { code, message, hint } = toFailure(error, 'internal_failure', 'The log says more: oxbow logs --role daemon')
    if (code === 'internal_failure' && !isOxbowError(error)) onBug(error)
    reply({ id, ok: false, failure: { code, message, hint } })
  }
  const fatal = (why: string): void => {
    reply({ id: '', ok: false, failure: { code: 'bad_input', message: why, hint: 'docs/daemon.md describes the messages.' } })
    socket.end()
    socket.destroySoon()
  }
  let taken = 0
  const take = (message: unknown): void => {
    taken += 1
    const { data, success } = controlRequest.safeParse(message)
    if (!success) return fatal('a message that is no request: it has the fields id, op and input')
    const { id, op, input } = data
    if (open >= maxControlRequests) return refuse(id, tooMany)
    open += 1
    void operate(op, input, gone.signal)
      .then(
        (output) => reply({ id, ok: true, output }),
        (error: unknown) => refuse(id, error),
      )
      .finally(() => (open -= 1))
  }
  const reader = createControlReader(take)
  socket.on('data', (bytes: Buffer) => {
    const before = taken
    const wrong = socket.destroyed || socket.writableEnded ? null : reader.push(bytes)
    if (wrong !== null) fatal(wrong)
    // A message that has begun must end soon; between messages a client may be silent for as long as it likes.
    if (taken > before || !reader.isAmid()) {
      clearTimeout(slow)
      slow = undefined
    }
    if (reader.isAmid()) slow ??= setTimeout(() => socket.destroy(), slowMessageMs).unref()
  })
  socket.on('error', () => {})
  socket.once('close', () => {
    clearTimeout(slow)
    gone.abort()
  })
}

const tooMany = new OxbowError('limit_reached', `more than ${maxControlRequests} requests at once`, { hint: 'Wait for replies first.' })

function frameOf(message: ControlReply): Buffer {
  try {
    return controlFrame(message)
  } catch (error) {
    const { code, message: text, hint } = toFailure(error, 'internal_failure', '')
    return controlFrame({ id: message.id, ok: false, failure: { code, message: text, hint } } satisfies ControlReply)
  }
}
