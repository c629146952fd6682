/**
 * Plugins of elizaOS behind the requests of a guest. The runtime object is made with the first request that needs it; agents with a character of
 * their own have one each, and all others share one.
 */
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type Json, type JsonObject, ownValue, OxbowError } from '../base/index.ts'
import type { PluginExports, PluginMessage, PluginOps } from '../protocol/index.ts'
import { runTests } from '../plugin-host/index.ts'
import { findAction } from './runtime/actions.ts'
import { createElizaRuntime } from './runtime/eliza-runtime.ts'
import type { Character, Content, Free, Memory, State } from './eliza-types.ts'
import { textOfError } from './runtime/events.ts'
import { backgroundTask, describePlugins, type LoadedPlugins, loadPlugins } from './load-plugins.ts'
import { createMessages, type Messages } from './messages.ts'
import { openPluginDatabase, type PluginDatabase } from './plugin-database.ts'
import { answerRoute } from './routes.ts'
import type { ElizaRuntime, GuestCalls } from './runtime/runtime-types.ts'
import { createStoreAdapter } from './store-adapter.ts'

export interface ElizaHostDeps {
  /** Absolute paths of the plugins' files. */
  readonly entries: readonly string[]
  /** The folder that the plugins may write. */
  readonly dataFolder: string
  /** Variables of the process: declared secrets, and what the sandbox sets. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly guest: GuestCalls
  readonly now: () => number
  /** Of the request that runs: aborted when the guest cancels it. */
  readonly signal: () => AbortSignal
}

export type ElizaHost = {
  readonly [Op in Exclude<keyof PluginOps, 'hook'>]: (input: PluginOps[Op]['input']) => Promise<PluginOps[Op]['output']>
}

interface Open {
  readonly runtime: ElizaRuntime
  readonly messages: Messages
}

/** Time in which services of a plugin can make calls, out of each minute. */
const backgroundMs = 50_000
const noState: State = { values: {}, data: {}, text: '' }

export function openElizaHost(deps: ElizaHostDeps): ElizaHost {
  const opened = new Map<string, Promise<Open>>()
  let loading: Promise<Loaded> | undefined
  let config: JsonObject = {}
  let settings: JsonObject = {}
  const ended = new AbortController()
  const load = (): Promise<Loaded> => (loading ??= loadWithDatabase(deps))
  const open = (agent: string): Promise<Open> => {
    const { characters: named = {}, character, ...rest } = { ...config, ...settings }
    const characters = named as Record<string, Character>
    const own = ownValue(characters, agent) ?? (character as Character | undefined) ?? { name: 'Oxbow', bio: '' }
    const key = ownValue(characters, agent) === undefined ? '' : agent
    const there = opened.get(key)
    if (there !== undefined) return there
    const made = load().then((loaded) =>
      openRuntime(deps, loaded, { agent: key, character: own, settings: { ...envSettings(deps.env), ...rest } }),
    )
    opened.set(key, made)
    // A failed start is tried again with the next request.
    made.catch(() => opened.delete(key))
    return made
  }
  return {
    describe: async (): Promise<PluginExports> => describePlugins((await load()).plugins),
    async start(input) {
      config = input.config
      settings = input.settings
      // Plugins begin with the first request in which they can make calls: they read and keep something at once.
      await load()
      return {}
    },
    action: (input) => runAction(open, input),
    provide: (input) => provide(open, input),
    evaluate: (input) => evaluate(open, input),
    async service({ type }) {
      const { runtime } = await open('')
      await runtime.getServiceLoadPromise(type)
      return {}
    },
    model: (input) => askModel(open, input),
    async route(input) {
      const [{ plugins }, { runtime }] = await Promise.all([load(), open('')])
      return answerRoute(
        plugins.flatMap(({ routes }) => routes ?? []),
        input,
        runtime,
      )
    },
    task: ({ name }) => runTask(open, name, AbortSignal.any([ended.signal, deps.signal()])),
    event: (input) => emit(open, input),
    async test() {
      const [{ plugins }, { runtime }] = await Promise.all([load(), open('')])
      return {
        results: await runTests(
          plugins.flatMap(({ tests = [] }) => tests),
          runtime,
        ),
      }
    },
    health: () => healthOf(opened),
    forget: async ({ phrases }) => ({ rows: await (await load()).database.forget(phrases) }),
    async drain() {
      ended.abort()
      for (const one of opened.values()) await one.then(({ runtime }) => runtime.stop()).catch(() => {})
      await loading?.then(({ database }) => database.close()).catch(() => {})
      return {}
    },
  }
}

