/**
 * One generation, from its first event to its last: its text is streamed to followers, counted against the reservation, and becomes a
 * message. A failure keeps the text so far and its cost.
 *
 * Before a request leaves for a model, the reservation covers it at that model's price, or it is not sent; and whatever was sent is charged
 * at the price of the model that was asked. A reservation covers a usual answer and grows with the answer as long as the budgets cover
 * more. What has arrived is charged in full; usage that a service reports beyond the reservation is charged as far as the budgets cover
 * it, and usage that exceeds the model's window is not: either one ends the generation with an error about that service.
 */
import { type Budgets, type Core, type Events, stopReason, unpriced } from '../../kernel/index.ts'
import { type Failure, OxbowError, toFailure } from '../../base/index.ts'
import {
  addSpend,
  type AssistantMessage,
  type CallContext,
  costOf,
  createPurse,
  type Done,
  type Engine,
  type ErrorEvent,
  type GenerateOutput,
  type GenerateRequest,
  type ModelAsk,
  type ModelEvent,
  type ModelFacts,
  modelLabel,
  type ModelUsage,
  reservationOf,
  type Sealed,
  type Spend,
  type Usage,
} from '../../protocol/index.ts'
import type { Secrets } from '../../secrets/index.ts'
import { bytesPerToken, minReservedTokens } from './limits.ts'

export interface GenerationDeps {
  readonly engine: Engine
  readonly events: Events
  /** Whether a budget of the caller limits money: only models with a known price may be used then. */
  readonly budgets: Pick<Budgets, 'limitsMoney'>
  /** Says which models a service lists. */
  readonly catalog?: Core['catalog']
  /** Removes secrets before anything is recorded: an endpoint may repeat its key. */
  readonly secrets: Pick<Secrets, 'hide' | 'hideAgain' | 'hideBytes' | 'hideInJson' | 'hideInMessages' | 'stream'>
}

type Part = AssistantMessage['parts'][number]

/** The state of a running generation. */
interface Running {
  readonly request: GenerateRequest
  readonly context: CallContext
  readonly deps: GenerationDeps
  readonly meter: Meter
  /** `provider/model` of the one whose events these are; a `restarted` event may switch to a fallback. */
  model: string
  parts: Part[]
  /** UTF-8 bytes of this answer, to estimate its tokens. */
  bytes: number
  /** Characters of the answer as the wire counts them, including incomplete tool calls. */
  chars: number
  /** True when the budget did not cover an answer before its first event arrived: that aborts the generation. */
  overBudget: boolean
  /** Shows the text without secrets. */
  readonly shown: ReturnType<Secrets['stream']>
}

export async function runGeneration(
  request: GenerateRequest,
  reserved: ReservedTokens,
  context: CallContext,
  deps: GenerationDeps,
): Promise<Done<GenerateOutput>> {
  const { engine, budgets } = deps
  const facts = await engine.facts(request.model)
  const inputFor = (model: string): Promise<number> => engine.estimateInput({ ...request, model })
  const meter = createMeter({ context, facts, reserved, moneyIsLimited: () => budgets.limitsMoney(context.caller), inputFor })
  const running: Running = {
    request,
    context,
    deps,
    meter,
    model: modelLabel(facts),
    parts: [],
    bytes: 0,
    chars: 0,
    overBudget: false,
    shown: deps.secrets.stream(),
  }
  const control = new AbortController()
  const stop = (): void => control.abort(context.signal.reason)
  const onProgress = (outputChars = 0): void => {
    running.chars = outputChars
    if (running.overBudget || covered(running)) return
    running.overBudget = true
    control.abort()
  }
  if (context.signal.aborted) stop()
  else context.signal.addEventListener('abort', stop)
  try {
    for await (const batch of engine.generate(
      { ...request, onProgress, onAsk: async (ask) => (await request.onAsk?.(ask)) ?? meter.admit(ask) },
      control.signal,
    )) {
      const ended = takeBatch(running, batch)
      if (ended !== null) return finished(running, ended)
    }
  } finally {
    context.signal.removeEventListener('abort', stop)
  }
  meter.chargeStopped(tokensSoFar(running))
  throw broken(running, {
    code: 'model_garbled',
    message: 'The model ended its stream without a final event.',
    hint: 'Send the message again.',
  })
}

