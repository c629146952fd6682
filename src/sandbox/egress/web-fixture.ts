/** Real servers on loopback for tests of the egress, and an egress that may reach them by a name that is in no name server. */
import type { RequestListener } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer as createRawServer } from 'node:net'
import { parseConfig } from '../../config/index.ts'
import { createEgress, type Egress, type EgressOptions, type Fetched } from './create-egress.ts'

export interface Site {
  /** `http://site.test:<port>`. */
  readonly url: string
  readonly port: number
  readonly egress: Egress
  /** Names that were looked up, in order. */
  readonly looked: readonly string[]
  /** Open connections that the server sees. */
  readonly sockets: ReadonlySet<Socket>
  /** Resolves when the server has no more connections. */
  drained(): Promise<void>
  close(): Promise<void>
}

export interface SiteOptions extends EgressOptions {
  readonly allow?: readonly string[]
}

export const startSite = (listener: RequestListener, options: SiteOptions = {}): Promise<Site> =>
  startServer(createServer(listener), options)

/** @param speak handles a connection, byte by byte */
export const startRawSite = (speak: (socket: Socket) => void, options: SiteOptions = {}): Promise<Site> =>
  startServer(createRawServer(speak), options)

export async function startServer(server: Server, options: SiteOptions = {}): Promise<Site> {
  const sockets = new Set<Socket>()
  const waiting: (() => void)[] = []
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      if (sockets.size === 0) for (const wake of waiting.splice(0)) wake()
    })
  })
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  const { port } = server.address() as AddressInfo
  const looked: string[] = []
  const lookup = (host: string): Promise<readonly string[]> => {
    looked.push(host)
    return Promise.resolve(['127.0.0.1'])
  }
  const allow = options.allow ?? [`site.test:${port}`]
  return {
    url: `http://site.test:${port}`,
    port,
    egress: createEgress(parseConfig({ egress: { allow } }, 'this test').egress, { lookup, ...options }),
    looked,
    sockets,
    drained: () => new Promise((resolve) => (sockets.size === 0 ? resolve() : waiting.push(resolve))),
    async close() {
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      for (const socket of sockets) socket.destroy()
      await closed.promise
    },
  }
}

export const never: AbortSignal = new AbortController().signal

export const get = (site: Site, path = '/', signal: AbortSignal = never): Promise<Fetched> =>
  site.egress.fetch(`${site.url}${path}`, 'text/html', signal)

/** Runs a test with its own site. */
export async function onSite(listener: RequestListener, run: (site: Site) => Promise<void>, options: SiteOptions = {}): Promise<void> {
  const site = await startSite(listener, options)
  try {
    await run(site)
  } finally {
    await site.close()
  }
}
