/**
 * Calls to models outside of a conversation. `model.complete` asks one for a text that the system itself needs, such as a summary or a
 * title, and never offers it tools. `model.embed` asks one for vectors. Memory reaches services only through these calls, so whatever
 * leaves the machine is recorded and budgeted like everything else.
 */
import { z } from 'zod'
import { processRight, unpriced } from '../../kernel/index.ts'
import { isOxbowError, OxbowError } from '../../base/index.ts'
import {
  completionCall,
  embeddingCall,
  type Call,
  type Caller,
  completion,
  costOf,
  defineCall,
  type Done,
  type Embedded,
  embedded,
  type EmbedOptions,
  type Engine,
  type GenerateSettings,
  type Message,
  type ModelFacts,
  noSpend,
  reservationOf,
  type Spend,
  type Usage,
  textOf,
  userMessage,
} from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import type { Memory } from '../../memory/index.ts'
import type { GenerationDeps } from './generation.ts'
import { type AnswerDeps, generateLabelled } from './plugin-answers.ts'
import { maxCompletionTokens, maxEmbedCharacters, maxEmbedTexts, maxEmbeddedTexts } from './limits.ts'

type CompleteInput = z.infer<typeof completeInput>

const completeTimeoutMs = 3 * 60_000

const completeInput = z.strictObject({
  model: z.string(),
  system: z.string(),
  text: z.string(),
  earlier: z.array(z.strictObject({ role: z.enum(['user', 'assistant']), text: z.string() })).optional(),
  max_tokens: z.int().min(1).optional(),
  output: z.custom<NonNullable<GenerateSettings['output']>>().optional().describe('The form of the answer.'),
})

export function completeCall(deps: AnswerDeps): Call {
  const { engine } = deps
  const textsOf = ({ system, text, earlier = [] }: CompleteInput): readonly string[] => [system, text, ...earlier.map((each) => each.text)]
  const tokensOf = async (input: CompleteInput): Promise<number> => {
    const texts = textsOf(input)
    return (await engine.countTokens(texts)).reduce((sum, tokens) => sum + tokens, (completionOverhead / 2) * texts.length)
  }
  const answerTokens = (facts: ModelFacts, { max_tokens: asked = maxCompletionTokens }: CompleteInput): number =>
    Math.min(facts.maxOutputTokens, maxCompletionTokens, asked)
  return defineCall({
    name: completionCall,
    billed: true,
    summary: 'Asks a model for a text that is not part of the conversation.',
    input: completeInput,
    output: completion,
    example: { model: '', system: 'Answer in one word.', text: 'What colour is the sea?' },
    tier: 'read_only',
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    forPlugins: true,
    labels: { adds: [], sink: true },
    timeoutMs: completeTimeoutMs,
    async reserve(input, exact, caller) {
      const facts = await engine.facts(input.model)
      if (deps.budgets.limitsMoney(caller) && facts.price === null)
        throw await (await import('./usable-models.ts')).unpricedModel(deps, facts)
      // A byte is at most one token.
      const inputTokens = exact ? await tokensOf(input) : textsOf(input).reduce((sum, text) => sum + Buffer.byteLength(text) + 16, 0)
      return reservationOf({ facts, inputTokens, outputTokens: answerTokens(facts, input) })
    },
    recordInput: (input) => ({ model: input.model, bytes: textsOf(input).reduce((sum, text) => sum + text.length, 0) }),
    recordOutput: ({ text }) => ({ text }),
    async run(input, context) {
      const { model, system, text, earlier = [], output } = input
      const facts = await engine.facts(model)
      const request = {
        model,
        system,
        messages: [...earlier.map(saidBefore), userMessage(text)],
        tools: [],
        maxOutputTokens: answerTokens(facts, input),
        settings: output === undefined ? {} : { output },
      }
      const done = await generateLabelled(
        request,
        { inputTokens: await tokensOf(input), outputTokens: request.maxOutputTokens },
        context,
        deps,
      )
      return { ...done, output: { text: textOf(done.output.message), spent: done.spent ?? noSpend } }
    },
  })
}

function saidBefore({ role, text }: { readonly role: 'user' | 'assistant'; readonly text: string }): Message {
  return role === 'user' ? userMessage(text) : { role, parts: [{ type: 'text', text }] }
}

/** Tokens for role and separators of both messages. */
const completionOverhead = 32

