/**
 * How the generations of Gemini models differ in what a request may hold. No catalog says so; the rules are those of the
 * vendor's own documentation and clients. A name that is not known is taken for the newest: models come faster than code.
 */
import type { ThinkingConfig, ThinkingLevel } from '@google/genai'
import type { Effort } from '../../types/index.ts'

/** The official enums by their values: naming an enum member would load the package. */
export interface Thinking extends Omit<ThinkingConfig, 'thinkingLevel'> {
  thinkingLevel?: `${ThinkingLevel}`
}

/** Gemini 3 and later: media inside a function's response, tools together with structured output, levels of thinking. */
export function isNewGeneration(model: string): boolean {
  return /(?:^|[/.])gemini-/i.test(model) && !/(?:^|[/.])gemini-(?:[12](?:[.-]|$)|pro(?:-vision)?$|robotics-er-1\b)/i.test(model)
}

/** Gemma takes no system instruction: it stands at the beginning of the first message. */
export function takesSystem(model: string): boolean {
  return !/(?:^|\/)gemma-/i.test(model)
}

/** @param maxOutputTokens thinking is charged against it: a budget leaves at least half for the answer. */
export function thinkingFor(model: string, effort: Effort | undefined, maxOutputTokens: number): Thinking {
  if (effort === undefined) return { includeThoughts: true }
  if (isNewGeneration(model) && !model.includes('gemini-3-pro-image')) {
    return { includeThoughts: true, thinkingLevel: levelFor(model, effort) }
  }
  const least = leastBudget(model)
  if (effort === 'none') return /2\.5-pro/i.test(model) ? { thinkingBudget: least } : { thinkingBudget: 0 }
  const most = Math.max(least, Math.floor(maxOutputTokens / 2))
  return { includeThoughts: true, thinkingBudget: Math.min(Math.max(budgets[effort], least), most) }
}

/** Levels cannot be switched off. Every model has low; only the small ones up to 3.6 have minimal. */
function levelFor(model: string, effort: Effort): `${ThinkingLevel}` {
  if (effort === 'high') return 'HIGH'
  if (effort === 'medium') return 'MEDIUM'
  if (effort === 'low') return 'LOW'
  return /gemini-3(?:\.[0-6])?-flash|flash-lite/i.test(model) ? 'MINIMAL' : 'LOW'
}

/** Tokens; the largest is the most that every 2.5 model takes. */
const budgets: Readonly<Record<Exclude<Effort, 'none'>, number>> = { minimal: 512, low: 2_048, medium: 8_192, high: 24_576 }

/** The smallest budget that is taken: a smaller one refuses the request. */
function leastBudget(model: string): number {
  if (/2\.5-pro/i.test(model)) return 128
  return /2\.5-flash-lite/i.test(model) ? 512 : 1
}
