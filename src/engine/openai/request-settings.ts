/** Settings that both protocols of OpenAI share, each on the vendor's own scale. */
import type { ReasoningEffort } from 'openai/resources/shared'
import type { Effort, GenerateRequest, GenerateSettings, JsonObject, ModelFacts } from '../../types/index.ts'
import { openAiCacheKeyChars } from '../limits.ts'
import { sendableName } from './sendable-call.ts'
import { strictSchema } from './strict-schema.ts'

/**
 * The nearest effort that the model knows; another one would be refused. Source: the vendor's reasoning guide and its error
 * messages. `minimal` is known only to gpt-5 itself and its mini and nano, `none` only from gpt-5.1 on and not to codex models.
 * @returns null when the model has only one
 */
export function effortOf(effort: Effort, model: string, official: boolean): ReasoningEffort {
  if (effort !== 'none' && effort !== 'minimal') return official && model.includes('-pro') ? null : effort
  if (!official) return effort === 'none' ? 'none' : 'low'
  if (model.includes('-pro')) return null
  if (/^gpt-5(?:-mini|-nano)?(?:-\d{4}-\d\d-\d\d)?$/.test(model)) return 'minimal'
  if (effort === 'minimal' || /^o\d|^gpt-5-|codex/.test(model)) return 'low'
  return 'none'
}

export interface Sampling {
  temperature?: number
  top_p?: number
}

export function samplingOf(settings: GenerateSettings, facts: ModelFacts): Sampling {
  if (!facts.sampling) return {}
  const { temperature, topP } = settings
  return { ...(temperature !== undefined && { temperature }), ...(topP !== undefined && { top_p: topP }) }
}

export interface OutputSchema {
  readonly name: string
  readonly schema: { [key: string]: unknown }
  readonly strict: boolean
}

/** @returns the schema of the answer, strict where it can be; null when none is asked for or the model cannot hold one. */
export function outputSchemaOf(settings: GenerateSettings, facts: ModelFacts): OutputSchema | null {
  if (settings.output === undefined || !facts.structuredOutput) return null
  const { name, schema } = settings.output
  const strict: JsonObject | null = strictSchema(schema)
  return { name: sendableName(name), schema: { ...(strict ?? schema) }, strict: strict !== null }
}

/** @returns the tools that the model can be told of. */
export function toolsOf(request: GenerateRequest, facts: ModelFacts): GenerateRequest['tools'] {
  return facts.tools ? request.tools : []
}

export function cacheKeyOf(request: GenerateRequest, official: boolean): { prompt_cache_key?: string } {
  const { cacheKey } = request
  return official && cacheKey !== undefined ? { prompt_cache_key: cacheKey.slice(0, openAiCacheKeyChars) } : {}
}
