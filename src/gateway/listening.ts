/** The gateway's servers, and where they listen: a port of this machine, or a socket in a file for a guest that is isolated. */
import { lstatSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { OxbowError } from '../base/index.ts'
import type { Tls } from './exposure.ts'
import { type GatewayLimits, maxHeaderBytes, maxHeaders, timeoutCheckPart } from './limits.ts'

/** @returns a server that does not listen yet */
export function createServer(limits: GatewayLimits, tls: Tls | null): Server {
  const options = {
    // Bodies have limits of their own (`request-body.ts`): an upload may take minutes.
    requestTimeout: 0,
    headersTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: limits.requestTimeoutMs * timeoutCheckPart,
    maxHeaderSize: maxHeaderBytes,
  }
  // Static imports would load undici at start.
  const server =
    tls === null
      ? process.getBuiltinModule('node:http').createServer(options)
      : process.getBuiltinModule('node:https').createServer({ ...options, ...tls, minVersion: 'TLSv1.2' })
  server.maxHeadersCount = maxHeaders
  // Sockets that are not accepted yet count too; they live little longer than `requestTimeoutMs`.
  server.maxConnections = limits.maxConnections * 2
  return server
}

interface Place {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** Tried first where the system chooses. */
  readonly lastPort?: number
  /** A socket in a file, instead of host and port. */
  readonly socket?: { readonly path: string }
}

/** @returns host and port as an address has them */
export function authorityOf(host: string, server: Server): string {
  return `${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`
}

/**
 * Listens on the last port where that is free and the system chooses, or on a socket in a file.
 * @throws OxbowError `bad_config` where it cannot
 */
export async function listen(server: Server, { host, port, lastPort = 0, socket }: Place): Promise<void> {
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