type Finish = Extract<ModelEvent, { type: 'finish' }>

/** @returns the finish event if the batch has it. @throws OxbowError when the generation failed or the budget is exhausted */
function takeBatch(running: Running, batch: readonly ModelEvent[]): Finish | null {
  let text = ''
  for (const event of batch) {
    switch (event.type) {
      case 'text':
        text += event.text
        addText(running, 'text', event.text, event.sealed)
        break
      case 'reasoning':
        addText(running, 'reasoning', event.text, event.sealed)
        break
      case 'tool_call':
        running.parts.push(event.call)
        break
      case 'restarted':
        text = ''
        restart(running, event)
        break
      case 'finish':
        showLast(running, text)
        return event
      case 'error':
        showLast(running, text)
        throw failed(running, event)
    }
  }
  show(running, text)
  if (!covered(running)) throw overdrawn(running)
  return null
}

/** Adds to the hint how to continue without the file: a service that refuses a file refuses every request that contains it. */
function withWayOut(failure: Failure, { messages }: GenerateRequest): Failure {
  const showsFile = messages.some(({ role, parts: [first, ...rest] }) =>
    role === 'tool' ? first?.type === 'tool_result' && first.media !== undefined : rest.some(({ type }) => type === 'media'),
  )
  if (failure.code !== 'model_refused' || !showsFile) return failure
  const way =
    'If it refuses a picture or file, continue from before that with `/fork N` in chat, start a new session, or use a model that is not shown such files.'
  return { ...failure, hint: `${failure.hint} ${way}` }
}

function addText(running: Running, type: 'text' | 'reasoning', text: string, sealed: Sealed | undefined): void {
  const { parts } = running
  running.bytes += Buffer.byteLength(text)
  const last = parts.at(-1)
  const open = last?.type === type && last.sealed === undefined ? last.text : null
  if (text === '' && sealed === undefined) return
  const part: Part = { type, text: (open ?? '') + text, ...(sealed !== undefined && { sealed }) }
  if (open === null) parts.push(part)
  else parts[parts.length - 1] = part
}

function show(running: Running, text: string): void {
  if (text !== '') send(running, running.shown.push(text))
}

/** Shows the rest, with what was held back because a secret might have begun in it. */
function showLast(running: Running, text: string): void {
  show(running, text)
  send(running, running.shown.end())
}

function send({ context, deps }: Running, text: string): void {
  const { session, turn } = context.caller
  if (text !== '' && session !== '' && turn !== '') deps.events.delta(session, turn, context.id, text)
}

/** The answer starts over, perhaps with another model: the failed attempt's text is void, its cost is kept. */
function restart(running: Running, { model, why, usage }: Extract<ModelEvent, { type: 'restarted' }>): void {
  const { context, deps, meter } = running
  meter.charge({ model: running.model, usage })
  running.model = model
  running.parts = []
  running.shown.end()
  running.bytes = 0
  running.chars = 0
  const { session, turn } = context.caller
  if (session !== '' && turn !== '') deps.events.restarted({ session, turn, call: context.id, model, why: why.message })
}

/** The generation failed: all that its tries used is charged. */
function failed(running: Running, { failure, usage, unseen = [] }: ErrorEvent): OxbowError {
  const { meter, model, request, overBudget } = running
  const isReported = unseen.length > 0 || usage.inputTokens + usage.outputTokens > 0
  if (overBudget && !isReported) return overdrawn(running)
  meter.charge({ model, usage }, usage.estimated && unseen.length === 0 ? tokensSoFar(running) : 0)
  for (const each of unseen) meter.charge(each)
  return broken(running, overBudget ? usedUp : withWayOut(failure, request))
}

function tokensSoFar({ bytes, chars }: Running): number {
  return Math.ceil(Math.max(bytes, chars) / bytesPerToken)
}

/** @returns false when the answer, judged by its length, exceeds the reservation and the budgets cover no more */
function covered(running: Running): boolean {
  return running.meter.covers(tokensSoFar(running))
}

function overdrawn(running: Running): OxbowError {
  running.meter.chargeStopped(tokensSoFar(running))
  return broken(running, usedUp)
}

