/**
 * The interface of OpenAI, for programs that speak it: `/v1/models` and `/v1/chat/completions`, with streams. A model is the agent (`oxbow`),
 * or the agent with one of its models (`provider/name`). The tools, the memory and the rights of the agent hold; the program sees its
 * words only.
 *
 * The protocol sends the whole conversation each time, the journal keeps it. So a conversation that continues one which this gateway has
 * answered goes on in the same session; any other begins a session, and what was said before comes with its first message.
 * Source: https://platform.openai.com/docs/api-reference/chat
 */
import { createHash, randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { z } from 'zod'
import type { Kernel, KernelEvent } from '../../kernel/index.ts'
import {
  type CallId,
  createRecentMap,
  errorTable,
  type Failure,
  isObject,
  type JsonObject,
  OxbowError,
  type RecentMap,
  type SessionId,
} from '../../types/index.ts'
import { keptConversations } from '../limits.ts'
import { followTurn } from './messages.ts'

const part = z.union([
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('image_url'), image_url: z.object({ url: z.string() }) }),
  z.object({ type: z.literal('file'), file: z.object({ filename: z.string().max(1_000).default('file'), file_data: z.string() }) }),
])
const chatMessage = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: z.union([z.string(), z.array(part)]).nullish(),
})
/** What is not named here, such as `temperature`, is up to the agent's configuration. */
const request = z.object({
  model: z.string().max(200).default(''),
  messages: z.array(chatMessage).min(1),
  stream: z.boolean().default(false),
  stream_options: z.object({ include_usage: z.boolean().default(false) }).nullish(),
  n: z.literal(1).nullish(),
  tools: z.array(z.unknown()).max(0, 'tools of the program are not supported: the agent has tools of its own').nullish(),
})

type Message = z.infer<typeof chatMessage>

/** Sessions by the conversation that they hold. */
export type Conversations = RecentMap<string, SessionId>

export function createConversations(): Conversations {
  return createRecentMap<string, SessionId>(keptConversations)
}

/** The name under which the agent is a model. */
const agentName = 'oxbow'

export function listModels(kernel: Kernel): JsonObject {
  const { model } = kernel.status()
  const entry = (id: string) => ({ id, object: 'model', created: 0, owned_by: 'oxbow' })
  return { object: 'list', data: [entry(agentName), entry(model)] }
}

interface Completing {
  readonly kernel: Kernel
  readonly client: string
  readonly conversations: Conversations
  readonly body: JsonObject
  readonly response: ServerResponse
  readonly gone: AbortSignal
  readonly now: () => number
}

interface Usage {
  prompt_tokens: number
  completion_tokens: number
  total_tokens: number
}

/** Answers `/v1/chat/completions`. @throws OxbowError before the first byte of a stream */
export async function complete({ kernel, client, conversations, body, response, gone, now }: Completing): Promise<JsonObject | null> {
  const read = request.safeParse(body)
  if (!read.success) {
    const [issue] = read.error.issues
    throw new OxbowError('bad_input', `${issue!.path.join('.')}: ${issue!.message}`, {
      hint: 'Send it as the chat completions of OpenAI have it.',
    })
  }
  const { model, messages, stream, stream_options: options } = read.data
  const last = messages.at(-1)!
  if (last.role !== 'user')
    throw new OxbowError('bad_input', 'messages: the last message must be of the user.', {
      hint: 'Send the message that the agent is to answer.',
    })
  const before = messages.slice(0, -1)
  const known = before.length === 0 ? undefined : conversations.get(keyOf(client, before))
  const session = known ?? (await kernel.createSession()).id
  const { text, attachments } = contentOf(last)
  const started = await kernel.sendTurn({
    session,
    clientId: randomUUID() as string as CallId,
    text: known === undefined ? withBefore(before, text) : text,
    model: model === '' || model === agentName ? undefined : model,
    attachments,
  })
  const base = { id: `chatcmpl-${started.turn}`, created: Math.floor(now() / 1_000), model: model || agentName }
  const usage: Usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }
  const writer = stream ? createChunks(response, base, session) : null
  let said = ''
  const outcome = await followTurn(kernel, { session, ...started }, gone, (event) => {
    addUsage(usage, event, started.turn)
    if (event.type !== 'delta' || event.turn !== started.turn) return
    said += event.text
    writer?.delta(event.text)
  })
  const reply = typeof outcome['reply'] === 'string' ? outcome['reply'] : ''
  const failure = isObject(outcome['failure']) ? (outcome['failure'] as unknown as Failure) : null
  conversations.put(keyOf(client, [...messages, { role: 'assistant', content: stream ? said || reply : reply }]), session)
  conversations.put(keyOf(client, [...messages, { role: 'assistant', content: reply }]), session)
  const isFailed = outcome['status'] !== 'ok' && outcome['status'] !== 'limit'
  if (writer === null) {
    if (isFailed && failure !== null) throw new OxbowError(failure.code, failure.message, { hint: failure.hint })
    response.setHeader('oxbow-session', session)
    const choice = {
      index: 0,
      message: { role: 'assistant', content: reply, refusal: null },
      logprobs: null,
      finish_reason: finishOf(outcome),
    }
    return { ...base, object: 'chat.completion', choices: [choice], usage: { ...usage } }
  }
  // A reply that was not streamed, as of an agent that gave up.
  if (said === '' && reply !== '') writer.delta(reply)
  if (isFailed && failure !== null) writer.fail(failure)
  else writer.end(finishOf(outcome), options?.include_usage === true ? usage : null)
  return null
}

