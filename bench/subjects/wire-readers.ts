/**
 * Four ways to read the same bytes of an answer: bare splitting and JSON.parse, our reader, the vendor's client, and the AI
 * SDK. Each gives the characters of text that it read. The clients get their bytes from a fetch that opens no socket.
 */
import { StringDecoder } from 'node:string_decoder'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogle } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { anthropicWire } from '../../src/engine/anthropic/anthropic-wire.ts'
import { geminiWire } from '../../src/engine/gemini/gemini-wire.ts'
import { modelLimits } from '../../src/engine/limits.ts'
import { chatWire } from '../../src/engine/openai-chat/chat-wire.ts'
import { responsesWire } from '../../src/engine/openai-responses/responses-wire.ts'
import type { Wire } from '../../src/engine/wire.ts'
import type { ModelEvent } from '../../src/protocol/index.ts'
import type { WireName } from './wire-streams.ts'

/** @returns the characters of text. */
export type Read = (pieces: readonly Uint8Array[]) => number | Promise<number>

export interface WireReaders {
  readonly baseline: Read
  readonly ours: Read
  readonly official: Read
  readonly aiSdk: Read
}

export function readersOf(name: WireName): WireReaders {
  return { baseline: readLines, ours: readWith(wires[name]), official: officials[name], aiSdk: readAiSdk(name) }
}

const wires: Readonly<Record<WireName, Wire>> = {
  'openai-chat': chatWire,
  'openai-responses': responsesWire,
  anthropic: anthropicWire,
  gemini: geminiWire,
}

/** The least that any reader does. What the text is, is not looked for: the values are counted so that nothing is left out. */
const readLines: Read = (pieces) => {
  const decoder = new StringDecoder()
  let rest = ''
  let values = 0
  for (const piece of pieces) {
    const lines = (rest + decoder.write(piece)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (!line.startsWith('data: {')) continue
      const value: unknown = JSON.parse(line.slice(6))
      if (value !== null) values += 1
    }
  }
  return values
}

function readWith(wire: Wire): Read {
  return (pieces) => {
    const decoder = new StringDecoder()
    const reader = wire.createReader({ limits: modelLimits, origin: 'bench', key: '', model: 'm', requestChars: 0 })
    let chars = 0
    for (const piece of pieces) {
      const events: ModelEvent[] = []
      reader.feed(decoder.write(piece), events)
      for (const event of events) if (event.type === 'text') chars += event.text.length
    }
    if (reader.problem(null) !== null || reader.finish().at(-1)?.type !== 'finish') throw new Error('the answer is not whole')
    return chars
  }
}

const responding = (pieces: readonly Uint8Array[]) => async (): Promise<Response> =>
  new Response(ReadableStream.from(pieces), { headers: { 'content-type': 'text/event-stream' } })

const key = { apiKey: 'k' }
const user = { role: 'user', content: 'x' } as const

const officials: Readonly<Record<WireName, Read>> = {
  'openai-chat': async (pieces) => {
    const client = new OpenAI({ ...key, fetch: responding(pieces) })
    let chars = 0
    for await (const { choices } of await client.chat.completions.create({ model: 'm', stream: true, messages: [user] })) {
      chars += choices[0]?.delta.content?.length ?? 0
    }
    return chars
  },
  'openai-responses': async (pieces) => {
    const client = new OpenAI({ ...key, fetch: responding(pieces) })
    let chars = 0
    for await (const event of await client.responses.create({ model: 'm', stream: true, input: 'x' })) {
      if (event.type === 'response.output_text.delta') chars += event.delta.length
    }
    return chars
  },
  anthropic: async (pieces) => {
    const client = new Anthropic({ ...key, fetch: responding(pieces) })
    let chars = 0
    for await (const event of await client.messages.create({ model: 'm', max_tokens: 9, stream: true, messages: [user] })) {
      if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') chars += event.delta.text.length
    }
    return chars
  },
  gemini: async (pieces) => {
    const client = new GoogleGenAI({ ...key, httpOptions: { fetch: responding(pieces) } })
    let chars = 0
    for await (const { candidates } of await client.models.generateContentStream({ model: 'm', contents: 'x' })) {
      chars += candidates?.[0]?.content?.parts?.[0]?.text?.length ?? 0
    }
    return chars
  },
}

function readAiSdk(name: WireName): Read {
  return async (pieces) => {
    const options = { ...key, fetch: responding(pieces) }
    const model = {
      'openai-chat': () => createOpenAI(options).chat('m'),
      'openai-responses': () => createOpenAI(options).responses('m'),
      anthropic: () => createAnthropic(options)('m'),
      gemini: () => createGoogle(options)('m'),
    }[name]()
    const { stream } = await model.doStream({ prompt: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }] })
    let chars = 0
    for await (const part of stream) if (part.type === 'text-delta') chars += part.delta.length
    return chars
  }
}