/** @throws OxbowError for usage that is impossible or that the budgets do not cover */
function finished(running: Running, { reason, usage, repaired }: Finish): Done<GenerateOutput> {
  const { parts, meter, deps } = running
  const problem = meter.charge({ model: running.model, usage }, tokensSoFar(running))
  if (problem !== null) throw broken(running, problem)
  const output = {
    message: { role: 'assistant', parts: withoutSecrets(parts, deps) },
    finish: reason,
    usage,
    ...(repaired !== undefined && { repaired }),
    ...(running.model !== running.request.model && { model: running.model }),
  } as const
  return { output, spent: meter.spent() }
}

/** Keeps the text before the failure in the conversation, unless the guest is shutting down and will resume the turn. */
function broken(running: Running, failure: Failure): OxbowError {
  const { parts, meter, context, deps } = running
  const texts = withoutSecrets(parts, deps).filter((part) => part.type === 'text')
  const keep = texts.some((part) => part.text !== '') && stopReason(context.signal) !== 'shutdown'
  const outcome = keep ? { message: { role: 'assistant', parts: texts } } : {}
  return new OxbowError(failure.code, failure.message, {
    hint: failure.hint,
    data: { spent: { ...meter.spent() }, outcome: outcome },
  })
}

function withoutSecrets(parts: readonly Part[], { secrets }: GenerationDeps): readonly Part[] {
  return parts.map((part) =>
    part.type === 'tool_call' ? { ...part, arguments: secrets.hideInJson(part.arguments) } : { ...part, text: secrets.hide(part.text) },
  )
}

/** Tokens of an answer that one read of the network brings at most: 64 KiB. */
const tokensOfARead = (64 * 1024) / bytesPerToken

/** Tokens that a generation reserves before it begins. */
export interface ReservedTokens {
  readonly inputTokens: number
  readonly outputTokens: number
}

/** What a generation reserves and costs. */
interface Meter {
  /** Reserves what a request to a model may cost, before it is sent. @returns why it must not be sent */
  admit(ask: ModelAsk): Promise<Failure | null>
  /** @returns false when the answer exceeds the reservation and the budgets cover no more */
  covers(outputTokens: number): boolean
  /** Charges what a try used. @param arrived output tokens by our own count @returns why the generation must end; null for credible usage */
  charge(used: ModelUsage, arrived?: number): Failure | null
  /** Charges the try that runs: its input as reserved, and so much output. */
  chargeStopped(outputTokens: number): void
  /** All that was charged. */
  spent(): Spend
}

interface MeterDeps {
  readonly context: Pick<CallContext, 'reserveMore' | 'reserveUpTo'>
  /** What the call has reserved already, for this model. */
  readonly facts: ModelFacts
  readonly reserved: ReservedTokens
  readonly moneyIsLimited: () => boolean
  /** @returns input tokens of the request for another model, whose tokenizer counts otherwise */
  readonly inputFor: (model: string) => Promise<number>
}

/** What is reserved for a model. */
interface Try extends ReservedTokens {
  readonly facts: ModelFacts
}

