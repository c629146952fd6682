/** Passes connections to an address of this machine on to a unix socket. Nothing is read of what passes. */
import type { AddressInfo, Socket } from 'node:net'
import { maxRelayedConnections } from '../limits.ts'

export interface SocketRelay {
  readonly port: number
  /** Ends every connection. */
  close(): Promise<void>
}

/**
 * @param port 0 lets the system choose
 * @param path of the socket; need not be there yet: a connection that comes before is closed
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
