/**
 * `/v1/messages`, the interface of Anthropic, whole and as a stream: each answer of the model in the turn is a block of text, and calls of
 * the program's tools are the last blocks.
 * Source: https://platform.claude.com/docs/en/api/messages
 */
import { z } from 'zod'
import { type JsonObject, parseObject, type SessionId } from '../../base/index.ts'
import type { ClientTools } from '../../protocol/index.ts'
import { askedFields, type StartedMessage } from '../http/messages.ts'
import { agentName, answerOrAsked, answerTurn, askedText, errorOfTurn, isFailed, toolCallIdOf, type TurnAnswer } from './agent-turn.ts'
import { anthropicErrorOf, type Asking, createSender, type Sender } from './asking.ts'
import { clientToolsOf, empty, type Entry, fileOf, invalid, noFilesText, readBody, textOfResult } from './conversation.ts'
import { type Conversations, startTalk } from './talk.ts'

const text = z.object({ type: z.literal('text'), text: z.string() })
const encoded = z.object({ type: z.literal('base64', 'must be base64: nothing is fetched'), media_type: z.string(), data: z.string() })
const image = z.object({ type: z.literal('image'), source: encoded })
const document = z.object({
  type: z.literal('document'),
  title: z.string().max(1_000).nullish(),
  source: z.discriminatedUnion('type', [encoded, z.object({ type: z.literal('text'), media_type: z.string(), data: z.string() })]),
})
const toolUse = z.object({ type: z.literal('tool_use'), id: z.string().max(1_000), name: z.string().max(1_000), input: z.unknown() })
const toolResult = z.object({
  type: z.literal('tool_result'),
  tool_use_id: z.string().max(1_000),
  content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, image, document]))]).nullish(),
  is_error: z.boolean().nullish(),
})
/** What a model thought is no part of a conversation here. */
const thought = z.object({ type: z.enum(['thinking', 'redacted_thinking']) })
const block = z.discriminatedUnion('type', [text, image, document, toolUse, toolResult, thought])
const texts = z.union([z.string(), z.array(text)])
const message = z.object({ role: z.enum(['user', 'assistant', 'system']), content: z.union([z.string(), z.array(block)]) })
const tool = z.object({
  type: z.literal('custom', 'only tools of the program are supported').nullish(),
  name: z.string(),
  description: z.string().nullish(),
  input_schema: z.record(z.string(), z.unknown()),
})
const serial = { disable_parallel_tool_use: z.boolean().nullish() }
const choice = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['auto', 'any']), ...serial }),
  z.object({ type: z.literal('tool'), name: z.string(), ...serial }),
  z.object({ type: z.literal('none') }),
])
const format = z.object({ type: z.literal('json_schema'), schema: z.record(z.string(), z.unknown()) })
/** What is not named here, such as `max_tokens` and `thinking`, is up to the agent's configuration. */
export const messagesRequest = z.object({
  model: z.string().max(200).default(''),
  messages: z.array(message).min(1, empty),
  system: texts.nullish(),
  stream: z.boolean().nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: choice.nullish(),
  output_config: z.object({ format: format.nullish() }).nullish(),
})

type Request = z.infer<typeof messagesRequest>
type Block = z.infer<typeof block>

/** Answers `POST /v1/messages`. @returns null once it is sent @throws OxbowError before the first byte of a stream */
export async function createMessage(asking: Asking, conversations: Conversations): Promise<JsonObject | null> {
  const { kernel, body, response, gone } = asking
  const read = readBody(messagesRequest, body)
  const system: Entry[] = read.system ? [{ role: 'system', text: wordsOf(read.system), attachments: [] }] : []
  const { started, keep } = await startTalk(asking, conversations, {
    entries: [...system, ...read.messages.flatMap(({ role, content }, at) => entriesOf(role, content, `messages.${at}`))],
    model: read.model,
    tools: toolsOf(read),
  })
  response.setHeader('oxbow-session', started.session)
  const base = { id: `msg_${started.turn}`, type: 'message', role: 'assistant', model: read.model || agentName }
  if (read.stream === true) {
    await streamMessage(asking, started, { base, keep })
    return null
  }
  const ended = await answerOrAsked(kernel, started, gone)
  if ('asked' in ended) {
    const asked = askedText(ended.asked)
    keep(asked)
    response.statusCode = 202
    const content = [{ type: 'text', text: asked, citations: null }]
    return { ...base, content, ...stopOf('end_turn'), usage: usageOf(), x_oxbow: askedFields(started, ended.asked) }
  }
  const { answer } = ended
  if (isFailed(answer)) throw errorOfTurn(answer, read.model)
  const words = blocksOf(answer)
  if (answer.calls.length === 0) keep(words.join('\n'))
  const content = [...words.map((each) => ({ type: 'text', text: each, citations: null })), ...toolUsesOf(started.session, answer)]
  return { ...base, content, ...stopOf(reasonOf(answer)), usage: usageOf(answer) }
}

