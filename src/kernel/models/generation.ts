/**
 * One generation, from its first event to its last: its text is streamed to followers, counted against the reservation, and becomes a
 * message. A failure keeps the text so far and its cost.
 *
 * A reservation covers a usual answer and grows with the answer as long as the budgets cover more. Usage that a service reports beyond
 * that is charged only as far as the budgets cover it, and usage that exceeds the model's window is not charged: either one ends the
 * generation with an error about that service.
 */
import type { GenerateOutput } from '../../runtime/index.ts'
import {
  addSpend,
  type AssistantMessage,
  type CallContext,
  type Caller,
  type Done,
  type Engine,
  type Failure,
  type GenerateRequest,
  type JsonObject,
  type ModelEvent,
  type ModelFacts,
  modelLabel,
  noSpend,
  OxbowError,
  priceOf,
  type Sealed,
  type Spend,
  type Usage,
} from '../../types/index.ts'
import type { Secrets } from '../../secrets/index.ts'
import type { Events } from '../events.ts'
import { bytesPerToken, minReservedTokens } from '../limits.ts'
import { stopReason } from '../stages/running-calls.ts'

export interface GenerationDeps {
  readonly engine: Engine
  readonly events: Events
  /** Whether a budget of the caller limits money: only models with a known price may be used then. */
  readonly moneyIsLimited: (who: Pick<Caller, 'session' | 'actor'>) => boolean
  /** Removes secrets before anything is recorded: an endpoint may repeat its key. */
  readonly secrets: Pick<Secrets, 'hide' | 'hideAgain' | 'hideBytes' | 'hideInJson' | 'hideInMessages' | 'stream'>
}

/** Tokens that a generation reserves before it begins. */
export interface ReservedTokens {
  readonly inputTokens: number
  readonly outputTokens: number
}

type Part = AssistantMessage['parts'][number]

/** The state of a running generation. */
interface Running {
  readonly request: GenerateRequest
  /** Reserved input tokens. */
  readonly inputTokens: number
  readonly context: CallContext
  readonly deps: GenerationDeps
  /** Facts of the model that answers; a `restarted` event may switch to a fallback. */
  facts: ModelFacts
  parts: Part[]
  /** UTF-8 bytes of this answer, to estimate its tokens. */
  bytes: number
  /** Characters of the answer as the wire counts them, including incomplete tool calls. */
  chars: number
  /** True when the budget did not cover an answer of which no event has arrived yet: that aborts the generation. */
  overBudget: boolean
  /** Output tokens that the reservation covers. */
  allowedTokens: number
  /** Cost of earlier attempts of this generation. */
  spent: Spend
  /** Shows the text without secrets. */
  readonly shown: ReturnType<Secrets['stream']>
}

export async function runGeneration(
  request: GenerateRequest,
  reserved: ReservedTokens,
  context: CallContext,
  deps: GenerationDeps,
): Promise<Done<GenerateOutput>> {
  const facts = await deps.engine.facts(request.model)
  const running: Running = {
    request,
    inputTokens: reserved.inputTokens,
    context,
    deps,
    facts,
    parts: [],
    bytes: 0,
    chars: 0,
    overBudget: false,
    allowedTokens: reserved.outputTokens,
    spent: noSpend,
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
    for await (const batch of deps.engine.generate({ ...request, onProgress }, control.signal)) {
      const ended = await takeBatch(running, batch)
      if (ended !== null) return finished(running, ended)
    }
  } finally {
    context.signal.removeEventListener('abort', stop)
  }
  throw new OxbowError('model_garbled', 'The model ended its stream without a final event.', { hint: 'Send the message again.' })
}

type Finish = Extract<ModelEvent, { type: 'finish' }>

