/**
 * The sandbox of an isolated guest, which cannot start anything itself. Its runner listens on a socket for each profile, in a folder that
 * both see, and forwards requests to hands and their replies without reading either. The guest connects to those sockets.
 */
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { once } from '../../base/index.ts'
import type { Profile, Sandbox, SandboxBranches, SandboxStatus } from '../../protocol/index.ts'
import { keepHands } from '../keep-hands.ts'
import { maxRelayedConnections, maxServedConnections } from '../limits.ts'
import { type Listening, listenAt } from './local-socket.ts'
import { connectHands, relayHands } from './remote-hands.ts'
import { connectPrograms } from './remote-servers.ts'

/** @returns the socket of a profile within the folder */
export function handsSocket(folder: string, profile: Profile): string {
  return join(folder, `hands-${profile}.sock`)
}

/** @throws a system error when a socket cannot be made */
export async function serveSandbox(sandbox: Sandbox, folder: string): Promise<Listening> {
  const listening: Listening[] = []
  const close = async (): Promise<void> => void (await Promise.all(listening.map((each) => each.close())))
  try {
    for (const profile of sandbox.status.profiles) {
      const path = handsSocket(folder, profile)
      listening.push(await listenAt(path, maxServedConnections, (socket) => relayHands(socket, sandbox, profile)))
    }
    if (sandbox.branches !== undefined) {
      const { serveBranches } = await import('./remote-branches.ts')
      listening.push(await serveBranches(sandbox.branches, folder))
    }
  } catch (error) {
    await close()
    throw error
  }
  return { close }
}

/** The guest's end. @param status of the runner's sandbox when it started the guest */
export function connectSandbox(folder: string, status: SandboxStatus): Sandbox {
  const { serve, lockOf } = connectPrograms(folder)
  const plan = { start: (profile: Profile) => connectHands(handsSocket(folder, profile)), serve, close: () => Promise.resolve() }
  const own = keepHands(status, plan, () => undefined)
  const branches = once(async () => (await import('./remote-branches.ts')).connectBranches(folder, status, () => own))
  return Object.assign(own, {
    lockOf,
    branches: {
      create: async (name, signal) => (await branches()).create(name, signal),
      changes: async (name, ignore, signal) => (await branches()).changes(name, ignore, signal),
      open: async (name) => (await branches()).open(name),
      rest: async (name) => (await branches()).rest(name),
      drop: async (name) => (await branches()).drop(name),
    } satisfies SandboxBranches,
  })
}

export interface SocketRelay {
  readonly port: number
  /** Ends every connection. */
  close(): Promise<void>
}

/**
 * Forwards connections to an address of this machine to a unix socket, unread.
 * @param port 0 lets the system choose
 * @param path of the socket; it may be created later: connections before that are closed
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
