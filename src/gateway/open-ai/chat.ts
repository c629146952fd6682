/**
 * `/v1/chat/completions`, whole and as a stream.
 * Source: https://platform.openai.com/docs/api-reference/chat
 */
import { z } from 'zod'
import type { JsonObject, SessionId } from '../../base/index.ts'
import { agentName, answerOrAsked, answerTurn, askedText, errorOfTurn, isFailed, toolCallIdOf, type TurnAnswer } from './agent-turn.ts'
import { askedFields, type StartedMessage } from '../http/messages.ts'
import {
  chatFormat,
  clientToolsOf,
  empty,
  type Entry,
  fileOf,
  functionFields,
  inFormat,
  noFilesText,
  readBody,
  textOfResult,
} from './conversation.ts'
import { type Asking, createSender, errorOf, type Sender } from './asking.ts'
import { type Conversations, startTalk } from './talk.ts'

const part = z.union([
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('refusal'), refusal: z.string() }),
  z.object({ type: z.literal('image_url'), image_url: z.object({ url: z.string() }) }),
  z.object({ type: z.literal('file'), file: z.object({ filename: z.string().max(1_000).default('file'), file_data: z.string() }) }),
])
const content = z.union([z.string(), z.array(part)]).nullish()
const toolCall = z.object({
  id: z.string().max(1_000),
  type: z.literal('function'),
  function: z.object({ name: z.string().max(1_000), arguments: z.string() }),
})
const chatMessage = z.discriminatedUnion('role', [
  z.object({ role: z.enum(['system', 'developer', 'user']), content }),
  z.object({ role: z.literal('assistant'), content, tool_calls: z.array(toolCall).max(1_000).nullish() }),
  z.object({ role: z.literal('tool'), content, tool_call_id: z.string().max(1_000) }),
])
const choice = z.union([
  z.enum(['auto', 'none', 'required']),
  z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) }).transform((value) => ({ name: value.function.name })),
])
/** What is not named here, such as `temperature`, is up to the agent's configuration. */
export const chatRequest = z.object({
  model: z.string().max(200).default(''),
  messages: z.array(chatMessage).min(1, empty),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  n: z.literal(1, 'only one answer is given').nullish(),
  response_format: chatFormat,
  tools: z.array(z.object({ type: z.literal('function', 'only functions are supported'), function: functionFields })).nullish(),
  tool_choice: choice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  functions: z.null('use tools').optional(),
  function_call: z.null('use tool_choice').optional(),
})

type Message = z.infer<typeof chatMessage>

/** Answers `POST /v1/chat/completions`. @returns null once it is sent @throws OxbowError before the first byte of a stream */
export async function completeChat(asking: Asking, conversations: Conversations): Promise<JsonObject | null> {
  const { kernel, body, response, gone, now } = asking
  const read = readBody(chatRequest, body)
  const form = read.response_format?.type
  const { started, keep } = await startTalk(asking, conversations, {
    entries: read.messages.flatMap(entriesOf),
    model: read.model,
    form,
    tools: clientToolsOf({
      tools: (read.tools ?? []).map((tool) => tool.function),
      choice: read.tool_choice ?? 'auto',
      isParallel: read.parallel_tool_calls !== false,
      output: read.response_format?.type === 'json_schema' ? read.response_format.json_schema : undefined,
    }),
  })
  response.setHeader('oxbow-session', started.session)
  const base = { id: `chatcmpl-${started.turn}`, created: Math.floor(now() / 1_000), model: read.model || agentName }
  if (read.stream === true) {
    await streamChat(asking, started, { base, keep, withUsage: read.stream_options?.include_usage === true })
    return null
  }
  const ended = await answerOrAsked(kernel, started, gone)
  const whole = { ...base, object: 'chat.completion' }
  if ('asked' in ended) {
    const asked = askedText(ended.asked)
    keep(asked)
    response.statusCode = 202
    const message = { role: 'assistant', content: asked, refusal: null }
    const choices = [{ index: 0, message, logprobs: null, finish_reason: 'stop' }]
    return { ...whole, choices, x_oxbow: askedFields(started, ended.asked) }
  }
  const answer = { ...ended.answer, reply: inFormat(ended.answer.reply, form) }
  if (answer.calls.length === 0) keep(answer.reply)
  if (isFailed(answer)) throw errorOfTurn(answer, read.model)
  return { ...whole, choices: [choiceOf(started.session, answer)], usage: usageOf(answer) }
}

