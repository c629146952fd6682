/** Usage as OpenAI's protocols and the services compatible with them report it, brought to one meaning. */
import type { Usage } from '../../types/index.ts'
import { isCount } from '../answer.ts'
import { recordOf } from './endpoint-json.ts'

/** Of a chat completion. @returns null for what cannot be read. */
export function readChatUsage(value: unknown): Usage | null {
  const usage = recordOf(value)
  const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = usage
  if (!isCount(input) || !isCount(output)) return null
  const prompt = recordOf(usage['prompt_tokens_details'])
  const completion = recordOf(usage['completion_tokens_details'])
  const reasoning = countOf(completion['reasoning_tokens'])
  // xAI does not count reasoning as completion; only the total shows it.
  const apart = reasoning > 0 && total === input + output + reasoning
  return usageWith(input, apart ? output + reasoning : output, {
    // DeepSeek's older models report the hit beside the prompt.
    read: countOf(prompt['cached_tokens']) || countOf(usage['prompt_cache_hit_tokens']),
    write: countOf(prompt['cache_write_tokens']),
    reasoning,
  })
}

/** Of a response. @returns null for what cannot be read. */
export function readResponseUsage(value: unknown): Usage | null {
  const usage = recordOf(value)
  const { input_tokens: input, output_tokens: output } = usage
  if (!isCount(input) || !isCount(output)) return null
  const details = recordOf(usage['input_tokens_details'])
  return usageWith(input, output, {
    read: countOf(details['cached_tokens']),
    write: countOf(details['cache_write_tokens']),
    reasoning: countOf(recordOf(usage['output_tokens_details'])['reasoning_tokens']),
  })
}

/** Parts never exceed the whole, whatever is reported: a price is made of them. */
function usageWith(input: number, output: number, parts: { read: number; write: number; reasoning: number }): Usage {
  const read = Math.min(parts.read, input)
  const write = Math.min(parts.write, input - read)
  const reasoning = Math.min(parts.reasoning, output)
  return {
    inputTokens: input,
    outputTokens: output,
    ...(read > 0 && { cacheReadTokens: read }),
    ...(write > 0 && { cacheWriteTokens: write }),
    ...(reasoning > 0 && { reasoningTokens: reasoning }),
    estimated: false,
  }
}

function countOf(value: unknown): number {
  return isCount(value) ? value : 0
}