export interface EmbedCallDeps {
  readonly engine: Engine
  readonly budgets: GenerationDeps['budgets']
}

/** Enough for a slow service and its retries. A search for a query cancels much sooner. */
const embedTimeoutMs = 3 * 60_000

/** What embedding with a model costs. The catalog has few of them: without a money budget, an unknown one may be used. */
function embedCosts({ engine, budgets }: EmbedCallDeps) {
  const factsOf = async (model: string): Promise<ModelFacts | null> => {
    try {
      return await engine.facts(model)
    } catch (error) {
      if (isOxbowError(error, 'bad_config')) return null
      throw error
    }
  }
  return {
    /** @throws OxbowError `budget_exhausted` for a model without a price */
    async reserve(caller: Caller, model: string, texts: readonly string[], exact: boolean): Promise<Spend> {
      const facts = await factsOf(model)
      if (budgets.limitsMoney(caller) && (facts === null || facts.price === null))
        throw unpriced(facts ?? nameOf(model), 'set memory.embedder = "words-50k"')
      const counts = exact ? await engine.countTokens(texts) : texts.map((text) => Buffer.byteLength(text))
      const tokens = counts.reduce((sum, count) => sum + count, texts.length * tokensPerText)
      return spendOf(facts, tokens)
    },
    /** Asks the service. What was sent costs even when it fails. */
    async embed(model: string, texts: readonly string[], options: EmbedOptions, signal: AbortSignal): Promise<Done<Embedded>> {
      const facts = await factsOf(model)
      try {
        const output = await engine.embed(model, texts, options, signal)
        return { output, spent: spendOf(facts, output.usage.inputTokens) }
      } catch (error) {
        if (!isOxbowError(error)) throw error
        const { inputTokens = 0 } = (error.data['usage'] ?? {}) as Partial<Usage>
        const { code, message, hint, data, cause } = error
        throw new OxbowError(code, message, { hint, data: { ...data, spent: { ...spendOf(facts, inputTokens) } }, cause })
      }
    },
  }
}

export function embedCall(deps: EmbedCallDeps): Call {
  const costs = embedCosts(deps)
  return defineCall({
    name: embeddingCall,
    billed: true,
    summary: 'Asks a model for embedding vectors of texts, by which memory finds texts of similar meaning.',
    input: z.strictObject({ model: z.string(), texts: z.array(z.string()).max(maxEmbedTexts), purpose: z.enum(['query', 'document']) }),
    output: embedded,
    example: { model: 'openai/text-embedding-3-small', texts: ['The sea is blue.'], purpose: 'document' },
    tier: 'read_only',
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    forPlugins: true,
    labels: { adds: [], sink: true },
    timeoutMs: embedTimeoutMs,
    reserve: ({ model, texts }, exact, caller) => costs.reserve(caller, model, texts, exact),
    // The texts are in the journal or in memory already: only their number, length and hash are recorded here.
    recordInput: ({ model, texts, purpose }) => ({ model, purpose, texts: texts.length, characters: lengthOf(texts), hash: hashOf(texts) }),
    recordOutput: ({ model, dimensions, vectors, usage }) => ({ model, dimensions, vectors: vectors.length, usage: { ...usage } }),
    run: ({ model, texts, purpose }, { signal }) => costs.embed(model, texts, { purpose }, signal),
  })
}

export interface EmbedTextsDeps extends EmbedCallDeps {
  readonly memory?: Pick<Memory, 'embed'> | undefined
  readonly config: Pick<Config, 'memory'>
}

const embedTextsOutput = z.strictObject({
  vectors: z.array(z.string()).readonly().describe('Little-endian 32-bit floats, in base64.'),
  model: z.string(),
  dimensions: z.int(),
  tokens: z.int(),
})

