/**
 * The parts of a model chain: its routes, whether a request fits a route's window, and the events that report failed tries.
 *
 * A failed try is reported only with the next one: `restarted` precedes the first events of the try that follows, and a
 * generation that fails in the end keeps the text that was shown. Each event that carries usage stands for one try, so that
 * its cost is counted once, at the prices of its model.
 */
import type { Clock, Failure, Random } from '../../base/index.ts'
import {
  type GenerateRequest,
  mediaOf,
  type Message,
  type Model,
  type ModelEvent,
  type ModelFacts,
  type Usage,
} from '../../protocol/index.ts'
import { charsPerToken, guessedMediaTokens, minFallbackOutputTokens, type ModelLimits } from '../limits.ts'
import { noUsage } from '../model-problem.ts'
import type { Breakers } from './breakers.ts'

/** One model of the chain and how to reach it. */
export interface Route {
  /** As the endpoint knows it. */
  readonly model: string
  /** `provider/model`, for people. */
  readonly label: string
  /** Scheme, host and port: models of one endpoint fail together. */
  readonly endpoint: string
  /** Loads the wire on first use. A rejection leads to the next route. */
  open(): Promise<Model>
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

/**
 * How much output a fallback model can give next to the request, by a rough estimate of the request's size. The runtime fits
 * conversations only to the window of the configured model.
 *
 * @returns output tokens, or null when the request does not fit
 */
export function outputRoom(request: GenerateRequest, facts: ModelFacts): number | null {
  const wanted = Math.min(request.maxOutputTokens, facts.maxOutputTokens)
  const room = Math.min(wanted, facts.contextTokens - guessTokens(request))
  return room >= Math.min(wanted, minFallbackOutputTokens) ? room : null
}

/** Counts bytes, not characters: a script with three bytes for each character also needs more tokens. */
export function guessTokens({ system, messages, tools }: GenerateRequest): number {
  let bytes = Buffer.byteLength(system)
  let media = 0
  for (const tool of tools) bytes += tool.name.length + Buffer.byteLength(tool.description) + JSON.stringify(tool.parameters).length
  for (const message of messages) {
    bytes += bytesOf(message)
    media += mediaOf(message).length
  }
  return Math.ceil(bytes / charsPerToken) + media * guessedMediaTokens
}

function bytesOf({ parts }: Message): number {
  let bytes = 0
  for (const part of parts) {
    if (part.type === 'tool_call') bytes += part.name.length + Buffer.byteLength(part.arguments)
    else if (part.type !== 'media') bytes += Buffer.byteLength(part.text)
  }
  return bytes
}

/** A failed try that emitted events or cost something, and is not reported yet. */
export interface DeadTry {
  /** `provider/model` */
  readonly label: string
  readonly why: Failure
  readonly usage: Usage
  /** Some of it was emitted. */
  readonly shown: boolean
  /** Events that arrived together with its error and were held back. */
  readonly tail: readonly ModelEvent[]
}

/** As in a model's error event. */
export type Retry = { readonly waitMs: number | null } | undefined

/** The last failure of a route, or why it was skipped. */
export interface RouteFailure {
  readonly label: string
  readonly failure: Failure
  readonly retry: Retry
}

/** What the consumer has received so far, and the failures that are still to be reported. */
interface ChainState {
  /** The model whose events the consumer holds for the current answer; at first the chosen one. */
  readonly label: string
  /** Oldest first. */
  readonly dead: readonly DeadTry[]
  readonly failures: readonly RouteFailure[]
}

/**
 * @param label of the model whose events come next
 * @returns `restarted` for each try that emitted events or cost something, and for every change of model, so that the answering
 * model is never hidden. Empty for the first try, and after tries without events and cost.
 */
export function restartsBefore(label: string, state: ChainState): ModelEvent[] {
  const events: ModelEvent[] = []
  let dead: DeadTry | null = null
  for (const next of [...state.dead, null]) {
    const model = next?.label ?? label
    const why = dead?.why ?? state.failures[0]?.failure
    if (why !== undefined && (dead !== null || model !== state.label)) {
      events.push({ type: 'restarted', model, why, usage: dead?.usage ?? noUsage })
    }
    dead = next
  }
  return events
}

/**
 * The last events of a failed generation. The error carries the usage of the last try that has shown something, whose text stays, and
 * follows its held-back events. What later tries cost is in its `unseen`.
 */
export function failureEvents(state: ChainState, failure: Failure, retry?: Retry): ModelEvent[] {
  const seen = state.dead.findLastIndex(({ shown, tail }) => shown || tail.length > 0)
  const last = seen === -1 ? state.dead.length - 1 : seen
  const dead = state.dead[last]
  const unseen = state.dead.slice(last + 1).map(({ label, usage }) => ({ model: label, usage }))
  const error: ModelEvent = {
    type: 'error',
    failure,
    usage: dead?.usage ?? noUsage,
    ...(unseen.length > 0 && { unseen }),
    ...(retry !== undefined && { retry }),
  }
  if (dead === undefined) return [error]
  return [...restartsBefore(dead.label, { ...state, dead: state.dead.slice(0, last) }), ...dead.tail, error]
}

/**
 * @returns the failure of the configured model, which a person can act on, followed by its fallbacks' failures. Where no budget covered a
 * fallback, that is the failure: a person can raise the budget.
 */
export function chainFailure([first, ...others]: readonly [RouteFailure, ...RouteFailure[]]): Failure {
  if (others.length === 0) return first.failure
  const rest = others.map(({ label, failure }) => ` Then ${label}: ${failure.message}`).join('')
  const uncovered = others.find(({ failure }) => failure.code === 'budget_exhausted')?.failure
  return { ...(uncovered ?? first.failure), message: `${first.label}: ${first.failure.message}${rest}` }
}
