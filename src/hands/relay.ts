/**
 * The way out of a sandbox that has no network: a TCP port on the sandbox's own loopback, passed on byte for byte to the socket
 * of the egress proxy, which stands outside and decides. Programs that know HTTP proxies need no more than its address.
 */
import type { Socket } from 'node:net'
import { maxRelayConnections } from './limits.ts'

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

/** Resolves when programs can connect; ends with this process. @throws a system error when the port cannot be had */
export async function startRelay(socketPath: string): Promise<void> {
  const { connect, createServer } = process.getBuiltinModule('node:net')
  const server = createServer({ allowHalfOpen: true }, (inside) => {
    const outside = connect({ path: socketPath, allowHalfOpen: true })
    inside.pipe(outside)
    outside.pipe(inside)
    endTogether(inside, outside)
    endTogether(outside, inside)
  })
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
