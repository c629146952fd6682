/**
 * Writes a request as the options of a provider package: its settings, and its conversation as a prompt.
 *
 * Three versions of the interface are in use. They differ in how a file is written, in a user message and in a tool result,
 * and in nothing else that is used here.
 */
import type {
  LanguageModelV2FilePart,
  LanguageModelV2ToolResultOutput,
  LanguageModelV3FilePart,
  LanguageModelV3ToolResultOutput,
  LanguageModelV4CallOptions,
  LanguageModelV4FilePart,
  LanguageModelV4FunctionTool,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4TextPart,
  LanguageModelV4ToolCallPart,
  LanguageModelV4ToolChoice,
  LanguageModelV4ToolResultOutput,
  SharedV4ProviderOptions,
} from '@ai-sdk/provider'
import type {
  AssistantMessage,
  Effort,
  GenerateRequest,
  InputKind,
  MediaPart,
  ModelFacts,
  Sealed,
  ToolResultPart,
  ToolSpec,
} from '../../protocol/index.ts'
import { sendableObject } from '../http/request-body.ts'
import type { InterfaceVersion, LoadedModel } from './provider-package.ts'

interface CallContext {
  readonly wire: string
  readonly facts: ModelFacts
  readonly loaded: Pick<LoadedModel, 'version' | 'providerId'>
  readonly signal: AbortSignal
}

export function writeCallOptions(request: GenerateRequest, { wire, facts, loaded, signal }: CallContext): LanguageModelV4CallOptions {
  const { version } = loaded
  const { settings = {} } = request
  const { temperature, topP, effort, stop, toolChoice, output } = settings
  const tools = facts.tools ? request.tools.map(toolParam) : []
  const mediaInResults = takesMediaInResults(loaded)
  const answerAfterResult = loaded.providerId.startsWith('mistral')
  const prompt = writePrompt(request, { version, wire, input: facts.input, mediaInResults, answerAfterResult })
  markForCache(prompt, loaded.providerId, request.model)
  return {
    prompt,
    abortSignal: signal,
    includeRawChunks: false,
    maxOutputTokens: request.maxOutputTokens,
    ...(facts.sampling && temperature !== undefined ? { temperature } : {}),
    ...(facts.sampling && topP !== undefined ? { topP } : {}),
    // Before version 4 every package has its own name and scale for effort.
    ...(facts.reasoning && effort !== undefined && version >= 4 ? { reasoning: effort } : {}),
    ...(stop !== undefined && stop.length > 0 ? { stopSequences: [...stop] } : {}),
    ...(tools.length > 0 ? { tools } : {}),
    ...(tools.length > 0 && toolChoice !== undefined ? { toolChoice: choice(toolChoice) } : {}),
    ...(facts.structuredOutput && output !== undefined
      ? { responseFormat: { type: 'json', name: output.name, schema: output.schema } as const }
      : {}),
    ...ownOptions(loaded, request.cacheKey, facts.reasoning ? effort : undefined),
  }
}

function toolParam(tool: ToolSpec): LanguageModelV4FunctionTool {
  return { type: 'function', name: tool.name, description: tool.description, inputSchema: tool.parameters }
}

function choice(toolChoice: NonNullable<NonNullable<GenerateRequest['settings']>['toolChoice']>): LanguageModelV4ToolChoice {
  return typeof toolChoice === 'string' ? { type: toolChoice } : { type: 'tool', toolName: toolChoice.tool }
}

/**
 * Options of single packages. Packages over the Responses API store each answer at the service and refer to it by default;
 * `store: false` keeps the conversation here, and its reasoning travels encrypted instead.
 */
function ownOptions(
  { version, providerId }: CallContext['loaded'],
  cacheKey: string | undefined,
  effort: Effort | undefined,
): { providerOptions?: SharedV4ProviderOptions } {
  const name = /^(?:openai|azure)/.exec(providerId)?.[0] ?? providerId.split('.')[0] ?? ''
  const storage = providerId.endsWith('.responses') ? { store: false } : {}
  const isOpenAi = name === 'openai' || name === 'azure'
  const caching = isOpenAi && cacheKey !== undefined ? { promptCacheKey: cacheKey } : {}
  const reasoning = isOpenAi && effort !== undefined && version < 4 ? { reasoningEffort: effort } : {}
  const own = { ...storage, ...caching, ...reasoning }
  if (Object.keys(own).length === 0) return {}
  // The Azure package reads its options under either name, depending on its version.
  return { providerOptions: name === 'azure' ? { azure: own, openai: own } : { [name]: own } }
}

