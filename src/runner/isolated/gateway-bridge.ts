/** Takes terminals for a guest that has no network: each connection to an address of this machine is passed on to the guest's socket. */
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { OxbowError } from '../../types/index.ts'
import { maxBridgeConnections } from '../limits.ts'

export interface GatewayBridge {
  /** `ws://host:port/ws` */
  readonly url: string
  close(): Promise<void>
}

/**
 * Nothing is read of what passes: the guest asks for the token, as always.
 * @param socket of the guest's gateway; need not be there yet
 * @throws OxbowError `bad_config` when the address cannot be listened on
 */
export async function openBridge(host: string, port: number, socket: string): Promise<GatewayBridge> {
  const open = new Set<Socket>()
  const server = createServer((terminal) => {
    const guest = connect(socket)
    for (const [one, other] of [
      [terminal, guest],
      [guest, terminal],
    ] as const) {
      open.add(one)
      one.on('error', () => other.destroy())
      one.once('close', () => {
        open.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  server.maxConnections = maxBridgeConnections
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const hint = 'Choose another gateway.port (0 lets the system choose) or gateway.host in config.toml.'
      reject(new OxbowError('bad_config', `The gateway cannot listen on ${host}:${port}.`, { hint, cause }))
    })
    server.listen(port, host, resolve)
  })
  return {
    url: `ws://${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}/ws`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const each of open) each.destroy()
      await closed
    },
  }
}
