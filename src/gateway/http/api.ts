/**
 * The HTTP API: every call that terminals may make, as JSON below `/api/v1`, by the same names and rights as everywhere. A request is
 * admitted (source, key, rate), matched with a call (`routes.ts`), and answered with the call's output or with problem details (RFC 9457).
 * Nothing here decides what is allowed: that is the gate's.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Kernel } from '../../kernel/index.ts'
import {
  type CallId,
  createRecentMap,
  type Failure,
  isObject,
  type Json,
  type JsonObject,
  once,
  ownValue,
  OxbowError,
  type SessionId,
  setOwn,
} from '../../base/index.ts'
import { type CallOutcome, turnCall } from '../../protocol/index.ts'
import { type Client, type Clients, TooMany } from '../clients.ts'
import { describeFailure } from '../frames.ts'
import { expectedResponseBytes, keptResponseBytes, maxPage, type GatewayLimits } from '../limits.ts'
import { assertConditions, createFiles, filePath } from './files.ts'
import { sendMessage } from './messages.ts'
import { createMetrics } from './metrics.ts'
import { openApi, readReferences } from './open-api.ts'
import { bodyOf, readBody } from './request-body.ts'
import { matcherOf, type Route, routesOf } from './routes.ts'
import { streamEvents } from './event-stream.ts'
import { sendProblem, wrongMethod } from './send-json.ts'

export interface ApiDeps {
  readonly kernel: Kernel
  readonly limits: GatewayLimits
  readonly now: () => number
  readonly clients: Pick<Clients, 'of'>
  /** Aborted, with the reason, when the gateway closes. */
  readonly closing: AbortSignal
  readonly connections: () => number
  readonly onBug: (error: unknown) => void
}

export type Api = (request: IncomingMessage, response: ServerResponse) => Promise<void>

interface Answer {
  readonly status: number
  readonly body: Json
}

export function createApi(deps: ApiDeps): Api {
  const metrics = createMetrics()
  const replay = createReplays()
  const files = createFiles()
  const { closing } = deps
  const described = once(() => readReferences(deps.kernel))
  const matcher = once(async () => matcherOf(routesOf((await described()).values())))

  const answer = async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    const client = await deps.clients.of(request)
    client.take?.()
    const asked = { kernel: client.kernel, request, response, url, closing }
    assertOwnMethod(url.pathname, request.method ?? '')
    if (url.pathname === '/metrics') return sendText(response, await metrics.text(client.kernel, deps.connections()))
    if (url.pathname.startsWith(openAiPath)) return answerOpenAi(client, { request, response, url })
    const path = url.pathname.slice(apiPath.length)
    if (path === '/openapi.json') return send(request, response, { status: 200, body: await openApi(await described()) })
    if (path === '/status') return send(request, response, { status: 200, body: client.kernel.status() as unknown as Json })
    if (path === '/events' && request.method === 'GET') return streamEvents(asked)
    const serveBytes = files.match(request, url, path)
    if (serveBytes !== undefined) return serveBytes(asked)
    const match = (await matcher())(request.method ?? '', path)
    if (!('route' in match)) throw notTaken(match.allowed)
    const { route } = match
    const fields = route.path === fileAddress ? await fileFields(client.kernel, request, match.fields) : match.fields
    const call = (await described()).get(route.call)
    if (call === undefined)
      throw new OxbowError('unknown_call', `No call has the name ${JSON.stringify(route.call)}.`, { hint: 'GET /api/v1/calls lists them.' })
    const text = await readBody(request, deps.limits.maxFrameBytes)
    const body = bodyOf(request, text)
    const given = { ...queryOf(url, call.input), ...body, ...typed(fields, call.input) }
    const isAsync = /\brespond-async\b/.test(String(request.headers['prefer'] ?? ''))
    const make = async (id?: CallId, before?: Answer): Promise<Answer> => {
      // A message that has been sent, whose reply was not there yet.
      const session = isObject(before?.body) ? before.body['session'] : undefined
      const sent = {
        body: { ...given, ...(session !== undefined && { session }) },
        id: id ?? (randomUUID() as string as CallId),
        isAsync,
        gone: goneOf(response),
        closing,
      }
      if (route.call === turnCall) return sendMessage(client.kernel, sent)
      const { input, session: into, page } = inputOf(route, given, call.input)
      return answerOf(route, await client.kernel.call(route.call, input, into, id), page)
    }
    const key = request.headers['idempotency-key']
    const answered = await (typeof key === 'string' && request.method === 'POST'
      ? replay({ client: client.id, key, content: `${request.url}\n${text}`, keeps: ({ status }) => status !== 202 }, make)
      : make())
    send(request, response, answered)
  }

  const answerOpenAi = createOpenAiSide(deps, replay)

  return async (request, response) => {
    const began = performance.now()
    response.once('close', () => metrics.count(response.statusCode, performance.now() - began))
    try {
      await answer(request, response, new URL(request.url ?? '/', 'http://gateway'))
    } catch (error) {
      const failure = error instanceof URIError ? badPath : describeFailure(error, deps.onBug)
      const retryAfterS = error instanceof TooMany ? error.retryAfterS : undefined
      if (request.url?.startsWith(openAiPath) === true)
        (await import('../open-ai/asking.ts')).sendOpenAiError({ request, response }, failure, error, retryAfterS)
      else if (response.headersSent) response.destroy()
      else sendProblem(response, failure, error, retryAfterS)
    }
  }
}

