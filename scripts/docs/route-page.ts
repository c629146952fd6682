/** `docs/http-routes.md`, from the registry of calls. */
import { routesOf } from '../../src/gateway/http/routes.ts'
import type { CallEntry } from './call-page.ts'
import { code, page, table } from './markdown.ts'

/** Addresses that answer without a call of their own name. */
const others: readonly (readonly [method: string, path: string, what: string])[] = [
  ['GET, PUT', '/api/v1/files/{path}?raw=1', 'Downloads or uploads a file as bytes: `file.download`, `file.upload`.'],
  ['GET', '/api/v1/media/{piece,piece…}', 'Downloads a file that was sent or attached: `media.read`.'],
  ['GET', '/api/v1/events', 'Streams events, or one session with its answers.'],
  ['GET', '/api/v1/status', 'Shows the guest.'],
  ['GET', '/api/v1/openapi.json', 'Describes all of it in OpenAPI 3.1.'],
  ['POST', '/api/v1/calls/{name}', 'Makes any call that terminals may make.'],
  ['GET', '/v1/models', 'The interface of OpenAI, see [http-api.md](http-api.md).'],
  ['POST', '/v1/chat/completions, /v1/responses, /v1/embeddings', 'The interface of OpenAI.'],
  ['POST', '/v1/messages', 'The interface of Anthropic.'],
  ['GET', '/healthz, /readyz', 'Whether the guest runs, and can write; without a key.'],
  ['GET', 'http://HOST:PORT/metrics', 'Figures for Prometheus.'],
]

export function routePage(calls: readonly CallEntry[]): string {
  const byName = new Map(calls.map((call) => [call.name, call]))
  const rows = routesOf(calls)
    .toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
    .map(({ method, path, call, list }) => {
      const { summary = '', right = '' } = byName.get(call) ?? {}
      const isPaged = list === undefined ? '' : ' In pages.'
      return [method, code(`/api/v1${path.replaceAll('+}', '}')}`), code(call), code(right), `${summary}${isPaged}`]
    })
  return page(
    '# Addresses of the HTTP API',
    'Each address, the call that answers it, and the right that it needs. Fields of the path, the query and the JSON body together are the input of the call, see [calls.md](calls.md). How requests are sent: [http-api.md](http-api.md).',
    table(['method', 'address', 'call', 'right', 'what it does'], rows),
    '## Without a call of their own',
    table(
      ['method', 'address', 'what it does'],
      others.map(([method, path, what]) => [method, code(path), what]),
    ),
  )
}
