/** Long answers in the shape of each wire: one event for each token, with every field that the vendor sends. */

const token = 'word '

const sse = (value: object, named = false): string =>
  `${named ? `event: ${(value as { type: string }).type}\n` : ''}data: ${JSON.stringify(value)}\n\n`

type Write = (tokens: number) => string

const chat: Write = (tokens) => {
  const base = {
    id: 'chatcmpl-CKq2vVQ3n0y2mYF1n8qk1n8qk1n8q',
    object: 'chat.completion.chunk',
    created: 1_790_000_000,
    model: 'gpt-5-mini-2025-08-07',
    service_tier: 'default',
    system_fingerprint: null,
  }
  const chunk = (delta: object, finish: string | null): string =>
    sse({ ...base, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], usage: null, obfuscation: 'dF3k9' })
  const usage = { prompt_tokens: 10, completion_tokens: tokens, total_tokens: tokens + 10 }
  return [
    chunk({ role: 'assistant', content: '', refusal: null }, null),
    chunk({ content: token }, null).repeat(tokens),
    chunk({}, 'stop'),
    sse({ ...base, choices: [], usage }),
    'data: [DONE]\n\n',
  ].join('')
}

const responses: Write = (tokens) => {
  const head = { id: 'resp_68', object: 'response', created_at: 1_790_000_000, model: 'm', error: null, incomplete_details: null }
  const at = { item_id: 'msg_68e5d0f0a1', output_index: 0, content_index: 0 }
  const text = token.repeat(tokens)
  const part = { type: 'output_text', text, annotations: [], logprobs: [] }
  const item = { id: at.item_id, type: 'message', status: 'completed', role: 'assistant', content: [part] }
  const usage = { input_tokens: 10, output_tokens: tokens, total_tokens: tokens + 10, input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 } } // prettier-ignore
  const events: object[] = [
    { type: 'response.created', response: { ...head, status: 'in_progress', output: [], usage: null } },
    { type: 'response.output_item.added', output_index: 0, item: { ...item, status: 'in_progress', content: [] } },
    { type: 'response.content_part.added', ...at, part: { ...part, text: '' } },
    ...Array.from({ length: tokens }, () => ({
      type: 'response.output_text.delta',
      ...at,
      delta: token,
      logprobs: [],
      obfuscation: 'dF3k9',
    })),
    { type: 'response.output_text.done', ...at, text, logprobs: [] },
    { type: 'response.content_part.done', ...at, part },
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response: { ...head, status: 'completed', output: [item], usage } },
  ]
  return events.map((event, place) => sse({ ...event, sequence_number: place }, true)).join('')
}

const anthropic: Write = (tokens) => {
  const message = { id: 'msg_01', type: 'message', role: 'assistant', model: 'm', content: [], stop_reason: null, stop_sequence: null }
  const event = (type: string, more: object): string => sse({ type, ...more }, true)
  return [
    event('message_start', { message: { ...message, usage: { input_tokens: 10, output_tokens: 1 } } }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: token } }).repeat(tokens),
    event('content_block_stop', { index: 0 }),
    event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: tokens } }),
    event('message_stop', {}),
  ].join('')
}

const gemini: Write = (tokens) => {
  const usage = { promptTokenCount: 10, totalTokenCount: 10, promptTokensDetails: [{ modality: 'TEXT', tokenCount: 10 }] }
  const chunk = (text: string, more: object): string =>
    sse({
      candidates: [{ content: { parts: [{ text }], role: 'model' }, index: 0, ...more }],
      usageMetadata: { ...usage, candidatesTokenCount: tokens },
      modelVersion: 'gemini-2.5-flash',
      responseId: 'd8vRaPq5NqG5kdUP',
    })
  return chunk(token, {}).repeat(tokens) + chunk('', { finishReason: 'STOP' })
}

const writes: Readonly<Record<WireName, Write>> = { 'openai-chat': chat, 'openai-responses': responses, anthropic, gemini }

export type WireName = 'openai-chat' | 'openai-responses' | 'anthropic' | 'gemini'

/** Of one piece: what a socket gives at once. */
const pieceBytes = 16 * 1024

/** @returns the answer in pieces, and the length of its text. */
export function longAnswer(wire: WireName, tokens: number): { readonly pieces: readonly Uint8Array[]; readonly chars: number } {
  const bytes = Buffer.from(writes[wire](tokens))
  const count = Math.ceil(bytes.length / pieceBytes)
  const pieces = Array.from({ length: count }, (_, place) => bytes.subarray(place * pieceBytes, (place + 1) * pieceBytes))
  return { pieces, chars: tokens * token.length }
}
