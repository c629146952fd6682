/**
 * Models of plugins: handlers by type, the highest priority first. One that fails is followed by the next; one that has failed several times in
 * a row is not asked for a while. Behind all of them, texts come from the model of the guest, and vectors from its embedder.
 */
import { z } from 'zod'
import { type Failure, isObject, type Json, type JsonObject, OxbowError, toFailure } from '../../base/index.ts'
import {
  type Call,
  type CallContext,
  type CallOutcome,
  defineCall,
  type DescribedPlugin,
  jsonSchema,
  modelPieceCall,
  originOf,
  type Provenance,
  type Spend,
} from '../../protocol/index.ts'
import { maxMessageChars, modelTimeoutMs } from './limits.ts'
import { noLabels } from './turn-states.ts'
import { askPlugin, keptBy, mayUse, type PartDeps, pluginNamed, runtimePart } from './part-request.ts'

/** Of the engine: which endpoints are not asked for a while. */
export interface HandlerBreakers {
  enter(endpoint: string): 'ask' | 'probe' | { readonly last: Failure }
  failed(endpoint: string, leave: 'ask' | 'probe', failure: Failure): void
  whole(endpoint: string): void
  leave(endpoint: string, leave: 'ask' | 'probe', answered: boolean): void
}

/** A handler for one type of model. */
export interface ModelHandler {
  readonly plugin: string
  readonly type: string
  readonly provider: string
  readonly priority: number
}

/** @returns all handlers by type, sorted once: the highest priority first, of the same those that came first */
export function sortHandlers(plugins: readonly DescribedPlugin[]): ReadonlyMap<string, readonly ModelHandler[]> {
  const all = plugins.flatMap(({ plugin, exports }) => exports.models.map((model) => ({ plugin: plugin.name, ...model })))
  const sorted = all.toSorted((a, b) => b.priority - a.priority)
  return Map.groupBy(sorted, ({ type }) => type)
}

/** @returns models of plugins that conversations can have, as `plugin:NAME/TYPE` */
export function conversationModels(plugins: readonly DescribedPlugin[]): readonly string[] {
  return plugins.flatMap(({ plugin, exports }) =>
    exports.models.flatMap(({ type }) => (isText(type) ? [`plugin:${plugin.name}/${type}`] : [])),
  )
}

type ModelInput = z.infer<typeof modelInput>

const modelOutput = z.strictObject({
  result: jsonSchema(),
  plugin: z.string().describe("The plugin that answered; empty: the guest's own model did."),
})

interface ModelDeps extends PartDeps {
  readonly handlers: () => ReadonlyMap<string, readonly ModelHandler[]>
  readonly breakers: HandlerBreakers
}

const modelInput = z.strictObject({
  type: z.string().min(1).max(100).describe('TEXT_SMALL, TEXT_LARGE, TEXT_EMBEDDING, IMAGE_DESCRIPTION …'),
  params: z.custom<JsonObject>(isObject, 'must be an object').describe('As the type has them, such as `prompt`.'),
  provider: z.string().max(100).default('').describe('Only handlers of this provider or plugin.'),
})

export function modelCall(deps: ModelDeps): Call {
  return defineCall({
    ...runtimePart,
    forPlugins: true,
    name: 'plugin.model',
    summary: "Asks a model by its type, which plugins serve; for texts and vectors also this guest's models.",
    input: modelInput,
    output: modelOutput,
    example: { type: 'TEXT_SMALL', params: { prompt: 'Name three colours.' }, provider: '' },
    labels: { adds: ['untrusted'], sink: false },
    timeoutMs: modelTimeoutMs,
    recordInput: ({ type, provider }) => ({ type, provider }),
    recordOutput: ({ plugin }) => ({ plugin }),
    async run(input, context) {
      const failures: string[] = []
      for (const handler of handlersFor(deps, context, input)) {
        const found = await tryHandler(deps, context, handler, input)
        if ('result' in found) {
          const kept = await keptBy(deps, pluginNamed(deps, handler.plugin))
          const output = { result: found.result, plugin: handler.plugin }
          return { output, text: textOf(found.result), labels: kept.labels }
        }
        failures.push(`${handler.plugin}: ${found.message}`)
      }
      const own = input.provider === '' ? await askGuest(deps, context, input) : null
      if (own !== null) return { output: { result: own, plugin: '' }, text: textOf(own) }
      throw new OxbowError(
        failures.length === 0 ? 'not_found' : 'tool_failed',
        failures.length === 0 ? `No plugin serves models of the type ${input.type}.` : `No model answered. ${failures.join(' ')}`,
        {
          hint: 'oxbow plugin info NAME lists the models of a plugin. Who asks needs the right plugin.NAME, a plugin from calls in its manifest.',
        },
      )
    },
  })
}

function handlersFor({ handlers }: ModelDeps, { caller }: CallContext, { type, provider }: ModelInput): readonly ModelHandler[] {
  return (handlers().get(type) ?? []).filter(
    (each) =>
      (provider === '' || each.provider === provider || each.plugin === provider) &&
      (mayUse(caller, each.plugin) || caller.actor === `plugin:${each.plugin}`),
  )
}

