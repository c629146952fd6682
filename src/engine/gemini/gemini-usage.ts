/** Gemini's token counts, normalised. They stand in most chunks, are those of the answer so far, and are not always all there. */
import type { GenerateContentResponseUsageMetadata } from '@google/genai'
import type { Usage } from '../../types/index.ts'
import { type Answer, isCount, usageOf } from '../answer.ts'

type Reported = { readonly [Name in keyof GenerateContentResponseUsageMetadata]: unknown }

/** The newest of each count; null: not reported so far. */
export interface TokenCounts {
  prompt: number | null
  toolUse: number | null
  cached: number | null
  said: number | null
  thought: number | null
}

export function noCounts(): TokenCounts {
  return { prompt: null, toolUse: null, cached: null, said: null, thought: null }
}

/** Takes the counts of one chunk over those before. */
export function takeCounts(counts: TokenCounts, reported: Reported): void {
  if (isCount(reported.promptTokenCount)) counts.prompt = reported.promptTokenCount
  if (isCount(reported.toolUsePromptTokenCount)) counts.toolUse = reported.toolUsePromptTokenCount
  if (isCount(reported.cachedContentTokenCount)) counts.cached = reported.cachedContentTokenCount
  if (isCount(reported.candidatesTokenCount)) counts.said = reported.candidatesTokenCount
  if (isCount(reported.thoughtsTokenCount)) counts.thought = reported.thoughtsTokenCount
}

/**
 * `promptTokenCount` holds what was read from the cache, but not what a tool used; `candidatesTokenCount` leaves thoughts out.
 * What was not reported is estimated, and then the usage says so.
 */
export function geminiUsage(answer: Answer, { prompt, toolUse, cached, said, thought }: TokenCounts): Usage {
  const guess = usageOf(answer)
  const outputKnown = said !== null || thought !== null || answer.outputChars === 0
  const inputTokens = prompt === null ? guess.inputTokens : prompt + (toolUse ?? 0)
  const cacheReadTokens = Math.min(cached ?? 0, inputTokens)
  return {
    inputTokens,
    outputTokens: outputKnown ? (said ?? 0) + (thought ?? 0) : guess.outputTokens,
    ...(cacheReadTokens > 0 ? { cacheReadTokens } : {}),
    ...(thought !== null && thought > 0 ? { reasoningTokens: thought } : {}),
    estimated: prompt === null || !outputKnown,
  }
}