/** Vectors for programs. A service that is the embedder of memory is asked by `model.embed`, which has its own cost. */
export function embedTextsCall(deps: EmbedTextsDeps): Call {
  const { engine, memory, config } = deps
  const costs = embedCosts(deps)
  const byMemory = async (texts: readonly string[]): Promise<Embedded> => {
    if (memory === undefined)
      throw new OxbowError('bad_config', 'Memory is off, and so is its embedder.', { hint: 'Name a model of a provider.' })
    const counting = engine.countTokens(texts)
    const vectors: Float32Array[] = []
    for (let at = 0; at < texts.length; at += maxEmbedTexts) vectors.push(...(await memory.embed(texts.slice(at, at + maxEmbedTexts))))
    const inputTokens = (await counting).reduce((sum, count) => sum + count, 0)
    return {
      vectors,
      model: config.memory.embedder,
      dimensions: vectors[0]?.length ?? 0,
      usage: { inputTokens, outputTokens: 0, estimated: true },
    }
  }
  return defineCall({
    name: 'text.embed',
    summary: 'Computes a vector for each text, by the embedder of memory or a model of a provider.',
    input: z.strictObject({
      texts: z.array(z.string().min(1).max(maxEmbedCharacters)).min(1).max(maxEmbeddedTexts).describe('The texts.'),
      model: z.string().min(1).max(200).optional().describe('Model of a provider. Default: the embedder of memory.'),
      dimensions: z.int().min(1).max(100_000).optional().describe('Fewer dimensions than usual, if the model supports it.'),
    }),
    output: embedTextsOutput,
    example: { texts: ['The sea is blue.'] },
    tier: 'read_only',
    right: 'text.embed',
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: true },
    timeoutMs: embedTimeoutMs,
    reserve: ({ texts, model }, exact, caller) => (model === undefined ? noSpend : costs.reserve(caller, model, texts, exact)),
    recordInput: ({ texts, model = '' }) => ({ model, texts: texts.length, characters: lengthOf(texts), hash: hashOf(texts) }),
    recordOutput: ({ model, dimensions, vectors, tokens }) => ({ model, dimensions, vectors: vectors.length, tokens }),
    async run({ texts, model, dimensions }, { signal }) {
      const options = dimensions === undefined ? {} : { dimensions }
      const { output: made, spent } =
        model === undefined ? { output: await byMemory(texts), spent: undefined } : await costs.embed(model, texts, options, signal)
      if (dimensions !== undefined && made.dimensions !== dimensions)
        throw new OxbowError('bad_input', `${made.model} gives vectors of ${made.dimensions} dimensions.`, {
          hint: 'Leave dimensions out.',
        })
      const vectors = made.vectors.map((vector) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64'))
      const { inputTokens: tokens } = made.usage
      const output = { vectors, model: made.model, dimensions: made.dimensions, tokens }
      return { output, text: '', ...(spent !== undefined && { spent }) }
    },
  })
}

/** Tokens for the markers around a text. */
const tokensPerText = 4

function spendOf(facts: ModelFacts | null, tokens: number): { microDollars: number; tokens: number } {
  return facts === null ? { microDollars: 0, tokens } : costOf(facts, { inputTokens: tokens, outputTokens: 0, estimated: true })
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length, 0)
}

/** SHA-256 over the texts in order, as JSON, so that different lists are different bytes. */
function hashOf(texts: readonly string[]): string {
  return process.getBuiltinModule('node:crypto').hash('sha256', JSON.stringify(texts))
}

function nameOf(model: string): { provider: string; name: string } {
  const [provider = '', ...name] = model.split('/')
  return { provider, name: name.join('/') }
}

/** Programs send tokens in place of texts where they count them themselves, as LangChain does. */
export function decodeTokensCall({ engine }: Pick<EmbedCallDeps, 'engine'>): Call {
  return defineCall({
    name: 'text.decode',
    summary: 'Turns tokens, as embedders of OpenAI count them (cl100k_base), into texts.',
    input: z.strictObject({
      tokens: z
        .array(z.array(z.int().nonnegative()).min(1).max(maxEmbedCharacters))
        .min(1)
        .max(maxEmbeddedTexts)
        .describe('A list for each text.'),
    }),
    output: z.strictObject({ texts: z.array(z.string()) }),
    example: { tokens: [[791, 9581, 374, 6437, 13]] },
    tier: 'read_only',
    right: 'text.embed',
    effect: 'none',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: embedTimeoutMs,
    recordInput: ({ tokens }) => ({ texts: tokens.length, tokens: tokens.reduce((sum, each) => sum + each.length, 0) }),
    recordOutput: ({ texts }) => ({ texts: texts.length }),
    async run({ tokens }) {
      const decoded = await engine.decodeTokens(tokens)
      const texts = decoded.filter((text) => text !== null)
      if (texts.length === tokens.length) return { output: { texts } }
      throw new OxbowError('bad_input', `List ${decoded.indexOf(null)} has no tokens of cl100k_base.`, { hint: 'Send texts.' })
    },
  })
}
