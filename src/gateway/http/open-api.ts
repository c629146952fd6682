/** The OpenAPI 3.1 document of the API, made from the table of routes and the descriptions of the calls, so that it cannot lack one. */
import type { CallReference, Kernel } from '../../kernel/index.ts'
import { type ErrorCode, errorTable, isObject, type Json, type JsonObject, OxbowError } from '../../types/index.ts'
import { type Route, routes } from './routes.ts'

/** The calls that terminals may make, by name. */
export type References = ReadonlyMap<string, Pick<CallReference, 'name' | 'summary' | 'right' | 'input' | 'example'>>

/** @param kernel of the owner @throws OxbowError if it cannot be asked */
export async function readReferences(kernel: Kernel): Promise<References> {
  const outcome = await kernel.call('system.calls', {})
  if (outcome.status !== 'ok') throw new OxbowError(outcome.failure.code, outcome.failure.message, { hint: outcome.failure.hint })
  const calls = outcome.output as readonly CallReference[]
  return new Map(calls.filter(({ audience }) => audience.includes('terminal')).map((call) => [call.name, call]))
}

export function openApi(calls: References): JsonObject {
  const all: readonly Route[] = [
    ...routes.filter(({ call }) => calls.has(call)),
    ...[...calls.keys()].map((call): Route => ({ method: 'POST', path: `/calls/${call}`, call })),
  ]
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of all) {
    const path = `/api/v1${route.path.replaceAll('+}', '}')}`
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route, calls.get(route.call)!) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Oxbow', version: '1', description: 'Every system call of an Oxbow guest. Errors are problem details (RFC 9457).' },
    security: [{ key: [] }],
    paths: { ...paths, ...fixed },
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      schemas: { Problem: problem },
      responses: { Problem: refused },
    },
  }
}

function operationOf(
  route: Route,
  { summary, right, input, example }: CallReference | NonNullable<ReturnType<References['get']>>,
): JsonObject {
  const inPath = [...route.path.matchAll(/\{(\w+)\+?\}/g)].map(([, name]) => name!)
  const properties = isObject(input['properties']) ? input['properties'] : {}
  const required = Array.isArray(input['required']) ? input['required'].filter((name) => !inPath.includes(String(name))) : []
  const others = Object.entries(properties).filter(([name]) => !inPath.includes(name))
  const asQuery = route.method === 'GET' || route.method === 'DELETE'
  const paged = route.list === undefined ? [] : (['page', 'limit'] as const)
  const query = asQuery ? others.filter(([name]) => paged.length === 0 || name !== 'limit') : []
  const parameters = [
    ...inPath.map((name) => ({ name, in: 'path', required: true, schema: properties[name] ?? { type: 'string' } })),
    ...query.map(([name, schema]) => ({ name, in: 'query', required: required.includes(name), schema })),
    ...paged.map((name) => ({
      name,
      in: 'query',
      required: false,
      schema: { type: 'integer', minimum: 1, default: name === 'page' ? 1 : 50 },
    })),
    ...(route.method === 'POST'
      ? [{ name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string', maxLength: 255 } }]
      : []),
  ]
  const body = { ...input, properties: Object.fromEntries(others), required }
  return {
    operationId: `${route.method.toLowerCase()}${route.path.replaceAll(/[^a-z_]+/gi, '_')}`,
    summary,
    description: `The call \`${route.call}\`, with the right \`${right}\`.`,
    parameters,
    ...(!asQuery && {
      requestBody: { required: required.length > 0, content: { 'application/json': { schema: body, ...exampleFor(example, inPath) } } },
    }),
    responses: {
      [String(route.status ?? 200)]: {
        description: 'What the call returns.',
        content: { 'application/json': { schema: route.list === undefined ? { type: 'object' } : page } },
      },
      default: { $ref: '#/components/responses/Problem' },
    },
  }
}

function exampleFor(example: Json, inPath: readonly string[]): JsonObject {
  return isObject(example) ? { example: Object.fromEntries(Object.entries(example).filter(([name]) => !inPath.includes(name))) } : {}
}

const page: JsonObject = {
  type: 'object',
  required: ['items', 'total', 'page', 'limit'],
  properties: { items: { type: 'array' }, total: { type: 'integer' }, page: { type: 'integer' }, limit: { type: 'integer' } },
}

const problem: JsonObject = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'hint'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', enum: Object.keys(errorTable) as ErrorCode[] },
    hint: { type: 'string', description: 'What to do next.' },
  },
}

const refused: JsonObject = {
  description: 'The request was refused or failed.',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

const jsonAnswer: JsonObject = { content: { 'application/json': { schema: { type: 'object' } } } }
const plain = (summary: string, type: string): JsonObject => ({
  get: { summary, responses: { '200': { description: summary, content: { [type]: { schema: { type: 'string' } } } } } },
})

/** What is no call. */
const fixed: JsonObject = {
  '/api/v1/status': { get: { summary: 'Shows the guest.', responses: { '200': { description: 'The guest.', ...jsonAnswer } } } },
  '/api/v1/openapi.json': {
    get: { summary: 'Shows this document.', responses: { '200': { description: 'This document.', ...jsonAnswer } } },
  },
  '/api/v1/events': plain('Streams what happens, or one session with its answers.', 'text/event-stream'),
  '/healthz': {
    get: { summary: 'Whether the guest runs.', security: [], responses: { '200': { description: 'It runs.', ...jsonAnswer } } },
  },
  '/readyz': {
    get: {
      summary: 'Whether the guest can write.',
      security: [],
      responses: { '200': { description: 'It can.', ...jsonAnswer }, '503': { description: 'It only reads.' } },
    },
  },
  '/metrics': plain('Shows figures for Prometheus.', 'text/plain'),
}
