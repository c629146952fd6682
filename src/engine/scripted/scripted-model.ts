/** Replays a scenario in process: real events with text, tool calls, errors, delays and aborts, and no network. */
import type { FinishReason, GenerateRequest, Model, ModelEvent, Usage } from '../../protocol/index.ts'
import { charsPerToken } from '../limits.ts'
import { cancelled, noUsage, problem, problemOfStatus } from '../model-problem.ts'
import { argumentsText, chooseStep, chunksOf, type Scenario, type ScenarioEvent, type ScenarioStep, viewMessages } from './scenario.ts'

const origin = 'The scripted model'
const hint = 'The scenario says so.'

export function createScriptedModel(scenario: Scenario): Model {
  const asked = new Map<ScenarioStep, number>()
  return {
    generate: (request, signal) => replay(scenario, request, signal, asked),
  }
}

async function* replay(
  scenario: Scenario,
  request: GenerateRequest,
  signal: AbortSignal,
  asked: Map<ScenarioStep, number>,
): AsyncGenerator<readonly ModelEvent[]> {
  const view = viewMessages(request.messages)
  const step = chooseStep(scenario, view)
  if (typeof step === 'string') {
    const { failure } = problem('model_refused', step, 'Add the step to the scenario.')
    yield [{ type: 'error', failure, usage: noUsage }]
    return
  }
  const refusal = httpRefusal(step, asked)
  if (refusal !== null) {
    yield [refusal]
    return
  }
  const usage = usageOf(step)
  let batch: ModelEvent[] = []
  // As on a wire, a tool call comes out only when the answer is known to be whole.
  const calls: ModelEvent[] = []
  for (const event of step.events) {
    if ('tool_call' in event) {
      calls.push(toToolCall(event.tool_call, calls.length, view.lastText))
      continue
    }
    const added = toEvents(event, view.lastText, usage)
    if (added !== 'pause' && added !== 'stall') {
      batch.push(...added)
      if (!added.some((each) => each.type === 'error')) continue
      yield batch
      return
    }
    if (batch.length > 0) yield batch
    batch = []
    await pauseFor('delay_ms' in event ? event.delay_ms : null, signal)
    if (signal.aborted) break
  }
  if (signal.aborted) yield [{ type: 'error', failure: cancelled, usage }]
  else if (step.finish === 'none') yield [...batch, lastEvent(step, usage)]
  else yield [...batch, ...calls, lastEvent(step, usage)]
}

type ToolCallEvent = Extract<ScenarioEvent, { tool_call: object }>

function toToolCall({ name, id, arguments: given }: ToolCallEvent['tool_call'], place: number, last: string): ModelEvent {
  const text = argumentsText(given, last)
  return { type: 'tool_call', call: { type: 'tool_call', id: id ?? `call_${place}`, name, arguments: text } }
}

/** @returns events, or that the answer waits. */
function toEvents(event: Exclude<ScenarioEvent, ToolCallEvent>, last: string, usage: Usage): ModelEvent[] | 'pause' | 'stall' {
  if ('text' in event)
    return chunksOf(
      event.text.replaceAll('{{last}}', () => last),
      event,
    ).map((text) => ({ type: 'text', text }))
  if ('reasoning' in event) return chunksOf(event.reasoning, event).map((text) => ({ type: 'reasoning', text }))
  if ('error' in event)
    return [{ type: 'error', failure: { code: event.error, message: event.message ?? `${origin} failed.`, hint }, usage }]
  if ('drop' in event)
    return [{ type: 'error', failure: { code: 'model_unreachable', message: `${origin} dropped the answer.`, hint }, usage }]
  if ('garbage' in event) return [{ type: 'error', failure: { code: 'model_garbled', message: `${origin} sent garbage.`, hint }, usage }]
  return 'stall' in event ? 'stall' : 'pause'
}

/** Resolves after the time, or at the abort; null waits for the abort alone. */
async function pauseFor(ms: number | null, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = ms === null ? undefined : setTimeout(resolve, ms)
  const stop = (): void => resolve()
  signal.addEventListener('abort', stop)
  await promise
  clearTimeout(timer)
  signal.removeEventListener('abort', stop)
}

function httpRefusal(step: ScenarioStep, asked: Map<ScenarioStep, number>): ModelEvent | null {
  if (step.http === undefined) return null
  const before = asked.get(step) ?? 0
  asked.set(step, before + 1)
  if (before >= (step.http.times ?? Infinity)) return null
  const { status, body = '' } = step.http
  const seconds = Number(step.http.headers?.['retry-after'])
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : null
  const { failure } = problemOfStatus({ status, body, key: '', origin, retryAfterMs, redirect: '' })
  return { type: 'error', failure, usage: noUsage }
}

function lastEvent(step: ScenarioStep, usage: Usage): ModelEvent {
  if (step.finish === 'none') {
    return { type: 'error', failure: { code: 'model_unreachable', message: `${origin} ended early.`, hint }, usage }
  }
  return { type: 'finish', reason: reasonOf(step), usage }
}

function reasonOf(step: ScenarioStep): FinishReason {
  if (step.finish === 'length') return 'length'
  if (step.finish === 'content_filter') return 'refusal'
  return step.events.some((event) => 'tool_call' in event) ? 'tool_calls' : 'stop'
}

function usageOf(step: ScenarioStep): Usage {
  if (step.usage !== undefined && step.usage !== null) {
    return { inputTokens: step.usage.input, outputTokens: step.usage.output, estimated: false }
  }
  const chars = step.events.reduce((sum, event) => sum + ('text' in event ? event.text.length * (event.count ?? 1) : 0), 0)
  return { inputTokens: 1, outputTokens: Math.ceil(chars / charsPerToken), estimated: true }
}
