/**
 * Writes chat-completions requests. Each message is converted and serialised once in its life and kept as JSON text: a
 * long conversation costs a join, not a conversion. The shapes are those of the official package, by type only.
 */
import type {
  ChatCompletionAssistantMessageParam,
  ChatCompletionCreateParamsStreaming,
  ChatCompletionFunctionTool,
  ChatCompletionMessageParam,
  ChatCompletionToolMessageParam,
} from 'openai/resources/chat/completions'
import type { AssistantMessage, GenerateRequest, Message, ToolMessage, ToolSpec } from '../../types/index.ts'
import { textOf, toolCallsOf } from '../../types/index.ts'
import type { RequestWriter } from '../wire.ts'

interface Written {
  readonly json: string
  /** Ids as sent, for an assistant message whose own ids repeat; null otherwise. */
  readonly renamed: ReadonlyMap<string, readonly string[]> | null
}

type Head = Omit<ChatCompletionCreateParamsStreaming, 'messages' | 'tools'>

/** @param outputLimit the newest OpenAI models know only `max_completion_tokens`; many compatible services only `max_tokens`. */
export function createChatWriter(outputLimit: 'max_tokens' | 'max_completion_tokens'): RequestWriter {
  const messages = new WeakMap<Message, Written>()
  const tools = new WeakMap<ToolSpec, string>()

  const written = (message: Message): Written => {
    const known = messages.get(message)
    if (known !== undefined) return known
    const made = writeMessage(message)
    messages.set(message, made)
    return made
  }
  const writtenTool = (tool: ToolSpec): string => {
    const known = tools.get(tool)
    if (known !== undefined) return known
    const made = JSON.stringify(toolParam(tool))
    tools.set(tool, made)
    return made
  }

  return {
    write: (request) => {
      const head: Head = {
        model: request.model,
        stream: true,
        stream_options: { include_usage: true },
        [outputLimit]: request.maxOutputTokens,
      }
      const parts = [JSON.stringify(head).slice(0, -1), ',"messages":[']
      const system: ChatCompletionMessageParam = { role: 'system', content: request.system }
      let comma = ''
      const add = (json: string): void => {
        parts.push(comma, json)
        comma = ','
      }
      if (request.system !== '') add(JSON.stringify(system))
      addMessages(request.messages, written, add)
      parts.push(']')
      if (request.tools.length > 0) parts.push(',"tools":[', request.tools.map(writtenTool).join(','), ']')
      parts.push('}')
      return parts.join('')
    },
  }
}

/** Messages in order; results of calls whose ids repeat are sent under the same new ids as the calls, in order. */
function addMessages(list: readonly Message[], written: (message: Message) => Written, add: (json: string) => void): void {
  let waiting: Map<string, string[]> | null = null
  for (const message of list) {
    if (message.role === 'tool' && waiting !== null) {
      const id = message.parts[0].id
      add(JSON.stringify(toolMessage(message, waiting.get(id)?.shift() ?? id)))
      continue
    }
    const { json, renamed } = written(message)
    if (message.role === 'assistant') {
      waiting = renamed === null ? null : new Map([...renamed].map(([id, ids]) => [id, [...ids]]))
    }
    add(json)
  }
}

function writeMessage(message: Message): Written {
  if (message.role === 'assistant') return writeAssistant(message)
  const param: ChatCompletionMessageParam =
    message.role === 'user' ? { role: 'user', content: textOf(message) } : toolMessage(message, message.parts[0].id)
  return { json: JSON.stringify(param), renamed: null }
}

function toolMessage(message: ToolMessage, id: string): ChatCompletionToolMessageParam {
  return { role: 'tool', tool_call_id: id, content: message.parts[0].text }
}

/** Reasoning stays behind: this wire has no place for it, and services that take it back disagree on where. */
function writeAssistant(message: AssistantMessage): Written {
  const calls = toolCallsOf(message)
  const text = textOf(message)
  const param: ChatCompletionAssistantMessageParam = { role: 'assistant', content: text === '' && calls.length > 0 ? null : text }
  if (calls.length === 0) return { json: JSON.stringify(param), renamed: null }
  const renamed = new Map<string, string[]>()
  param.tool_calls = calls.map((call) => {
    const same = renamed.get(call.id) ?? []
    const id = same.length === 0 ? call.id : `${call.id}_${same.length + 1}`
    renamed.set(call.id, [...same, id])
    return { id, type: 'function', function: { name: call.name, arguments: sendableArguments(call.arguments) } }
  })
  return { json: JSON.stringify(param), renamed: renamed.size === calls.length ? null : renamed }
}

/** Some services parse the arguments of old calls and refuse the whole conversation over one broken text: wrap it. */
function sendableArguments(text: string): string {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text
  } catch {
    // Not JSON: falls through to the wrapped form, which the model can still read.
  }
  return JSON.stringify(text.trim() === '' ? {} : { invalid_arguments: text })
}

function toolParam(tool: ToolSpec): ChatCompletionFunctionTool {
  return { type: 'function', function: { name: tool.name, description: tool.description, parameters: { ...tool.parameters } } }
}
