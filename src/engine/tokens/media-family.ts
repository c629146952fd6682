/** Whose rules count for a model's pictures: the vendor of the model where its name tells, else of the wire. */

export type MediaFamily = 'openai' | 'anthropic' | 'gemini' | 'gemini-3' | 'unknown'

/** @param model may stand behind a router's prefix: `anthropic/claude-…` through a wire of OpenAI's is counted as Claude. */
export function mediaFamilyOf(wire: string, model: string): MediaFamily {
  const name = bareModel(model)
  if (name.includes('claude')) return 'anthropic'
  const gemini = /gemini-(\d+)/.exec(name)?.[1]
  if (gemini !== undefined) return Number(gemini) < 3 ? 'gemini' : 'gemini-3'
  if (/^(?:gpt-(?!oss)|chatgpt|o[1-9](?:$|-)|codex|computer-use)/.test(name)) return 'openai'
  if (wire === 'anthropic') return 'anthropic'
  return wire === 'gemini' ? 'gemini-3' : 'unknown'
}

/** In lower case, without `vendor/` and `models/` before it. */
export function bareModel(model: string): string {
  return model.slice(model.lastIndexOf('/') + 1).toLowerCase()
}
