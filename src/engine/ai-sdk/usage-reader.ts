/** Usage as provider packages report it: flat numbers in version 2 of the interface, nested ones since. */
import type { LanguageModelV2Usage, LanguageModelV4Usage } from '@ai-sdk/provider'
import type { Usage } from '../../types/index.ts'
import { isCount } from '../answer.ts'

/** @param metadata of the last part. @returns null when the totals are not there. */
export function readUsage(value: unknown, metadata: unknown): Usage | null {
  if (typeof value !== 'object' || value === null) return null
  const { inputTokens } = value as { inputTokens?: unknown }
  return typeof inputTokens === 'object' ? readNested(value) : readFlat(value, metadata)
}

type Loose<T> = { readonly [Key in keyof T]?: unknown }

function readNested(value: object): Usage | null {
  const { inputTokens, outputTokens } = value as Loose<LanguageModelV4Usage>
  const input = (inputTokens ?? {}) as Loose<LanguageModelV4Usage['inputTokens']>
  const output = (outputTokens ?? {}) as Loose<LanguageModelV4Usage['outputTokens']>
  if (!isCount(input.total) || !isCount(output.total)) return null
  return usage(input.total, output.total, input.cacheRead, input.cacheWrite, output.reasoning)
}

/** What was read from a cache counts as input or beside it, as the service behind has it: Anthropic's count beside it. */
function readFlat(value: object, metadata: unknown): Usage | null {
  const { inputTokens: input, outputTokens: output, reasoningTokens, cachedInputTokens } = value as Loose<LanguageModelV2Usage>
  if (!isCount(input) || !isCount(output)) return null
  const read = isCount(cachedInputTokens) ? cachedInputTokens : 0
  const { anthropic } = (metadata ?? {}) as { anthropic?: { cacheCreationInputTokens?: unknown } | null }
  const beside = (typeof anthropic === 'object' && anthropic !== null) || read > input
  const written = anthropic?.cacheCreationInputTokens
  const total = beside ? input + read + (isCount(written) ? written : 0) : input
  return usage(total, output, read, beside ? written : 0, reasoningTokens)
}

function usage(inputTokens: number, outputTokens: number, read: unknown, written: unknown, reasoning: unknown): Usage {
  const some = (count: unknown): count is number => isCount(count) && count > 0
  return {
    inputTokens,
    outputTokens,
    ...(some(read) ? { cacheReadTokens: read } : {}),
    ...(some(written) ? { cacheWriteTokens: written } : {}),
    ...(some(reasoning) ? { reasoningTokens: reasoning } : {}),
    estimated: false,
  }
}
