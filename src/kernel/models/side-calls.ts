/** `model.complete`: asks a model beside the conversation, for what the system itself wants to know. Never offered tools. */
import { z } from 'zod'
import {
  type Call,
  type Embedded,
  type Engine,
  isOxbowError,
  type ModelFacts,
  noSpend,
  type Spend,
  textOf,
  userMessage,
} from '../../types/index.ts'
import { maxCompletionTokens, maxEmbedTexts } from '../limits.ts'
import { processRight } from '../stages/policy.ts'
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
    (await engine.countTokens([system, text])).reduce((sum, tokens) => sum + tokens, completionOverhead)
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
      const inputTokens = exact
        ? await tokensOf(input)
        : Buffer.byteLength(input.system) + Buffer.byteLength(input.text) + completionOverhead
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

/** Tokens for role and separators of both messages. */
const completionOverhead = 32

/**
 * `model.embed`: asks a service for vectors of texts. Memory has no other way to one, so what leaves the machine, and what it costs, is
 * on record and under the budgets as everything else. The texts stand in the journal or in memory anyway: here only their number, their
 * length and one hash over all of them are kept.
 */

export interface EmbedCallDeps {
  readonly engine: Engine
  /** A money budget is set: only a model with a price may be asked. */
  readonly moneyIsLimited: boolean
}

interface EmbedInput {
  model: string
  texts: string[]
  purpose: 'query' | 'document'
}

/** A slow service and its tries. Who asks for a question waits much shorter, and cancels. */
const embedTimeoutMs = 3 * 60_000

export function embedCall({ engine, moneyIsLimited }: EmbedCallDeps): Call<EmbedInput, Embedded> {
  /** The catalog knows few models for embeddings: what is not known of one does not matter as long as money does not. */
  const factsOf = async (model: string): Promise<ModelFacts | null> => {
    try {
      return await engine.facts(model)
    } catch (error) {
      if (isOxbowError(error, 'bad_config')) return null
      throw error
    }
  }
  return {
    name: 'model.embed',
    summary: 'Asks a model for vectors of texts, by which memory finds what has the same meaning.',
    input: z.strictObject({ model: z.string(), texts: z.array(z.string()).max(maxEmbedTexts), purpose: z.enum(['query', 'document']) }),
    output: z.custom<Embedded>(),
    example: { model: 'openai/text-embedding-3-small', texts: ['The sea is blue.'], purpose: 'document' },
    tier: 'read_only',
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: true },
    timeoutMs: embedTimeoutMs,
    async reserve({ model, texts }, exact) {
      const facts = await factsOf(model)
      if (moneyIsLimited && (facts === null || facts.price === null))
        throw unpriced(facts ?? nameOf(model), 'set memory.embedder = "words-50k"')
      const counts = exact ? await engine.countTokens(texts) : texts.map((text) => Buffer.byteLength(text))
      const tokens = counts.reduce((sum, count) => sum + count, texts.length * tokensPerText)
      return spendOf(facts, tokens)
    },
    recordInput: ({ model, texts, purpose }) => ({ model, purpose, texts: texts.length, characters: lengthOf(texts), hash: hashOf(texts) }),
    recordOutput: ({ model, dimensions, vectors, usage }) => ({ model, dimensions, vectors: vectors.length, usage: { ...usage } }),
    async run({ model, texts, purpose }, { signal }) {
      const output = await engine.embed(model, texts, { purpose }, signal)
      return { output, spent: spendOf(await factsOf(model), output.usage.inputTokens) }
    },
  }
}

/** Tokens for the markers around a text. */
const tokensPerText = 4

function spendOf(facts: ModelFacts | null, tokens: number): { microDollars: number; tokens: number } {
  return facts === null ? { microDollars: 0, tokens } : costOf(facts, { inputTokens: tokens, outputTokens: 0, estimated: true })
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length, 0)
}

/** SHA-256 over the texts in order, as JSON, so that no two lists are the same bytes. */
function hashOf(texts: readonly string[]): string {
  return process.getBuiltinModule('node:crypto').hash('sha256', JSON.stringify(texts))
}

function nameOf(model: string): { provider: string; name: string } {
  const [provider = '', ...name] = model.split('/')
  return { provider, name: name.join('/') }
}
