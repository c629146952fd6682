/** What a chain of models is made of. */
import type {
  Clock,
  Failure,
  GenerateRequest,
  MediaPart,
  Message,
  Model,
  ModelEvent,
  ModelFacts,
  Random,
  Usage,
} from '../../types/index.ts'
import { charsPerToken, guessedMediaTokens, minFallbackOutputTokens, type ModelLimits } from '../limits.ts'
import { noUsage } from '../model-problem.ts'
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

/** Whether a request fits a fallback model's window, by a rough measure: the chosen model's window is the runtime's care. */

/**
 * @returns the most output tokens that this model may be asked for beside the request, or null when the request does not fit.
 */
export function outputRoom(request: GenerateRequest, facts: ModelFacts): number | null {
  const wanted = Math.min(request.maxOutputTokens, facts.maxOutputTokens)
  const room = Math.min(wanted, facts.contextTokens - guessTokens(request))
  return room >= Math.min(wanted, minFallbackOutputTokens) ? room : null
}

/** Bytes, not characters: a script that takes three bytes for a character takes more tokens for it, too. */
function guessTokens({ system, messages, tools }: GenerateRequest): number {
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

function mediaOf({ role, parts }: Message): readonly MediaPart[] {
  if (role === 'tool') return parts[0].media ?? []
  return role === 'user' ? parts.filter((part) => part.type === 'media') : []
}

/**
 * What the consumer of a generation is told about tries that failed. Nothing is told while there is hope: `restarted` comes
 * with the first events of the try that follows, and a generation that fails in the end keeps the text that was shown.
 *
 * Each event that carries usage stands for one try, so that money is counted once, at the prices of the model that took it.
 */

/** A failed try that was shown or cost something, and is not yet told of. */
export interface DeadTry {
  /** `provider/model` */
  readonly label: string
  readonly why: Failure
  readonly usage: Usage
  /** What came together with its error and was held back. */
  readonly tail: readonly ModelEvent[]
}

/** As in a model's error event. */
export type Retry = { readonly waitMs: number | null } | undefined

/** How the chain stands: the last failure of each route that was left, or the reason why it was passed over. */
export interface RouteFailure {
  readonly label: string
  readonly failure: Failure
  readonly retry: Retry
}

/** What the consumer knows. */
interface Told {
  /** The model whose events it holds for the current answer; at first the chosen one. */
  readonly label: string
  /** Oldest first. */
  readonly dead: readonly DeadTry[]
  readonly failures: readonly RouteFailure[]
}

/**
 * @param label of the model whose events come next
 * @returns `restarted` for each try that was shown or cost something, and for a change of model even if it did not: who
 * answers is never hidden. Empty for the first try, and for a silent one after it.
 */
export function restartsBefore(label: string, told: Told): ModelEvent[] {
  const events: ModelEvent[] = []
  let dead: DeadTry | null = null
  for (const next of [...told.dead, null]) {
    const model = next?.label ?? label
    const why = dead?.why ?? told.failures[0]?.failure
    if (why !== undefined && (dead !== null || model !== told.label)) {
      events.push({ type: 'restarted', model, why, usage: dead?.usage ?? noUsage })
    }
    dead = next
  }
  return events
}

/**
 * The last events of a generation that failed: its error stands for the last try that was shown or cost something, after what
 * was held back of it.
 */
export function lastWords(told: Told, failure: Failure, retry?: Retry): ModelEvent[] {
  const dead = told.dead.at(-1)
  const error: ModelEvent = { type: 'error', failure, usage: dead?.usage ?? noUsage, ...(retry === undefined ? {} : { retry }) }
  if (dead === undefined) return [error]
  return [...restartsBefore(dead.label, { ...told, dead: told.dead.slice(0, -1) }), ...dead.tail, error]
}

/** @returns the failure of the chosen model, which a person can mend, with what became of its fallbacks. */
export function chainFailure([first, ...others]: readonly [RouteFailure, ...RouteFailure[]]): Failure {
  if (others.length === 0) return first.failure
  const rest = others.map(({ label, failure }) => ` Then ${label}: ${failure.message}`).join('')
  return { ...first.failure, message: `${first.label}: ${first.failure.message}${rest}` }
}