type OpenFor = (agent: string) => Promise<Open>

interface Loaded extends LoadedPlugins {
  /** One for all agents: a second one over the same folder would destroy it. */
  readonly database: PluginDatabase
}

async function loadWithDatabase({ entries, dataFolder }: ElizaHostDeps): Promise<Loaded> {
  const loaded = await loadPlugins(entries)
  return { ...loaded, database: openPluginDatabase({ entries, folder: join(dataFolder, 'database'), plugins: loaded.plugins }) }
}

interface Opening {
  /** See `StoreAdapterOptions`. */
  readonly agent: string
  readonly character: Character
  readonly settings: JsonObject
}

async function openRuntime(
  deps: ElizaHostDeps,
  { core, plugins, database }: Loaded,
  { agent, character, settings }: Opening,
): Promise<Open> {
  const agentId = character.id ?? core.stringToUuid(character.name)
  const adapter = createStoreAdapter({ guest: deps.guest, agentId, agent, now: deps.now, db: () => database.open() })
  const { guest, now } = deps
  const runtime = createElizaRuntime({
    core,
    guest,
    adapter,
    settings,
    plugins,
    now,
    migrate: database.migrate,
    character: {
      ...character,
      settings: { ...character.settings },
    },
  })
  await runtime.initialize()
  return { runtime, messages: createMessages(core, runtime) }
}

async function healthOf(opened: ReadonlyMap<string, Promise<Open>>): Promise<PluginOps['health']['output']> {
  const running = await Promise.allSettled(opened.values())
  const services = running.flatMap((one) => (one.status === 'fulfilled' ? one.value.runtime.getRegisteredServiceTypes() : []))
  return { memory_bytes: process.memoryUsage.rss(), services: [...new Set(services)] }
}

/** What the sandbox itself sets is no setting. */
const ownVariables = /^(PATH|HOME|USER|LANG|PWD|TMPDIR|SHLVL|NODE_.*|OXBOW_.*|_)$/

function envSettings(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined || ownVariables.test(name) ? [] : [[name, value]])),
  )
}

async function runAction(
  open: OpenFor,
  { name, input, message, state }: PluginOps['action']['input'],
): Promise<PluginOps['action']['output']> {
  const { runtime, messages } = await open(message?.agent ?? '')
  const action = findAction(runtime.actions, name)
  if (action === undefined)
    throw new OxbowError('not_found', `The plugin has no action ${name}.`, { hint: 'See `oxbow plugin info NAME`.' })
  const kept = message === null ? ownMessage(runtime) : await messages.kept(message)
  const text = typeof input['text'] === 'string' ? input['text'] : (kept.content.text ?? '')
  const memory: Memory = { ...kept, content: { ...kept.content, text, ...(state['content'] as Free | undefined) } }
  const composed = await runtime.composeState(memory)
  if (action.validate !== undefined && !(await action.validate(runtime, memory, composed))) {
    return { ok: false, text: `${action.name} cannot be used for this message.`, data: {}, values: {} }
  }
  const texts: string[] = []
  const providers = Array.isArray(input['providers']) ? input['providers'].map(String) : []
  const response: Memory = { entityId: runtime.agentId, roomId: memory.roomId, content: { text: '', actions: [action.name], providers } }
  const deliver = async (content: Content): Promise<Memory[]> => {
    if (content.text) texts.push(content.text)
    return []
  }
  try {
    await runtime.processActions(memory, [response], composed, deliver, { parameters: input })
  } catch (error) {
    return { ok: false, text: [...texts, textOfError(error)].join('\n'), data: {}, values: {} }
  }
  const result = runtime.getActionResults(memory.id ?? '').at(-1)
  if (result?.text && !texts.includes(result.text)) texts.push(result.text)
  const ok = result?.success !== false
  return { ok, text: texts.join('\n'), data: plainObject(result?.data), values: plainObject(result?.values) }
}

/** Without a message, an action runs in the agent's own room. */
function ownMessage(runtime: ElizaRuntime): Memory {
  const { agentId } = runtime
  return {
    id: runtime.createRunId(),
    entityId: agentId,
    agentId,
    roomId: agentId,
    worldId: agentId,
    content: { text: '', source: 'oxbow' },
  }
}

