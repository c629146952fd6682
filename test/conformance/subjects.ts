/** The four wires as the conformance tests see them: how ours is opened, what it says, and how the vendor's own client reads. */
import { anthropicWire } from '../../src/engine/anthropic/anthropic-wire.ts'
import { geminiWire } from '../../src/engine/gemini/gemini-wire.ts'
import { createHttpModel, type HttpModel } from '../../src/engine/http/http-model.ts'
import { modelLimits } from '../../src/engine/limits.ts'
import { chatWire } from '../../src/engine/openai-chat/chat-wire.ts'
import { responsesWire } from '../../src/engine/openai-responses/responses-wire.ts'
import type { Wire } from '../../src/engine/wire.ts'
import { systemClock } from '../../src/base/index.ts'
import type { ModelFacts } from '../../src/protocol/index.ts'
import type { OfficialRead } from './official-clients.ts'
import { readAnthropic, readChat, readGemini, readResponses } from './official-clients.ts'
import { anthropicStreams } from './streams/anthropic-streams.ts'
import type { Tellings } from './streams/answers.ts'
import { chatStreams } from './streams/chat-streams.ts'
import { geminiStreams } from './streams/gemini-streams.ts'
import { responsesStreams } from './streams/responses-streams.ts'

export interface Subject {
  readonly wire: Wire
  /** Of our base URL, as the vendor has it. */
  readonly basePath: string
  readonly streams: Tellings
  /** The official client, at the same server. */
  readonly official: OfficialRead
}

export const subjects: readonly Subject[] = [
  { wire: chatWire, basePath: '/v1', streams: chatStreams, official: readChat },
  { wire: responsesWire, basePath: '/v1', streams: responsesStreams, official: readResponses },
  { wire: anthropicWire, basePath: '/v1', streams: anthropicStreams, official: readAnthropic },
  { wire: geminiWire, basePath: '/v1beta', streams: geminiStreams, official: readGemini },
]

export interface ModelChoice {
  readonly facts: ModelFacts
  readonly official: boolean
}

/** @returns facts of a model that takes everything, but for what is handed in */
export function everything(more: Partial<ModelFacts> = {}): ModelFacts {
  return {
    name: 'm',
    provider: 'test',
    contextTokens: 200_000,
    maxOutputTokens: 32_000,
    price: null,
    input: ['text', 'image', 'pdf', 'audio', 'video'],
    tools: true,
    reasoning: true,
    sampling: true,
    structuredOutput: true,
    deprecated: false,
    ...more,
  }
}

export function openWire({ wire, basePath }: Subject, origin: string, choice: Partial<ModelChoice> = {}): HttpModel & Disposable {
  const { facts = everything(), official = true } = choice
  const baseUrl = new URL(origin + basePath)
  const options = { wire, baseUrl, key: 'k', headers: {}, official, facts: () => facts, clock: systemClock, limits: modelLimits }
  const model = createHttpModel(options)
  return { ...model, [Symbol.dispose]: () => model.close() }
}
