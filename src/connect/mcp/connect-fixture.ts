/** Servers of tools in a real sandbox, over documents in memory, for tests. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hash } from 'node:crypto'
import { createSchemaChecker } from '../../tools/index.ts'
import { makeWorkbench, type Workbench } from '../../sandbox/sandbox-fixture.ts'
import { type JsonObject, OxbowError, toFailure } from '../../base/index.ts'
import type { Call, CallContext, CallOutcome, Done } from '../../protocol/index.ts'
import { mcpServer } from '../../config/index.ts'
import type { CallSource } from '../call-source.ts'
import { createServers, type ServersDeps } from './servers.ts'
import type { KeptServer } from './settings.ts'
import { untold } from '../../protocol/told-fixture.ts'

/** Where the packages of this checkout are. */
const checkout: string = fileURLToPath(new URL('../../..', import.meta.url))

export interface ConnectBench extends AsyncDisposable {
  readonly bench: Workbench
  readonly servers: CallSource
  /** What is kept; survives `reopen`. */
  readonly kept: Map<string, KeptServer>
  readonly progress: string[]
  readonly questions: Question[]
  /** Tokens that programs may use, by name. */
  readonly limits: ReadonlyMap<string, number>
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
  /** Decides what a server asks: the input, perhaps another, or null to deny it. Allows everything when absent. */
  readonly person?: (input: JsonObject) => JsonObject | null
  /** Files of the program folder, `/opt/server` inside, by name. */
  readonly programs?: Readonly<Record<string, string>>
}

/** What a server has asked of the person or a model. */
interface Question {
  readonly name: string
  /** Empty: it was refused. */
  readonly reason: string
  readonly input: unknown
}

export async function makeConnectBench({ programs = {}, person = (input) => input, ...deps }: ConnectOptions = {}): Promise<ConnectBench> {
  const bench = await makeWorkbench()
  mkdirSync(join(bench.root, 'program'))
  for (const [name, text] of Object.entries(programs)) writeFileSync(join(bench.root, 'program', name), text)
  const kept = new Map<string, KeptServer>()
  const secrets = new Map([['TOKEN', 'the value of the token']])
  const progress: string[] = []
  const questions: Question[] = []
  const limits = new Map<string, number>()
  const schemas = createSchemaChecker()
  const documents = documentsOver(kept)
  const open = (): Promise<CallSource> =>
    createServers({
      ...untold,
      config: { servers: {} },
      documents,
      sandbox: bench.sandbox,
      schemas,
      limit: async (_, scope, { tokens }) => void limits.set(scope.slice('program:'.length), tokens),
      hash: async () => (text) => hash('sha256', text),
      secrets: {
        get: (name) => secrets.get(name),
        set: async (name, value) => void (value === null ? secrets.delete(name) : secrets.set(name, value)),
        hide: (name, value) => void secrets.set(name, value),
        conceal: (text) => [...secrets.values()].reduce((shown, value) => shown.replaceAll(value, '[secret]'), text),
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
    questions,
    limits,
    secrets,
    find,
    async call(name, input, signal = new AbortController().signal) {
      const call = find(name)
      if (call === undefined) throw new OxbowError('unknown_call', name, { hint: '' })
      return call.run(call.input.parse(input), contextOf({ find, person, questions, progress }, signal))
    },
    add: (server, settings) => self.call('server.add', { server, settings: mcpServer.parse(settings) }),
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
      await schemas.close()
      await bench[Symbol.asyncDispose]()
    },
  }
  return self
}

/** Documents in memory. */
function documentsOver(kept: Map<string, KeptServer>): ServersDeps['documents'] {
  return {
    all: async () => [...kept].map(([name, value]) => ({ name, value })),
    change: async (_of: unknown, _category: string, name: string, next: (current: never) => unknown) => {
      const value = next((kept.has(name) ? { value: kept.get(name) } : null) as never)
      if (value === null) kept.delete(name)
      else if (value !== undefined) kept.set(name, value as KeptServer)
      return value
    },
  } as unknown as ServersDeps['documents']
}

interface Asking {
  readonly find: (name: string) => Call | undefined
  readonly person: NonNullable<ConnectOptions['person']>
  readonly questions: Question[]
  readonly progress: string[]
}

/** What a call sees of the kernel: a person decides what it asks, and a model replies. */
function contextOf(asking: Asking, signal: AbortSignal): CallContext {
  const { find, person, questions, progress } = asking
  const blobs = { keep: async (bytes: Uint8Array) => hash('sha256', bytes), read: async () => null }
  const within = async (_actor: string, name: string, input: unknown): Promise<CallOutcome> => {
    if (name === 'model.complete') return { status: 'ok', output: { text: 'the reply' }, text: 'the reply', ok: true }
    const call = find(name)!
    const parsed = call.input.safeParse(input)
    const refused = (code: 'bad_input' | 'denied', message: string): CallOutcome => ({
      status: 'refused',
      failure: { code, message, hint: '' },
      text: message,
    })
    questions.push({ name, reason: parsed.success ? call.asks!(parsed.data) : '', input })
    if (!parsed.success) return refused('bad_input', parsed.error.issues[0]!.message)
    const decided = person(parsed.data as JsonObject)
    if (decided === null) return refused('denied', 'The user refused.')
    try {
      const done = await call.run(call.input.parse(decided), contextOf(asking, signal))
      return { status: 'ok', output: done.output, text: '', ok: true }
    } catch (error) {
      return { status: 'failed', failure: toFailure(error, 'tool_failed', ''), text: '' }
    }
  }
  const caller = { actor: 'user:test', session: 's' }
  const whileProgram: CallContext['whileProgram'] = (_, work) => work()
  const own = {
    id: 'call',
    caller,
    signal,
    progress: (text: string) => progress.push(text),
    call: within,
    blobs,
    whileProgram,
    labels: () => [],
  }
  return own as unknown as CallContext
}

/** Settings of a program in the fixture's program folder. */
export function program({ root }: Workbench, file: string, ...args: readonly string[]): JsonObject {
  return { command: 'node', args: [`/opt/server/${file}`, ...args], program_folder: join(root, 'program') }
}

/** Settings of a server that is installed in this checkout. */
export function installed(path: string, ...args: readonly string[]): JsonObject {
  return { command: 'node', args: [`/opt/server/node_modules/@modelcontextprotocol/${path}`, ...args], program_folder: checkout }
}
