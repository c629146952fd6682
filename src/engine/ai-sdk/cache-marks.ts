/**
 * Claude's services cache a prompt only where it is marked. Two marks, after the system prompt and after the newest message,
 * make each request of a turn read what the one before has written. Other services cache by themselves and are not marked.
 */
import type { LanguageModelV4Prompt, SharedV4ProviderOptions } from '@ai-sdk/provider'

/** Marks messages in place. @param providerId the package's own id, as `anthropic.messages` or `amazon-bedrock` */
export function markForCache(prompt: LanguageModelV4Prompt, providerId: string, model: string): void {
  const mark = markOf(providerId, model)
  if (mark === null) return
  const first = prompt[0]
  const last = prompt.at(-1)
  if (first?.role === 'system') first.providerOptions = mark
  if (last !== undefined) last.providerOptions = mark
}

function markOf(providerId: string, model: string): SharedV4ProviderOptions | null {
  if (providerId.includes('anthropic')) return { anthropic: { cacheControl: { type: 'ephemeral' } } }
  // Bedrock refuses the mark for models that have no cache.
  if (providerId.includes('bedrock') && /claude|nova/.test(model)) return { bedrock: { cachePoint: { type: 'default' } } }
  return null
}
