/**
 * The interfaces of OpenAI, for programs that speak them: chat completions, responses, embeddings, models; and the messages of Anthropic. The agent is a model: its tools,
 * memory, rights and approvals hold, and in addition to its own tools it may call tools that the program sends. Loaded with the first request.
 */
import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import type { Kernel } from '../../kernel/index.ts'
import { type JsonObject, OxbowError } from '../../base/index.ts'
import { outputOf } from '../http/messages.ts'
import { agentName, agentsOf } from './agent-turn.ts'
import { createMessage, messagesRequest } from './anthropic.ts'
import type { Asking } from './asking.ts'
import { chatRequest, completeChat } from './chat.ts'
import { empty, readBody } from './conversation.ts'
import { cancelResponse, createResponse, createSessionHeads, readResponse, responseRequest } from './responses.ts'
import { createConversations } from './talk.ts'
import { wrongMethod } from '../http/send-json.ts'

export interface OpenAiRequest extends Asking {
  readonly request: IncomingMessage
  readonly url: URL
}

/** @returns a function that answers a request below `/v1/`, or returns the body for its caller to send */
export function createOpenAi(): (asked: OpenAiRequest) => Promise<JsonObject | null> {
  const conversations = createConversations()
  const heads = createSessionHeads()
  return async ({ request, url, ...asked }) => {
    const [, resource = '', ...rest] = url.pathname.slice(1).split('/')
    const id = decodeURIComponent(rest.join('/'))
    switch (`${request.method} ${resource}${id === '' ? '' : '/…'}`) {
      case 'POST chat/…':
        if (id === 'completions') return completeChat(asked, conversations)
        break
      case 'POST messages':
        return createMessage(asked, conversations)
      case 'POST responses':
        return createResponse(asked, heads)
      case 'POST responses/…':
        if (id.endsWith('/cancel')) return cancelResponse(asked, id.slice(0, -'/cancel'.length))
        break
      case 'GET responses/…':
        return readResponse(asked, id)
      case 'POST embeddings':
        return createEmbeddings(asked)
      case 'GET models':
        return listOf(await models(asked.kernel))
      case 'GET models/…':
        return modelOf(asked.kernel, id)
    }
    const allowed = methodsOf(resource, id)
    if (allowed.length > 0) throw wrongMethod(allowed)
    throw new OxbowError('not_found', `There is no ${request.method} ${url.pathname.slice(0, 100)}.`, {
      hint: 'docs/http-api.md names what is supported of the interfaces of OpenAI and Anthropic.',
    })
  }
}

/** @returns the methods that an address takes; none: nothing is there */
function methodsOf(resource: string, id: string): readonly string[] {
  const path = id === '' ? resource : `${resource}/…`
  if (path === 'models' || path === 'models/…') return ['GET']
  if (path === 'responses/…') return [id.endsWith('/cancel') ? 'POST' : 'GET']
  return path === 'responses' || path === 'messages' || path === 'embeddings' || `${resource}/${id}` === 'chat/completions' ? ['POST'] : []
}

/** One page with all, for programs of OpenAI and of Anthropic. */
function listOf(data: readonly JsonObject[]): JsonObject {
  return { object: 'list', data: [...data], has_more: false, first_id: data[0]?.['id'] ?? null, last_id: data.at(-1)?.['id'] ?? null }
}

async function models(kernel: Kernel): Promise<JsonObject[]> {
  const { model, fallback, embedder } = kernel.status()
  const agents = (await agentsOf(kernel)).map(({ name }) => name)
  const names = [agentName, ...agents, model, ...fallback, ...(embedder === 'none' ? [] : [embedder])]
  return [...new Set(names)].map((id) => ({ id, object: 'model', created: 0, owned_by: 'oxbow', ...anthropicModel(id) }))
}

/** What Anthropic's programs read of a model, in addition to what OpenAI's read. */
function anthropicModel(id: string): JsonObject {
  return { type: 'model', display_name: id, created_at: new Date(0).toISOString() }
}

async function modelOf(kernel: Kernel, id: string): Promise<JsonObject> {
  const found = (await models(kernel)).find((model) => model['id'] === id)
  if (found !== undefined) return found
  throw new OxbowError('not_found', `The model ${JSON.stringify(id.slice(0, 200))} is not listed.`, {
    hint: 'GET /v1/models lists models.',
  })
}