/**
 * Whether the package sends media in a tool result as media, by the protocol that its `providerId` names. Other packages
 * send the base64 as text: a hundred thousand useless tokens.
 */
function takesMediaInResults({ version, providerId }: CallContext['loaded']): boolean {
  return /anthropic|bedrock|google|vertex/.test(providerId) || (version >= 3 && providerId.endsWith('.responses'))
}

export interface PromptOptions {
  readonly version: InterfaceVersion
  /** Parts sealed by this wire for the request's model are sent back as they came. */
  readonly wire: string
  /** Kinds of input that the model accepts. */
  readonly input: readonly InputKind[]
  /** Tool results may hold media; otherwise media follow in a user message. */
  readonly mediaInResults: boolean
  /** The service refuses a user message directly after a tool result. */
  readonly answerAfterResult: boolean
}

type UserContent = Extract<LanguageModelV4Message, { role: 'user' }>['content']
type AssistantContent = Extract<LanguageModelV4Message, { role: 'assistant' }>['content']

export function writePrompt(request: GenerateRequest, options: PromptOptions): LanguageModelV4Prompt {
  const prompt: LanguageModelV4Prompt = []
  if (request.system !== '') prompt.push({ role: 'system', content: request.system })
  let ids: CallIds = new Map()
  // Media of one step's results, sent after the last result.
  let media: UserContent = []
  const addUser = (content: UserContent): void => {
    if (options.answerAfterResult && prompt.at(-1)?.role === 'tool') prompt.push({ role: 'assistant', content: [text('Understood.')] })
    prompt.push({ role: 'user', content })
  }
  const flushMedia = (): void => {
    if (media.length > 0) addUser(media)
    media = []
  }
  for (const message of request.messages) {
    if (message.role === 'tool') {
      const result = message.parts[0]
      const toolCallId = ids.get(result.id)?.shift() ?? result.id
      prompt.push({
        role: 'tool',
        content: [{ type: 'tool-result', toolCallId, toolName: result.name, output: outputOf(result, options) }],
      })
      if (!options.mediaInResults) media.push(...mediaAfter(result, options))
      continue
    }
    flushMedia()
    if (message.role === 'user') {
      addUser(message.parts.map((part) => (part.type === 'text' ? text(part.text) : mediaContent(part, options))))
    } else {
      ids = new Map()
      const content = assistantContent(message, request.model, options, ids)
      if (content.length > 0) prompt.push({ role: 'assistant', content })
    }
  }
  flushMedia()
  return prompt
}

/** The ids under which one step's calls are sent, by the model's own ids, in order: a model may use one id twice. */
type CallIds = Map<string, string[]>

function assistantContent(message: AssistantMessage, model: string, options: PromptOptions, ids: CallIds): AssistantContent {
  const content: AssistantContent = []
  for (const part of message.parts) {
    const sealed = part.sealed?.wire === options.wire && part.sealed.model === model ? part.sealed : null
    if (part.type === 'text' && (part.text !== '' || sealed !== null)) content.push({ ...text(part.text), ...sealedOptions(sealed) })
    // A model gets back only its own reasoning.
    else if (part.type === 'reasoning' && sealed !== null) content.push({ type: 'reasoning', text: part.text, ...sealedOptions(sealed) })
    else if (part.type === 'tool_call') {
      const same = ids.get(part.id) ?? []
      const toolCallId = same.length === 0 ? part.id : `${part.id}_${same.length + 1}`
      ids.set(part.id, [...same, toolCallId])
      const call: LanguageModelV4ToolCallPart = {
        type: 'tool-call',
        toolCallId,
        toolName: part.name,
        input: sendableObject(part.arguments),
        ...sealedOptions(sealed),
      }
      content.push(call)
    }
  }
  return content
}

