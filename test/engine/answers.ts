/** Answers of the chat-completions and Anthropic wires, as bytes, and what a guest's configuration says to reach them. */
import { messageSse, type MockMessage } from '../../src/engine/anthropic/fake-anthropic.ts'
import type { PlainAnswer, PlainEndpoint } from './plain-endpoint.ts'

export interface ChatAnswer {
  readonly text?: string
  /** Name and arguments of a tool call, as JSON text. */
  readonly call?: readonly [name: string, args: string]
  readonly usage?: { readonly input: number; readonly output: number }
}

/** Reports 10 tokens in and 10 out, unless said otherwise. */
export function chat({ text = '', call, usage = { input: 10, output: 10 } }: ChatAnswer): PlainAnswer {
  const deltas: object[] = text === '' ? [] : [{ content: text }]
  if (call !== undefined) deltas.push({ tool_calls: [{ index: 0, id: 'call_1', function: { name: call[0], arguments: call[1] } }] })
  const counts = { prompt_tokens: usage.input, completion_tokens: usage.output, total_tokens: usage.input + usage.output }
  return {
    body: [
      ...deltas.map((delta) => sse({ choices: [{ index: 0, delta, finish_reason: null }] })),
      sse({ choices: [{ index: 0, delta: {}, finish_reason: call === undefined ? 'stop' : 'tool_calls' }] }),
      sse({ choices: [], usage: counts }),
      'data: [DONE]\n\n',
    ].join(''),
  }
}

/** One piece of text, and no end. */
export function chatPiece(text: string): string {
  return sse({ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] })
}

/** A piece of the arguments of a call, and no end. */
export function chatCallPiece(name: string, args: string): string {
  const call = { index: 0, id: 'call_1', function: { name, arguments: args } }
  return sse({ choices: [{ index: 0, delta: { tool_calls: [call] }, finish_reason: null }] })
}

export function claude(message: MockMessage): PlainAnswer {
  return { body: messageSse(message) }
}

function sse(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`
}

/** Prices are whole micro-dollars a token. */
export interface Known {
  readonly inputPrice?: number
  readonly outputPrice?: number
  readonly maxOutputTokens?: number
  readonly wire?: 'openai-chat' | 'anthropic'
  readonly keyEnv?: string
}

/** The section of a provider at this endpoint, with one model, `m`. */
export function provider(endpoint: Pick<PlainEndpoint, 'origin'>, known: Known = {}): object {
  const { inputPrice, outputPrice, maxOutputTokens = 1_000, wire = 'openai-chat', keyEnv = '' } = known
  const price = (its: number | undefined): number | null => (its === undefined ? null : its * 1_000_000)
  return {
    wire,
    base_url: `${endpoint.origin}/v1`,
    api_key_env: keyEnv,
    models: {
      m: {
        context_tokens: 50_000,
        max_output_tokens: maxOutputTokens,
        input_price: price(inputPrice),
        output_price: price(outputPrice),
        cache_read_price: null,
        cache_write_price: null,
      },
    },
  }
}