/** Answers the interfaces of OpenAI, which are loaded with the first request. */
function createOpenAiSide({ limits, closing, now }: ApiDeps, replay: Replay) {
  const openAi = once(async () => (await import('../open-ai/open-ai.ts')).createOpenAi())
  return async (
    { kernel, id: client }: Client,
    { request, response, url }: { readonly request: IncomingMessage; readonly response: ServerResponse; readonly url: URL },
  ): Promise<void> => {
    const text = request.method === 'POST' ? await readBody(request, limits.maxFrameBytes) : ''
    const body = bodyOf(request, text)
    const make = async (): Promise<Answer> => {
      const asked = { kernel, client, request, url, response, body, gone: AbortSignal.any([goneOf(response), closing]), now }
      const answer = await (await openAi())(asked)
      return { status: response.statusCode, body: answer }
    }
    const key = request.headers['idempotency-key']
    // Vectors are megabytes, and cost nothing to make again but time.
    const isKept = request.method === 'POST' && body['stream'] !== true && !url.pathname.endsWith('/embeddings')
    const repeatable = isKept && typeof key === 'string'
    const answered = await (repeatable ? replay({ client, key, content: `${request.url}\n${text}`, keeps: () => true }, make) : make())
    // A stream has been sent already.
    if (answered.body !== null) send(request, response, answered)
  }
}

const apiPath = '/api/v1'
/** Of one file. */
const fileAddress = '/files/{path+}'
const openAiPath = '/v1/'

function goneOf(response: ServerResponse): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  return gone.signal
}

type Replay = (request: Repeatable, make: (id: CallId, before?: Answer) => Promise<Answer>) => Promise<Answer>

interface Repeatable {
  readonly client: string
  readonly key: string
  readonly content: string
  /** Whether a repeated request gets this answer; another one is made again, for the call with the same id. */
  readonly keeps: (answer: Answer) => boolean
}

/**
 * Requests with an `Idempotency-Key` run once: a repeated one gets the first answer. The id of the call derives from the key, so that this
 * holds across restarts too; then the answer is what the journal recorded.
 */
