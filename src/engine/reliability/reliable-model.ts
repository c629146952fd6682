/**
 * A chain of models as one model that does not give up early: what may pass is tried again, what does not answer is left,
 * an endpoint that is down is not asked, and nothing that was shown is shown twice. docs/reliability.md tells the rules.
 *
 * Batches are passed through as they come; nothing is done for a single event. A tool call cannot come twice, because wires
 * give tool calls only together with the finish.
 */
import type { Clock, GenerateRequest, Model, ModelEvent, ModelFacts, Random } from '../../types/index.ts'
import type { ModelLimits } from '../limits.ts'
import type { Breakers } from './breakers.ts'
import { createGeneration } from './generation.ts'

/** One model of the chain and the way to it. */
export interface Route {
  /** As the endpoint knows it. */
  readonly model: string
  /** `provider/model`, for people. */
  readonly label: string
  /** What fails together: scheme, host and port. */
  readonly endpoint: string
  /** Loads the wire on first use. A rejection leads to the next route. */
  open(): Promise<Model> | Model
  facts(): Promise<ModelFacts>
}

export interface ReliableOptions {
  /** The chosen model, then its fallbacks in order. */
  readonly routes: readonly [Route, ...Route[]]
  readonly clock: Clock
  readonly random: Random
  readonly limits: ModelLimits
  readonly breakers: Breakers
}

export function createReliableModel(options: ReliableOptions): Model {
  return {
    generate: (request: GenerateRequest, signal: AbortSignal): AsyncIterable<readonly ModelEvent[]> => ({
      [Symbol.asyncIterator]: () => createGeneration(options, request, signal),
    }),
  }
}
