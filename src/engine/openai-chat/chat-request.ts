/** Writes chat-completions requests. The shapes are those of the official package, by type only. */
import type {
  ChatCompletionCreateParamsStreaming,
  ChatCompletionFunctionTool,
  ChatCompletionMessageParam,
  ChatCompletionToolChoiceOption,
} from 'openai/resources/chat/completions'
import type { GenerateRequest, GenerateSettings, ModelFacts, ToolSpec } from '../../types/index.ts'
import { openAiStops } from '../limits.ts'
import type { RequestWriter, WriterOptions } from '../wire.ts'
import { createMessageWrite } from './chat-message.ts'
import { cacheKeyOf, effortOf, outputSchemaOf, samplingOf, toolsOf } from '../openai/request-settings.ts'
import { sendableName } from '../openai/sendable-call.ts'
import { createToolsMember, createWrittenMessages, requestBody } from '../openai/written-messages.ts'

type Head = Omit<ChatCompletionCreateParamsStreaming, 'messages' | 'tools'>

export function createChatWriter({ facts, official }: WriterOptions): RequestWriter {
  const eachWritten = createWrittenMessages(createMessageWrite(facts))
  const toolsMember = createToolsMember(toolParam)
  return {
    write: (request) => {
      const known = facts(request.model)
      const tools = toolsMember(toolsOf(request, known))
      return requestBody(headOf(request, known, official), tools, { name: 'messages', values: writeMessages(request, eachWritten) })
    },
  }
}

function writeMessages(request: GenerateRequest, eachWritten: ReturnType<typeof createWrittenMessages>): string[] {
  const all: string[] = []
  const system: ChatCompletionMessageParam = { role: 'system', content: request.system }
  if (request.system !== '') all.push(JSON.stringify(system))
  let waiting: string[] = []
  // What tool results show must not stand between the results of one step: services want those together.
  const flush = (): void => {
    if (waiting.length > 0) all.push(`{"role":"user","content":[${waiting.join(',')}]}`)
    waiting = []
  }
  eachWritten(request.messages, request.model, (written, role) => {
    if (role !== 'tool') flush()
    if (written.json !== '') all.push(written.json)
    if (written.after !== '') waiting.push(written.after)
  })
  flush()
  return all
}

function headOf(request: GenerateRequest, facts: ModelFacts, official: boolean): Head {
  const { model, settings = {} } = request
  const output = outputSchemaOf(settings, facts)
  const effort = settings.effort !== undefined && facts.reasoning ? effortOf(settings.effort, model, official) : null
  // The vendor's reasoning models refuse stop sequences.
  const stop = official && facts.reasoning ? [] : (settings.stop ?? []).slice(0, openAiStops)
  const choice = toolsOf(request, facts).length > 0 ? toolChoice(settings) : null
  return {
    model,
    stream: true,
    stream_options: { include_usage: true },
    // The newest models of the vendor know only the first; many compatible services only the second.
    [official ? 'max_completion_tokens' : 'max_tokens']: request.maxOutputTokens,
    ...samplingOf(settings, facts),
    ...(effort !== null && { reasoning_effort: effort }),
    ...(stop.length > 0 && { stop }),
    ...(choice !== null && { tool_choice: choice }),
    ...(output !== null && { response_format: { type: 'json_schema', json_schema: output } }),
    ...cacheKeyOf(request, official),
  }
}

/** @returns null for the protocol's own default. */
function toolChoice({ toolChoice: choice = 'auto' }: GenerateSettings): ChatCompletionToolChoiceOption | null {
  if (choice === 'auto') return null
  return typeof choice === 'string' ? choice : { type: 'function', function: { name: sendableName(choice.tool) } }
}

function toolParam(tool: ToolSpec): ChatCompletionFunctionTool {
  return { type: 'function', function: { name: tool.name, description: tool.description, parameters: { ...tool.parameters } } }
}