function finishOf({ failure }: JsonObject): 'stop' | 'length' {
  return failure === null || failure === undefined ? 'stop' : 'length'
}

/** Each generation of the turn has its own usage; the input of each counts, as it is paid for. */
function addUsage(usage: Usage, event: KernelEvent, turn: string): void {
  if (event.type !== 'record') return
  const { name, phase, turn: of, body } = event.record
  if (name !== 'model.generate' || phase !== 'outcome' || of !== turn || !isObject(body) || !isObject(body['usage'])) return
  const { inputTokens, outputTokens } = body['usage'] as { readonly inputTokens?: number; readonly outputTokens?: number }
  usage.prompt_tokens += inputTokens ?? 0
  usage.completion_tokens += outputTokens ?? 0
  usage.total_tokens = usage.prompt_tokens + usage.completion_tokens
}

function createChunks(response: ServerResponse, base: JsonObject, session: string) {
  const send = (data: unknown): void => void response.write(`data: ${JSON.stringify(data)}\n\n`)
  const chunk = (delta: object, finish: string | null, more: object = {}): void =>
    send({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], ...more })
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'oxbow-session': session })
  chunk({ role: 'assistant', content: '' }, null)
  return {
    delta: (text: string) => chunk({ content: text }, null),
    end(finish: string, usage: Usage | null) {
      chunk({}, finish)
      if (usage !== null) send({ ...base, object: 'chat.completion.chunk', choices: [], usage })
      response.end('data: [DONE]\n\n')
    },
    fail(failure: Failure) {
      send(errorOf(failure))
      response.end()
    },
  }
}

/** As OpenAI words errors. */
export function errorOf({ code, message, hint }: Failure): JsonObject {
  const type = errorTable[code].http < 500 ? 'invalid_request_error' : 'server_error'
  return { error: { message: `${message} ${hint}`.trim(), type, param: null, code } }
}

function keyOf(client: string, messages: readonly Message[]): string {
  const hash = createHash('sha256').update(`${client}\n`)
  for (const { role, content } of messages)
    hash.update(JSON.stringify([role, typeof content === 'string' ? content : contentOf({ role, content }).text]))
  return hash.digest('hex')
}

interface Content {
  readonly text: string
  readonly attachments: readonly { readonly name: string; readonly media_type: string; readonly data: string }[]
}

function contentOf({ content }: Message): Content {
  if (typeof content === 'string' || content === null || content === undefined) return { text: content ?? '', attachments: [] }
  const text = content.flatMap((each) => (each.type === 'text' ? each.text : [])).join('\n')
  const attachments = content.flatMap((each) => {
    if (each.type === 'text') return []
    const [name, url] = each.type === 'file' ? [each.file.filename, each.file.file_data] : ['image', each.image_url.url]
    const [, type, data] = /^data:([\w.+-]+\/[\w.+-]+);base64,([\w+/=]+)$/.exec(url) ?? []
    if (type === undefined || data === undefined) {
      throw new OxbowError('bad_input', `messages: ${name} must be a data URL with base64.`, {
        hint: 'Files are not fetched from addresses.',
      })
    }
    return [{ name, media_type: type, data }]
  })
  return { text: text || 'See the attached files.', attachments }
}

/** The words before the first message of a session. They come from the program, as the message does. */
function withBefore(messages: readonly Message[], text: string): string {
  const instructions = messages.filter(({ role }) => role === 'system' || role === 'developer').map((each) => contentOf(each).text)
  const talk = messages.filter(({ role }) => role === 'user' || role === 'assistant')
  const lines = talk.map((each) => `${each.role === 'user' ? 'User' : 'Assistant'}: ${contentOf(each).text}`)
  return [
    ...(instructions.length === 0 ? [] : [`Instructions:\n${instructions.join('\n')}`]),
    ...(lines.length === 0 ? [] : [`The conversation so far:\n${lines.join('\n\n')}`]),
    text,
  ].join('\n\n')
}
