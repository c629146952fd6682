/** Takes a connection that was let in from HTTP to a WebSocket, and serves it. Loaded with the first terminal that comes. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { subprotocol } from './admission.ts'
import { type Connection, type ConnectionDeps, hardFrameLimit, serveConnection } from './connection.ts'
import { createEventTexts } from './frame-text.ts'

/** @param connections has the connection from when it is one until it ends */
export type Handshake = (request: IncomingMessage, stream: Duplex, head: Buffer, connections: Set<Connection>) => void

export function createHandshake(deps: Omit<ConnectionDeps, 'texts'>): Handshake {
  const served = { ...deps, texts: createEventTexts() }
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: hardFrameLimit(deps.limits),
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  })
  return (request, stream, head, connections) =>
    server.handleUpgrade(request, stream, head, (socket) => {
      const connection = serveConnection(socket, stream, served)
      connections.add(connection)
      socket.once('close', () => connections.delete(connection))
    })
}
