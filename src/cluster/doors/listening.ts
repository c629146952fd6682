/** Where the doors of a node listen. */
import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { OxbowError } from '../../base/index.ts'

interface Place {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

/** Event of a server. It forgets connections that became terminals or carry hands, and would wait for them when it closes. */
const ending = 'oxbow-ending'

/** @param section of the configuration, for the hint @throws OxbowError `bad_config` where it cannot listen */
export function listen(server: Server, { host, port }: Place, section: string): Promise<void> {
  const sockets = new Set<Socket>()
  server.once(ending, () => {
    for (const socket of sockets) socket.destroy()
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new OxbowError('bad_config', `This node cannot listen on ${host}:${port}.`, {
          hint: `Choose another ${section}.port (0 lets the system choose) or ${section}.host.`,
          cause,
        }),
      ),
    )
    server.listen({ host, port }, resolve)
  })
}

/** @returns such as `https://127.0.0.1:7700` */
export function originOf(host: string, server: Server, isTls: boolean): string {
  const { port } = server.address() as AddressInfo
  return `${isTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Ends every connection, and resolves when they have ended. Terminals connect again, to another node. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.emit(ending)
  await closed
}
