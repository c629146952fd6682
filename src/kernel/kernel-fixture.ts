/** A whole kernel for tests: a real gate and journal over the in-memory store, a model that a function plays, calls by table. */
import { z } from 'zod'
import type { Memory, MemoryHost } from '../memory/index.ts'
import { createFakeSandbox } from '../sandbox/fake/fake-sandbox.ts'
import { createSecrets, noKeeper, type Origin, type SecretKeeper, type Secrets } from '../secrets/index.ts'
import { configSchema, type OpenSource, pluginService, type PluginSource, services } from '../services/index.ts'
import { openMemoryStore, type Store } from '../store/index.ts'
import { type CallId, type Clock, createIdMaker, type SessionId, systemClock, systemRandom, type UserId } from '../base/index.ts'
import {
  type Call,
  type Done,
  type Engine,
  type GenerateRequest,
  type HookSource,
  type ModelEvent,
  plainFacts,
  type RecordView,
  type Sandbox,
} from '../protocol/index.ts'
import type { Config, HostPort } from '../config/index.ts'
import type { KernelEvent } from './records/events.ts'
import { createKernel } from './kernel.ts'
import type { Kernel } from './kernel-interface.ts'
import type { KernelOptions } from './kernel-parts.ts'
import type { HealthProbe } from './service.ts'

export const user = 'ada' as UserId
export const newCallId: () => CallId = createIdMaker(systemClock, systemRandom) as () => CallId

export interface Fixture extends AsyncDisposable {
  readonly kernel: Kernel
  readonly store: Store
  readonly session: SessionId
  /** Sends a message and resolves with the body of the turn's outcome. */
  turn(text: string): Promise<Record<string, unknown>>
  /** Every event of the session since it began. */
  readonly events: readonly KernelEvent[]
  /** Resolves with the first event, also an earlier one, that fits. */
  event<Kind extends KernelEvent['type']>(
    type: Kind,
    fits?: (event: Extract<KernelEvent, { type: Kind }>) => boolean,
  ): Promise<Extract<KernelEvent, { type: Kind }>>
  record(fits: (record: RecordView) => boolean): Promise<RecordView>
}

export interface FixtureOptions {
  readonly play?: (request: GenerateRequest, signal: AbortSignal) => AsyncIterable<readonly ModelEvent[]>
  readonly calls?: readonly Call[]
  readonly config?: unknown
  readonly store?: Store
  readonly session?: SessionId
  readonly clock?: Clock
  /** Closed with the kernel. */
  readonly sandbox?: Sandbox
  /** Of a workspace that keeps versions. */
  readonly versionsFolder?: string
  readonly secrets?: ReadonlyMap<string, string>
  readonly secretKeeper?: SecretKeeper | undefined
  readonly vaultFolder?: string
  readonly countTokens?: Engine['countTokens']
  /** Of another engine, whose models hear and speak. */
  readonly voice?: Engine['voice']
  readonly health?: HealthProbe
  readonly services?: KernelOptions['services']
  readonly servers?: OpenSource<PluginSource>
  readonly hasPlugins?: boolean
  readonly host?: HostPort
  readonly hooks?: HookSource
  /** Makes a memory in the same store, and its calls in addition to `calls`; closed with the kernel. */
  readonly memory?: { readonly make: (host: MemoryHost) => Memory; readonly calls: (memory: Memory) => readonly Call[] }
}

/** What a kernel with these secrets knows of them. */
export function knowing(known: ReadonlyMap<string, string> = new Map()): Secrets {
  return createSecrets({
    known,
    keeper: noKeeper(Buffer.alloc(32)),
    documents: { all: async () => [], put: async () => {} },
    policies: {},
    vault: { changed: () => null },
  })
}

/** A call of the person's own agent, in whose output a secret may be. */
export function outputOf(name: string, session: SessionId | '' = ''): Origin {
  const rights: ReadonlySet<string> = new Set()
  return { caller: { user, actor: 'agent:ox', rights, audience: 'model', session, turn: '', process: '' }, call: newCallId(), name }
}

const usage = { inputTokens: 100, outputTokens: 20, estimated: false }

export async function* says(text: string): AsyncGenerator<readonly ModelEvent[]> {
  yield [{ type: 'text', text }]
  yield [{ type: 'finish', reason: 'stop', usage }]
}

export async function* asks(...calls: readonly (readonly [name: string, args?: unknown])[]): AsyncGenerator<readonly ModelEvent[]> {
  yield calls.map(([name, args = {}], i) => {
    const text = typeof args === 'string' ? args : JSON.stringify(args)
    return { type: 'tool_call', call: { type: 'tool_call', id: `t${i}`, name, arguments: text } } as const
  })
  yield [{ type: 'finish', reason: 'tool_calls', usage }]
}

