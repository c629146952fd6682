/** A real proxy in its own folder for tests, and clients that write to it byte by byte. */
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseConfig } from '../../config/index.ts'
import type { EgressPass, Visit } from './proxy-passes.ts'
import type { PolicyOptions } from './egress-policy.ts'
import { createEgressProxy, type EgressProxy } from './egress-proxy.ts'
import { onSite, type Site } from './web-fixture.ts'

export interface ProxyUnderTest {
  readonly proxy: EgressProxy
  readonly folder: string
  /** Sends all of it and leaves the connection open. @returns what came back until the proxy closed it */
  say(text: string): Promise<string>
  /** A connection to the proxy's socket. */
  dial(): Promise<Socket>
  close(): Promise<void>
}

export interface ProxyTestOptions extends PolicyOptions {
  readonly egress?: { mode?: string; allow?: string[]; deny?: string[]; ports?: number[] }
}

export async function startProxy({ egress = {}, ...options }: ProxyTestOptions = {}): Promise<ProxyUnderTest> {
  const { egress: rules } = parseConfig({ egress }, 'this test')
  const folder = join(tmpdir(), `oxbow-proxy-${randomUUID()}`)
  const proxy = createEgressProxy(rules, join(folder, 'egress'), options)
  const dial = async (): Promise<Socket> => {
    const socket = connect({ path: await proxy.socket('online'), allowHalfOpen: true })
    socket.on('error', () => undefined)
    return socket
  }
  return {
    proxy,
    folder,
    dial,
    async say(text) {
      const socket = await dial()
      socket.write(text)
      const got = await readAll(socket)
      socket.destroy()
      return got
    },
    async close() {
      await proxy.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A request as sent by a program with the pass. */
export const by = ({ token }: EgressPass, request: string): string =>
  request.replace('\r\n', `\r\nproxy-authorization: Basic ${btoa(`oxbow:${token}`)}\r\n`)

export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  const over = Promise.withResolvers<void>()
  socket.on('end', over.resolve)
  socket.on('close', () => over.resolve())
  await over.promise
  return Buffer.concat(chunks).toString('latin1')
}

/** @returns the received text as soon as it matches */
export async function readUntil(socket: Socket, fits: RegExp): Promise<string> {
  let got = ''
  const over = Promise.withResolvers<string>()
  const take = (chunk: Buffer): void => {
    got += chunk.toString('latin1')
    if (fits.test(got)) over.resolve(got)
  }
  socket.on('data', take)
  socket.once('close', () => over.resolve(got))
  const text = await over.promise
  socket.off('data', take)
  return text
}

const toLoopback = { lookup: () => Promise.resolve(['127.0.0.1']), ownAddresses: () => [] }

/** Runs a test on a site and a proxy that may reach it by the name `site.test`. */
export async function through(
  listener: RequestListener,
  run: (proxy: ProxyUnderTest, site: Site) => Promise<void>,
  options: ProxyTestOptions = {},
): Promise<void> {
  await onSite(listener, (site) => withProxy((proxy) => run(proxy, site), { egress: { allow: [`site.test:${site.port}`] }, ...options }))
}

export async function withProxy(run: (proxy: ProxyUnderTest) => Promise<void>, options: ProxyTestOptions = {}): Promise<void> {
  const proxy = await startProxy({ ...toLoopback, ...options })
  try {
    await run(proxy)
  } finally {
    await proxy.close()
  }
}

export const rowsOf = (rows: readonly Visit[]): readonly string[] => rows.map(({ host, port, decision }) => `${decision} ${host}:${port}`)
