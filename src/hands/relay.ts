/**
 * The way out of a sandbox that has no network: a TCP port on the sandbox's own loopback, passed on byte for byte to the egress
 * proxy, which stands outside and decides: by its socket, or by a port of a machine that all connections share. Programs that
 * know HTTP proxies need no more than its address.
 */
import type { Socket } from 'node:net'
import { carryStreams } from '../types/index.ts'
import { maxRelayConnections } from './limits.ts'

/** Passes a connection on to the proxy, and each end on to the other. */
type PassOn = (inside: Socket) => void

/** Address and port that programs in the sandbox are told. */
export const relayHost = '127.0.0.1'
export const relayPort = 8118

/**
 * For programs in the sandbox. Both spellings, since programs differ; nothing goes past the proxy, there is nothing beside it.
 * @param pass of the command, which the proxy tells it by; '' for none
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

export function bySocket(path: string): PassOn {
  const { connect } = process.getBuiltinModule('node:net')
  return (inside) => {
    const outside = connect({ path, allowHalfOpen: true })
    inside.pipe(outside)
    outside.pipe(inside)
    endTogether(inside, outside)
    endTogether(outside, inside)
  }
}

/** @param port the kernel is at its other end */
export function bySharedPort(port: Socket): PassOn {
  // The kernel's side keeps to the form; when it is gone, so are hands.
  const carrier = carryStreams(port, { maxStreams: maxRelayConnections, onBroken: () => port.destroy() })
  return (inside) => carrier.open(inside)
}

/** Resolves when programs can connect; ends with this process. @throws a system error when the port cannot be had */
export async function startRelay(passOn: PassOn): Promise<void> {
  const { createServer } = process.getBuiltinModule('node:net')
  const server = createServer({ allowHalfOpen: true }, passOn)
  server.maxConnections = maxRelayConnections
  const listening = Promise.withResolvers<void>()
  server.once('error', listening.reject)
  server.listen(relayPort, relayHost, listening.resolve)
  await listening.promise
}

function endTogether(one: Socket, other: Socket): void {
  one.on('error', () => other.destroy())
  // What it has sent may still be on its way through the other.
  one.on('close', () => other.destroySoon())
}
