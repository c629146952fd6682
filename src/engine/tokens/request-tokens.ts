/**
 * Tokens of a whole request. Exact for models that count with an OpenAI encoding; for the others an estimate from the length
 * of the request, corrected by what their replies reported. The tokenizer is loaded when something is counted.
 */
import { createIdleThread, OxbowError } from '../../base/index.ts'
import { type GenerateRequest, mediaOf, type MediaPart, type Message, type ToolSpec, type Usage } from '../../protocol/index.ts'
import { charsPerToken, requestMessageTokens, tokenizerIdleMs } from '../limits.ts'
import type { MediaTokens } from './media-tokens.ts'
import { createTokenEstimator } from './token-estimator.ts'

/** What counting needs of the model. */
export interface CountedModel {
  readonly name: string
  readonly label: string
  readonly service: { readonly wire: string }
}

export type CountedRequest = Pick<GenerateRequest, 'system' | 'messages' | 'tools' | 'cacheKey'>

export interface RequestTokens {
  /** One exact number for each text, in order, by the newest OpenAI encoding. */
  countTexts(texts: readonly string[]): Promise<readonly number[]>
  /** The text of each list of tokens, in order; null for what are no tokens of the encoding of OpenAI's embedders. */
  decode(tokens: TokenLists): Promise<readonly (string | null)[]>
  /** @returns input tokens of a request: exact, or the upper end of the estimate. */
  estimate(model: CountedModel, request: CountedRequest): Promise<number>
  /** Learns from the usage that a reply reported. */
  observe(model: CountedModel, request: CountedRequest, usage: Usage): void
  close(): Promise<void>
}

export function createRequestTokens(): RequestTokens {
  const estimator = createTokenEstimator()
  /** What measures media, loaded with the first request that has some. */
  let media: MediaTokens | null = null
  const sizes = new WeakMap<Message, MessageSize>()
  const toolSizes = new WeakMap<readonly ToolSpec[], number>()
  const counter = createTokenCounter(tokenizerIdleMs)

  const sizeOf = (message: Message): MessageSize => {
    let size = sizes.get(message)
    if (size === undefined) sizes.set(message, (size = { bytes: Buffer.byteLength(textOfAll(message)), media: mediaOf(message) }))
    return size
  }
  /** Whether what measures these messages is there. */
  const isReady = (messages: readonly Message[]): boolean =>
    media !== null || messages.every((message) => sizeOf(message).media.length === 0)
  /** Tokens besides the texts': of the framing and of media. */
  const tokensBeside = (model: CountedModel, messages: readonly Message[]): number => {
    let sum = messages.length * requestMessageTokens
    if (media !== null)
      for (const message of messages) for (const part of sizeOf(message).media) sum += media(part, model.service.wire, model.name)
    return sum
  }
  /** By length: free, and corrected by the estimator. */
  const roughly = (model: CountedModel, { system, messages, tools }: CountedRequest): number => {
    let sum = Buffer.byteLength(system) + toolBytes(tools)
    for (const message of messages) sum += sizeOf(message).bytes
    return Math.ceil(sum / charsPerToken) + tokensBeside(model, messages)
  }
  return {
    countTexts: (texts) => counter.count(texts),
    decode: (tokens) => counter.decode(tokens),
    async estimate(model, request) {
      if (!isReady(request.messages)) media = (await import('./media-tokens.ts')).createMediaTokens()
      const encoding = encodingOf(model.name)
      if (encoding === null) {
        const { tokens, errorBound } = estimator.estimate(model.label, roughly(model, request), request.cacheKey)
        return tokens + errorBound
      }
      const { system, messages, tools } = request
      const texts = [system, ...messages.map(textOfAll), ...tools.map((tool) => JSON.stringify(tool))]
      const counts = await counter.count(texts, encoding)
      return counts.reduce((sum, count) => sum + count, 0) + tokensBeside(model, messages)
    },
    observe(model, request, usage) {
      if (usage.estimated || encodingOf(model.name) !== null) return
      // Never estimated: nothing is learned from what is not measured.
      if (!isReady(request.messages)) return
      const conversation = request.cacheKey === undefined ? {} : { conversation: request.cacheKey }
      estimator.observe(model.label, { counted: roughly(model, request), reported: usage, ...conversation })
    },
    close: () => counter.close(),
  }

  function toolBytes(tools: readonly ToolSpec[]): number {
    let known = toolSizes.get(tools)
    if (known === undefined) {
      const texts = tools.map(({ name, description, parameters }) => name + description + JSON.stringify(parameters))
      toolSizes.set(tools, (known = Buffer.byteLength(texts.join(''))))
    }
    return known
  }
}

