/**
 * One generation, from its first event to its last: what was said is told to followers as it comes, counted against the
 * reservation, and put together to a message. A failure keeps what was said and what it cost.
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
  inputTokens: number,
  context: CallContext,
  deps: GenerationDeps,
): Promise<Done<GenerateOutput>> {
  const facts = await deps.engine.facts(asked.model)
  const running: Running = {
    asked,
    inputTokens,
    context,
    deps,
    facts,
    parts: [],
    bytes: 0,
    chars: 0,
    enough: false,
    allowedTokens: asked.maxOutputTokens,
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
  const lost = costOf(running.facts, usage)
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
  running.allowedTokens = running.asked.maxOutputTokens
  const { session, turn } = context.caller
  if (session !== '' && turn !== '') deps.events.restarted({ session, turn, call: context.id, model, why: why.message })
}

function tokensSoFar({ bytes, chars }: Running): number {
  return Math.ceil(Math.max(bytes, chars) / bytesPerToken)
}

/** @returns false when the answer is longer than was reserved for, as far as its length tells, and the budgets cover no more. */
function covered(running: Running): boolean {
  while (tokensSoFar(running) > running.allowedTokens) {
    const more = Math.max(minReservedTokens, Math.ceil(running.asked.maxOutputTokens / 4))
    if (!running.context.reserveMore(costOf(running.facts, { inputTokens: 0, outputTokens: more, estimated: true }))) return false
    running.allowedTokens += more
  }
  return true
}

function overdrawn(running: Running): OxbowError {
  return broken(running, usedUp, { inputTokens: running.inputTokens, outputTokens: tokensSoFar(running), estimated: true })
}

function finished(running: Running, { reason, usage, repaired }: Finish): Done<GenerateOutput> {
  const { parts, facts, spent, deps } = running
  const output = {
    message: { role: 'assistant', parts: withoutSecrets(parts, deps) },
    finish: reason,
    usage,
    ...(repaired !== undefined && { repaired }),
  } as const
  return { output, spent: addSpend(spent, costOf(facts, usage)) }
}

/** What was said before the failure stays part of the conversation, unless the guest only stops to go on later. */
function broken(running: Running, failure: Failure, usage: Usage): OxbowError {
  const { parts, facts, spent, context, deps } = running
  const said = withoutSecrets(parts, deps).filter((part) => part.type === 'text')
  const keep = said.some((part) => part.text !== '') && stopReason(context.signal) !== 'shutdown'
  const outcome = keep ? { message: { role: 'assistant', parts: said } } : {}
  return new OxbowError(failure.code, failure.message, {
    hint: failure.hint,
    data: { spent: { ...addSpend(spent, costOf(facts, usage)) }, outcome: outcome as unknown as JsonObject },
  })
}

function withoutSecrets(parts: readonly Part[], { cleaner }: GenerationDeps): readonly Part[] {
  return parts.map((part) =>
    part.type === 'tool_call'
      ? { ...part, arguments: cleaner.hideSecrets(part.arguments) }
      : { ...part, text: cleaner.hideSecrets(part.text) },
  )
}

/** What a whole answer may cost with a model. */
function answerCost({ asked, inputTokens }: Running, facts: ModelFacts): Spend {
  return costOf(facts, { inputTokens, outputTokens: asked.maxOutputTokens, estimated: true })
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
