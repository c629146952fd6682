/**
 * The engine: one port to every model. It finds the service that has a model, knows the model's facts, and hands out a chain
 * of it and its fallbacks. Wires, catalog and tokenizer are loaded on first need: what is not used costs nothing at start.
 */
import type { Clock, Config, Engine, Failure, GenerateRequest, ModelEvent, Random, ToolSpec, Usage } from '../types/index.ts'
import { toError, toFailure } from '../types/index.ts'
import { type ModelLimits, modelLimits } from './limits.ts'
import { createModelBook, createOpener, type KnownModel } from './open-model.ts'
import { noUsage } from './model-problem.ts'
import { readModelName, type ServiceConfig } from './services.ts'
import { createRepairCounts, mendCalls, type RepairCounts } from './repair/repair-tool-calls.ts'
import { createRequestTokens } from './tokens/request-tokens.ts'

export interface EngineOptions {
  readonly config: Pick<Config, 'model' | 'providers'>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Folder of what goes over the package's catalog; unset: there is nothing. */
  readonly catalogFolder?: string
  /** Folders in which packages of AI SDK providers may be installed, the usual one first. */
  readonly packageFolders?: readonly string[]
  /** Folder in which a replay keeps its place between processes; unset: it has none. */
  readonly stateFolder?: string
  readonly clock: Clock
  readonly random: Random
  /** For tests; the defaults stand in limits.ts. */
  readonly limits?: Partial<ModelLimits>
}

type Batches = AsyncIterable<readonly ModelEvent[]>
type Ask = (request: GenerateRequest, signal: AbortSignal) => Batches

/** @throws OxbowError `bad_config` when the configured model cannot be used. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const limits = { ...modelLimits, ...options.limits }
  const services: ServiceConfig = { config: options.config, env: options.env }
  const book = createModelBook(services, options.catalogFolder)
  const opener = createOpener({ ...options, model: options.config.model, services, limits, book })
  const tokens = createRequestTokens()
  const repairs = createRepairCounts()
  /** Models that can be asked at once, by the name under which they are asked for. */
  const ready = new Map<string, Ask>()
  let closed = false

  const prepare = async (name: string): Promise<Ask> => {
    if (closed) throw toError(closedFailure)
    const known = await book.find(name)
    const model = await opener.open(known, await fallbacksOf(known))
    const ask: Ask = (request, signal) =>
      finishAnswer(model.generate({ ...request, model: known.name }, signal), request.tools, repairs, (usage) =>
        tokens.observe(known, request, usage),
      )
    ready.set(name, ask)
    return ask
  }
  /** The chain is of the configured model; another one that was asked for by name is meant itself. */
  const fallbacksOf = async (known: KnownModel): Promise<readonly KnownModel[]> =>
    known.label === first.label ? Promise.all(options.config.model.fallback.map((name) => book.find(name))) : []

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
    // Once a model is ready its own iterator is handed out: no hop for each batch.
    generate: (request, signal) => ((!closed && ready.get(request.model)) || prepareAndAsk)(request, signal),
    countTokens: (texts) => tokens.countTexts(texts),
    estimateInput: async (request) => tokens.estimate(await book.find(request.model), request),
    embed: async (name, texts, asked, signal) => opener.embed(readModelName(name, services), texts, asked, signal),
    repairs: () => ({ ...repairs }),
    close: async () => {
      closed = true
      await opener.close()
      await tokens.close()
    },
  }
}

/**
 * What happens to every answer at its end, whichever wire brought it: tool calls are mended, and the tokens it reports teach the
 * estimates. Batches are passed through; only one that ends a whole answer is looked into.
 */
export function finishAnswer(answer: Batches, tools: readonly ToolSpec[], counts: RepairCounts, observe: (usage: Usage) => void): Batches {
  return {
    [Symbol.asyncIterator]: () => {
      const inner = answer[Symbol.asyncIterator]()
      /** A fallback may have taken over: what it reports says nothing about the model that was asked. */
      let isOwn = true
      const settle = (result: IteratorResult<readonly ModelEvent[]>): IteratorResult<readonly ModelEvent[]> => {
        if (result.done === true) return result
        if (result.value[0]?.type === 'restarted') isOwn = false
        const last = result.value.at(-1)
        if (last?.type !== 'finish') return result
        if (isOwn) observe(last.usage)
        return { done: false, value: mendCalls(result.value, tools, last, counts) }
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
