/** Whether a request fits a fallback model's window, by a rough measure: the chosen model's window is the runtime's care. */
import type { GenerateRequest, MediaPart, Message, ModelFacts } from '../../types/index.ts'
import { charsPerToken, guessedMediaTokens, minFallbackOutputTokens } from '../limits.ts'

/**
 * @returns the most output tokens that this model may be asked for beside the request, or null when the request does not fit.
 */
export function outputRoom(request: GenerateRequest, facts: ModelFacts): number | null {
  const wanted = Math.min(request.maxOutputTokens, facts.maxOutputTokens)
  const room = Math.min(wanted, facts.contextTokens - guessTokens(request))
  return room >= Math.min(wanted, minFallbackOutputTokens) ? room : null
}

/** Bytes, not characters: a script that takes three bytes for a character takes more tokens for it, too. */
function guessTokens({ system, messages, tools }: GenerateRequest): number {
  let bytes = Buffer.byteLength(system)
  let media = 0
  for (const tool of tools) bytes += tool.name.length + Buffer.byteLength(tool.description) + JSON.stringify(tool.parameters).length
  for (const message of messages) {
    bytes += bytesOf(message)
    media += mediaOf(message).length
  }
  return Math.ceil(bytes / charsPerToken) + media * guessedMediaTokens
}

function bytesOf({ parts }: Message): number {
  let bytes = 0
  for (const part of parts) {
    if (part.type === 'tool_call') bytes += part.name.length + Buffer.byteLength(part.arguments)
    else if (part.type !== 'media') bytes += Buffer.byteLength(part.text)
  }
  return bytes
}

function mediaOf({ role, parts }: Message): readonly MediaPart[] {
  if (role === 'tool') return parts[0].media ?? []
  return role === 'user' ? parts.filter((part) => part.type === 'media') : []
}