interface MessageStream {
  readonly base: JsonObject
  readonly keep: (reply: string) => void
}

/** A turn that waits for a person says so in a `message_delta`; the stream goes on when one has decided. */
async function streamMessage(
  { kernel, response, gone }: Pick<Asking, 'kernel' | 'response' | 'gone'>,
  started: StartedMessage,
  { base, keep }: MessageStream,
): Promise<void> {
  const sender = createSender(response)
  const blocks = createBlocks(sender, base)
  const answer = await answerTurn(kernel, started, gone, {
    onText: blocks.text,
    onAsked: (asked) => blocks.delta(null, usageOf(), { x_oxbow: askedFields(started, asked) }),
  })
  if (isFailed(answer)) {
    sender.data(anthropicErrorOf(answer.failure!), 'error')
    return sender.end()
  }
  const missing = blocksOf(answer).slice(blocks.texts().length)
  for (const each of missing) blocks.text(each, blocks.texts().length)
  if (answer.calls.length === 0) keep(blocks.texts().join('\n'))
  for (const each of toolUsesOf(started.session, answer)) blocks.toolUse(each)
  blocks.delta(reasonOf(answer), usageOf(answer))
  blocks.end()
}

/** The events of a stream, one block after the other. */
function createBlocks(sender: Sender, base: JsonObject) {
  const send = (type: string, fields: JsonObject): void => sender.data({ type, ...fields }, type)
  const written: string[] = []
  let index = -1
  let open = false
  const begin = (content: JsonObject): void => {
    stop()
    index++
    open = true
    send('content_block_start', { index, content_block: content })
  }
  const stop = (): void => {
    if (open) send('content_block_stop', { index })
    open = false
  }
  send('message_start', { message: { ...base, content: [], ...stopOf(null), usage: usageOf() } })
  return {
    texts: () => written,
    /** @param at counts the answers of the model that have any text */
    text(piece: string, at: number) {
      if (at >= written.length) begin({ type: 'text', text: '', citations: null })
      written[at] = (written[at] ?? '') + piece
      send('content_block_delta', { index, delta: { type: 'text_delta', text: piece } })
    },
    toolUse({ input, ...use }: ToolUse) {
      begin({ ...use, input: {} })
      send('content_block_delta', { index, delta: { type: 'input_json_delta', partial_json: JSON.stringify(input) } })
    },
    delta(reason: StopReason | null, usage: JsonObject, more: JsonObject = {}) {
      // A question of the middle interrupts no block.
      if (reason !== null) stop()
      send('message_delta', { delta: stopOf(reason), usage, ...more })
    },
    end() {
      send('message_stop', {})
      sender.end()
    },
  }
}

type StopReason = 'end_turn' | 'max_tokens' | 'tool_use'

function stopOf(reason: StopReason | null): JsonObject {
  return { stop_reason: reason, stop_sequence: null }
}

function reasonOf({ failure, calls }: TurnAnswer): StopReason {
  return calls.length > 0 ? 'tool_use' : failure === null ? 'end_turn' : 'max_tokens'
}

/** @returns what the model wrote, and a reply that it did not write, as of an agent that gave up */
function blocksOf({ texts: written, reply }: TurnAnswer): readonly string[] {
  return reply === '' || written.includes(reply) ? written : [...written, reply]
}

