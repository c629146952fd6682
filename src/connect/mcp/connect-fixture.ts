/** Servers of tools in a real sandbox, over documents in memory, for tests. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hash } from 'node:crypto'
import { makeWorkbench, type Workbench } from '../../sandbox/sandbox-fixture.ts'
import { type Call, type CallContext, type Done, type JsonObject, mcpServer, OxbowError } from '../../types/index.ts'
import type { CallSource } from '../call-source.ts'
import { createServers, type ServersDeps } from './servers.ts'
import type { KeptServer } from './settings.ts'

/** Where the packages of this checkout are. */
const checkout: string = fileURLToPath(new URL('../../..', import.meta.url))

export interface ConnectBench extends AsyncDisposable {
  readonly bench: Workbench
  readonly servers: CallSource
  /** What is kept; survives `reopen`. */
  readonly kept: Map<string, KeptServer>
  readonly progress: string[]
  readonly secrets: Map<string, string>
  find(name: string): Call | undefined
  call(name: string, input: JsonObject, signal?: AbortSignal): Promise<Done<JsonObject>>
  add(server: string, settings: JsonObject): Promise<unknown>
  /** Approves all that can be. */
  approve(server: string, how?: JsonObject): Promise<readonly string[]>
  /** Ends all servers and reads the settings anew, as a restart of the guest does. */
  reopen(): Promise<void>
}

export interface ConnectOptions extends Partial<ServersDeps> {
  /** Files of the program folder, `/opt/server` inside, by name. */
  readonly programs?: Readonly<Record<string, string>>
}

export async function makeConnectBench({ programs = {}, ...deps }: ConnectOptions = {}): Promise<ConnectBench> {
  const bench = await makeWorkbench()
  mkdirSync(join(bench.root, 'program'))
  for (const [name, text] of Object.entries(programs)) writeFileSync(join(bench.root, 'program', name), text)
  const kept = new Map<string, KeptServer>()
  const secrets = new Map([['TOKEN', 'the value of the token']])
  const progress: string[] = []
  const documents = {
    all: async () => [...kept].map(([name, value]) => ({ name, value })),
    change: async (_of: unknown, _category: string, name: string, next: (current: never) => unknown) => {
      const value = next((kept.has(name) ? { value: kept.get(name) } : null) as never)
      if (value === null) kept.delete(name)
      else if (value !== undefined) kept.set(name, value as KeptServer)
      return value
    },
  } as unknown as ServersDeps['documents']
  const open = (): Promise<CallSource> =>
    createServers({
      config: { servers: {} },
      documents,
      sandbox: bench.sandbox,
      hash: async () => (text) => hash('sha256', text),
      secrets: {
        get: (name) => secrets.get(name),
        set: async (name, value) => void (value === null ? secrets.delete(name) : secrets.set(name, value)),
        hide: (name, value) => void secrets.set(name, value),
      },
      openFetch: () => Promise.reject(new Error('no network in this test')),
      version: '0.0.0',
      nowMs: () => performance.now(),
      ...deps,
    })
  let servers = await open()
  const find = (name: string): Call | undefined => [...servers.calls, ...servers.tools()].find((call) => call.name === name)
  const self: ConnectBench = {
    bench,
    get servers() {
      return servers
    },
    kept,
    progress,
    secrets,
    find,
    async call(name, input, signal = new AbortController().signal) {
      const call = find(name)
      if (call === undefined) throw new OxbowError('unknown_call', name, { hint: '' })
      const context = { id: 'call', caller: { actor: 'user:test' }, signal, progress: (text: string) => progress.push(text) }
      const blobs = { keep: async (bytes: Uint8Array) => hash('sha256', bytes), read: async () => null }
      return call.run(call.input.parse(input), { ...context, blobs } as unknown as CallContext)
    },
    add: (server, settings) => self.call('server.add', { server, settings: mcpServer.parse(settings) as unknown as JsonObject }),
    async approve(server, how = {}) {
      const { output } = await self.call('server.diff', { server })
      const done = await self.call('server.approve', { server, digest: output['digest']!, ...how })
      return done.output['approved'] as readonly string[]
    },
    async reopen() {
      await servers.close()
      servers = await open()
    },
    async [Symbol.asyncDispose]() {
      await servers.close()
      await bench[Symbol.asyncDispose]()
    },
  }
  return self
}

/** Settings of a program in the fixture's program folder. */
export function program({ root }: Workbench, file: string, ...args: readonly string[]): JsonObject {
  return { command: 'node', args: [`/opt/server/${file}`, ...args], program_folder: join(root, 'program') }
}

/** Settings of a server that is installed in this checkout. */
export function installed(path: string, ...args: readonly string[]): JsonObject {
  return { command: 'node', args: [`/opt/server/node_modules/@modelcontextprotocol/${path}`, ...args], program_folder: checkout }
}
