/**
 * The way out for programs in a sandbox: an HTTP proxy on unix sockets, one for each profile that has a way out. Every target
 * passes the policy that a fetch passes, is connected to at an address that was checked, and is counted for its pass. It knows CONNECT and
 * plain requests with a whole URL; it ends no TLS, keeps nothing and adds nothing. Its clients are hostile: a wedged one costs a
 * connection of its own profile, and nothing it sends throws here.
 */
import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config } from '../../types/index.ts'
import { sandboxUid } from '../tier-plan.ts'
import { maxProxyConnections, maxProxyHeaderBytes, maxProxyLookups, maxSocketPathBytes, proxyHeaderMs } from '../limits.ts'
import type { OnlineProfile } from '../tier-plan.ts'
import { openPolicy, type PolicyOptions } from './egress-policy.ts'
import { forwardRequest, openTunnel } from './proxy-connection.ts'
import { createPasses, type EgressPass, type Passes } from './proxy-passes.ts'

export interface EgressProxy {
  /** Listens from the first call for a profile on. @returns the path of its socket @throws a system error, and tries anew next time */
  socket(profile: OnlineProfile): Promise<string>
  /** For one command of the profile; from the first one on nobody gets through without. @throws OxbowError `bad_input`; see Passes.issue */
  issue(profile: OnlineProfile, hosts: readonly string[]): Promise<EgressPass>
  /** Ends all connections and removes the sockets. */
  close(): Promise<void>
}

interface ProxySocket {
  readonly path: string
  close(): Promise<void>
}

const socketName = (profile: OnlineProfile): string => `${profile}.sock`
const longestName = Math.max(...(['online', 'browser'] as const).map((profile) => socketName(profile).length))

/**
 * Nothing listens before the first `socket`.
 * @param folder for the sockets; of the workspace, and not seen by agents
 * @throws OxbowError `bad_config`
 */
export function createEgressProxy(config: Config['egress'], folder: string, options: PolicyOptions = {}): EgressProxy {
  const admit = openPolicy(config, { lookups: maxProxyLookups, ...options })
  const passes: Readonly<Record<OnlineProfile, Passes>> = { online: createPasses(admit), browser: createPasses(admit) }
  const sockets = new Map<OnlineProfile, Promise<ProxySocket>>()
  let place: Promise<SocketPlace> | null = null

  const open = async (profile: OnlineProfile): Promise<ProxySocket> => {
    place ??= makeSocketPlace(folder, longestName)
    return openProxySocket((await place).path(socketName(profile)), passes[profile])
  }
  return {
    async socket(profile) {
      const proxySocket = sockets.get(profile) ?? open(profile)
      sockets.set(profile, proxySocket)
      try {
        return (await proxySocket).path
      } catch (error) {
        sockets.delete(profile)
        // Made anew, unless the other profile has its socket there.
        if (sockets.size === 0) place = null
        throw error
      }
    },
    issue: async (profile, hosts) => passes[profile].issue(hosts),
    async close() {
      for (const proxySocket of sockets.values()) await (await proxySocket.catch(() => null))?.close()
      sockets.clear()
      await (await place?.catch(() => null))?.remove()
    },
  }
}

async function openProxySocket(path: string, passes: Passes): Promise<ProxySocket> {
  const { createServer } = process.getBuiltinModule('node:http')
  const connections = new Set<Socket>()
  const server = createServer({
    maxHeaderSize: maxProxyHeaderBytes,
    headersTimeout: proxyHeaderMs,
    // A long upload is no fault; silence is, and the connection to the other side watches for it.
    requestTimeout: 0,
    connectionsCheckingInterval: proxyHeaderMs / 2,
  })
  server.maxConnections = maxProxyConnections
  // So connections bound requests, however many of them a client sends in one go.
  server.maxRequestsPerSocket = 1
  server.on('connection', (socket: Socket) => {
    connections.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => connections.delete(socket))
  })
  server.on('connect', (request, socket, head: Buffer) => void openTunnel(passes, request, socket as Socket, head))
  server.on('request', (request, response) => void forwardRequest(passes, request, response))
  server.on('clientError', (_, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n')
    else socket.destroy()
  })
  await listen(server, path)
  return {
    path,
    async close() {
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      for (const socket of connections) socket.destroy()
      await closed.promise
    },
  }
}

async function listen(server: Server, path: string): Promise<void> {
  const listening = Promise.withResolvers<void>()
  server.once('error', listening.reject)
  server.listen(path, listening.resolve)
  await listening.promise
  server.off('error', listening.reject)
  // An accept may fail when descriptors run out; the next one may not.
  server.on('error', () => undefined)
  await openToHands(path)
}

/** The folder of the proxy's sockets. Only the kernel's user can enter it; a sandbox sees the socket alone. */
export interface SocketPlace {
  readonly path: (name: string) => string
  remove(): Promise<void>
}

/**
 * @param folder of the workspace, not seen by agents; what a killed kernel has left there is removed
 * @param longest bytes of a file name in it
 * @throws a system error when the folder cannot be made
 */
export async function makeSocketPlace(folder: string, longest: number): Promise<SocketPlace> {
  const fits = Buffer.byteLength(folder) + 1 + longest <= maxSocketPathBytes
  const place = fits ? folder : await mkdtemp(join(tmpdir(), 'oxbow-egress-'))
  if (fits) {
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true, mode: 0o700 })
  }
  return { path: (name) => join(place, name), remove: () => rm(place, { recursive: true, force: true }) }
}

/** Only root and the uid of hands may connect; hands run as the kernel's user unless that is root. */
export async function openToHands(socketPath: string): Promise<void> {
  await chmod(socketPath, 0o600)
  if (process.getuid?.() === 0) await chown(socketPath, sandboxUid, sandboxUid)
}
