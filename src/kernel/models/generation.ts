/**
 * One generation, from its first event to its last: its text goes to followers as it comes, is counted against the reservation,
 * and becomes a message. A failure keeps the text so far and what it cost.
 *
 * A reservation covers what an answer usually takes and grows with the answer while the budgets cover more. What a service
 * reports beyond that is booked only as far as the budgets cover it, and what no window of the model allows is not booked: either ends
 * the generation as a failure of that service.
 */
import { priceOf } from '../../engine/index.ts'
import type { GenerateOutput } from '../../runtime/index.ts'
import {
  addSpend,
  type AssistantMessage,
  type CallContext,
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
  type Sealed,
  type Spend,
  type Usage,
} from '../../types/index.ts'
import type { Events } from '../events.ts'
import { bytesPerToken, minReservedTokens } from '../limits.ts'
import { stopReason } from '../stages/running-calls.ts'
import type { Cleaner } from '../stages/cleaning.ts'

export interface GenerationDeps {
  readonly engine: Engine
  readonly events: Events
  /** A money budget is set: only a model with a price may be asked. */
  readonly moneyIsLimited: boolean
  /** An endpoint that repeats its key does not get it into the journal. */
  readonly cleaner: Pick<Cleaner, 'hideSecrets' | 'hideSecretBytes'>
}

/** Tokens that a generation has reserved before it begins. */
export interface ReservedTokens {
  readonly inputTokens: number
  readonly outputTokens: number
}

type Part = AssistantMessage['parts'][number]

/** How far a generation has come. */
interface Running {
  readonly asked: GenerateRequest
  /** Input tokens that were reserved for. */
  readonly inputTokens: number
  readonly context: CallContext
  readonly deps: GenerationDeps
  /** Of the model that answers now; a fallback takes over with `restarted`. */
  facts: ModelFacts
  parts: Part[]
  /** UTF-8 bytes of this answer, for an estimate of its tokens. */
  bytes: number
  /** Characters of it as the wire counts them, with those of tool calls that are still on their way. */
  chars: number
  /** Only pieces came that are not given out, and the budget does not cover them: that ended the generation. */
  enough: boolean
  /** Output tokens that the reservation covers. */
  allowedTokens: number
  /** What earlier tries of this generation cost. */
  spent: Spend
}

export async function runGeneration(
  asked: GenerateRequest,
  reserved: ReservedTokens,
  context: CallContext,
  deps: GenerationDeps,
): Promise<Done<GenerateOutput>> {
  const facts = await deps.engine.facts(asked.model)
  const running: Running = {
    asked,
    inputTokens: reserved.inputTokens,
    context,
    deps,
    facts,
    parts: [],
    bytes: 0,
    chars: 0,
    enough: false,
    allowedTokens: reserved.outputTokens,
    spent: noSpend,
  }
  const control = new AbortController()
  const stop = (): void => control.abort(context.signal.reason)
  const onProgress = (outputChars = 0): void => {
    running.chars = outputChars
    if (running.enough || covered(running)) return
    running.enough = true
    control.abort()
  }
  if (context.signal.aborted) stop()
  else context.signal.addEventListener('abort', stop)
  try {
    for await (const batch of deps.engine.generate({ ...asked, onProgress }, control.signal)) {
      const ended = await takeBatch(running, batch)
      if (ended !== null) return finished(running, ended)
    }
  } finally {
    context.signal.removeEventListener('abort', stop)
  }
  throw new OxbowError('model_garbled', 'The model ended its stream without a last event.', { hint: 'Send the message again.' })
}

type Finish = Extract<ModelEvent, { type: 'finish' }>

/** @returns the finish when the batch has it. @throws OxbowError when the generation failed or its reservation is used up. */
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
        show(running, text)
        return event
      case 'error':
        show(running, text)
        throw running.enough ? overdrawn(running) : broken(running, withWayOut(event.failure, running.asked), event.usage)
    }
  }
  show(running, text)
  if (!covered(running)) throw overdrawn(running)
  return null
}

