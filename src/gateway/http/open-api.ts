/**
 * The OpenAPI 3.1 document of the gateway: made from the descriptions of the calls, so that it cannot lack one, and
 * from the few addresses that are no call (`fixed`).
 */
import { z } from 'zod'
import type { CallReference, Kernel } from '../../kernel/index.ts'
import { type ErrorCode, errorTable, isObject, type Json, type JsonObject, ownValue, OxbowError, setOwn } from '../../base/index.ts'
import { turnCall } from '../../protocol/index.ts'
import { messageSchema } from './messages.ts'
import { type Route, routesOf } from './routes.ts'

type Reference = Pick<CallReference, 'name' | 'summary' | 'right' | 'input' | 'output' | 'example' | 'routes'>

/** The calls that terminals may make, by name. */
export type References = ReadonlyMap<string, Reference>

/** @param kernel of the owner @throws OxbowError if it cannot be asked */
export async function readReferences(kernel: Kernel): Promise<References> {
  const outcome = await kernel.call('system.calls', {})
  if (outcome.status !== 'ok') throw new OxbowError(outcome.failure.code, outcome.failure.message, { hint: outcome.failure.hint })
  return new Map(outcome.output.filter(({ audience }) => audience.includes('terminal')).map((call) => [call.name, call]))
}

export async function openApi(calls: References): Promise<JsonObject> {
  const { describeOpenAi } = await import('../open-ai/open-ai.ts')
  const schemas = createSchemas()
  const all: readonly Route[] = [
    ...routesOf(calls.values()),
    ...[...calls.keys()].map((call): Route => ({ method: 'POST', path: `/calls/${call}`, call })),
  ]
  const paths: Record<string, Record<string, Json>> = {}
  const put = (path: string, operations: JsonObject): void => setOwn(paths, path, { ...ownValue(paths, path), ...operations })
  for (const route of all) {
    const operation = operationOf(route, calls.get(route.call)!, schemas)
    put(`/api/v1${route.path.replaceAll('+}', '}')}`, { [route.method.toLowerCase()]: operation })
  }
  for (const [path, operations] of Object.entries(fixed)) put(path, operations as JsonObject)
  for (const [path, operations] of Object.entries(describeOpenAi())) put(path, operations as JsonObject)
  addBytes(paths['/api/v1/files/{path}'])
  return {
    openapi: '3.1.0',
    info: {
      title: 'Oxbow',
      version: '1',
      license: { name: 'MIT', identifier: 'MIT' },
      description: 'Every system call of an Oxbow guest that terminals may make. Errors are problem details (RFC 9457).',
    },
    servers: [{ url: '/', description: 'The guest that serves this document.' }],
    security: [{ key: [] }],
    tags: tagsOf(paths),
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'An API key (`oxbow keys`), or the token of the guest.' } },
      schemas: { Problem: problem, Page: page, OpenAiError: openAiError, ...schemas.all },
      headers,
      parameters,
      responses,
    },
  }
}

interface Schemas {
  readonly all: JsonObject
  /** @returns the schema with its definitions among the components, where its references are found */
  embed(name: string, schema: JsonObject): JsonObject
}

function createSchemas(): Schemas {
  const all: Record<string, Json> = {}
  return {
    all,
    embed(name, given) {
      const { $schema: _, ...schema } = given
      if (!isObject(schema['$defs'])) return schema
      const { $defs: definitions, ...rest } = JSON.parse(
        JSON.stringify(schema).replaceAll('"#/$defs/', `"#/components/schemas/${name}.`),
      ) as JsonObject
      for (const [key, definition] of Object.entries(definitions as JsonObject)) setOwn(all, `${name}.${key}`, definition)
      return rest
    },
  }
}

/** What a route takes in addition to its body. */
interface Fields {
  readonly inPath: readonly string[]
  readonly properties: JsonObject
  /** Names that are not in the path. */
  readonly others: readonly (readonly [string, Json])[]
  readonly required: readonly Json[]
}

function fieldsOf({ path }: Route, input: JsonObject): Fields {
  const inPath = [...path.matchAll(/\{(\w+)\+?\}/g)].map(([, name]) => name!)
  const properties = isObject(input['properties']) ? input['properties'] : {}
  const required = Array.isArray(input['required']) ? input['required'].filter((name) => !inPath.includes(String(name))) : []
  return { inPath, properties, required, others: Object.entries(properties).filter(([name]) => !inPath.includes(name)) }
}

