/** What a request asks for besides its conversation, as options of the provider interface. */
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4FunctionTool,
  LanguageModelV4ToolChoice,
  SharedV4ProviderOptions,
} from '@ai-sdk/provider'
import type { Effort, GenerateRequest, ModelFacts, ToolSpec } from '../../types/index.ts'
import { markForCache } from './cache-marks.ts'
import type { LoadedModel } from './provider-factory.ts'
import { writePrompt } from './prompt-writer.ts'

export interface CallContext {
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
    // Before version 4 every package has its own name and scale for it.
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

function choice(wanted: NonNullable<NonNullable<GenerateRequest['settings']>['toolChoice']>): LanguageModelV4ToolChoice {
  return typeof wanted === 'string' ? { type: wanted } : { type: 'tool', toolName: wanted.tool }
}

/**
 * Packages over the Responses API keep each answer at the service and refer to it unless they are told not to: a
 * conversation lives here and nowhere else, and its reasoning travels encrypted instead.
 */
function ownOptions(
  { version, providerId }: CallContext['loaded'],
  cacheKey: string | undefined,
  effort: Effort | undefined,
): { providerOptions?: SharedV4ProviderOptions } {
  const name = /^(?:openai|azure)/.exec(providerId)?.[0] ?? providerId.split('.')[0] ?? ''
  const kept = providerId.endsWith('.responses') ? { store: false } : {}
  const known = name === 'openai' || name === 'azure'
  const cached = known && cacheKey !== undefined ? { promptCacheKey: cacheKey } : {}
  const thinks = known && effort !== undefined && version < 4 ? { reasoningEffort: effort } : {}
  const own = { ...kept, ...cached, ...thinks }
  if (Object.keys(own).length === 0) return {}
  // The Azure package reads its options under the name of either, by its version.
  return { providerOptions: name === 'azure' ? { azure: own, openai: own } : { [name]: own } }
}

/**
 * The other packages write media in a tool's result as the text of its base64: a hundred thousand tokens that say nothing.
 * Told by what `providerId` says of the protocol behind the package.
 */
function takesMediaInResults({ version, providerId }: CallContext['loaded']): boolean {
  return /anthropic|bedrock|google|vertex/.test(providerId) || (version >= 3 && providerId.endsWith('.responses'))
}
