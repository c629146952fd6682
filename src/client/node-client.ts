/** The client in Node. The only file that uses the WebSocket library. */
import { type ClientOptions, type RawData, WebSocket } from 'ws'
import { OxbowError } from '../base/index.ts'
import { type Client, connectBy, type ConnectOptions } from './client.ts'
import type { OpenSocket } from './connection.ts'
import { maxReadBytes, maxRefusalBytes } from './limits.ts'

/** Resolves when the guest has answered hello. @throws OxbowError `guest_unreachable`, `unauthenticated` … for the first connection */
export function connect(options: ConnectOptions): Promise<Client> {
  return connectBy(openSocket, options)
}

const openSocket: OpenSocket = ({ url, token }, events) => {
  const headers = { authorization: `Bearer ${token}` }
  const socket = createSocket(url, { headers, perMessageDeflate: false, maxPayload: maxReadBytes })
  let isRefused = false
  socket.on('open', events.onOpen)
  socket.on('message', (raw: RawData) => events.onMessage((raw as Buffer).toString()))
  socket.on('ping', events.onAlive)
  socket.on('unexpected-response', (_, response) => {
    let body = ''
    response.setEncoding('utf8')
    response.on('data', (text: string) => body.length < maxRefusalBytes && (body += text))
    response.on('close', () => {
      isRefused = true
      events.onRefused(response.statusCode ?? 0, body)
      socket.terminate()
    })
  })
  socket.on('error', events.onError)
  socket.on('close', (code, reason) => isRefused || events.onClose(code, reason.toString()))
  return { send: (text) => socket.send(text), close: () => socket.close(1000), terminate: () => socket.terminate() }
}

function createSocket(url: string, options: ClientOptions): WebSocket {
  try {
    return new WebSocket(url, 'oxbow', options)
  } catch (error) {
    throw new OxbowError('bad_input', `Cannot connect to ${JSON.stringify(url)}.`, {
      hint: 'The address is ws://host:port/ws; the token is the only line of the guest’s token file.',
      cause: error,
    })
  }
}