function sealedOptions(sealed: Sealed | null): { providerOptions?: SharedV4ProviderOptions } {
  if (sealed === null || Object.keys(sealed.data).length === 0) return {}
  return { providerOptions: sealed.data as SharedV4ProviderOptions }
}

function text(value: string): LanguageModelV4TextPart {
  return { type: 'text', text: value }
}

function mediaContent(part: MediaPart, { version, input }: PromptOptions): LanguageModelV4TextPart | LanguageModelV4FilePart {
  const note = omittedNote(part, input)
  if (note !== null) return text(note)
  const { mediaType, data } = part
  const named = { type: 'file', mediaType, ...(part.name === '' ? {} : { filename: part.name }) } as const
  if (version >= 4) return { ...named, data: { type: 'data', data } }
  const older: LanguageModelV2FilePart & LanguageModelV3FilePart = { ...named, data }
  return older as unknown as LanguageModelV4FilePart
}

/** @returns the note that replaces a media part which the model does not accept, else null. */
function omittedNote({ mediaType }: MediaPart, input: readonly InputKind[]): string | null {
  const kinds: readonly (readonly [RegExp, InputKind, string])[] = [
    [/^image\//, 'image', 'image omitted: this model does not accept images'],
    [/^application\/pdf$/, 'pdf', 'PDF omitted: this model does not accept PDFs'],
    [/^audio\//, 'audio', 'audio omitted: this model does not accept audio'],
    [/^video\//, 'video', 'video omitted: this model does not accept video'],
  ]
  const kind = kinds.find(([pattern]) => pattern.test(mediaType))
  if (kind === undefined) return '[file omitted: this model does not accept files of this type]'
  return input.includes(kind[1]) ? null : `[${kind[2]}]`
}

function outputOf(result: ToolResultPart, options: PromptOptions): LanguageModelV4ToolResultOutput {
  const parts = result.media ?? []
  if (parts.length === 0 || !options.mediaInResults) return { type: result.ok ? 'text' : 'error-text', value: result.text }
  const value = [text(result.text), ...parts.map((part) => resultMedia(part, options))]
  return { type: 'content', value } as LanguageModelV4ToolResultOutput
}

type ContentOf<T> = T extends { type: 'content'; value: readonly (infer Item)[] } ? Item : never
type ResultContent =
  | ContentOf<LanguageModelV2ToolResultOutput>
  | ContentOf<LanguageModelV3ToolResultOutput>
  | ContentOf<LanguageModelV4ToolResultOutput>

function resultMedia(part: MediaPart, { version, input }: PromptOptions): ResultContent {
  const note = omittedNote(part, input)
  if (note !== null) return text(note)
  const { mediaType, data } = part
  if (version === 2) return { type: 'media', data, mediaType }
  if (version >= 4) return { type: 'file', mediaType, data: { type: 'data', data }, ...(part.name === '' ? {} : { filename: part.name }) }
  return { type: mediaType.startsWith('image/') ? 'image-data' : 'file-data', data, mediaType }
}

function mediaAfter(result: ToolResultPart, options: PromptOptions): UserContent {
  const parts = result.media ?? []
  return parts.length === 0 ? [] : [text(`[from the result of ${result.name}]`), ...parts.map((part) => mediaContent(part, options))]
}

/**
 * Sets cache marks on messages in place, for services of Claude, which cache a prompt only up to a mark. Marks after the
 * system prompt and the newest message let each request of a turn read the cache that the previous one wrote.
 *
 * @param providerId the package's own id, as `anthropic.messages` or `amazon-bedrock`
 */
function markForCache(prompt: LanguageModelV4Prompt, providerId: string, model: string): void {
  const mark = markOf(providerId, model)
  if (mark === null) return
  const first = prompt[0]
  const last = prompt.at(-1)
  if (first?.role === 'system') first.providerOptions = mark
  if (last !== undefined) last.providerOptions = mark
}

function markOf(providerId: string, model: string): SharedV4ProviderOptions | null {
  if (providerId.includes('anthropic')) return { anthropic: { cacheControl: { type: 'ephemeral' } } }
  // Bedrock refuses the mark for models without a cache.
  if (providerId.includes('bedrock') && /claude|nova/.test(model)) return { bedrock: { cachePoint: { type: 'default' } } }
  return null
}
