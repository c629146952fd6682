/**
 * The part of a Gemini request besides the conversation: tools, how to answer, schemas, and what each generation of models takes.
 * Fields that a model does not know are left out.
 */
import type {
  FunctionCallingConfig,
  FunctionCallingConfigMode,
  FunctionDeclaration,
  GenerationConfig,
  ThinkingConfig,
  ThinkingLevel,
} from '@google/genai'
import { isObject, type Json, type JsonObject } from '../../base/index.ts'
import type { Effort, GenerateRequest, GenerateSettings, ModelFacts, ToolSpec } from '../../protocol/index.ts'

export interface ToolConfigBody {
  functionCallingConfig: Omit<FunctionCallingConfig, 'mode'> & { mode: `${FunctionCallingConfigMode}` }
}

export interface GenerationBody extends Omit<GenerationConfig, 'thinkingConfig'> {
  thinkingConfig?: Thinking
}

export function declarationOf(tool: ToolSpec): FunctionDeclaration {
  return { name: tool.name, description: tool.description, parametersJsonSchema: geminiSchema(tool.parameters) }
}

/** @returns null where the default, `auto`, is meant. */
export function toolConfigOf(choice: GenerateSettings['toolChoice']): ToolConfigBody | null {
  if (choice === undefined || choice === 'auto') return null
  if (choice === 'none') return { functionCallingConfig: { mode: 'NONE' } }
  if (choice === 'required') return { functionCallingConfig: { mode: 'ANY' } }
  return { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: [choice.tool] } }
}

/** @param tools whether the request brings any */
export function generationOf(request: GenerateRequest, facts: ModelFacts, tools: boolean): GenerationBody {
  const { model, maxOutputTokens, settings = {} } = request
  const body: GenerationBody = { maxOutputTokens }
  if (facts.sampling && settings.temperature !== undefined) body.temperature = settings.temperature
  if (facts.sampling && settings.topP !== undefined) body.topP = settings.topP
  if (settings.stop !== undefined && settings.stop.length > 0) body.stopSequences = [...settings.stop]
  if (facts.reasoning) body.thinkingConfig = thinkingFor(model, settings.effort, maxOutputTokens)
  // Models before the third generation refuse a request with both.
  if (settings.output !== undefined && facts.structuredOutput && (!tools || isNewGeneration(model))) {
    body.responseMimeType = 'application/json'
    body.responseJsonSchema = geminiSchema(settings.output.schema)
  }
  return body
}

/** Keywords whose value is a schema, a list of schemas, or schemas by name. A property may bear any of these names. */
const single = new Set(['items', 'additionalProperties', 'not', 'contains', 'if', 'then', 'else', 'propertyNames'])
const listed = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems'])
const named = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'])

/** JSON Schema as Gemini accepts it: without `$schema`, and with a one-value `enum` instead of `const`. */
export function geminiSchema(schema: JsonObject): JsonObject {
  const entries: [string, Json][] = []
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === '$schema') continue
    if (keyword !== 'const') entries.push([keyword, keywordValue(keyword, value)])
    // Lists of values hold texts and numbers only.
    else if (typeof value === 'string' || typeof value === 'number') entries.push(['enum', [value]])
  }
  return Object.fromEntries(entries)
}

function keywordValue(keyword: string, value: Json): Json {
  if (single.has(keyword) && isObject(value)) return geminiSchema(value)
  if (listed.has(keyword) && Array.isArray(value)) return value.map((each: Json) => (isObject(each) ? geminiSchema(each) : each))
  if (!named.has(keyword) || !isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, isObject(each) ? geminiSchema(each) : each]))
}

/** The official enums by their values: naming an enum member would load the package. */
interface Thinking extends Omit<ThinkingConfig, 'thinkingLevel'> {
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
function thinkingFor(model: string, effort: Effort | undefined, maxOutputTokens: number): Thinking {
  if (effort === undefined) return { includeThoughts: true }
  if (isNewGeneration(model) && !model.includes('gemini-3-pro-image')) {
    return { includeThoughts: true, thinkingLevel: levelFor(model, effort) }
  }
  const least = leastBudget(model)
  if (effort === 'none') return /2\.5-pro/i.test(model) ? { thinkingBudget: least } : { thinkingBudget: 0 }
  const max = Math.max(least, Math.floor(maxOutputTokens / 2))
  return { includeThoughts: true, thinkingBudget: Math.min(Math.max(budgets[effort], least), max) }
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
