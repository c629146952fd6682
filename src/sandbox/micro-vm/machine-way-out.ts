/**
 * The way out of a machine that has no network: a port on which the hands that may use it share connections, each of which becomes
 * one to the socket of the egress proxy. Who is let through is judged there. What comes from the port may be from anybody inside.
 */
import type { Duplex } from 'node:stream'
import { carryStreams } from '../../types/index.ts'
import { maxProxyConnections } from '../limits.ts'

export interface WayOut {
  /** From now on connections are made. Before, each is closed: no command has been let out yet. @param socket of the proxy, on the host */
  open(socket: string): void
}

/** @param kill ends the machine: one that breaks the form of the port is not to be trusted */
export function wayOut(port: Duplex, { kill, logger }: { kill(): void; logger(message: string): void }): WayOut {
  const { connect } = process.getBuiltinModule('node:net')
  let path: string | null = null
  carryStreams(port, {
    maxStreams: maxProxyConnections,
    accept: () => (path === null ? null : connect({ path, allowHalfOpen: true })),
    onBroken(problem) {
      logger(`The micro VM was ended: ${problem} on its way to the web.`)
      kill()
    },
  })
  return {
    open(socket) {
      path = socket
    },
  }
}
