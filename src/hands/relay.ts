/**
 * Web access of a sandbox without a network: a TCP port on the sandbox's loopback is forwarded byte for byte to the egress proxy outside,
 * which decides. The connection is a unix socket, or a port of a virtual machine that all connections share. Programs that support HTTP
 * proxies need only the address.
 */
import type { Socket } from 'node:net'
import { carryStreams } from '../base/index.ts'
import { maxRelayConnections } from './limits.ts'

/** Forwards a connection to the proxy, half-closes included. */
type Forward = (inside: Socket) => void

/** Address and port for programs in the sandbox. */
export const relayHost = '127.0.0.1'
export const relayPort = 8118

/**
 * For programs in the sandbox. In both spellings, since programs differ; no host bypasses the proxy.
 * @param pass identifies the command to the proxy; '' for none
 */
export function proxyEnvironment(pass: string): Readonly<Record<string, string>> {
  const proxy = `http://${pass === '' ? '' : `oxbow:${pass}@`}${relayHost}:${relayPort}`
  return {
    http_proxy: proxy,
    https_proxy: proxy,
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    ALL_PROXY: proxy,
    all_proxy: proxy,
    NO_PROXY: '',
    no_proxy: '',
  }
}

export function bySocket(path: string): Forward {
  const { connect } = process.getBuiltinModule('node:net')
  return (inside) => {
    const outside = connect({ path, allowHalfOpen: true })
    inside.pipe(outside)
    outside.pipe(inside)
    endTogether(inside, outside)
    endTogether(outside, inside)
  }
}

/** @param port with the kernel at its other end */
export function bySharedPort(port: Socket): Forward {
  // The kernel's side follows the protocol; without it hands exit.
  const carrier = carryStreams(port, { maxStreams: maxRelayConnections, onBroken: () => port.destroy() })
  return (inside) => carrier.open(inside)
}

/** Resolves when programs can connect; ends with this process. @throws a system error when the port is in use */
export async function startRelay(forward: Forward): Promise<void> {
  const { createServer } = process.getBuiltinModule('node:net')
  const server = createServer({ allowHalfOpen: true }, forward)
  server.maxConnections = maxRelayConnections
  const listening = Promise.withResolvers<void>()
  server.once('error', listening.reject)
  server.listen(relayPort, relayHost, listening.resolve)
  await listening.promise
}

function endTogether(socket: Socket, peer: Socket): void {
  socket.on('error', () => peer.destroy())
  // What it has sent may still be in the peer's buffer.
  socket.on('close', () => peer.destroySoon())
}
