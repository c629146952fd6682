/** `model.complete`: asks a model beside the conversation, for what the system itself wants to know. Never offered tools. */
import { z } from 'zod'
import { type Call, noSpend, type Spend, textOf, userMessage } from '../../types/index.ts'
import { processRight } from '../stages/policy.ts'
import { maxCompletionTokens } from '../limits.ts'
import { costOf, type GenerationDeps, runGeneration, unpriced } from './generation.ts'

interface CompleteInput {
  model: string
  system: string
  text: string
}

const completeTimeoutMs = 3 * 60_000

export interface Completion {
  text: string
  spent: Spend
}

export function completeCall(deps: GenerationDeps): Call<CompleteInput, Completion> {
  const { engine } = deps
  const tokensOf = async ({ system, text }: CompleteInput): Promise<number> =>
    (await engine.countTokens([system, text])).reduce((sum, tokens) => sum + tokens, tokensBeside)
  return {
    name: 'model.complete',
    summary: 'Asks the model for a text that is no part of the conversation.',
    input: z.strictObject({ model: z.string(), system: z.string(), text: z.string() }),
    output: z.custom<Completion>(),
    example: { model: '', system: 'Answer in one word.', text: 'Which colour has the sea?' },
    tier: 'read_only',
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: true },
    timeoutMs: completeTimeoutMs,
    async reserve(input, exact) {
      const facts = await engine.facts(input.model)
      if (deps.moneyIsLimited && facts.price === null) throw unpriced(facts)
      const inputTokens = exact ? await tokensOf(input) : Buffer.byteLength(input.system) + Buffer.byteLength(input.text) + tokensBeside
      return costOf(facts, { inputTokens, outputTokens: Math.min(facts.maxOutputTokens, maxCompletionTokens), estimated: true })
    },
    recordInput: ({ model, system, text }) => ({ model, bytes: system.length + text.length }),
    recordOutput: ({ text }) => ({ text }),
    async run({ model, system, text }, context) {
      const facts = await engine.facts(model)
      const asked = {
        model,
        system,
        messages: [userMessage(text)],
        tools: [],
        maxOutputTokens: Math.min(facts.maxOutputTokens, maxCompletionTokens),
        settings: {},
      }
      const done = await runGeneration(
        asked,
        { inputTokens: await tokensOf({ model, system, text }), outputTokens: asked.maxOutputTokens },
        context,
        deps,
      )
      return { ...done, output: { text: textOf(done.output.message), spent: done.spent ?? noSpend } }
    },
  }
}

/** Role and separators of both messages. */
const tokensBeside = 32