/** @returns the finish event if the batch has it. @throws OxbowError when the generation failed or the budget is exhausted */
async function takeBatch(running: Running, batch: readonly ModelEvent[]): Promise<Finish | null> {
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
        await restart(running, event)
        break
      case 'finish':
        showLast(running, text)
        return event
      case 'error':
        showLast(running, text)
        throw running.overBudget ? overdrawn(running) : broken(running, withWayOut(event.failure, running.request), event.usage)
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

/** Also what was held back, because a secret might have begun in it. */
function showLast(running: Running, text: string): void {
  show(running, text)
  send(running, running.shown.end())
}

function send({ context, deps }: Running, text: string): void {
  const { session, turn } = context.caller
  if (text !== '' && session !== '' && turn !== '') deps.events.delta(session, turn, context.id, text)
}

/** The answer starts over, perhaps with another model: the failed attempt's text is void, its cost is kept. */
async function restart(running: Running, { model, why, usage }: Extract<ModelEvent, { type: 'restarted' }>): Promise<void> {
  const { context, deps } = running
  const lost = costOf(running.facts, usableUsage(running, usage))
  const next = await deps.engine.facts(model)
  if (deps.moneyIsLimited(context.caller) && next.price === null) throw broken(running, unpriced(next), usage)
  const [before, after] = [running.facts, next].map((facts) => answerCost(running, facts))
  const dearer = { microDollars: Math.max(0, after!.microDollars - before!.microDollars), tokens: 0 }
  if (!context.reserveMore(addSpend(lost, dearer))) throw broken(running, usedUp, usage)
  running.spent = addSpend(running.spent, lost)
  running.facts = next
  running.parts = []
  running.shown.end()
  running.bytes = 0
  running.chars = 0
  const { session, turn } = context.caller
  if (session !== '' && turn !== '') deps.events.restarted({ session, turn, call: context.id, model, why: why.message })
}

function tokensSoFar({ bytes, chars }: Running): number {
  return Math.ceil(Math.max(bytes, chars) / bytesPerToken)
}

/** @returns false when the answer, judged by its length, exceeds the reservation and the budgets cover no more */
function covered(running: Running): boolean {
  while (tokensSoFar(running) > running.allowedTokens) {
    // Doubles the reservation, so that a long answer extends it only a few times; near the end of a budget takes the minimum.
    const more = [Math.max(minReservedTokens, running.allowedTokens), minReservedTokens].find((tokens) =>
      running.context.reserveMore(costOf(running.facts, { inputTokens: 0, outputTokens: tokens, estimated: true })),
    )
    if (more === undefined) return false
    running.allowedTokens += more
  }
  return true
}

function overdrawn(running: Running): OxbowError {
  return broken(running, usedUp, { inputTokens: running.inputTokens, outputTokens: tokensSoFar(running), estimated: true })
}

/** @throws OxbowError for usage that is impossible or that the budgets do not cover */
function finished(running: Running, { reason, usage, repaired }: Finish): Done<GenerateOutput> {
  const { parts, facts, spent, deps } = running
  const problem = usageProblem(running, usage)
  if (problem !== null) throw broken(running, problem, usage)
  const output = {
    message: { role: 'assistant', parts: withoutSecrets(parts, deps) },
    finish: reason,
    usage,
    ...(repaired !== undefined && { repaired }),
  } as const
  return { output, spent: addSpend(spent, costOf(facts, usage)) }
}

/** @returns null for usage that the reservation covers, extended if necessary */
function usageProblem(running: Running, usage: Usage): Failure | null {
  const { facts, inputTokens, allowedTokens } = running
  const tokens = `${usage.inputTokens} tokens of input and ${usage.outputTokens} of output`
  if (isImpossible(facts, usage)) {
    return {
      code: 'model_garbled',
      message: `${modelLabel(facts)} reports ${tokens}, but its window holds ${facts.contextTokens}. Only the reservation was charged: ${inputTokens} and ${allowedTokens}.`,
      hint: 'Check the bill of the service. If the window of the model is larger, set its context_tokens; otherwise use another service.',
    }
  }
  if (isCovered(running, usage) || running.context.reserveMore(excess(running, usage))) return null
  return {
    code: 'budget_exhausted',
    message: `${modelLabel(facts)} reports ${tokens}, more than the ${inputTokens} and ${allowedTokens} that were reserved, and the budget does not cover the rest. Only the reservation was charged.`,
    hint: 'Check the bill of the service. To continue, raise [budget.session] or [budget.user] in config.toml and send another message.',
  }
}

/** No request can read or write more than the whole window. */
function isImpossible({ contextTokens }: ModelFacts, { inputTokens, outputTokens }: Usage): boolean {
  return inputTokens > contextTokens || outputTokens > contextTokens
}

/** @returns the cost of the usage beyond the reservation */
function excess({ facts, inputTokens, allowedTokens }: Running, usage: Usage): Spend {
  const reserved = costOf(facts, { inputTokens, outputTokens: allowedTokens, estimated: true })
  const { microDollars, tokens } = costOf(facts, usage)
  return { microDollars: Math.max(0, microDollars - reserved.microDollars), tokens: Math.max(0, tokens - reserved.tokens) }
}

/** @returns reported usage, reduced to the reservation if that does not cover it; our own estimates are not reduced */
function usableUsage(running: Running, usage: Usage): Usage {
  if (usage.estimated || (!isImpossible(running.facts, usage) && isCovered(running, usage))) return usage
  const inputTokens = Math.min(usage.inputTokens, running.inputTokens)
  return { inputTokens, outputTokens: Math.min(usage.outputTokens, running.allowedTokens), estimated: true }
}

function isCovered(running: Running, usage: Usage): boolean {
  const { microDollars, tokens } = excess(running, usage)
  return microDollars === 0 && tokens === 0
}

/** Keeps the text before the failure in the conversation, unless the guest is shutting down and will resume the turn. */
function broken(running: Running, failure: Failure, usage: Usage): OxbowError {
  const { parts, facts, spent, context, deps } = running
  const texts = withoutSecrets(parts, deps).filter((part) => part.type === 'text')
  const keep = texts.some((part) => part.text !== '') && stopReason(context.signal) !== 'shutdown'
  const outcome = keep ? { message: { role: 'assistant', parts: texts } } : {}
  return new OxbowError(failure.code, failure.message, {
    hint: failure.hint,
    data: { spent: { ...addSpend(spent, costOf(facts, usableUsage(running, usage))) }, outcome: outcome as unknown as JsonObject },
  })
}

function withoutSecrets(parts: readonly Part[], { secrets }: GenerationDeps): readonly Part[] {
  return parts.map((part) =>
    part.type === 'tool_call' ? { ...part, arguments: secrets.hideInJson(part.arguments) } : { ...part, text: secrets.hide(part.text) },
  )
}

/** @returns the reservation at the price of a model */
function answerCost({ allowedTokens, inputTokens }: Running, facts: ModelFacts): Spend {
  return costOf(facts, { inputTokens, outputTokens: allowedTokens, estimated: true })
}

export function costOf({ price }: ModelFacts, usage: Usage): Spend {
  return { microDollars: priceOf(price, usage), tokens: usage.inputTokens + usage.outputTokens }
}

const usedUp: Failure = {
  code: 'budget_exhausted',
  message: 'The answer was stopped: its reservation is used up, and the budget does not cover more.',
  hint: 'Raise [budget.session] or [budget.user] in config.toml, then send another message to continue.',
}

/** @param otherwise what to do when the price is unknown */
export function unpriced({ provider, name }: Pick<ModelFacts, 'provider' | 'name'>, otherwise = 'remove the money budget'): OxbowError {
  const section = `[providers.${/^[\w-]+$/.test(provider) ? provider : JSON.stringify(provider)}.models."${name}"]`
  return new OxbowError('budget_exhausted', `The price of ${provider}/${name} is unknown, so a money budget cannot cover it.`, {
    hint: `In ${section} of config.toml set input_price and output_price (micro-dollars per million tokens), and context_tokens if it is unknown; or ${otherwise}.`,
  })
}