async function provide(open: OpenFor, { names, message, state }: PluginOps['provide']['input']): Promise<PluginOps['provide']['output']> {
  const { runtime, messages } = await open(message.agent)
  const memory = await messages.kept(message)
  const before: State = { ...noState, ...runtime.stateCache.get(memory.id ?? ''), ...(state as Partial<State>) }
  const provided = names.map(async (name) => {
    const empty = { name, text: '', values: {}, data: {} }
    const provider = runtime.providers.find((each) => each.name === name)
    if (provider === undefined) return { ...empty, problem: 'The plugin has no such provider.' }
    try {
      const { text, values, data } = (await provider.get(runtime, memory, before)) ?? {}
      return { name, text: typeof text === 'string' ? text : '', values: plainObject(values), data: plainObject(data), problem: '' }
    } catch (error) {
      return { ...empty, problem: textOfError(error) }
    }
  })
  return { provided: await Promise.all(provided) }
}

async function askModel(open: OpenFor, { type, params }: PluginOps['model']['input']): Promise<PluginOps['model']['output']> {
  const { runtime } = await open('')
  const handler = runtime.models.get(type)?.find(({ provider }) => provider !== 'oxbow')?.handler
  if (handler === undefined)
    throw new OxbowError('not_found', `The plugin has no handler for ${type}.`, { hint: 'See `oxbow plugin info NAME`.' })
  // What they stream is no plain value.
  return { result: plainJson(await handler(runtime, { ...params, stream: false })) }
}

async function evaluate(open: OpenFor, input: PluginOps['evaluate']['input']): Promise<PluginOps['evaluate']['output']> {
  const { runtime, messages } = await open(input.message.agent)
  const evaluator = runtime.evaluators.find(({ name }) => name === input.name)
  if (evaluator === undefined)
    throw new OxbowError('not_found', `The plugin has no evaluator ${input.name}.`, { hint: 'See `oxbow plugin info NAME`.' })
  const memory = await messages.kept(input.message)
  const responses: Memory[] = []
  for (const response of input.responses) responses.push(await messages.kept(response, true))
  if (!evaluator.handler || (!input.did_respond && !evaluator.alwaysRun)) return { ran: false, data: {} }
  const state = await runtime.composeState(memory, ['RECENT_MESSAGES', 'EVALUATORS'])
  if (!(await evaluator.validate?.(runtime, memory, state))) return { ran: false, data: {} }
  // `didRespond` is of ZoeyOS; plugins of elizaOS ignore it.
  const returned = await evaluator.handler(runtime, memory, state, { didRespond: input.did_respond }, async () => [], responses)
  return { ran: true, data: typeof returned === 'object' ? plainObject(returned) : {} }
}

async function runTask(open: OpenFor, name: string, signal: AbortSignal): Promise<PluginOps['task']['output']> {
  const { runtime } = await open('')
  if (name !== backgroundTask)
    throw new OxbowError('not_found', `The plugin has no task ${name}.`, { hint: 'See `oxbow plugin info NAME`.' })
  // Services call whenever they have something to do; see GuestCalls.
  await setTimeout(backgroundMs, undefined, { signal }).catch(() => {})
  return { text: `Services: ${runtime.getRegisteredServiceTypes().join(', ')}.` }
}

async function emit(open: OpenFor, { name, payload }: PluginOps['event']['input']): Promise<Record<string, never>> {
  const message = payload['message'] as unknown as PluginMessage | undefined
  const { runtime, messages } = await open(message?.agent ?? '')
  const memory = message === undefined ? undefined : await messages.kept(message, name === 'MESSAGE_SENT')
  const { entityId, roomId, worldId } = memory ?? ownMessage(runtime)
  await runtime.emitEvent(name, {
    source: 'oxbow',
    entityId,
    roomId,
    worldId,
    ...payload,
    ...(memory !== undefined && { message: memory }),
  })
  return {}
}

function plainObject(value: unknown): JsonObject {
  const plain = plainJson(value)
  return typeof plain === 'object' && plain !== null && !Array.isArray(plain) ? (plain as JsonObject) : {}
}

/** Bytes as base64; what JSON does not keep is left out. */
function plainJson(value: unknown): Json {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  try {
    const text = JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? each.toString() : each)) as string | undefined
    return text === undefined ? null : (JSON.parse(text) as Json)
  } catch {
    return null
  }
}
