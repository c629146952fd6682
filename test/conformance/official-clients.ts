/**
 * The vendors' own clients as readers of the neutral answer. What they report is brought to our meaning here, from their
 * documentation and not with our code: input with the cache in it, output with the reasoning in it.
 */
import Anthropic from '@anthropic-ai/sdk'
import { type GenerateContentResponse, GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import type { FinishReason } from '../../src/protocol/index.ts'
import type { NeutralAnswer } from './streams/answers.ts'

/** @throws whatever the client throws, also for an answer that its endpoint broke off */
export type OfficialRead = (origin: string) => Promise<NeutralAnswer>

const key = { apiKey: 'k', maxRetries: 0 }

function counted(input: number, output: number, parts: { read?: unknown; write?: unknown; reasoning?: unknown }): NeutralAnswer['usage'] {
  const part = (name: string, count: unknown): object => (typeof count === 'number' && count > 0 ? { [name]: count } : {})
  return {
    inputTokens: input,
    outputTokens: output,
    ...part('cacheReadTokens', parts.read),
    ...part('cacheWriteTokens', parts.write),
    ...part('reasoningTokens', parts.reasoning),
  }
}

export const readChat: OfficialRead = async (origin) => {
  const client = new OpenAI({ ...key, baseURL: `${origin}/v1` })
  let reasoning = ''
  const stream = client.chat.completions.stream({
    model: 'm',
    messages: [{ role: 'user', content: 'x' }],
    stream_options: { include_usage: true },
  })
  // No field of the protocol: services that reason send it all the same.
  stream.on('chunk', ({ choices: [choice] }) => {
    reasoning += (choice?.delta as { reasoning_content?: string } | undefined)?.reasoning_content ?? ''
  })
  const { choices, usage } = await stream.finalChatCompletion()
  const { message, finish_reason: finish } = choices[0]!
  const { prompt_tokens_details: prompt, completion_tokens_details: completion } = usage!
  const reasons: Readonly<Record<string, FinishReason>> = { stop: 'stop', length: 'length', tool_calls: 'tool_calls', content_filter: 'refusal' } // prettier-ignore
  return {
    text: message.refusal ?? message.content ?? '',
    reasoning,
    calls: (message.tool_calls ?? []).flatMap((call) =>
      call.type === 'function' ? [{ id: call.id, name: call.function.name, arguments: call.function.arguments }] : [],
    ),
    finish: typeof message.refusal === 'string' ? 'refusal' : reasons[finish]!,
    usage: counted(usage!.prompt_tokens, usage!.completion_tokens, {
      read: prompt?.cached_tokens,
      write: prompt?.cache_write_tokens,
      reasoning: completion?.reasoning_tokens,
    }),
  }
}

export const readResponses: OfficialRead = async (origin) => {
  const client = new OpenAI({ ...key, baseURL: `${origin}/v1` })
  const response = await client.responses.stream({ model: 'm', input: 'x' }).finalResponse()
  const { output, usage, status } = response
  if (status === 'failed') throw new Error(response.error?.message)
  const content = output.flatMap((item) => (item.type === 'message' ? item.content : []))
  const calls = output.flatMap((item) =>
    item.type === 'function_call' ? [{ id: item.call_id, name: item.name, arguments: item.arguments }] : [],
  )
  const plain = calls.length > 0 ? 'tool_calls' : content.some(({ type }) => type === 'refusal') ? 'refusal' : 'stop'
  const cut = response.incomplete_details?.reason === 'content_filter' ? 'refusal' : 'length'
  return {
    text: content.map((part) => (part.type === 'refusal' ? part.refusal : part.text)).join(''),
    reasoning: output.flatMap((item) => (item.type === 'reasoning' ? item.summary.map(({ text }) => text) : [])).join('\n\n'),
    calls,
    finish: status === 'incomplete' ? cut : plain,
    usage: counted(usage!.input_tokens, usage!.output_tokens, {
      read: usage!.input_tokens_details.cached_tokens,
      write: usage!.input_tokens_details.cache_write_tokens,
      reasoning: usage!.output_tokens_details.reasoning_tokens,
    }),
  }
}

export const readAnthropic: OfficialRead = async (origin) => {
  const client = new Anthropic({ ...key, baseURL: origin })
  const stream = client.messages.stream({ model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] })
  // The message has the arguments only as an object; the text that the model wrote is in the events.
  const inputs = new Map<number, string>()
  stream.on('streamEvent', (event) => {
    if (event.type !== 'content_block_delta' || event.delta.type !== 'input_json_delta') return
    inputs.set(event.index, (inputs.get(event.index) ?? '') + event.delta.partial_json)
  })
  const { content, stop_reason: stop, usage } = await stream.finalMessage()
  const reasons: Readonly<Record<string, FinishReason>> = { tool_use: 'tool_calls', max_tokens: 'length', refusal: 'refusal' }
  const read = usage.cache_read_input_tokens ?? 0
  const write = usage.cache_creation_input_tokens ?? 0
  return {
    text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    reasoning: content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
    calls: content.flatMap((block, index) =>
      block.type === 'tool_use' ? [{ id: block.id, name: block.name, arguments: inputs.get(index) || JSON.stringify(block.input) }] : [],
    ),
    finish: reasons[stop ?? ''] ?? 'stop',
    usage: counted(usage.input_tokens + read + write, usage.output_tokens, {
      read,
      write,
      reasoning: usage.output_tokens_details?.thinking_tokens,
    }),
  }
}

export const readGemini: OfficialRead = async (origin) => {
  const client = new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: origin } })
  const chunks: GenerateContentResponse[] = []
  for await (const chunk of await client.models.generateContentStream({ model: 'm', contents: 'x' })) chunks.push(chunk)
  const parts = chunks.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? [])
  const { finishReason } = chunks.findLast(({ candidates }) => candidates?.[0]?.finishReason !== undefined)!.candidates![0]!
  const usage = chunks.at(-1)!.usageMetadata!
  const reasons: Readonly<Record<string, FinishReason>> = { STOP: 'stop', MAX_TOKENS: 'length', SAFETY: 'refusal', PROHIBITED_CONTENT: 'refusal' } // prettier-ignore
  const calls = parts.flatMap(({ functionCall: call }) =>
    call === undefined ? [] : [{ id: call.id ?? '', name: call.name ?? '', arguments: JSON.stringify(call.args) }],
  )
  return {
    text: parts.map(({ text, thought }) => (thought === true ? '' : (text ?? ''))).join(''),
    reasoning: parts.map(({ text, thought }) => (thought === true ? (text ?? '') : '')).join(''),
    calls,
    finish: calls.length > 0 ? 'tool_calls' : reasons[finishReason!]!,
    usage: counted(usage.promptTokenCount ?? 0, (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0), {
      read: usage.cachedContentTokenCount,
      reasoning: usage.thoughtsTokenCount,
    }),
  }
}
