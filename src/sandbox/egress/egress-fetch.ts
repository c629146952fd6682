/**
 * `fetch` for clients of protocols over HTTP: any method, a body, an answer that is a stream. Each request passes the egress policy, is
 * limited to the hosts of one server, and follows no redirect. Answers are not unpacked.
 */
import { Readable } from 'node:stream'
import { OxbowError } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import { maxStreamBytes } from '../limits.ts'
import { type Admit, openPolicy, parseHosts, parseTarget, type PolicyOptions, refused } from './egress-policy.ts'
import { requestPinned, type Sent } from './pinned-request.ts'
import { admitThrough } from './through-proxy.ts'

export type EgressFetch = typeof fetch

export interface EgressFetchOptions extends PolicyOptions {
  /** See EgressOptions. */
  readonly through?: string
}

/**
 * @param host the one that is always meant, with its port
 * @param allow others, which may be private or this machine, as may `host` if it is among them
 * @throws OxbowError `bad_config`
 */
export function createEgressFetch(
  config: Config['egress'],
  host: string,
  allow: readonly string[],
  options: EgressFetchOptions = {},
): EgressFetch {
  const policy = { ...config, allow: [...config.allow, ...allow] }
  const admit = options.through === undefined ? openPolicy(policy, options) : admitThrough(options.through)
  const admitOwn = limited(admit, host, allow)
  return async (input, init = {}) => {
    const request = input instanceof Request ? input : null
    const url = input instanceof Request ? input.url : input instanceof URL ? input.href : input
    const headers = new Headers(init.headers ?? request?.headers)
    const signal = init.signal ?? request?.signal ?? new AbortController().signal
    const sent: Sent = { method: init.method ?? request?.method ?? 'GET', body: bodyOf(init.body ?? null) }
    const to = await admitOwn(url, signal)
    // `accept-encoding` would bring bodies that have to be unpacked.
    const own = { ...Object.fromEntries(headers), 'accept-encoding': 'identity' }
    const { status, message } = await requestPinned(to, own, signal, sent)
    const body = hasBody(status) ? (Readable.toWeb(bounded(message)) as unknown as ResponseBody) : null
    if (body === null || body === undefined) message.resume()
    const answered = Object.entries(message.headers).flatMap(([name, value]): [string, string][] =>
      value === undefined || name === 'content-encoding' ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    )
    return new Response(body, { status, headers: answered })
  }
}

type ResponseBody = ConstructorParameters<typeof Response>[0]

/** Statuses of the Fetch standard that have no body. */
const hasBody = (status: number): boolean => ![101, 103, 204, 205, 304].includes(status)

function bodyOf(body: RequestInit['body'] | null): string | Uint8Array {
  if (body === null || body === undefined) return ''
  if (typeof body === 'string' || body instanceof Uint8Array) return body
  if (body instanceof URLSearchParams) return body.toString()
  throw new OxbowError('bad_input', 'This kind of body cannot be sent.', { hint: 'This is a bug in Oxbow.' })
}

function limited(admit: Admit, own: string, allow: readonly string[]): Admit {
  const rules = parseHosts(allow)
  return async (text, signal) => {
    const { url, host, port } = parseTarget(text)
    const named =
      url.host === own ||
      rules.some((rule) => (rule.port === null || rule.port === port) && (rule.fitsName(host) || rule.fitsAddress(host)))
    if (!named) throw refused(host, port, 'the server is not set up to reach it; its `allow` does not name it')
    return admit(text, signal)
  }
}

/** Ends an answer that has no end. */
function bounded(message: AsyncIterable<Buffer>): Readable {
  return Readable.from(
    (async function* () {
      let left = maxStreamBytes
      for await (const bytes of message) {
        left -= bytes.length
        if (left < 0)
          throw new OxbowError('limit_reached', `The server sent more than ${maxStreamBytes} bytes in one answer.`, {
            hint: 'Ask for less at once.',
          })
        yield bytes
      }
    })(),
  )
}