interface ToolUse extends JsonObject {
  readonly type: 'tool_use'
  readonly id: string
  readonly name: string
  readonly input: JsonObject
}

function toolUsesOf(session: SessionId, { calls }: TurnAnswer): ToolUse[] {
  return calls.map(({ call, name, arguments: given }) => ({
    type: 'tool_use',
    id: toolCallIdOf(session, call),
    name,
    input: parseObject(given) ?? {},
  }))
}

/** The input without what a cache held, which Anthropic counts apart. */
function usageOf(answer?: TurnAnswer): JsonObject {
  const { inputTokens, cachedTokens, outputTokens } = answer?.usage ?? { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }
  return {
    input_tokens: Math.max(0, inputTokens - cachedTokens),
    cache_read_input_tokens: cachedTokens,
    cache_creation_input_tokens: 0,
    output_tokens: outputTokens,
  }
}

function toolsOf({ tools, tool_choice: wanted, output_config: output }: Request): ClientTools | undefined {
  const type = wanted?.type ?? 'auto'
  return clientToolsOf({
    tools: (tools ?? []).map(({ name, description, input_schema: parameters }) => ({ name, description, parameters })),
    choice: wanted?.type === 'tool' ? { name: wanted.name } : type === 'any' ? 'required' : type === 'none' ? 'none' : 'auto',
    isParallel: !(
      wanted !== undefined &&
      wanted !== null &&
      'disable_parallel_tool_use' in wanted &&
      wanted.disable_parallel_tool_use === true
    ),
    output: output?.format ? { name: 'answer', schema: output.format.schema } : undefined,
  })
}

/** Results come first in a message, as Anthropic wants them. */
function entriesOf(role: z.infer<typeof message>['role'], content: string | readonly Block[], param: string): readonly Entry[] {
  if (typeof content === 'string') return [{ role, text: content, attachments: [] }]
  const results = content.flatMap((each) => (each.type === 'tool_result' ? [resultOf(each, param)] : []))
  const calls = content.flatMap((each) =>
    each.type === 'tool_use' ? [{ role: 'call' as const, id: each.id, name: each.name, arguments: JSON.stringify(each.input ?? {}) }] : [],
  )
  if (role !== 'user' && results.length > 0) throw invalid(param, 'results of tools belong into a message of the user')
  if (role !== 'assistant' && calls.length > 0) throw invalid(param, 'calls of tools belong into a message of the assistant')
  const { words, attachments } = partsOf(content, param)
  const isEmpty = words === '' && attachments.length === 0
  if (isEmpty && (results.length > 0 || calls.length > 0)) return [...results, ...calls]
  const said = words === '' && attachments.length > 0 ? noFilesText : words
  return [...results, { role, text: said, attachments }, ...calls]
}

function resultOf({ tool_use_id: id, content, is_error: isError }: z.infer<typeof toolResult>, param: string): Entry {
  const { words, attachments } = typeof content === 'string' ? { words: content, attachments: [] } : partsOf(content ?? [], param)
  const told = textOfResult({ text: words, attachments }, param)
  return { role: 'result', id, text: isError === true ? `Error: ${told}` : told }
}

function partsOf(content: readonly Block[], param: string) {
  const attachments = content.flatMap((each) => {
    if (each.type === 'image') return [fileOf('image', dataUrl(each.source), param)]
    if (each.type !== 'document') return []
    const { source, title } = each
    const bytes = source.type === 'base64' ? source : { ...source, data: Buffer.from(source.data).toString('base64') }
    return [fileOf(title ?? (source.media_type === 'application/pdf' ? 'document.pdf' : 'document.txt'), dataUrl(bytes), param)]
  })
  return { words: wordsOf(content), attachments }
}

function dataUrl({ media_type: type, data }: { readonly media_type: string; readonly data: string }): string {
  return `data:${type};base64,${data}`
}

function wordsOf(content: string | readonly Block[]): string {
  if (typeof content === 'string') return content
  return content.flatMap((each) => (each.type === 'text' ? [each.text] : [])).join('\n')
}