function operationOf(route: Route, reference: Reference, schemas: Schemas): JsonObject {
  const { call, method, path, status = 200, list } = route
  const { summary, right, example } = reference
  const isMessage = call === turnCall
  const input = schemas.embed(call, isMessage ? (z.toJSONSchema(messageSchema) as JsonObject) : reference.input)
  const fields = fieldsOf(route, input)
  const asQuery = method === 'GET' || method === 'DELETE'
  const body = { ...input, properties: Object.fromEntries(fields.others), required: [...fields.required] }
  return {
    operationId: `${method.toLowerCase()}${path.replaceAll(/[^a-z_]+/gi, '_')}`,
    summary,
    description: `The call \`${call}\`, with the right \`${right}\`.`,
    tags: [path.startsWith('/calls/') ? 'calls' : call.split('.', 1)[0]!],
    parameters: parametersOf(route, fields, isMessage),
    ...(!asQuery && {
      requestBody: {
        required: fields.required.length > 0,
        content: { 'application/json': { schema: body, ...exampleFor(isMessage ? { text: 'Hello.' } : example, fields.inPath) } },
      },
    }),
    responses: {
      [String(status)]: {
        description: 'What the call returns.',
        headers: { ETag: { $ref: '#/components/headers/ETag' } },
        content: { 'application/json': { schema: outputOf(reference, list, schemas) } },
      },
      ...(isMessage && { '202': { $ref: '#/components/responses/Running' } }),
      ...(method === 'GET' && { '304': { $ref: '#/components/responses/Unchanged' } }),
      ...refusalsOf(route, asQuery),
    },
  }
}

function parametersOf(route: Route, { inPath, properties, others, required }: Fields, isMessage: boolean): JsonObject[] {
  const { method, list } = route
  const asQuery = method === 'GET' || method === 'DELETE'
  const query = asQuery ? others.filter(([name]) => list === undefined || (name !== 'limit' && name !== 'page')) : []
  const named = (name: string): JsonObject => ({ $ref: `#/components/parameters/${name}` })
  return [
    ...inPath.map((name) => ({ name, in: 'path', required: true, schema: ownValue(properties, name) ?? { type: 'string' } })),
    ...query.map(([name, schema]) => ({ name, in: 'query', required: required.includes(name), schema })),
    ...(list === undefined ? [] : [named('Page'), named('Limit')]),
    ...(method === 'POST' ? [named('IdempotencyKey')] : []),
    ...(method === 'GET' ? [named('IfNoneMatch')] : []),
    ...(isMessage ? [named('Prefer')] : []),
  ]
}

/** Besides `default`, the statuses on which programs act. */
function refusalsOf({ path }: Route, asQuery: boolean): JsonObject {
  const refused = { $ref: '#/components/responses/Problem' }
  return {
    '400': refused,
    '401': refused,
    '403': refused,
    ...(path.includes('{') && { '404': refused }),
    ...(!asQuery && { '413': refused }),
    '429': { $ref: '#/components/responses/TooMany' },
    default: refused,
  }
}

function outputOf({ name, output }: Reference, list: string | undefined, schemas: Schemas): JsonObject {
  const schema = schemas.embed(`${name}.output`, output)
  if (list === undefined) return schema['type'] === 'object' ? schema : { type: 'object' }
  const properties = isObject(schema['properties']) ? schema['properties'] : {}
  const array = list === '' ? schema : ownValue(properties, list)
  const items = isObject(array) && isObject(array['items']) ? array['items'] : {}
  return { allOf: [{ $ref: '#/components/schemas/Page' }, { type: 'object', properties: { items: { type: 'array', items } } }] }
}

function exampleFor(example: Json, inPath: readonly string[]): JsonObject {
  return isObject(example) ? { example: Object.fromEntries(Object.entries(example).filter(([name]) => !inPath.includes(name))) } : {}
}

function tagsOf(paths: Readonly<Record<string, Readonly<Record<string, Json>>>>): JsonObject[] {
  const operations = Object.values(paths).flatMap((path) => Object.values(path))
  const names = new Set(
    operations.flatMap((operation) => (isObject(operation) && Array.isArray(operation['tags']) ? operation['tags'] : [])),
  )
  return [...names].map((name) => ({ name }))
}

const page: JsonObject = {
  type: 'object',
  required: ['items', 'total', 'page', 'limit'],
  properties: {
    items: { type: 'array' },
    total: { type: 'integer', description: 'What the call gives at once.' },
    page: { type: 'integer' },
    limit: { type: 'integer' },
  },
}

const problem: JsonObject = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', enum: Object.keys(errorTable) as ErrorCode[] },
    hint: { type: 'string', description: 'What to do next.' },
  },
}

const openAiError: JsonObject = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        param: { type: ['string', 'null'] },
        code: { type: 'string', enum: Object.keys(errorTable) as ErrorCode[] },
      },
    },
  },
}

const text: JsonObject = { type: 'string' }
const header = (name: string, schema: JsonObject, description: string): JsonObject => ({
  name,
  in: 'header',
  required: false,
  schema,
  description,
})
const query = (name: string, schema: JsonObject, description: string): JsonObject => ({
  name,
  in: 'query',
  required: false,
  schema,
  description,
})
const count = (initial: number, maximum: number): JsonObject => ({ type: 'integer', minimum: 1, maximum, default: initial })