export function createReplays(): Replay {
  const kept = createRecentMap<string, { readonly content: string; readonly answer: Promise<Answer>; readonly bytes: number }>(
    keptResponseBytes,
    ({ bytes }) => bytes,
  )
  return ({ client, key, content: sent, keeps }, make) => {
    if (!/^[\x21-\x7e]{1,255}$/.test(key))
      throw new OxbowError('bad_input', 'The Idempotency-Key must be 1 to 255 printable characters.', {
        hint: 'Use a new UUID for each request.',
      })
    const name = hashOf(`${client}\n${key}`)
    const content = hashOf(sent)
    const before = kept.get(name)
    if (before !== undefined && before.content !== content)
      throw new OxbowError('bad_input', 'This Idempotency-Key was used for another request.', { hint: 'Use a new key for each request.' })
    const again = async (first: Answer): Promise<Answer> => (keeps(first) ? first : make(uuidOf(name), first))
    const answer = before === undefined ? make(uuidOf(name)) : before.answer.then(again)
    kept.put(name, { content, answer, bytes: expectedResponseBytes })
    const isNewest = (): boolean => kept.get(name)?.answer === answer
    answer.then(
      ({ body }) => isNewest() && kept.put(name, { content, answer, bytes: expectedResponseBytes + JSON.stringify(body).length }),
      // What failed may be tried again: its call has the same id, so what has begun is not repeated.
      () => isNewest() && kept.delete(name),
    )
    return answer
  }
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** A UUID of version 8, whose content is the hash. */
function uuidOf(hash: string): CallId {
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}` as CallId
}

function queryOf(url: URL, schema: JsonObject): JsonObject {
  const fields: Record<string, string | string[]> = {}
  for (const name of new Set(url.searchParams.keys())) {
    const values = url.searchParams.getAll(name)
    setOwn(fields, name, values.length === 1 ? values[0]! : values)
  }
  return typed(fields, schema)
}

/** Text of the path and the query as the schema has it: numbers, booleans and lists. What does not fit stays, and the gate refuses it. */
function typed(fields: Readonly<Record<string, string | string[]>>, schema: JsonObject): JsonObject {
  const properties = isObject(schema['properties']) ? schema['properties'] : {}
  const read = (text: string, type: unknown): Json => {
    if ((type === 'integer' || type === 'number') && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text)
    if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
    return text
  }
  const entries = Object.entries(fields).map(([name, value]): readonly [string, Json] => {
    const property = ownValue(properties, name)
    const type =
      (isObject(property ?? null) ? (property as JsonObject) : {})['type'] ?? (name === 'page' || name === 'limit' ? 'integer' : undefined)
    if (type === 'array') return [name, [value].flat()]
    return [name, Array.isArray(value) ? value : read(value, type)]
  })
  return Object.fromEntries(entries)
}

interface Page {
  readonly page: number
  readonly limit: number
}

interface CallInput {
  readonly input: JsonObject
  readonly session: SessionId | undefined
  readonly page: Page
}

const defaultLimit = 50

function inputOf(route: Route, fields: JsonObject, schema: JsonObject): CallInput {
  const input: Record<string, Json> = { ...fields }
  const session = route.path.includes('{session}') ? (fields['session'] as SessionId) : undefined
  if (route.list === undefined) return { input, session, page: { page: 1, limit: defaultLimit } }
  const page = { page: wholeNumber(fields, 'page', 1, maxPage), limit: wholeNumber(fields, 'limit', defaultLimit, 500) }
  delete input['page']
  delete input['limit']
  const limit = isObject(schema['properties']) && isObject(schema['properties']['limit']) ? schema['properties']['limit'] : null
  // As much as the call gives, for the number of all.
  if (limit !== null && typeof limit['maximum'] === 'number') input['limit'] = limit['maximum']
  return { input, session, page }
}

function wholeNumber(fields: JsonObject, name: string, usual: number, max: number): number {
  const value = ownValue(fields, name) ?? usual
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) return value
  throw new OxbowError('bad_input', `${name} must be a whole number from 1 to ${max}.`, { hint: `Leave it out for ${usual}.` })
}

function answerOf({ list, status = 200 }: Route, outcome: CallOutcome, { page, limit }: Page): Answer {
  if (outcome.status !== 'ok') throw new OxbowError(outcome.failure.code, outcome.failure.message, { hint: outcome.failure.hint })
  const output = (outcome.output ?? { text: outcome.text }) as Json
  if (list === undefined) return { status, body: isObject(output) ? output : { value: output } }
  const rest = isObject(output) ? output : {}
  const all = (isObject(output) ? ownValue(output, list) : output) as readonly Json[]
  const { [list]: _, ...others } = rest
  const items = all.slice((page - 1) * limit, page * limit)
  return { status, body: { ...others, items, total: typeof others['total'] === 'number' ? others['total'] : all.length, page, limit } }
}

function send(request: IncomingMessage, response: ServerResponse, { status, body }: Answer): void {
  const text = JSON.stringify(body)
  const tag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 27)}"`
  const headers = {
    'content-type': 'application/json',
    'cache-control': 'private, no-cache',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
    etag: tag,
  }
  const isSame = request.method === 'GET' && (request.headers['if-none-match'] ?? '').split(/\s*,\s*/).includes(tag)
  if (isSame) return void response.writeHead(304, headers).end()
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(text) }).end(text)
}

function sendText(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' }).end(text)
}

function notTaken(allowed: readonly string[]): OxbowError {
  if (allowed.length > 0) return wrongMethod(allowed)
  return new OxbowError('not_found', 'There is nothing at this address.', { hint: 'GET /api/v1/openapi.json describes the API.' })
}

/** @throws OxbowError for a change that its conditions forbid */
async function fileFields(kernel: Kernel, request: IncomingMessage, fields: Readonly<Record<string, string>>) {
  const path = filePath(fields['path']!)
  if (request.method !== 'GET') await assertConditions(kernel, request, path)
  return { ...fields, path }
}

/** Addresses that no call answers are read only. @throws OxbowError */
function assertOwnMethod(path: string, method: string): void {
  if (method === 'GET' || method === 'HEAD') return
  if (path === '/metrics' || /^\/api\/v1\/(?:status|openapi\.json|media\/.*)$/.test(path)) throw wrongMethod(['GET', 'HEAD'])
}

const badPath: Failure = { code: 'bad_input', message: 'The path is not valid percent-encoding.', hint: 'Encode each segment of the path.' }
