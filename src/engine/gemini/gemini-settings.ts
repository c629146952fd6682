/** The part of a Gemini request that is no conversation: tools, and how to answer. What the model does not know is left out. */
import type { FunctionCallingConfig, FunctionCallingConfigMode, FunctionDeclaration, GenerationConfig } from '@google/genai'
import type { GenerateRequest, GenerateSettings, ModelFacts, ToolSpec } from '../../types/index.ts'
import { geminiSchema } from './gemini-schema.ts'
import { isNewGeneration, type Thinking, thinkingFor } from './gemini-traits.ts'

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
