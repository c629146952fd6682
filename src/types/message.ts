/** Messages of a conversation, made of typed parts. The wire formats of models are made from these and nothing else. */

export interface TextPart {
  readonly type: 'text'
  readonly text: string
}

/** A model's thinking, kept to be given back where a wire demands it. */
export interface ReasoningPart {
  readonly type: 'reasoning'
  readonly text: string
}

/** What a model asks for. `arguments` is the text as the model wrote it: it may be no JSON at all. */
export interface ToolCallPart {
  readonly type: 'tool_call'
  /** The model's own id: not unique across steps, sometimes not within one. */
  readonly id: string
  /** Tool name as the model sees it, e.g. `file_read`. */
  readonly name: string
  readonly arguments: string
}

export interface ToolResultPart {
  readonly type: 'tool_result'
  /** `id` of the tool call that this answers. */
  readonly id: string
  readonly name: string
  readonly ok: boolean
  readonly text: string
}

export interface UserMessage {
  readonly role: 'user'
  readonly parts: readonly TextPart[]
}

export interface AssistantMessage {
  readonly role: 'assistant'
  readonly parts: readonly (TextPart | ReasoningPart | ToolCallPart)[]
}

/** The result of exactly one tool call. */
export interface ToolMessage {
  readonly role: 'tool'
  readonly parts: readonly [ToolResultPart]
}

export type Message = UserMessage | AssistantMessage | ToolMessage

export function userMessage(text: string): UserMessage {
  return { role: 'user', parts: [{ type: 'text', text }] }
}

/** @returns all text of a message, joined; tool calls and reasoning left out. */
export function textOf(message: Message): string {
  return message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

export function toolCallsOf(message: AssistantMessage): readonly ToolCallPart[] {
  return message.parts.filter((part) => part.type === 'tool_call')
}
