/** Where the gateway listens: a port of this machine, or a socket in a file for a guest that is isolated. */
import { lstatSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { OxbowError } from '../types/index.ts'
import type { GatewayOptions } from './gateway.ts'

/** @returns host and port as an address has them */
export function authorityOf(host: string, server: Server): string {
  return `${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`
}

/**
 * Listens on the last port where that is free and the system chooses, or on a socket in a file.
 * @throws OxbowError `bad_config` where it cannot
 */
export async function listen(
  server: Server,
  { host, port, lastPort = 0, socket }: Pick<GatewayOptions, 'host' | 'port' | 'lastPort' | 'socket'>,
): Promise<void> {
  const isFree = port === 0 && lastPort !== 0 && socket === undefined && (await listenOn(server, { host, port: lastPort })) === null
  if (socket !== undefined) await removeStale(socket.path)
  const error = isFree ? null : await listenOn(server, socket === undefined ? { host, port } : { path: socket.path })
  if (error === null) return
  const hint = 'Choose another gateway.port (0 lets the system choose) or gateway.host in config.toml.'
  throw new OxbowError('bad_config', `The gateway cannot listen on ${socket?.path ?? `${host}:${port}`}.`, { hint, cause: error })
}

/** Removes the socket of a guest that was killed: nobody answers on it, and nobody else can listen there. */
async function removeStale(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return
  const probe = connect(path)
  const isRefused = await new Promise<boolean>((resolve) => {
    probe.once('connect', () => resolve(false)).once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
  })
  probe.destroy()
  if (isRefused) rmSync(path, { force: true })
}

/** @returns why it does not listen there, or null */
function listenOn(server: Server, where: import('node:net').ListenOptions): Promise<Error | null> {
  return new Promise((resolve) => {
    const failed = (error: Error): void => resolve(error)
    server.once('error', failed)
    server.listen(where, () => {
      server.off('error', failed)
      resolve(null)
    })
  })
}
