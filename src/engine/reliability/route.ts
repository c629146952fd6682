/** What a chain of models is made of. */
import type { Clock, Model, ModelFacts, Random } from '../../types/index.ts'
import type { ModelLimits } from '../limits.ts'
import type { Breakers } from './breakers.ts'

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
