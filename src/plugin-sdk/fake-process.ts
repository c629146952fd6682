/**
 * A fake process, in which tests of a plugin run its parts without a sandbox: as its host runs them, but for the calls, which functions of the
 * test answer. A call that the test does not name is refused, as one that the manifest does not name.
 */
import { adaptPlugins, type PluginObject } from '../plugin-host/index.ts'
import type { Json, JsonObject } from '../base/index.ts'
import type {
  PluginActionResult,
  PluginCallResult,
  PluginExports,
  PluginHookResult,
  PluginMessage,
  PluginOp,
  PluginOps,
  PluginProvided,
  PluginTestResult,
} from '../protocol/index.ts'

/** What a call returns. `ok: false`: it worked and reports a failure. */
export interface FakeAnswer {
  readonly text?: string
  readonly output?: Json
  readonly ok?: boolean
}

export interface FakeOptions {
  /** By name of the call. One that throws has failed with the message. */
  readonly calls?: Readonly<Record<string, (input: JsonObject) => FakeAnswer | Promise<FakeAnswer>>>
  /** Settings, for `init` and `getSetting`. */
  readonly config?: JsonObject
  /** Values of secrets, by name. */
  readonly secrets?: Readonly<Record<string, string>>
}

export interface FakeProcess {
  /** What the plugin has, as Oxbow learns it. */
  readonly exports: PluginExports
  /** The calls that the plugin has made, in order. */
  readonly made: readonly { readonly name: string; readonly input: JsonObject }[]
  /** @throws Error as the action does, or when none has this name */
  action(name: string, input?: JsonObject, message?: Partial<PluginMessage>): Promise<PluginActionResult>
  provide(name: string, message?: Partial<PluginMessage>): Promise<PluginProvided>
  evaluate(name: string, message: Partial<PluginMessage>, responses?: readonly Partial<PluginMessage>[]): Promise<boolean>
  model(type: string, params: JsonObject): Promise<Json>
  route(method: string, path: string, more?: Partial<Omit<PluginOps['route']['input'], 'method' | 'path'>>): Promise<FakeResponse>
  task(name: string, due?: number): Promise<string>
  event(name: string, payload?: JsonObject): Promise<void>
  hook(step: string, value: JsonObject): Promise<PluginHookResult>
  service(type: string): Promise<void>
  /** Runs the tests that the plugin has. */
  test(): Promise<readonly PluginTestResult[]>
  /** Runs what the plugin does at its end. */
  close(): Promise<void>
}

interface FakeResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const noMessage: PluginMessage = { id: 'm1', session: 's1', turn: 't1', text: '', user: 'ann', agent: 'main', at: 0 }

/** Runs `init` of the plugin. @throws Error as that does */
export async function createFakeProcess(plugin: PluginObject, options: FakeOptions = {}): Promise<FakeProcess> {
  const { calls = {}, config = {}, secrets = {} } = options
  const made: { readonly name: string; readonly input: JsonObject }[] = []
  const never = new AbortController().signal
  const adapter = adaptPlugins([plugin], {
    signal: () => never,
    async call(name, input) {
      made.push({ name, input })
      return answerCall(name, Object.hasOwn(calls, name) ? calls[name] : undefined, input)
    },
  })
  const ask = async <Op extends Exclude<PluginOp, 'describe' | 'health'>>(op: Op, input: PluginOps[Op]['input']) =>
    (await adapter.answer(op, input as never)) as PluginOps[Op]['output']
  await ask('start', { config, settings: secrets })
  const state = {}
  const messageOf = (part: Partial<PluginMessage> = {}): PluginMessage => ({ ...noMessage, ...part })
  return {
    exports: await adapter.describe(),
    made,
    action: (name, input = {}, message) => ask('action', { name, input, message: messageOf(message), state }),
    async provide(name, message) {
      const { provided } = await ask('provide', { names: [name], message: messageOf(message), state })
      return provided[0]!
    },
    async evaluate(name, message, responses = []) {
      const all = responses.map(messageOf)
      return (await ask('evaluate', { name, message: messageOf(message), did_respond: all.length > 0, responses: all, state })).ran
    },
    model: async (type, params) => (await ask('model', { type, params })).result,
    async route(method, path, more = {}) {
      const { body, ...rest } = await ask('route', { method, path, route: path, params: {}, query: {}, headers: {}, body: '', ...more })
      return { ...rest, body: Buffer.from(body, 'base64').toString() }
    },
    task: async (name, due = 0) => (await ask('task', { name, due })).text,
    event: async (name, payload = {}) => void (await ask('event', { name, payload })),
    hook: (step, value) => ask('hook', { step, value }),
    service: async (type) => void (await ask('service', { type })),
    test: async () => (await ask('test', {})).results,
    close: async () => void (await ask('drain', {})),
  }
}

async function answerCall(
  name: string,
  answer: NonNullable<FakeOptions['calls']>[string] | undefined,
  input: JsonObject,
): Promise<PluginCallResult> {
  const nothing = { ok: false, text: '', output: null }
  if (answer === undefined) {
    const hint = 'Give the fake process a function for it, and name its right under rights.calls of the manifest.'
    return { ...nothing, status: 'refused', failure: { code: 'denied', message: `The plugin may not call ${name}.`, hint } }
  }
  try {
    const { text = '', output = null, ok = true } = await answer(input)
    return { status: 'ok', ok, text, output, failure: null }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { ...nothing, status: 'failed', failure: { code: 'tool_failed', message, hint: '' } }
  }
}