export function createMeter({ context, facts: first, reserved, moneyIsLimited, inputFor }: MeterDeps): Meter {
  const firstLabel = modelLabel(first)
  let current: Try = { ...reserved, facts: first }
  const tries = new Map<string, Try>([[firstLabel, current]])
  const purse = createPurse(context, reservationOf(current))
  const tokensFor = async ({ facts, maxOutputTokens }: ModelAsk): Promise<ReservedTokens> => {
    const { outputTokens } = current
    if (modelLabel(facts) === firstLabel) return { inputTokens: reserved.inputTokens, outputTokens }
    // Reasoning may be invisible until it is billed.
    const hides = facts.reasoning && !first.reasoning
    return {
      inputTokens: await inputFor(modelLabel(facts)),
      outputTokens: hides ? maxOutputTokens : Math.min(outputTokens, maxOutputTokens),
    }
  }

  return {
    async admit(ask) {
      const { facts, unreported } = ask
      if (moneyIsLimited() && facts.price === null) return toFailure(unpriced(facts), 'budget_exhausted', '')
      const asked: Try = { ...(await tokensFor(ask)), facts }
      const lost = unreported.map(({ model, usage }) => costOf((tries.get(model) ?? current).facts, usage))
      if (!purse.provide(lost.reduce((sum, cost) => addSpend(sum, cost), reservationOf(asked)))) return uncovered(facts)
      current = asked
      tries.set(modelLabel(facts), asked)
      return null
    },
    covers(outputTokens) {
      while (outputTokens > current.outputTokens) {
        const { facts, outputTokens: allowed } = current
        // Doubles the reservation, so that a long answer extends it only a few times; near the end of a budget takes the minimum.
        const more = [Math.max(minReservedTokens, allowed), minReservedTokens].find((tokens) =>
          purse.reserve(costOf(facts, { inputTokens: 0, outputTokens: tokens, estimated: true })),
        )
        if (more === undefined) return false
        current = { ...current, outputTokens: allowed + more }
        tries.set(modelLabel(facts), current)
      }
      return true
    },
    charge({ model, usage }, arrived = 0) {
      const its = tries.get(model) ?? current
      if (isImpossible(its.facts, usage)) {
        const inputTokens = Math.min(usage.inputTokens, its.inputTokens)
        purse.pay(costOf(its.facts, { inputTokens, outputTokens: Math.min(usage.outputTokens, its.outputTokens), estimated: true }))
        return impossible(its, usage)
      }
      if (!usage.estimated) return purse.pay(costOf(its.facts, usage)) ? null : overspent(its, usage)
      purse.owe(costOf(its.facts, boundedGuess(its, usage, arrived)))
      return null
    },
    chargeStopped(outputTokens) {
      purse.owe(costOf(current.facts, boundedGuess(current, { ...current, outputTokens: 0, estimated: true }, outputTokens)))
    },
    spent: purse.spent,
  }
}

/**
 * An estimate by length counts a picture as text, so the count from before the request is the most. Of an answer that outgrew its reservation in one
 * event, no more is paid than one read of the network brings.
 */
function boundedGuess(its: Try, usage: Usage, arrived: number): Usage {
  const outputTokens = Math.min(Math.max(usage.outputTokens, arrived), its.outputTokens + tokensOfARead)
  return { ...usage, inputTokens: Math.min(usage.inputTokens, its.inputTokens), outputTokens }
}

/** No request can read or write more than the whole window. */
function isImpossible({ contextTokens }: ModelFacts, { inputTokens, outputTokens, estimated }: Usage): boolean {
  return !estimated && (inputTokens > contextTokens || outputTokens > contextTokens)
}

function impossible({ facts, inputTokens, outputTokens }: Try, usage: Usage): Failure {
  return {
    code: 'model_garbled',
    message: `${modelLabel(facts)} reports ${tokensOf(usage)}, but its window holds ${facts.contextTokens}. Only the reservation was charged: ${inputTokens} and ${outputTokens}.`,
    hint: 'Check the bill of the service. If the window of the model is larger, set its context_tokens; otherwise use another service.',
  }
}

function overspent({ facts, inputTokens, outputTokens }: Try, usage: Usage): Failure {
  return {
    code: 'budget_exhausted',
    message: `${modelLabel(facts)} reports ${tokensOf(usage)}, more than the ${inputTokens} and ${outputTokens} that were reserved, and the budget does not cover the rest. What was left of the budget was charged.`,
    hint: 'Check the bill of the service. To continue, raise [budget.session] or [budget.user] in config.toml and send another message.',
  }
}

const tokensOf = ({ inputTokens, outputTokens }: Usage): string => `${inputTokens} tokens of input and ${outputTokens} of output`

function uncovered(facts: ModelFacts): Failure {
  return {
    code: 'budget_exhausted',
    message: `The budget does not cover a request to ${modelLabel(facts)}, so it was not sent.`,
    hint: 'Raise the budget, or name a cheaper fallback: `oxbow budget list` shows what is left.',
  }
}

const usedUp: Failure = {
  code: 'budget_exhausted',
  message: 'The answer was stopped: its reservation is used up, and the budget does not cover more.',
  hint: 'Raise [budget.session] or [budget.user] in config.toml, then send another message to continue.',
}
