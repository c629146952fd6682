/**
 * The request of each wire as its vendor's official package types it. `scripts/make-request-schemas.ts` turns these types into
 * the schemas of `request-schemas.jsonl`.
 */
import type { MessageCreateParamsStreaming } from '@anthropic-ai/sdk/resources/messages'
import type { Content, GenerationConfig, SafetySetting, Tool, ToolConfig } from '@google/genai'
import type { ChatCompletionCreateParamsStreaming } from 'openai/resources/chat/completions'
import type { ResponseCreateParamsStreaming } from 'openai/resources/responses/responses'

/** The older name of the output limit is deprecated at the vendor and the only one that many compatible services know. */
export type OpenaiChat = ChatCompletionCreateParamsStreaming

export type OpenaiResponses = ResponseCreateParamsStreaming

/** Sampling is gone from the package's types, because the newest models refuse it; the others still take it. */
export type Anthropic = MessageCreateParamsStreaming & { temperature?: number; top_p?: number }

/** The body of generateContent in the REST reference. The package has its parts, and types the whole only as it takes it itself. */
export interface Gemini {
  contents: Content[]
  systemInstruction?: Content
  tools?: Tool[]
  toolConfig?: ToolConfig
  generationConfig?: GenerationConfig
  safetySettings?: SafetySetting[]
  cachedContent?: string
}