interface ChatStream {
  readonly base: JsonObject
  readonly keep: (reply: string) => void
  readonly withUsage: boolean
}

/** A turn that waits for a person says so in a chunk without choices; the stream goes on when one has decided. */
async function streamChat(
  { kernel, response, gone }: Pick<Asking, 'kernel' | 'response' | 'gone'>,
  started: StartedMessage,
  { base, keep, withUsage }: ChatStream,
): Promise<void> {
  const sender = createSender(response)
  const chunks = createChunks(sender, base)
  let streamed = ''
  const answer = await answerTurn(kernel, started, gone, {
    onText(piece) {
      streamed += piece
      chunks.text(piece)
    },
    onAsked: (asked) => chunks.extra(askedFields(started, asked)),
  })
  if (answer.calls.length === 0) {
    keep(answer.reply)
    keep(streamed)
  }
  if (isFailed(answer)) {
    sender.data(errorOf(answer.failure!))
    return sender.end()
  }
  // A reply that was not streamed, as of an agent that gave up.
  if (streamed === '' && answer.reply !== '') chunks.text(answer.reply)
  chunks.end(started.session, answer, withUsage)
}

function finishOf({ failure, calls }: TurnAnswer): 'stop' | 'length' | 'tool_calls' {
  return calls.length > 0 ? 'tool_calls' : failure === null ? 'stop' : 'length'
}

function toolCallsOf(session: SessionId, { calls }: TurnAnswer): JsonObject[] {
  return calls.map(({ call, name, arguments: args }) => ({
    id: toolCallIdOf(session, call),
    type: 'function',
    function: { name, arguments: args },
  }))
}

function choiceOf(session: SessionId, answer: TurnAnswer): JsonObject {
  const calls = toolCallsOf(session, answer)
  const message = {
    role: 'assistant',
    content: answer.reply === '' && calls.length > 0 ? null : answer.reply,
    refusal: null,
    ...(calls.length > 0 && { tool_calls: calls }),
  }
  return { index: 0, message, logprobs: null, finish_reason: finishOf(answer) }
}

function usageOf({ usage }: TurnAnswer): JsonObject {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  }
}

function createChunks(sender: Sender, base: JsonObject) {
  const chunk = (delta: object, finish: string | null): void =>
    sender.data({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] })
  chunk({ role: 'assistant', content: '' }, null)
  return {
    text: (text: string) => chunk({ content: text }, null),
    extra: (fields: JsonObject) => sender.data({ ...base, object: 'chat.completion.chunk', choices: [], x_oxbow: fields }),
    end(session: SessionId, answer: TurnAnswer, withUsage: boolean) {
      for (const [index, call] of toolCallsOf(session, answer).entries()) chunk({ tool_calls: [{ index, ...call }] }, null)
      chunk({}, finishOf(answer))
      if (withUsage) sender.data({ ...base, object: 'chat.completion.chunk', choices: [], usage: usageOf(answer) })
      sender.end('data: [DONE]\n\n')
    },
  }
}

function entriesOf(message: Message, at: number): readonly Entry[] {
  const param = `messages.${at}`
  const { role } = message
  const { text, attachments } = contentOf(message.content, param)
  if (role === 'tool') return [{ role: 'result', id: message.tool_call_id, text: textOfResult({ text, attachments }, param) }]
  if (role === 'user') return [{ role, text: text === '' && attachments.length > 0 ? noFilesText : text, attachments }]
  if (role !== 'assistant') return [{ role: 'system', text, attachments: [] }]
  const calls = (message.tool_calls ?? []).map(({ id, function: called }) => ({ role: 'call' as const, id, ...called }))
  return [...(text === '' && calls.length > 0 ? [] : [{ role, text, attachments }]), ...calls]
}

function contentOf(value: z.infer<typeof content>, param: string) {
  if (typeof value === 'string' || value === null || value === undefined) return { text: value ?? '', attachments: [] }
  const texts = value.flatMap((each) => (each.type === 'text' ? each.text : each.type === 'refusal' ? each.refusal : []))
  const attachments = value.flatMap((each) => {
    if (each.type === 'image_url') return [fileOf('image', each.image_url.url, param)]
    return each.type === 'file' ? [fileOf(each.file.filename, each.file.file_data, param)] : []
  })
  return { text: texts.join('\n'), attachments }
}
