/** `model.generate`: the call by which an agent thinks. Its deltas go to followers, its outcome to the journal. */
import { z } from 'zod'
import type { GenerateOutput } from '../../runtime/index.ts'
import {
  type AssistantMessage,
  type Call,
  type CallContext,
  type Engine,
  type FinishReason,
  type JsonObject,
  type Message,
  type ModelFacts,
  OxbowError,
  type ReasoningPart,
  type Spend,
  type TextPart,
  type ToolCallPart,
  type ToolSpec,
  type Usage,
} from '../../types/index.ts'
import type { Events } from '../events.ts'
import { stopReason } from '../running-calls.ts'
import { processRight } from '../stages/policy.ts'

export interface GenerateInput {
  readonly model: string
  readonly system: string
  readonly messages: readonly Message[]
  readonly maxOutputTokens: number
  /** Upper bound of the input's tokens, as the context window counted them. */
  readonly inputTokens: number
}

export interface ModelCallDeps {
  readonly engine: Engine
  readonly events: Events
  readonly tools: (rights: ReadonlySet<string>) => readonly ToolSpec[]
  readonly moneyIsLimited: boolean
}

/** The longest generation; the engine's own stall limits end a dead one much sooner. */
const generateTimeoutMs = 30 * 60_000

const input: z.ZodType<GenerateInput> = z.object({
  model: z.string(),
  system: z.string(),
  // Made by our own runtime from checked records: a schema over a long history would cost more than the turn.
  messages: z.custom<readonly Message[]>(Array.isArray),
  maxOutputTokens: z.int().positive(),
  inputTokens: z.int().nonnegative(),
})

export function modelCalls({ engine, events, tools, moneyIsLimited }: ModelCallDeps): readonly Call[] {
  const generate: Call<GenerateInput, GenerateOutput> = {
    name: 'model.generate',
    summary: 'Asks the model for the next message of a conversation.',
    input,
    output: z.custom<GenerateOutput>(),
    example: { model: 'gpt-5-mini', system: '', messages: [], maxOutputTokens: 1024, inputTokens: 100 },
    tier: 'read_only',
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: true },
    timeoutMs: generateTimeoutMs,
    reserve: async (request, exact) => {
      const facts = await engine.facts(request.model)
      if (moneyIsLimited && facts.price === null) throw unpriced(facts)
      const inputTokens = exact ? await countExactly(engine, request) : request.inputTokens
      return price(facts, { inputTokens, outputTokens: request.maxOutputTokens, estimated: true })
    },
    recordInput: ({ messages, system, ...rest }) => ({ ...rest, messages: messages.length, systemBytes: system.length }),
    recordOutput: (output) => output as unknown as JsonObject,
    run: (request, context) => stream(request, context, { engine, events, tools: tools(context.caller.rights) }),
  }
  return [generate]
}

/** Consumes the stream; text is told to followers as it comes. A failure keeps what was said and what it cost. */
async function stream(request: GenerateInput, context: CallContext, deps: { engine: Engine; events: Events; tools: readonly ToolSpec[] }) {
  const facts = await deps.engine.facts(request.model)
  const { session, turn } = context.caller
  const parts: (TextPart | ReasoningPart | ToolCallPart)[] = []
  const asked = {
    model: request.model,
    system: request.system,
    messages: request.messages,
    tools: deps.tools,
    maxOutputTokens: request.maxOutputTokens,
  }
  for await (const batch of deps.engine.generate(asked, context.signal)) {
    let text = ''
    for (const event of batch) {
      switch (event.type) {
        case 'text':
          text += event.text
          break
        case 'reasoning':
          appendText(parts, 'reasoning', event.text)
          break
        case 'tool_call':
          flush()
          parts.push(event.call)
          break
        case 'finish':
          flush()
          return finished(facts, parts, event.reason, event.usage)
        case 'error':
          flush()
          throw broken(facts, parts, event.failure, event.usage, context.signal)
      }
    }
    flush()
    function flush(): void {
      if (text === '') return
      appendText(parts, 'text', text)
      if (session !== '' && turn !== '') deps.events.delta(session, turn, context.id, text)
      text = ''
    }
  }
  throw new OxbowError('model_garbled', 'The model ended its stream without a last event.', { hint: 'Send the message again.' })
}

function finished(facts: ModelFacts, parts: AssistantMessage['parts'], finish: FinishReason, usage: Usage) {
  return { output: { message: { role: 'assistant', parts } as const, finish, usage }, spent: price(facts, usage) }
}

/** What was said before the failure stays part of the conversation, unless the guest only stops to go on later. */
function broken(
  facts: ModelFacts,
  parts: AssistantMessage['parts'],
  failure: { code: OxbowError['code']; message: string; hint: string },
  usage: Usage,
  signal: AbortSignal,
): OxbowError {
  const said = parts.filter((part) => part.type === 'text')
  const keep = said.length > 0 && stopReason(signal) !== 'shutdown'
  const outcome = keep ? { message: { role: 'assistant', parts: said } } : {}
  return new OxbowError(failure.code, failure.message, {
    hint: failure.hint,
    data: { spent: { ...price(facts, usage) }, outcome: outcome as unknown as JsonObject },
  })
}

function appendText(parts: (TextPart | ReasoningPart | ToolCallPart)[], type: 'text' | 'reasoning', text: string): void {
  const last = parts.at(-1)
  if (last?.type === type) parts[parts.length - 1] = { type, text: last.text + text }
  else parts.push({ type, text })
}

/** Micro-dollars are rounded up: a budget must not leak by fractions. */
function price({ price: prices }: ModelFacts, { inputTokens, outputTokens }: Usage): Spend {
  const microDollars =
    prices === null ? 0 : Math.ceil((inputTokens * prices.inputPerMillion + outputTokens * prices.outputPerMillion) / 1_000_000)
  return { microDollars, tokens: inputTokens + outputTokens }
}

async function countExactly(engine: Engine, request: GenerateInput): Promise<number> {
  const texts = request.messages.flatMap((message) =>
    message.parts.map((part) => (part.type === 'tool_call' ? part.arguments : part.type === 'media' ? '' : part.text)),
  )
  const counts = await engine.countTokens([request.system, ...texts])
  return counts.reduce((sum, count) => sum + count, 0) + request.messages.length * 8
}

function unpriced(facts: ModelFacts): OxbowError {
  return new OxbowError('budget_exhausted', `Nobody has said what ${facts.name} costs, so a money budget cannot cover it.`, {
    hint: 'Set model.input_price and model.output_price in config.toml (micro-dollars for a million tokens), or remove the money budget.',
  })
}
