/**
 * Routes of plugins, below `/plugins/NAME/`. What they answer is a stranger's: it is shown in an origin of its own, without scripts that reach
 * this gateway, and sets no cookie.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { OxbowError } from '../../base/index.ts'
import { carriesKey } from '../admission.ts'
import { type Clients, TooMany } from '../clients.ts'
import { describeFailure } from '../frames.ts'
import { readPieces } from './request-body.ts'
import { problemOf, problemType } from './send-json.ts'

export interface PluginRoutesDeps {
  readonly clients: Pick<Clients, 'of' | 'stranger'>
  readonly onBug: (error: unknown) => void
}

const maxBodyBytes: number = 1024 * 1024

/** Headers of a request that prove who sends it, or belong to the connection. */
const withheld =
  /^(?:authorization|cookie|x-api-key|oxbow-page|proxy-.*|connection|host|upgrade|transfer-encoding|te|trailer|keep-alive|sec-websocket-.*)$/
/** Headers of an answer that a plugin may set. */
const passed =
  /^(?:content-type|content-language|content-disposition|cache-control|etag|last-modified|expires|location|retry-after|x-[a-z0-9-]+)$/i

export function createPluginRoutes({ clients, onBug }: PluginRoutesDeps) {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '', 'http://gateway')
    const [, , plugin = '', ...rest] = url.pathname.split('/')
    // A cookie of another program of this machine, which the browser sends too, is nobody's key.
    const anonymous = !carriesKey(request.headers)
    const client = anonymous ? clients.stranger(request) : await clients.of(request)
    client.take?.()
    const body: Buffer[] = []
    for await (const piece of readPieces(request, maxBodyBytes, maxBodyBytes)) body.push(piece)
    const input = {
      plugin: decodeURIComponent(plugin),
      method: request.method ?? '',
      path: `/${rest.join('/')}`,
      query: Object.fromEntries(url.searchParams),
      headers: headersOf(request),
      body: Buffer.concat(body).toString('base64'),
      anonymous,
    }
    const outcome = await client.kernel.call('plugin.route', input)
    if (outcome.status !== 'ok') throw new OxbowError(outcome.failure.code, outcome.failure.message, { hint: outcome.failure.hint })
    const { status, headers, body: answered } = outcome.output as { status: number; headers: Record<string, string>; body: string }
    send(response, status, headers, Buffer.from(answered, 'base64'), request.method === 'HEAD')
  }
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      await answer(request, response)
    } catch (error) {
      const { code, message, hint } =
        error instanceof URIError
          ? { code: 'bad_input' as const, message: 'The path is not valid percent-encoding.', hint: 'Encode each segment.' }
          : describeFailure(error, onBug)
      if (response.headersSent) return void response.destroy()
      const { status, headers, body } = problemOf({ code, message, hint }, error, error instanceof TooMany ? error.retryAfterS : undefined)
      send(response, status, { 'content-type': problemType, ...headers }, Buffer.from(JSON.stringify(body)), false)
    }
  }
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const shown = Object.entries(headers).filter(([name]) => !withheld.test(name))
  return Object.fromEntries(shown.map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]))
}

function send(response: ServerResponse, status: number, headers: Readonly<Record<string, string>>, body: Buffer, isHead: boolean): void {
  // A redirect could show a page of somebody else under this address.
  const own = Object.entries(headers).filter(
    ([name, value]) =>
      passed.test(name) && /^[\t\x20-\x7e]*$/.test(value) && (name.toLowerCase() !== 'location' || /^\/(?!\/)/.test(value)),
  )
  response.writeHead(status, {
    'cache-control': 'no-store',
    ...Object.fromEntries(own.map(([name, value]) => [name.toLowerCase(), value])),
    'content-length': body.length,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'",
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
  })
  response.end(isHead ? undefined : body)
}
