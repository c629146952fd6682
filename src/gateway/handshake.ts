/** Takes a connection that was let in from HTTP to a WebSocket, and serves it. Loaded with the first terminal that comes. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { subprotocol } from './admission.ts'
import { type Connection, type ConnectionDeps, hardFrameLimit, serveConnection } from './connection.ts'
import { createEventTexts } from './frame-text.ts'

/** @param greet told of the connection when it is one, and of its end */
export type Handshake = (
  request: IncomingMessage,
  stream: Duplex,
  head: Buffer,
  greet: { open(connection: Connection): void; closed(connection: Connection): void },
) => void

export function createHandshake(deps: Omit<ConnectionDeps, 'texts'>): Handshake {
  const texts = createEventTexts()
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: hardFrameLimit(deps.limits),
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  })
  return (request, stream, head, greet) =>
    server.handleUpgrade(request, stream, head, (socket) => {
      const connection = serveConnection(socket, stream, { ...deps, texts })
      greet.open(connection)
      socket.once('close', () => greet.closed(connection))
    })
}
