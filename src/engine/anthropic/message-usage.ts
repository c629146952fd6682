/** Usage of this wire: three kinds of input beside each other, and counts that are totals each time they come. */
import type { Usage } from '../../types/index.ts'
import { type Answer, isCount } from '../answer.ts'
import { charsPerToken } from '../limits.ts'

export interface UsageCounts {
  /** Neither read from a cache nor written to one. */
  input: number | null
  cacheRead: number
  cacheWrite: number
  output: number | null
  reasoning: number
  /** The count of the output came at its end; the one at the start counts nearly nothing of it. */
  final: boolean
}

/** Takes what is there; a count that is missing, null or no count stays as it was. */
export function countUsage(counts: UsageCounts, usage: Readonly<Record<string, unknown>>, atEnd: boolean): void {
  const { input_tokens: input, output_tokens: output, output_tokens_details: details } = usage
  const { cache_read_input_tokens: read, cache_creation_input_tokens: write } = usage
  if (isCount(input)) counts.input = input
  if (isCount(read)) counts.cacheRead = read
  if (isCount(write)) counts.cacheWrite = write
  if (typeof details === 'object' && details !== null && 'thinking_tokens' in details && isCount(details.thinking_tokens)) {
    counts.reasoning = details.thinking_tokens
  }
  if (!isCount(output)) return
  counts.output = output
  counts.final ||= atEnd
}

/** As reported; what is missing, of an answer that broke off the output, is estimated from lengths. */
export function messageUsage({ options, outputChars }: Answer, counts: UsageCounts): Usage {
  const { input, cacheRead, cacheWrite, output, final } = counts
  const total = (input ?? 0) + cacheRead + cacheWrite
  const told = input !== null && isCount(total)
  const estimate = Math.ceil(outputChars / charsPerToken)
  const outputTokens = final && output !== null ? output : Math.max(output ?? 0, estimate)
  const reasoning = Math.min(counts.reasoning, outputTokens)
  return {
    inputTokens: told ? total : Math.ceil(options.requestChars / charsPerToken),
    outputTokens,
    ...(told && cacheRead > 0 ? { cacheReadTokens: cacheRead } : {}),
    ...(told && cacheWrite > 0 ? { cacheWriteTokens: cacheWrite } : {}),
    ...(reasoning > 0 ? { reasoningTokens: reasoning } : {}),
    estimated: !told || !final,
  }
}
