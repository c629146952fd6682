/** A server on loopback that plays raw bytes for any path, piece by piece, and keeps what it was asked. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  /** With its query. */
  readonly path: string
  readonly body: string
}

export interface Replay {
  /** Unset: 200, an event stream. */
  readonly status?: number
  /** Each is an HTTP chunk of its own, so that a client reads it apart from the others. */
  readonly pieces: readonly Uint8Array[]
  /** Unset: the regular end. */
  readonly end?: 'regular' | 'drop'
}

export interface ReplayServer extends AsyncDisposable {
  readonly origin: string
}

export async function startReplayServer(answerTo: (asked: Asked) => Replay): Promise<ReplayServer> {
  const server = process.getBuiltinModule('node:http').createServer((incoming, outgoing) => void answer(incoming, outgoing, answerTo))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse, answerTo: (asked: Asked) => Replay): Promise<void> {
  const read: Buffer[] = []
  try {
    for await (const piece of incoming) read.push(piece as Buffer)
  } catch {
    return // The client went away before it had asked.
  }
  const { status = 200, pieces, end = 'regular' } = answerTo({ path: incoming.url ?? '', body: Buffer.concat(read).toString() })
  outgoing.writeHead(status, { 'content-type': status === 200 ? 'text/event-stream' : 'application/json' })
  let written = Promise.resolve()
  // An empty chunk would be the end of the body.
  for (const piece of pieces.filter(({ length }) => length > 0)) {
    written = new Promise((resolve) => outgoing.write(piece, () => resolve()))
  }
  // What was written first reaches the client: only then the connection may go.
  if (end === 'drop') await written.then(() => outgoing.destroy())
  else outgoing.end()
}
