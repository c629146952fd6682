/**
 * Web access for programs in a sandbox: an HTTP proxy on unix sockets, one for each profile with network access. Every target is checked by
 * the same policy as a fetch, connected to at a checked address, and counted for its pass. It supports CONNECT and plain requests with an
 * absolute URL; it does not terminate TLS, cache or add anything. Its clients are hostile: a stuck one costs a connection of its own
 * profile, and nothing it sends throws here.
 */
import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../../config/index.ts'
import { sandboxUid } from '../tier-plan.ts'
import { maxProxyConnections, maxProxyHeaderBytes, maxProxyLookups, maxSocketPathBytes, proxyHeaderMs } from '../limits.ts'
import type { OnlineProfile } from '../tier-plan.ts'
import { openPolicy, type PolicyOptions } from './egress-policy.ts'
import { forwardRequest, openTunnel } from './proxy-connection.ts'
import { createPasses, type EgressPass, type Passes } from './proxy-passes.ts'

export interface EgressProxy {
  /** Starts listening at the first call for a profile. @returns the path of its socket @throws a system error; the next call tries again */
  socket(profile: OnlineProfile): Promise<string>
  /** For one command of the profile; after the first call the proxy requires a pass. @throws OxbowError `bad_input`; see Passes.issue */
  issue(profile: OnlineProfile, hosts: readonly string[]): Promise<EgressPass>
  /** Listens on one more socket, for whoever is not to use every pass. @throws a system error */
  openSome(profile: OnlineProfile): Promise<SomeSocket>
  /** Ends all connections and removes the sockets. */
  close(): Promise<void>
}

interface ProxySocket {
  readonly path: string
  close(): Promise<void>
}

/** A socket on which only the passes count that were named to it. */
export interface SomeSocket extends ProxySocket {
  name(token: string): void
}

const socketName = (profile: OnlineProfile): string => `${profile}.sock`
const longestName = 'some-000000.sock'.length

/**
 * Nothing listens before the first `socket`.
 * @param folder for the sockets; in the workspace, invisible to agents
 * @throws OxbowError `bad_config`
 */
export function createEgressProxy(config: Config['egress'], folder: string, options: PolicyOptions = {}): EgressProxy {
  const admit = openPolicy(config, { lookups: maxProxyLookups, ...options })
  const passes: Readonly<Record<OnlineProfile, Passes>> = { online: createPasses(admit), browser: createPasses(admit) }
  const sockets = new Map<OnlineProfile, Promise<ProxySocket>>()
  let place: Promise<SocketPlace> | null = null
  const others = new Set<ProxySocket>()
  let opened = 0

  /** Recreated, unless one has its socket there. */
  const forgetPlace = (): void => {
    if (sockets.size + others.size === 0) place = null
  }
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
        forgetPlace()
        throw error
      }
    },
    issue: async (profile, hosts) => passes[profile].issue(hosts),
    async openSome(profile) {
      const some = passes[profile].some()
      try {
        place ??= makeSocketPlace(folder, longestName)
        const { path, close } = await openProxySocket((await place).path(`some-${(opened += 1)}.sock`), some)
        const other: SomeSocket = {
          path,
          name: some.name,
          async close() {
            if (others.delete(other)) await close()
          },
        }
        others.add(other)
        return other
      } catch (error) {
        forgetPlace()
        throw error
      }
    },
    async close() {
      for (const other of others) await other.close()
      for (const proxySocket of sockets.values()) await (await proxySocket.catch(() => null))?.close()
      sockets.clear()
      await (await place?.catch(() => null))?.remove()
    },
  }
}

async function openProxySocket(path: string, passes: Pick<Passes, 'holderOf'>): Promise<ProxySocket> {
  const { createServer } = process.getBuiltinModule('node:http')
  const connections = new Set<Socket>()
  const server = createServer({
    maxHeaderSize: maxProxyHeaderBytes,
    headersTimeout: proxyHeaderMs,
    // A long upload is allowed; the connection to the other side has an idle timeout.
    requestTimeout: 0,
    connectionsCheckingInterval: proxyHeaderMs / 2,
  })
  server.maxConnections = maxProxyConnections
  // So the limit of connections also limits requests, however many a client pipelines.
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
  // An accept may fail when descriptors run out; the next one may succeed.
  server.on('error', () => undefined)
  await openToHands(path)
}

/** The folder of the proxy's sockets. Only the kernel's user can enter it; a sandbox sees only the socket. */
export interface SocketPlace {
  readonly path: (name: string) => string
  remove(): Promise<void>
}

/**
 * @param folder in the workspace, invisible to agents; leftovers of a killed kernel are removed
 * @param longest maximum length of a file name in it, in bytes
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
