/**
 * The engine: one port to every model. It resolves a model name to a service and facts, and asks a chain of the model and its
 * fallbacks. Wires, catalog and tokenizer are loaded on first use, so that unused ones cost nothing at start.
 */
import type { Clock, Failure, Random } from '../base/index.ts'
import type { Engine, GenerateRequest, ModelEvent, ModelFacts, ToolSpec, Usage } from '../protocol/index.ts'
import type { Config } from '../config/index.ts'
import { toError, toFailure } from '../base/index.ts'
import { type ModelLimits, modelLimits } from './limits.ts'
import { createModelBook, createOpener, type KnownModel, loadNamedWire } from './open-model.ts'
import { noUsage } from './model-problem.ts'
import type { AskPluginModel } from './plugin-model.ts'
import { readModelName, type ServiceConfig } from './services.ts'
import { createRepairCounts, repairAnswer, type RepairCounts } from './repair/repair-tool-calls.ts'
import { createRequestTokens } from './tokens/request-tokens.ts'

export interface EngineOptions {
  readonly config: Pick<Config, 'model' | 'providers'> & Partial<Pick<Config, 'reliability'>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Folder of catalog files that override the packaged catalog; unset: no overrides. */
  readonly catalogFolder?: string
  /** Folders in which packages of AI SDK providers may be installed, the usual one first. */
  readonly packageFolders?: readonly string[]
  /** Folder in which a replay keeps its position between processes; unset: it keeps none. */
  readonly stateFolder?: string
  /** Absent: no plugin can be a model. */
  readonly askPlugin?: AskPluginModel | undefined
  readonly clock: Clock
  readonly random: Random
  /** For tests; the defaults are in limits.ts. */
  readonly limits?: Partial<ModelLimits>
}

/** What a person sets in place of `modelLimits`. */
function limitsOf(set: Config['reliability'] | undefined): Partial<ModelLimits> {
  if (set === undefined) return {}
  return {
    maxTries: set.max_attempts,
    backoffBaseMs: set.backoff_base_ms,
    backoffCapMs: set.backoff_max_ms,
    retryAfterCapMs: set.retry_after_max_s * 1_000,
    firstTokenMs: set.first_token_s * 1_000,
    totalMs: set.answer_s * 1_000,
  }
}

function withSettings(request: GenerateRequest, { settings }: ModelFacts): GenerateRequest {
  return settings === undefined ? request : { ...request, settings: { ...settings, ...request.settings } }
}

type Batches = AsyncIterable<readonly ModelEvent[]>
type Ask = (request: GenerateRequest, signal: AbortSignal) => Batches

/** @throws OxbowError `bad_config` when the configured model cannot be used. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const limits = { ...modelLimits, ...limitsOf(options.config.reliability), ...options.limits }
  const services: ServiceConfig = { config: options.config, env: options.env }
  const book = createModelBook(services, options.catalogFolder)
  const opener = createOpener({ ...options, model: options.config.model, services, limits, book })
  const tokens = createRequestTokens()
  const repairs = createRepairCounts()
  /** Opened models, by the name that requests use. */
  const ready = new Map<string, Ask>()
  let closed = false

  const prepare = async (name: string): Promise<Ask> => {
    if (closed) throw toError(closedFailure)
    const found = await book.find(name)
    const model = await opener.open(found, await fallbacksOf(found))
    const ask: Ask = (request, signal) =>
      finishAnswer(model.generate({ ...withSettings(request, found.facts), model: found.name }, signal), request.tools, repairs, (usage) =>
        tokens.observe(found, request, usage),
      )
    // A profile may change.
    if (found.facts.settings === undefined) ready.set(name, ask)
    return ask
  }
  /** Only the configured model has fallbacks; a model that a request names has none. */
  const fallbacksOf = async (model: KnownModel): Promise<readonly KnownModel[]> =>
    model.label === first.label ? Promise.all(options.config.model.fallback.map((name) => book.find(name))) : []

  const first = await book.find('')
  await fallbacksOf(first)

  async function* prepareAndAsk(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<readonly ModelEvent[]> {
    try {
      yield* (await prepare(request.model))(request, signal)
    } catch (error) {
      yield [{ type: 'error', failure: toFailure(error, 'bad_config', 'Check the model section of the configuration.'), usage: noUsage }]
    }
  }
  return {
    model: first.facts,
    facts: async (name) => (await book.find(name)).facts,
    // Once a model is ready its own iterator is returned, so that no batch takes an extra hop.
    generate: (request, signal) => ((!closed && ready.get(request.model)) || prepareAndAsk)(request, signal),
    countTokens: (texts) => tokens.countTexts(texts),
    decodeTokens: (lists) => tokens.decode(lists),
    estimateInput: async (request) => tokens.estimate(await book.find(request.model), request),
    embed: async (name, texts, embedOptions, signal) => opener.embed(readModelName(name, services), texts, embedOptions, signal),
    voice: async (name) => opener.voice(readModelName(name, services)),
    repairs: () => ({ ...repairs }),
    async exchanges() {
      const { createExchangeReader } = await import('./replay/recorded-exchanges.ts')
      const factsOf = async (name: string): Promise<ModelFacts | null> => (await book.find(name).catch(() => null))?.facts ?? null
      return createExchangeReader({ limits, loadWire: loadNamedWire, factsOf })
    },
    close: async () => {
      closed = true
      await opener.close()
      await tokens.close()
    },
  }
}

/**
 * Finishes an answer of any wire: repairs its tool calls, and passes its usage to `observe`, which improves token estimates.
 * Batches pass through unread, except the one that ends a complete answer.
 */
export function finishAnswer(answer: Batches, tools: readonly ToolSpec[], counts: RepairCounts, observe: (usage: Usage) => void): Batches {
  return {
    [Symbol.asyncIterator]: () => {
      const inner = answer[Symbol.asyncIterator]()
      /** False once a fallback took over: its usage says nothing about the requested model. */
      let isOwn = true
      const settle = (result: IteratorResult<readonly ModelEvent[]>): IteratorResult<readonly ModelEvent[]> => {
        if (result.done === true) return result
        if (result.value[0]?.type === 'restarted') isOwn = false
        const last = result.value.at(-1)
        if (last?.type !== 'finish') return result
        if (isOwn) observe(last.usage)
        return { done: false, value: repairAnswer(result.value, tools, last, counts) }
      }
      const leave = inner.return?.bind(inner)
      return {
        next: () => inner.next().then(settle),
        ...(leave !== undefined && { return: (value?: unknown) => leave(value) }),
      }
    },
  }
}

const closedFailure: Failure = { code: 'cancelled', message: 'The engine is closed.', hint: 'Start the guest again.' }