/** A service that refuses a file that looked right to us refuses each request that shows it. */
function withWayOut(failure: Failure, { messages }: GenerateRequest): Failure {
  const showsFile = messages.some(({ role, parts: [first, ...rest] }) =>
    role === 'tool' ? first?.type === 'tool_result' && first.media !== undefined : rest.some(({ type }) => type === 'media'),
  )
  if (failure.code !== 'model_refused' || !showsFile) return failure
  const way =
    'If a picture or file is what it refuses: go on from before that with `/fork N` in chat, begin a new session, or ask a model that is not shown such files.'
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

function show({ context, deps }: Running, text: string): void {
  const { session, turn } = context.caller
  if (text !== '' && session !== '' && turn !== '') deps.events.delta(session, turn, context.id, text)
}

/** The answer begins anew, perhaps by another model: what the dead try cost stays, what it said is void. */
async function restart(running: Running, { model, why, usage }: Extract<ModelEvent, { type: 'restarted' }>): Promise<void> {
  const { context, deps } = running
  const lost = costOf(running.facts, usableUsage(running, usage))
  const next = await deps.engine.facts(model)
  if (deps.moneyIsLimited && next.price === null) throw broken(running, unpriced(next), usage)
  const [before, after] = [running.facts, next].map((facts) => answerCost(running, facts))
  const dearer = { microDollars: Math.max(0, after!.microDollars - before!.microDollars), tokens: 0 }
  if (!context.reserveMore(addSpend(lost, dearer))) throw broken(running, usedUp, usage)
  running.spent = addSpend(running.spent, lost)
  running.facts = next
  running.parts = []
  running.bytes = 0
  running.chars = 0
  const { session, turn } = context.caller
  if (session !== '' && turn !== '') deps.events.restarted({ session, turn, call: context.id, model, why: why.message })
}

function tokensSoFar({ bytes, chars }: Running): number {
  return Math.ceil(Math.max(bytes, chars) / bytesPerToken)
}

/** @returns false when the answer is longer than was reserved for, as far as its length tells, and the budgets cover no more. */
function covered(running: Running): boolean {
  while (tokensSoFar(running) > running.allowedTokens) {
    // Twice as much, so that a long answer asks a few times; near the end of a budget as little as helps.
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

/** @throws OxbowError for usage that cannot be true, or that the budgets do not cover */
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

/** @returns null for usage that the reservation covers, if need be after it has grown */
function usageProblem(running: Running, usage: Usage): Failure | null {
  const { facts, inputTokens, allowedTokens } = running
  const tokens = `${usage.inputTokens} tokens of input and ${usage.outputTokens} of output`
  if (isImpossible(facts, usage)) {
    return {
      code: 'model_garbled',
      message: `${modelLabel(facts)} reports ${tokens}, but its window holds ${facts.contextTokens}. The budget counts what was reserved: ${inputTokens} and ${allowedTokens}.`,
      hint: 'Check what the service bills. If the window of the model is larger, set its context_tokens; else use another service.',
    }
  }
  if (isCovered(running, usage) || running.context.reserveMore(excess(running, usage))) return null
  return {
    code: 'budget_exhausted',
    message: `${modelLabel(facts)} reports ${tokens}, more than the ${inputTokens} and ${allowedTokens} that were reserved, and the budget does not cover the rest. It counts what was reserved.`,
    hint: 'Check what the service bills. To go on, raise [budget.session] or [budget.user] in config.toml and send another message.',
  }
}

/** No service can have read or written more than a whole window. */
function isImpossible({ contextTokens }: ModelFacts, { inputTokens, outputTokens }: Usage): boolean {
  return inputTokens > contextTokens || outputTokens > contextTokens
}

/** What the usage costs over what was reserved. */
function excess({ facts, inputTokens, allowedTokens }: Running, usage: Usage): Spend {
  const reserved = costOf(facts, { inputTokens, outputTokens: allowedTokens, estimated: true })
  const { microDollars, tokens } = costOf(facts, usage)
  return { microDollars: Math.max(0, microDollars - reserved.microDollars), tokens: Math.max(0, tokens - reserved.tokens) }
}

/** @returns reported usage, reduced to what was reserved where the budgets do not cover all of it. Our own estimates stay. */
function usableUsage(running: Running, usage: Usage): Usage {
  if (usage.estimated || (!isImpossible(running.facts, usage) && isCovered(running, usage))) return usage
  const inputTokens = Math.min(usage.inputTokens, running.inputTokens)
  return { inputTokens, outputTokens: Math.min(usage.outputTokens, running.allowedTokens), estimated: true }
}

function isCovered(running: Running, usage: Usage): boolean {
  const { microDollars, tokens } = excess(running, usage)
  return microDollars === 0 && tokens === 0
}

/** What was said before the failure stays part of the conversation, unless the guest only stops to go on later. */
function broken(running: Running, failure: Failure, usage: Usage): OxbowError {
  const { parts, facts, spent, context, deps } = running
  const said = withoutSecrets(parts, deps).filter((part) => part.type === 'text')
  const keep = said.some((part) => part.text !== '') && stopReason(context.signal) !== 'shutdown'
  const outcome = keep ? { message: { role: 'assistant', parts: said } } : {}
  return new OxbowError(failure.code, failure.message, {
    hint: failure.hint,
    data: { spent: { ...addSpend(spent, costOf(facts, usableUsage(running, usage))) }, outcome: outcome as unknown as JsonObject },
  })
}

function withoutSecrets(parts: readonly Part[], { cleaner }: GenerationDeps): readonly Part[] {
  return parts.map((part) =>
    part.type === 'tool_call'
      ? { ...part, arguments: cleaner.hideSecrets(part.arguments) }
      : { ...part, text: cleaner.hideSecrets(part.text) },
  )
}

/** What is reserved, at the price of a model. */
function answerCost({ allowedTokens, inputTokens }: Running, facts: ModelFacts): Spend {
  return costOf(facts, { inputTokens, outputTokens: allowedTokens, estimated: true })
}

export function costOf({ price }: ModelFacts, usage: Usage): Spend {
  return { microDollars: priceOf(price, usage), tokens: usage.inputTokens + usage.outputTokens }
}

const usedUp: Failure = {
  code: 'budget_exhausted',
  message: 'The answer was stopped: what was reserved for it is used up, and the budget does not cover more.',
  hint: 'Raise [budget.session] or [budget.user] in config.toml, then send another message to go on.',
}

/** @param otherwise what a person can do who has no price either */
export function unpriced({ provider, name }: Pick<ModelFacts, 'provider' | 'name'>, otherwise = 'remove the money budget'): OxbowError {
  const section = `[providers.${provider}.models."${name}"]`
  return new OxbowError('budget_exhausted', `Nobody has said what ${provider}/${name} costs, so a money budget cannot cover it.`, {
    hint: `In ${section} of config.toml set input_price and output_price (micro-dollars for a million tokens), and context_tokens where it is not known; or ${otherwise}.`,
  })
}
