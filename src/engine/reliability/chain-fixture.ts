/** Models that do what a test tells them, and a chain of them with a clock that the test moves. For tests. */
import type { Clock, ErrorCode, Failure } from '../../base/index.ts'
import type { GenerateRequest, Model, ModelEvent, ModelFacts, Usage } from '../../protocol/index.ts'
import { modelLimits, type ModelLimits } from '../limits.ts'
import { cancelled, noUsage } from '../model-problem.ts'
import { type Breakers, createBreakers } from './breakers.ts'
import { createReliableModel } from './reliable-model.ts'
import type { Route } from './route.ts'

/** A batch; or silence until the abort (`hang`), until for ever (`deaf`), or until something is thrown. */
export type Step = readonly ModelEvent[] | 'hang' | 'deaf' | 'throw'

export interface FakeModel extends Model {
  /** What it was asked, try by try. */
  readonly requests: GenerateRequest[]
  /** Tries that are not over yet. */
  running: number
  /** Resolves when the `count`th try was begun. */
  asked(count: number): Promise<void>
}

/** @param tries what each try gives, in order; the last one again and again */
export function fakeModel(...tries: readonly (readonly Step[])[]): FakeModel {
  const waiting: { readonly count: number; readonly resolve: () => void }[] = []
  const model: FakeModel = {
    requests: [],
    running: 0,
    asked: (count) => new Promise((resolve) => void (model.requests.length >= count ? resolve() : waiting.push({ count, resolve }))),
    generate: (request, signal) => {
      const steps = tries[Math.min(model.requests.length, tries.length - 1)] ?? []
      model.requests.push(request)
      for (const { count, resolve } of waiting) if (model.requests.length >= count) resolve()
      return play(model, steps, signal)
    },
  }
  return model
}

async function* play(model: FakeModel, steps: readonly Step[], signal: AbortSignal): AsyncGenerator<readonly ModelEvent[]> {
  model.running += 1
  try {
    for (const step of steps) {
      if (step === 'throw') throw new Error('a bug in the model')
      if (step === 'deaf') await new Promise(() => undefined)
      if (step === 'hang' && !signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      if (signal.aborted) {
        yield [{ type: 'error', failure: cancelled, usage: { inputTokens: 5, outputTokens: 1, estimated: true } }]
        return
      }
      if (typeof step === 'object') yield step
    }
  } finally {
    model.running -= 1
  }
}

export const say = (text: string): ModelEvent => ({ type: 'text', text })

export const usage = (outputTokens: number): Usage => ({ inputTokens: 10, outputTokens, estimated: false })

export const finish = (outputTokens: number): ModelEvent => ({ type: 'finish', reason: 'stop', usage: usage(outputTokens) })

/** @param waitMs undefined: not to be tried again */
export function broken(
  code: ErrorCode,
  more: { waitMs?: number | null; message?: string; status?: number; used?: Usage } = {},
): ModelEvent {
  const { waitMs, message = `It is ${code}.`, status, used = noUsage } = more
  const retry = waitMs === undefined ? {} : { retry: { waitMs } }
  return { type: 'error', failure: { code, message, hint: 'None.', ...(status !== undefined && { status }) }, usage: used, ...retry }
}

export const dropped: ModelEvent = broken('model_unreachable', { waitMs: null, message: 'It dropped.' })

export const overloaded: ModelEvent = broken('model_overloaded', { waitMs: null })

/** Two batches of a whole answer: `all well|stop`. */
export const answer: readonly (readonly ModelEvent[])[] = [[say('all '), say('well')], [finish(4)]]

/** What a consumer has at the end that forgets what came before a restart, and how it ended: `text|code or reason`. */
export function outcome(events: readonly ModelEvent[]): string {
  let text = ''
  let end = 'nothing'
  for (const event of events) {
    if (event.type === 'text') text += event.text
    if (event.type === 'restarted') text = ''
    if (event.type === 'error') end = event.failure.code
    if (event.type === 'finish') end = event.reason
  }
  return `${text}|${end}`
}

export function failureOf(events: readonly ModelEvent[]): Failure {
  const last = events.at(-1)
  if (last?.type !== 'error') throw new Error(`ended with ${last?.type ?? 'nothing'}`)
  return last.failure
}

/** Time stands still until it is moved. */
export interface ManualClock extends Clock {
  move(ms: number): void
  /** Resolves when somebody has looked at it. */
  looked(): Promise<void>
}

export function manualClock(): ManualClock {
  let time = 1_000
  let onLook = (): void => undefined
  return {
    now: () => Date.UTC(2026, 10, 21) + time,
    monotonicMs: () => {
      onLook()
      return time
    },
    move: (ms) => void (time += ms),
    looked: () => new Promise((resolve) => void (onLook = resolve)),
  }
}

export const facts: ModelFacts = {
  name: 'fake',
  provider: 'fake',
  contextTokens: 100_000,
  maxOutputTokens: 1_000,
  price: null,
  input: ['text'],
  tools: true,
  reasoning: false,
  sampling: true,
  structuredOutput: false,
  deprecated: false,
}

/** Quick enough for a test that waits for real timers. */
export const fastLimits: ModelLimits = { ...modelLimits, backoffBaseMs: 1, backoffCapMs: 2, stopGraceMs: 5 }

export function routeTo(model: Model, name: string, more: Partial<Route> = {}): Route {
  return {
    model: name,
    label: `fake/${name}`,
    endpoint: `https://${name}.example`,
    open: async () => model,
    facts: async () => facts,
    ...more,
  }
}

export interface ChainOptions {
  readonly limits?: Partial<ModelLimits>
  readonly clock?: Clock
  readonly breakers?: Breakers
}

/** @param routes models are named a, b, c in order */
export function chain(routes: readonly (Model | Route)[], options: ChainOptions = {}): Model {
  const clock = options.clock ?? { now: () => Date.now(), monotonicMs: () => performance.now() }
  const limits = { ...fastLimits, ...options.limits }
  const made = routes.map((each, place) => ('generate' in each ? routeTo(each, 'abc'.charAt(place)) : each))
  return createReliableModel({
    routes: made as [Route, ...Route[]],
    clock,
    limits,
    random: { bytes: (count) => new Uint8Array(count).fill(128) },
    breakers: options.breakers ?? createBreakers(clock, limits),
  })
}
