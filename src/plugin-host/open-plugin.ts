/** The interface of Oxbow for plugins: imports what a plugin exports, says what it has, and runs its parts. */
import { existsSync, readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { type JsonObject, errorMessage, ownValue } from '../base/index.ts'
import { modelPieceCall, type PluginExports, type PluginMessage, type PluginOps, type PluginProvided } from '../protocol/index.ts'
import { maxProviderMs, providerMs } from './limits.ts'
import { type ActionPart, type PluginObject, type PluginRuntime, type PluginState, type ProviderPart, schemaOf } from './plugin-object.ts'
import { failureAt, ownLines } from './load-failure.ts'
import { pluginOf } from './check-plugin.ts'
import { gatherAnswer } from './model-answer.ts'
import { hooksOf, type PluginHooks } from './plugin-hooks.ts'
import { createRuntime } from './runtime-object.ts'
import type { HostAdapter, HostApi } from './serve-host.ts'
import { runTests } from './run-tests.ts'
import { provideSdk } from './sdk-module.ts'
import type { StartWatch } from './start-watch.ts'

type Answers = {
  readonly [Op in Exclude<keyof PluginOps, 'describe' | 'health'>]: (input: PluginOps[Op]['input']) => Promise<PluginOps[Op]['output']>
}

/**
 * @param watch ends when every `init` has ended, or one has failed
 * @throws Error when an entry cannot be imported or exports no plugin, with the place in its message; and so does `start`
 */
export async function openPlugin(folder: string, entries: readonly string[], api: HostApi, watch: StartWatch): Promise<HostAdapter> {
  const plugins: PluginObject[] = []
  for (const entry of entries) plugins.push(await importPlugin(folder, entry, watch.place))
  assertNamed(plugins, folder)
  const adapter = adaptPlugins(plugins, api)
  return {
    ...adapter,
    async answer(op, input) {
      if (op === 'hook') return loggedHook(adapter.answer(op, input), (input as PluginOps['hook']['input']).step)
      if (op !== 'start') return adapter.answer(op, input)
      try {
        return await adapter.answer(op, input)
      } catch (error) {
        throw failureAt(error, folder, { waitedAt: watch.place() })
      } finally {
        watch.end()
      }
    },
  }
}

/** The first entry is the plugin that a person has approved: its name is in its rights, in the tag of its notes and in its log. */
function assertNamed([first]: readonly PluginObject[], folder: string): void {
  const file = join(folder, 'oxbow.plugin.json')
  // Packages always have one.
  const { name } = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { readonly name: string }) : { name: first?.name }
  if (first === undefined || first.name === name) return
  throw new Error(
    `definePlugin has the name ${JSON.stringify(first.name)}, and oxbow.plugin.json ${JSON.stringify(name)}. Write the same in both.`,
  )
}

/** Failures of hooks are in the log as well: a person who reads that a step was refused looks there. */
async function loggedHook(answer: Promise<object>, step: string): Promise<object> {
  try {
    return await answer
  } catch (error) {
    console.error(`hook ${step}: ${ownLines(inspect(error))}`)
    throw error
  }
}

/** @throws Error when the file cannot be imported or exports no plugin */
export async function importPlugin(folder: string, entry: string, waitedAt: () => string = () => ''): Promise<PluginObject> {
  let lastFile = ''
  provideSdk((url) => (lastFile = url))
  let module: Readonly<Record<string, unknown>>
  try {
    module = (await import(pathToFileURL(join(folder, entry)).href)) as typeof module
  } catch (error) {
    throw failureAt(error, folder, { lastFile, waitedAt: waitedAt() })
  }
  return pluginOf(module, entry)
}

/** As above, for plugins that are already imported. */
export function adaptPlugins(plugins: readonly PluginObject[], api: HostApi): HostAdapter {
  const held = createRuntime(plugins, api)
  const hooks = hooksOf(plugins)
  const runHook: Answers['hook'] = ({ step, value }) => hooks.run(step, objectOf(value), held.runtime)
  const answers: Answers = { ...answersOf(plugins, held.runtime, held), hook: runHook }
  return {
    describe: async () => exportsOf(plugins, hooks),
    answer: (op, input) => answers[op](input),
    services: held.started,
  }
}

