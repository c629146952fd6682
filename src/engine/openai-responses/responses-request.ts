/** Writes requests of the Responses protocol. The shapes are those of the official package, by type only. */
import type {
  FunctionTool,
  ResponseCreateParamsStreaming,
  ToolChoiceFunction,
  ToolChoiceOptions,
} from 'openai/resources/responses/responses'
import type { GenerateRequest, GenerateSettings, ModelFacts, ToolSpec } from '../../types/index.ts'
import { cacheKeyOf, effortOf, outputSchemaOf, samplingOf, toolsOf } from '../openai/request-settings.ts'
import { sendableName } from '../openai/sendable-call.ts'
import { createToolsMember, createWrittenMessages, requestBody } from '../openai/written-messages.ts'
import type { RequestWriter, WriterOptions } from '../wire.ts'
import { createInputWrite } from './responses-input.ts'

type Head = Omit<ResponseCreateParamsStreaming, 'input' | 'tools'>

export function createResponsesWriter({ facts, official }: WriterOptions): RequestWriter {
  const eachWritten = createWrittenMessages(createInputWrite(facts))
  const toolsMember = createToolsMember(toolParam)
  return {
    write: (request) => {
      const known = facts(request.model)
      const tools = toolsMember(toolsOf(request, known))
      const input: string[] = []
      eachWritten(request.messages, request.model, ({ json }) => {
        if (json !== '') input.push(json)
      })
      return requestBody(headOf(request, known, official), tools, { name: 'input', values: input })
    },
  }
}

function headOf(request: GenerateRequest, facts: ModelFacts, official: boolean): Head {
  const { model, system, settings = {} } = request
  const output = outputSchemaOf(settings, facts)
  const choice = toolsOf(request, facts).length > 0 ? toolChoice(settings) : null
  return {
    model,
    stream: true,
    store: false,
    max_output_tokens: request.maxOutputTokens,
    ...(system !== '' && { instructions: system }),
    ...(facts.reasoning && { include: ['reasoning.encrypted_content'], reasoning: reasoningOf(settings, model, official) }),
    ...samplingOf(settings, facts),
    ...(choice !== null && { tool_choice: choice }),
    ...(output !== null && { text: { format: { type: 'json_schema', ...output } } }),
    ...cacheKeyOf(request, official),
  }
}

function reasoningOf({ effort }: GenerateSettings, model: string, official: boolean): NonNullable<Head['reasoning']> {
  const sent = effort === undefined ? null : effortOf(effort, model, official)
  // Where nothing is thought there is nothing to sum up.
  return { ...(sent !== null && { effort: sent }), ...(sent !== 'none' && { summary: 'auto' }) }
}

/** @returns null for the protocol's own default. */
function toolChoice({ toolChoice: choice = 'auto' }: GenerateSettings): ToolChoiceOptions | ToolChoiceFunction | null {
  if (choice === 'auto') return null
  return typeof choice === 'string' ? choice : { type: 'function', name: sendableName(choice.tool) }
}

/** Left unsaid, `strict` is true here: the service would change the schema or refuse it. */
function toolParam(tool: ToolSpec): FunctionTool {
  return { type: 'function', name: tool.name, description: tool.description, parameters: { ...tool.parameters }, strict: false }
}
