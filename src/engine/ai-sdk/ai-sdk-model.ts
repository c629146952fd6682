/**
 * A bridge to any provider of the AI SDK: a package over the interface of `@ai-sdk/provider` becomes a `Model`. The package
 * speaks to its service in its own way; what is added here are the limits, the stop and the record that every wire has.
 */
import type { Clock, GenerateRequest, Model, ModelEvent, ModelFacts } from '../../types/index.ts'
import { createBatchQueue } from '../http/batch-queue.ts'
import type { ModelLimits } from '../limits.ts'
import { type Generation, type GenerationDeps, runGeneration, stopGeneration, takeWaiting } from './generation.ts'
import { loadPackage } from './package-load.ts'
import { createProvider, type LoadedModel } from './provider-factory.ts'
import { createWatchedFetch } from './watched-fetch.ts'

export interface AiSdkModelOptions {
  /** npm package of the provider, as `@ai-sdk/mistral`. */
  readonly packageName: string
  /** Id of the provider in the configuration. */
  readonly provider: string
  /** Empty: the package looks for one itself, or its service needs none. */
  readonly key: string
  /** Null: where the package says. */
  readonly baseUrl: URL | null
  readonly headers: Readonly<Record<string, string>>
  readonly facts: (model: string) => ModelFacts
  readonly clock: Clock
  readonly limits: ModelLimits
  /** Absolute; where the package may be installed, beside Oxbow's own installation. The first is named when it is missing. */
  readonly folders: readonly string[]
  readonly load?: (packageName: string) => Promise<unknown>
}

export interface AiSdkModel extends Model {
  close(): void
}

/** Nothing is loaded before the first generation; one that cannot be is an `error` event with `bad_config`. */
export function createAiSdkModel(options: AiSdkModelOptions): AiSdkModel {
  const { packageName, folders, key, baseUrl } = options
  const load = options.load ?? ((name: string) => loadPackage(name, folders))
  const { fetch, watch } = createWatchedFetch()
  const running = new Set<Generation>()
  let provider: Promise<(model: string) => LoadedModel> | null = null

  const open = async (model: string): Promise<LoadedModel> => {
    // One that failed is tried again: it may have been installed since.
    provider ??= load(packageName).then((loaded) => createProvider(loaded, { ...options, fetch }))
    try {
      return (await provider)(model)
    } catch (error) {
      provider = null
      throw error
    }
  }
  const deps: GenerationDeps = {
    ...options,
    wire: `ai-sdk:${packageName}`,
    origin: baseUrl === null ? packageName : baseUrl.origin,
    key,
    open,
    watch,
  }
  const start = (request: GenerateRequest, signal: AbortSignal): AsyncIterator<readonly ModelEvent[]> => {
    const queue = createBatchQueue<ModelEvent>({
      onTake: () => takeWaiting(generation),
      onReturn: () => stopGeneration(generation),
    })
    const generation = runGeneration(deps, request, signal, queue, (each) => running.delete(each))
    if (!generation.over) running.add(generation)
    return queue
  }
  return {
    generate: (request, signal) => ({ [Symbol.asyncIterator]: () => start(request, signal) }),
    close: () => {
      for (const generation of running) stopGeneration(generation)
    },
  }
}