function exportsOf(plugins: readonly PluginObject[], hooks: PluginHooks): PluginExports {
  const all = <Part>(parts: (plugin: PluginObject) => readonly Part[] | undefined): readonly Part[] =>
    plugins.flatMap((plugin) => parts(plugin) ?? [])
  return {
    actions: all((plugin) => plugin.actions).map(({ name, description = '', similes = [], parameters, effect = 'once', tier }) => ({
      name,
      description,
      similes,
      parameters: schemaOf(parameters),
      effect,
      tier: tier ?? (effect === 'none' ? 'read_only' : 'side_effecting'),
    })),
    providers: all((plugin) => plugin.providers).map((part) => ({
      name: part.name,
      description: part.description ?? '',
      position: part.position ?? 0,
      private: part.private === true,
      dynamic: part.dynamic === true,
      deadline_ms: deadlineOf(part),
    })),
    evaluators: all((plugin) => plugin.evaluators).map(({ name, description = '', alwaysRun }) => ({
      name,
      description,
      always: alwaysRun === true,
    })),
    services: all((plugin) => plugin.services).map(({ serviceType: type, capabilityDescription = '' }) => ({
      type,
      description: capabilityDescription,
    })),
    models: plugins.flatMap(({ name: provider, models = {} }) =>
      Object.entries(models).map(([type, model]) => ({
        type,
        provider,
        priority: typeof model === 'function' ? 0 : (model.priority ?? 0),
      })),
    ),
    routes: all((plugin) => plugin.routes).map(({ type, path, public: isPublic }) => ({
      method: type.toUpperCase(),
      path,
      public: isPublic === true,
    })),
    tasks: all((plugin) => plugin.tasks).map(({ name, every_s, cron }) => ({ name, every_s: every_s ?? null, cron: cron ?? null })),
    events: [...new Set(plugins.flatMap(({ events = {} }) => Object.keys(events)))],
    hooks: hooks.declared,
  }
}

function deadlineOf({ deadline_ms }: Pick<ProviderPart, 'deadline_ms'>): number {
  return Math.min(maxProviderMs, Math.max(1, deadline_ms ?? providerMs))
}

interface Held {
  begin(config: JsonObject, settings: JsonObject, ownMemory: boolean): void
  service(type: string): Promise<unknown>
  stopServices(): Promise<void>
}

function answersOf(plugins: readonly PluginObject[], runtime: PluginRuntime, held: Held): Omit<Answers, 'hook'> {
  const find = createFinder(plugins)
  return {
    async start({ config, settings, own_memory: ownMemory = false }) {
      held.begin(config, settings, ownMemory)
      for (const plugin of plugins) await plugin.init?.(config, runtime)
      return {}
    },
    async action({ name, input, message, state }) {
      const part = find(
        `action ${name}`,
        (plugin) => plugin.actions,
        (action) => action.name === name,
      )
      return runAction(part, runtime, { input, message, state: stateOf(state) })
    },
    provide: async ({ names, message, state }) => ({
      provided: await Promise.all(
        names.map(async (name) => {
          const part = plugins.flatMap(({ providers = [] }) => providers).find((provider) => provider.name === name)
          return part === undefined ? missing(name) : provideOne(part, runtime, message, stateOf(state))
        }),
      ),
    }),
    async evaluate({ name, message, did_respond, responses, state }) {
      const part = find(
        `evaluator ${name}`,
        (plugin) => plugin.evaluators,
        (evaluator) => evaluator.name === name,
      )
      const whole = stateOf(state)
      if (part.validate !== undefined && !(await part.validate(runtime, message, whole))) return { ran: false, data: {} }
      const data = await part.handler(runtime, message, whole, did_respond, responses)
      return { ran: true, data: objectOf(data) }
    },
    ...workAnswers(plugins, runtime, held),
    // Only elizaOS plugins have tables.
    forget: async () => ({ rows: 0 }),
    async drain() {
      for (const plugin of plugins.toReversed()) await plugin.dispose?.(runtime)
      await held.stopServices()
      return {}
    },
  }
}

type Finder = ReturnType<typeof createFinder>

/** @returns what finds a part of one of the plugins @throws Error with the code `not_found` */
function createFinder(plugins: readonly PluginObject[]) {
  return <Part extends object>(what: string, parts: (plugin: PluginObject) => readonly Part[] | undefined, is: (part: Part) => boolean) => {
    const found = plugins.flatMap((plugin) => parts(plugin) ?? []).find(is)
    if (found !== undefined) return found
    throw Object.assign(new Error(`The plugin has no ${what}.`), { code: 'not_found', hint: 'oxbow plugin info shows what it has.' })
  }
}