const embeddedText = z.string().min(1, empty)
/** Of cl100k_base, as OpenAI's embedders have them. */
const tokens = z.array(z.int().nonnegative()).min(1, empty)
const embeddingRequest = z.object({
  input: z.union([embeddedText, z.array(embeddedText).min(1, empty), tokens, z.array(tokens).min(1, empty)]),
  model: z.string().max(200),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).max(100_000).nullish(),
})

/** Vectors by the embedder of memory, or by a model of a provider. @throws OxbowError */
async function createEmbeddings({ kernel, body }: Asking): Promise<JsonObject> {
  const { input, model, encoding_format: format, dimensions } = readBody(embeddingRequest, body)
  const own = model === agentName || model === kernel.status().embedder
  const output = await outputOf(kernel, 'text.embed', {
    texts: await textsOf(kernel, input),
    ...(!own && { model }),
    ...(typeof dimensions === 'number' && { dimensions }),
  })
  const data = output.vectors.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: format === 'base64' ? vector : floatsOf(vector),
  }))
  return { object: 'list', data, model: output.model, usage: { prompt_tokens: output.tokens, total_tokens: output.tokens } }
}

async function textsOf(kernel: Kernel, input: z.infer<typeof embeddingRequest>['input']): Promise<readonly string[]> {
  if (typeof input === 'string') return [input]
  if (input.every((each) => typeof each === 'string')) return input
  const lists = input.every((each) => typeof each === 'number') ? [input] : input
  return (await outputOf(kernel, 'text.decode', { tokens: lists })).texts
}

/** @param vector little-endian 32-bit floats in base64 */
function floatsOf(vector: string): number[] {
  const bytes = Buffer.from(vector, 'base64')
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(at * 4))
}

/** @returns the paths of these interfaces, for the OpenAPI document; the reference of OpenAI describes their answers */
export function describeOpenAi(): JsonObject {
  const id = { name: 'id', in: 'path', required: true, schema: { type: 'string' } }
  const operation = (operationId: string, summary: string, more: JsonObject = {}): JsonObject => ({
    operationId,
    summary,
    tags: ['openai'],
    ...more,
    responses: {
      '200': { description: 'As the reference of OpenAI describes it.', content: { 'application/json': { schema: { type: 'object' } } } },
      default: { $ref: '#/components/responses/OpenAiError' },
    },
  })
  const taking = (schema: z.ZodType, example: JsonObject): JsonObject => {
    const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonObject
    return { requestBody: { required: true, content: { 'application/json': { schema: json, example } } } }
  }
  const repeatable = { parameters: [{ $ref: '#/components/parameters/IdempotencyKey' }] }
  const messages = [{ role: 'user', content: 'Summarise the files here.' }]
  return {
    '/v1/models': { get: operation('openai_models', 'Lists the agent, its models, and the embedder of memory.') },
    '/v1/models/{id}': { get: operation('openai_model', 'Shows one model.', { parameters: [id] }) },
    '/v1/chat/completions': {
      post: operation('openai_chat', 'Answers a conversation, whole or as a stream.', {
        ...repeatable,
        ...taking(chatRequest, { model: agentName, messages }),
      }),
    },
    '/v1/messages': {
      post: operation('anthropic_message', 'Answers a conversation in the form of Anthropic, whole or as a stream.', {
        ...repeatable,
        ...taking(messagesRequest, { model: agentName, max_tokens: 1_024, messages }),
      }),
    },
    '/v1/responses': {
      post: operation('openai_response', 'Answers an input, whole, as a stream, or in the background.', {
        ...repeatable,
        ...taking(responseRequest, { model: agentName, input: 'Summarise the files here.' }),
      }),
    },
    '/v1/responses/{id}': { get: operation('openai_response_again', 'Shows a response again.', { parameters: [id] }) },
    '/v1/responses/{id}/cancel': { post: operation('openai_cancel', 'Cancels the turn of a response.', { parameters: [id] }) },
    '/v1/embeddings': {
      post: operation('openai_embeddings', 'Computes vectors of texts.', {
        ...repeatable,
        ...taking(embeddingRequest, { model: agentName, input: ['The sea is blue.'] }),
      }),
    },
  }
}