const parameters: JsonObject = {
  IdempotencyKey: header(
    'Idempotency-Key',
    { type: 'string', maxLength: 255 },
    'The request runs once; a repeated one gets the first answer.',
  ),
  IfNoneMatch: header('If-None-Match', text, 'The ETag of an earlier answer.'),
  Prefer: header('Prefer', { type: 'string', enum: ['respond-async'] }, 'Answer with 202 once the message is recorded.'),
  LastEventId: header('Last-Event-ID', { type: 'integer', minimum: 0 }, 'Continue behind this event.'),
  Page: query('page', count(1, 10_000), 'Which page.'),
  Limit: query('limit', count(50, 500), 'Items of a page.'),
}

const headers: JsonObject = {
  ETag: { description: 'Changes with the answer.', schema: text },
  RetryAfter: { description: 'Seconds to wait.', schema: { type: 'integer' } },
}

const refusal = (description: string): JsonObject => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
})

const responses: JsonObject = {
  Problem: refusal('The request was refused or failed.'),
  TooMany: { ...refusal('Too many requests.'), headers: { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } } },
  Unchanged: { description: 'The answer is the one whose ETag was sent.' },
  Running: { description: 'The message is recorded, and its turn runs.', content: { 'application/json': { schema: { type: 'object' } } } },
  OpenAiError: {
    description: 'The request was refused or failed.',
    content: { 'application/json': { schema: { $ref: '#/components/schemas/OpenAiError' } } },
  },
}

const binary: JsonObject = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } }
const failing: JsonObject = { default: { $ref: '#/components/responses/Problem' } }
const answer = (description: string, content: JsonObject = { 'application/json': { schema: { type: 'object' } } }): JsonObject => ({
  '200': { description, content },
})
const reading = (operationId: string, summary: string, more: JsonObject = {}): JsonObject => ({
  get: { operationId, summary, tags: ['guest'], responses: { ...answer(summary), ...failing }, ...more },
})
const open = { security: [] as Json[] }

/** What is no call. */
const fixed: JsonObject = {
  '/api/v1/status': reading('status', 'Shows the guest.'),
  '/api/v1/openapi.json': reading('openapi', 'Shows this document.'),
  '/api/v1/events': reading('events', 'Streams what happens, or one session with its answers.', {
    parameters: [
      { $ref: '#/components/parameters/LastEventId' },
      query('after', { type: 'integer', minimum: 0 }, 'The same as Last-Event-ID.'),
      query('kind', { type: 'array', items: text }, 'Only events of these kinds.'),
      query('session', { type: 'string', format: 'uuid' }, 'One session, with its answers as they are written.'),
    ],
    responses: { ...answer('Server-sent events.', { 'text/event-stream': { schema: text } }), ...failing },
  }),
  '/api/v1/media/{pieces}': reading('media', 'Downloads a file that an agent sent or a person attached.', {
    parameters: [
      { name: 'pieces', in: 'path', required: true, schema: text, description: 'Hashes of its pieces, with commas between them.' },
    ],
    responses: { ...answer('The bytes.', binary), '206': { description: 'A part of them.', content: binary }, ...failing },
  }),
  '/web/link': {
    post: {
      operationId: 'web_link',
      summary: 'Makes a code that signs a browser in, once.',
      tags: ['web'],
      responses: { ...answer('The code.'), ...failing },
    },
  },
  '/web/session': {
    post: {
      operationId: 'web_sign_in',
      summary: 'Exchanges a code for the cookie of a browser.',
      tags: ['web'],
      ...open,
      requestBody: {
        required: true,
        content: { 'application/json': { schema: { type: 'object', properties: { code: text }, required: ['code'] } } },
      },
      responses: { ...answer('The browser is signed in.'), ...failing },
    },
    delete: {
      operationId: 'web_sign_out',
      summary: 'Ends the session of a browser.',
      tags: ['web'],
      responses: { ...answer('It has ended.'), ...failing },
    },
  },
  '/healthz': reading('healthz', 'Whether the guest runs.', { ...open, responses: answer('It runs.') }),
  '/readyz': reading('readyz', 'Whether the guest can write.', {
    ...open,
    responses: { ...answer('It can.'), '503': { description: 'It only reads.' } },
  }),
  '/metrics': reading('metrics', 'Shows figures for Prometheus.', {
    responses: { ...answer('Figures.', { 'text/plain': { schema: text } }), ...failing },
  }),
}

/** Files also come and go as bytes. */
function addBytes(path: Readonly<Record<string, Json>> | undefined): void {
  const raw = query('raw', { type: 'integer', enum: [1] }, 'The content as bytes.')
  for (const [method, operation] of Object.entries(path ?? {})) {
    if ((method !== 'get' && method !== 'put') || !isObject(operation)) continue
    const put = operation['requestBody'] as { readonly content: JsonObject } | undefined
    const sent = operation['responses'] as Record<string, { readonly content: JsonObject }>
    Object.assign(operation, { parameters: [...(operation['parameters'] as readonly Json[]), raw] })
    if (put !== undefined) Object.assign(put.content, binary)
    else Object.assign(sent['200']!.content, binary)
  }
}