/** Requests outside of any turn. */
function workAnswers(
  plugins: readonly PluginObject[],
  runtime: PluginRuntime,
  held: Held,
  find: Finder = createFinder(plugins),
): Pick<Answers, 'service' | 'model' | 'route' | 'task' | 'event' | 'test'> {
  return {
    test: async () => ({
      results: await runTests(
        plugins.flatMap((plugin) => plugin.tests ?? []),
        runtime,
      ),
    }),
    async service({ type }) {
      await held.service(type)
      return {}
    },
    async model({ type, params }) {
      const model = plugins.map(({ models = {} }) => ownValue(models, type)).find((one) => one !== undefined)
      if (model === undefined) throw Object.assign(new Error(`The plugin has no model ${type}.`), { code: 'not_found' })
      const answer = await (typeof model === 'function' ? model(runtime, params) : model.handler(runtime, params))
      const follows = params['stream'] === true
      const send = follows ? (piece: JsonObject) => runtime.call(modelPieceCall, piece) : null
      return { result: await gatherAnswer(answer, send, runtime.signal) }
    },
    async route(input) {
      const part = find(
        `route ${input.method} ${input.path}`,
        (plugin) => plugin.routes,
        ({ type, path }) => type.toUpperCase() === input.method.replace('HEAD', 'GET') && path === input.route,
      )
      return answerOf(await part.handler(runtime, { ...input, bytes: Buffer.from(input.body, 'base64') }))
    },
    async task({ name, due }) {
      const text = await find(
        `task ${name}`,
        (plugin) => plugin.tasks,
        (task) => task.name === name,
      ).run(runtime, due)
      return { text: typeof text === 'string' ? text : '' }
    },
    async event({ name, payload }) {
      const handlers = plugins.flatMap(({ events = {} }) => [...(ownValue(events, name) ?? []), ...(events['*'] ?? [])])
      for (const done of await Promise.allSettled(handlers.map(async (handler) => handler(runtime, payload, name))))
        if (done.status === 'rejected') console.error(`event ${name}:`, done.reason)
      return {}
    },
  }
}

interface Asked {
  readonly input: JsonObject
  readonly message: PluginMessage | null
  readonly state: PluginState
}

async function runAction(
  part: ActionPart,
  runtime: PluginRuntime,
  { input, message, state }: Asked,
): Promise<PluginOps['action']['output']> {
  if (part.validate !== undefined && !(await part.validate(runtime, message, state)))
    throw Object.assign(new Error(`${part.name} does not apply to this message.`), { code: 'bad_input', hint: 'Continue without it.' })
  const said: string[] = []
  const result = await part.handler(runtime, message, state, { parameters: input }, async (content) => {
    if (typeof content['text'] === 'string') said.push(content['text'])
    return [content]
  })
  const { text, data, values, success, error } = objectOf(result)
  return {
    ok: success !== false && result !== false,
    text: [...said, typeof text === 'string' ? text : typeof result === 'string' ? result : '', typeof error === 'string' ? error : '']
      .filter((one) => one !== '')
      .join('\n'),
    data: objectOf(data),
    values: objectOf(values),
  }
}

async function provideOne(part: ProviderPart, runtime: PluginRuntime, message: PluginMessage, state: PluginState): Promise<PluginProvided> {
  try {
    const given = part.get(runtime, message, state)
    const { text, values, data } = objectOf(isThenable(given) ? await within(deadlineOf(part), given) : given)
    return { name: part.name, text: typeof text === 'string' ? text : '', values: objectOf(values), data: objectOf(data), problem: '' }
  } catch (error) {
    return {
      ...missing(part.name),
      problem: errorMessage(error).slice(0, maxProblemChars) || 'It failed.',
    }
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (objectOf(value) as { readonly then?: unknown }).then === 'function'

async function within(deadlineMs: number, given: PromiseLike<unknown>): Promise<unknown> {
  const limit = Promise.withResolvers<never>()
  const timer = setTimeout(() => limit.reject(new Error(`It did not answer within ${deadlineMs} ms.`)), deadlineMs)
  try {
    return await Promise.race([given, limit.promise])
  } finally {
    clearTimeout(timer)
  }
}

const maxProblemChars = 500

const missing = (name: string): PluginProvided => ({ name, text: '', values: {}, data: {}, problem: 'The plugin has no such provider.' })

function stateOf(state: JsonObject): PluginState {
  const { values, data, text } = state
  return { values: objectOf(values), data: objectOf(data), text: typeof text === 'string' ? text : '' }
}

function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}
}

function answerOf(answer: unknown): PluginOps['route']['output'] {
  const { status, headers, body } = objectOf(answer)
  const isBytes = (body as unknown) instanceof Uint8Array
  const bytes = isBytes ? Buffer.from(body as unknown as Uint8Array) : typeof body === 'string' ? Buffer.from(body) : null
  const json = bytes === null
  return {
    status: typeof status === 'number' ? status : 200,
    headers: { ...(json && { 'content-type': 'application/json' }), ...(objectOf(headers) as Readonly<Record<string, string>>) },
    body: (bytes ?? Buffer.from(JSON.stringify(body ?? null))).toString('base64'),
  }
}