async function tryHandler(
  deps: ModelDeps,
  context: CallContext,
  { plugin: name, type }: ModelHandler,
  { params }: ModelInput,
): Promise<{ readonly result: Json } | Failure> {
  const endpoint = `${name}/${type}`
  const leave = deps.breakers.enter(endpoint)
  if (typeof leave !== 'string') return leave.last
  try {
    const plugin = pluginNamed(deps, name)
    const { result } = await askPlugin(deps, context, { plugin, timeoutMs: modelTimeoutMs }, 'model', { type, params })
    const problem = wrongResult(type, result)
    if (problem !== '')
      throw new OxbowError('tool_failed', `${type} of the plugin ${name} answered with ${problem}.`, {
        hint: `\`oxbow plugin logs ${name}\` shows what it wrote; its author can correct it.`,
      })
    deps.breakers.whole(endpoint)
    return { result }
  } catch (error) {
    const failure = toFailure(error, 'tool_failed', '')
    // One that was never asked, or no longer wanted, has not failed.
    if (context.signal.aborted || failure.code === 'limit_reached' || failure.code === 'denied') deps.breakers.leave(endpoint, leave, false)
    else deps.breakers.failed(endpoint, leave, failure)
    if (context.signal.aborted) throw error
    return failure
  }
}

/** @returns what it is instead; empty: it is what the type has, as far as that is known */
function wrongResult(type: string, result: Json): string {
  if (type === 'TEXT_EMBEDDING') {
    const isVector = Array.isArray(result) && result.length > 0 && result.every((each) => Number.isFinite(each))
    return isVector ? '' : 'no list of numbers'
  }
  return isText(type) && typeof result !== 'string' && !(isObject(result) && typeof result['text'] === 'string') ? 'no text' : ''
}

/** A plugin as the model of this guest: nobody's call is behind it, so that it makes none. @returns the answer of its handler @throws OxbowError */
export function createTurnModel({ hosts, limits, told }: Pick<PartDeps, 'hosts' | 'limits' | 'told'>, user: string) {
  return async (
    plugin: string,
    type: string,
    params: JsonObject,
    signal: AbortSignal,
    onPiece: (piece: JsonObject) => void = () => {},
    held: Provenance = noLabels,
  ): Promise<Json> => {
    const { models } = await hosts.exports(plugin, signal)
    if (!models.some((each) => each.type === type))
      throw new OxbowError('not_found', `The plugin ${plugin} serves no model ${type}.`, {
        hint:
          models.length === 0
            ? 'Choose another model.provider.'
            : `Set model.name to one of ${models.map((each) => each.type).join(', ')}.`,
      })
    const leave = limits.enter(user, plugin)
    try {
      const call = pieceCall(onPiece)
      await told.tell(originOf('plugin', plugin), held, pluginNamed({ hosts }, plugin).hosts)
      return (await hosts.ask(plugin, 'model', { type, params }, { signal, timeoutMs: modelTimeoutMs, call })).result
    } finally {
      leave()
    }
  }
}

/** @returns the only call that the model of a conversation can make */
function pieceCall(onPiece: (piece: JsonObject) => void) {
  return async (name: string, input: JsonObject): Promise<CallOutcome> => {
    if (name === modelPieceCall) {
      onPiece(input)
      return { status: 'ok', ok: true, text: '', output: {} }
    }
    const failure = {
      code: 'denied',
      message: 'The model of a conversation can make no calls.',
      hint: 'Yield a toolCall instead.',
    } as const
    return { status: 'refused', failure, text: `Error (denied): ${failure.message} ${failure.hint}` }
  }
}

function isText(type: string): boolean {
  return /^(?:TEXT_(?:SMALL|MEDIUM|LARGE|COMPLETION|REASONING_SMALL|REASONING_LARGE)|REASONING_(?:SMALL|LARGE))$/.test(type)
}

/**
 * The model and the embedder of the guest, with the rights of the plugin that asks.
 * @returns null for a type that they are not @throws OxbowError what the gate refuses
 */
async function askGuest(deps: ModelDeps, { caller, callAs }: CallContext, { type, params }: ModelInput): Promise<Json> {
  const { prompt, text } = params
  const asker = caller.actor.replace(/^plugin:/, '')
  if (isText(type) && typeof prompt === 'string') {
    const outcome = await callAs(asker, ['model.use'], 'model.complete', completionOf(prompt, params))
    const { text: answer, spent } = outputOf(outcome) as { readonly text: string; readonly spent: Spend }
    deps.limits.spend(caller.user, asker, spent.tokens)
    return answer
  }
  if (type !== 'TEXT_EMBEDDING' || typeof text !== 'string') return null
  const { vectors } = outputOf(await callAs(asker, [], 'store.embed', { texts: [text] })) as { readonly vectors: readonly string[] }
  const bytes = Uint8Array.from(Buffer.from(vectors[0] ?? '', 'base64'))
  return [...new Float32Array(bytes.buffer)]
}

/** @throws OxbowError what the gate refuses */
function outputOf(outcome: CallOutcome): unknown {
  if (outcome.status === 'ok') return outcome.output
  throw new OxbowError(outcome.failure.code, outcome.failure.message, { hint: outcome.failure.hint })
}

function completionOf(prompt: string, { system, maxTokens }: JsonObject): JsonObject {
  return {
    model: '',
    system: typeof system === 'string' ? system.slice(0, maxMessageChars) : '',
    text: prompt,
    ...(typeof maxTokens === 'number' && maxTokens >= 1 && { max_tokens: Math.floor(maxTokens) }),
  }
}

function textOf(result: Json): string {
  return typeof result === 'string' ? result.slice(0, maxMessageChars).toWellFormed() : ''
}