/** Plays these generations in order, for a model that does not look at what it is asked. */
export function inOrder(...steps: readonly AsyncGenerator<readonly ModelEvent[]>[]): NonNullable<FixtureOptions['play']> {
  const left = [...steps]
  return () => left.shift() ?? says('out of script')
}

/** A call for tests: `family.verb`, anything in, the text that `run` gives out. */
export function testCall(name: string, run: Call['run'], overrides: Partial<Call> = {}): Call {
  return {
    name,
    summary: `Test call ${name}.`,
    input: z.looseObject({}),
    output: z.unknown(),
    example: {},
    tier: 'side_effecting',
    right: 'file.write',
    effect: 'idempotent',
    audience: ['model', 'terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 5_000,
    run,
    ...overrides,
  }
}

const noTools: readonly Call[] = []

export const done = (text: string): Done<unknown> => ({ output: null, text })

type Count = (texts: readonly string[]) => Promise<readonly number[]>

async function estimate({ system, messages }: Pick<GenerateRequest, 'system' | 'messages'>, count: Count): Promise<number> {
  const texts = [system, ...messages.flatMap(({ parts }) => parts.map((part) => ('text' in part ? part.text : '')))]
  return (await count(texts)).reduce((sum, tokens) => sum + tokens, 0) + messages.length * 8
}

function scriptedEngine(options: FixtureOptions, config: Config): Engine {
  const { context_tokens: contextTokens, max_output_tokens: maxOutputTokens, input_price: inputPerMillion } = config.model
  const facts = plainFacts({
    name: 'scripted',
    provider: 'scripted',
    contextTokens: contextTokens ?? 128_000,
    maxOutputTokens: maxOutputTokens ?? 8_192,
    price: inputPerMillion === null ? null : { inputPerMillion, outputPerMillion: config.model.output_price ?? 0 },
  })
  const countTokens: Count = options.countTokens ?? (async (texts) => texts.map((text) => Math.ceil(text.length / 4)))
  return {
    generate: options.play ?? (() => says('hello')),
    model: facts,
    facts: async (asked) => {
      const name = asked.replace(/^scripted\//, '')
      return config.model.fallback.includes(name) ? { ...facts, name } : facts
    },
    countTokens,
    decodeTokens: async (lists) => lists.map(() => null),
    estimateInput: (request) => estimate(request, countTokens),
    embed: () => Promise.reject(new Error('the fixture has no embeddings')),
    repairs: () => ({}),
    ...(options.voice !== undefined && { voice: options.voice }),
    close: async () => {},
  }
}

/** Programs of others, and hooks by themselves. */
function programsOf({ servers, hooks, hasPlugins = false }: FixtureOptions): KernelOptions['services'] {
  if (servers === undefined && hooks === undefined) return []
  const none = { calls: [], tools: () => noTools, close: async () => {} }
  return [pluginService(servers ?? (async () => ({ ...none, hooks })), hasPlugins)]
}

export async function openFixture(options: FixtureOptions = {}): Promise<Fixture> {
  const store = options.store ?? (await openMemoryStore({ user }))
  const config: Config = configSchema.parse(options.config ?? {})
  const engine = scriptedEngine(options, config)
  const kernel = createKernel({
    user,
    version: '0.0.0',
    config,
    store,
    engine,
    sandbox: options.sandbox ?? createFakeSandbox(),
    services: [...(options.services ?? services), ...programsOf(options)],
    calls: async (memory) => [...(memory === undefined ? [] : (options.memory?.calls(memory) ?? [])), ...(options.calls ?? [])],
    ...(options.memory !== undefined && { memory: options.memory.make }),
    workspaceRoot: '/home/ada/ws',
    versionsFolder: options.versionsFolder,
    secrets: options.secrets ?? new Map(),
    secretKeeper: options.secretKeeper,
    vaultFolder: options.vaultFolder,
    clock: options.clock ?? systemClock,
    random: systemRandom,
    ...(options.health !== undefined && { health: options.health }),
    host: options.host,
  })
  const session = options.session ?? (await kernel.createSession('test')).id
  const events: KernelEvent[] = []
  const watchers = new Set<() => void>()
  await kernel.follow(session, 0, (event) => {
    events.push(event)
    for (const watch of watchers) watch()
  })
  const event: Fixture['event'] = (type, fits = () => true) =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = events.find((candidate) => candidate.type === type && fits(candidate as never))
        if (found === undefined) return
        watchers.delete(look)
        resolve(found as never)
      }
      watchers.add(look)
      look()
    })
  const record: Fixture['record'] = async (fits) => (await event('record', (candidate) => fits(candidate.record))).record
  return {
    kernel,
    store,
    session,
    events,
    event,
    record,
    async turn(text) {
      const { turn } = await kernel.sendTurn({ session, clientId: newCallId(), text })
      const { body } = await record((candidate) => (candidate.call as string) === turn && candidate.phase === 'outcome')
      return body as Record<string, unknown>
    },
    [Symbol.asyncDispose]: () => kernel.close(),
  }
}
