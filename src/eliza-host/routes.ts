/** Routes of plugins: a request of the guest as Node's own request and response, plus what plugins expect from express. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { OxbowError, setOwn } from '../base/index.ts'
import type { PluginOps } from '../protocol/index.ts'
import type { Free, Route } from './eliza-types.ts'

type RouteInput = PluginOps['route']['input']
type RouteOutput = PluginOps['route']['output']

/** A handler that never answers must not hold the request for good. */
const answerWithinMs = 30_000
const maxResponseBytes = 16 * 1024 * 1024

/** @throws OxbowError `not_found` where no route has method and path, `timeout` for one that does not answer */
export async function answerRoute(routes: readonly Route[], input: RouteInput, runtime: object): Promise<RouteOutput> {
  const found = routes.flatMap((route) => {
    const params = route.type.toUpperCase() === input.method.toUpperCase() ? match(route.path, input.path) : null
    return params === null ? [] : [{ route, params }]
  })[0]
  if (found?.route.handler === undefined) {
    throw new OxbowError('not_found', `The plugin has no route ${input.method} ${input.path}.`, { hint: 'See `oxbow plugin info NAME`.' })
  }
  const request = openRequest(input, found.params)
  const { response, answered } = openResponse(request)
  const running = Promise.resolve(found.route.handler(request, response, runtime))
  return Promise.race([answered, failing(running, answered), late(found.route.path)])
}

/** @returns the named parts of the path; null where it does not fit */
function match(pattern: string, path: string): Record<string, string> | null {
  const [wanted, given] = [pattern, path].map((text) => text.split('/').filter((part) => part !== '')) as [string[], string[]]
  const params: Record<string, string> = {}
  for (const [at, part] of wanted.entries()) {
    if (part === '*' || part.startsWith('*')) return { ...params, 0: given.slice(at).join('/') }
    const there = given[at]
    if (there === undefined) return null
    if (part.startsWith(':')) setOwn(params, part.slice(1), decoded(there))
    else if (part !== there) return null
  }
  return wanted.length === given.length ? params : null
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function openRequest({ method, path, query, headers, body }: RouteInput, params: Record<string, string>): IncomingMessage {
  const bytes = Buffer.from(body, 'base64')
  const { IncomingMessage: Incoming } = process.getBuiltinModule('node:http')
  const request = new Incoming(new (process.getBuiltinModule('node:net').Socket)())
  const search = new URLSearchParams(query).toString()
  request.method = method.toUpperCase()
  request.url = search === '' ? path : `${path}?${search}`
  request.headers = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  if (bytes.length > 0) request.headers['content-length'] = String(bytes.length)
  Object.assign(request, {
    params,
    query: { ...query },
    path,
    originalUrl: request.url,
    body: parsedBody(bytes, request.headers['content-type']),
  })
  // It has come whole: readers of forms take anything else for an aborted request.
  request.complete = true
  request.push(bytes)
  request.push(null)
  return request
}

function parsedBody(bytes: Buffer, type = ''): unknown {
  try {
    if (type.includes('json') && bytes.length > 0) return JSON.parse(bytes.toString())
  } catch {
    // The handler sees an empty body, and says what it misses.
  }
  return type.includes('x-www-form-urlencoded') ? Object.fromEntries(new URLSearchParams(bytes.toString())) : {}
}

function openResponse(request: IncomingMessage): { readonly response: ServerResponse; readonly answered: Promise<RouteOutput> } {
  const response = new (process.getBuiltinModule('node:http').ServerResponse)(request)
  const { promise: answered, resolve, reject } = Promise.withResolvers<RouteOutput>()
  const chunks: Buffer[] = []
  let size = 0
  const take = (chunk: unknown, encoding: unknown): void => {
    if (chunk === undefined || chunk === null || typeof chunk === 'function') return
    const bytes =
      typeof chunk === 'string'
        ? Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
        : Buffer.from(chunk as Uint8Array)
    size += bytes.length
    if (size <= maxResponseBytes) chunks.push(bytes)
    else reject(new OxbowError('limit_reached', 'The answer of the route is too large.', { hint: 'Ask for less of it.' }))
  }
  const extra: Free = {
    writeHead(status: number, ...rest: unknown[]) {
      response.statusCode = status
      const headers = rest.find((each) => typeof each === 'object' && each !== null)
      for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value as string)
      return response
    },
    write(chunk: unknown, encoding: unknown) {
      take(chunk, encoding)
      return true
    },
    end(chunk: unknown, encoding: unknown) {
      take(chunk, encoding)
      const headers = Object.fromEntries(
        Object.entries(response.getHeaders()).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]),
      )
      resolve({ status: response.statusCode, headers, body: Buffer.concat(chunks).toString('base64') })
      response.emit('finish')
      return response
    },
    status(code: number) {
      response.statusCode = code
      return response
    },
    json(value: unknown) {
      if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/json')
      return extra['end'](JSON.stringify(value))
    },
    send: (value: unknown) =>
      typeof value === 'object' && value !== null && !(value instanceof Uint8Array) ? extra['json'](value) : extra['end'](value),
    set: (name: string, value: string) => response.setHeader(name, value),
    type: (name: string) => response.setHeader('content-type', name.includes('/') ? name : `text/${name}`),
  }
  Object.assign(response, extra)
  return { response, answered }
}

/** Rejects when the handler fails before it has answered. One that returns may still answer. */
async function failing(running: Promise<unknown>, answered: Promise<RouteOutput>): Promise<RouteOutput> {
  await running
  return answered
}

async function late(path: string): Promise<never> {
  const { setTimeout } = await import('node:timers/promises')
  await setTimeout(answerWithinMs, undefined, { ref: false })
  throw new OxbowError('timeout', `The route ${path} has not answered in ${answerWithinMs / 1000} s.`, {
    hint: 'Try again, or look at the log of the plugin.',
  })
}