/** Of a message, measured once in its life. */
interface MessageSize {
  readonly bytes: number
  readonly media: readonly MediaPart[]
}

function textOfAll({ parts }: Message): string {
  return parts
    .map((part) => (part.type === 'tool_call' ? `${part.name} ${part.arguments}` : part.type === 'media' ? '' : part.text))
    .join('\n')
}

/**
 * The encoding with which counts are exact, by the rules of OpenAI's own tokenizer library (`tiktoken/model.py`): GPT-3.5,
 * GPT-4 before `gpt-4o`, and their embeddings use cl100k; everything since uses o200k.
 * @param model as the endpoint knows it; fine-tuned models (`ft:gpt-4o:…`) and names of routers (`openai/gpt-4o`) are understood
 * @returns null for models whose counts can only be estimated.
 */
export function encodingOf(model: string): TokenEncoding | null {
  const name = model.toLowerCase().replace(/^(?:.*\/)?(?:ft:)?/, '')
  if (/^(?:gpt-3\.5|gpt-35|text-embedding-(?:ada-002|3-)|(?:babbage|davinci)-002)/.test(name)) return 'cl100k_base'
  if (/^gpt-4(?:$|-(?!o))/.test(name)) return 'cl100k_base'
  return o200kNames.test(name) ? 'o200k_base' : null
}

/** `gpt-oss` counts text as o200k does: its harmony encoding adds special tokens only. */
const o200kNames =
  /^(?:gpt-(?:4o|4\.[15]|[5-9]|oss|audio|image|realtime)|o[1-9](?:$|-)|chatgpt-|chat-latest$|codex-|computer-use|daybreak-)/

/** OpenAI's encodings. */
export type TokenEncoding = 'o200k_base' | 'cl100k_base'

/** Texts are counted, tokens decoded. */
export type TokenQuestion = { readonly encoding: TokenEncoding } & ({ readonly texts: readonly string[] } | { readonly tokens: TokenLists })

type TokenLists = readonly (readonly number[])[]

/**
 * Exact token counts from a real tokenizer, in a worker: its tables take tens of megabytes and a tenth of a second to load,
 * and counting a long text would block the event loop. The worker starts on first use and ends when it is idle.
 */
export interface TokenCounter {
  /** One count for each text, in order. @param encoding `o200k_base` when unset, see `encodingOf` */
  count(texts: readonly string[], encoding?: TokenEncoding): Promise<readonly number[]>
  /** One text for each list, in order; null for what are no tokens of `cl100k_base`. */
  decode(tokens: TokenLists): Promise<readonly (string | null)[]>
  close(): Promise<void>
}

export function createTokenCounter(idleMs: number): TokenCounter {
  const thread = createIdleThread<TokenQuestion, readonly (number | string | null)[]>({
    idleMs,
    start() {
      const { Worker } = process.getBuiltinModule('node:worker_threads')
      // The worker's file is next to this one: token-worker.ts in the sources, token-worker.js in the bundle.
      const file = import.meta.url.endsWith('.ts') ? './token-worker.ts' : './token-worker.js'
      return new Worker(new URL(file, import.meta.url))
    },
    lost: (why, cause) =>
      new OxbowError('limit_reached', `The tokenizer stopped before it had counted: ${why}.`, { hint: 'Try again.', cause }),
    closed: () => new OxbowError('cancelled', 'The engine is closed.', { hint: 'Start the guest again.' }),
  })
  return {
    count: async (texts, encoding = 'o200k_base') =>
      texts.length === 0 ? [] : ((await thread.ask({ texts, encoding })) as readonly number[]),
    decode: async (tokens) => (await thread.ask({ tokens, encoding: 'cl100k_base' })) as readonly (string | null)[],
    close: () => thread.close(),
  }
}
