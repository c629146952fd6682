/** What a client of the proxy asks for, read strictly: two readings of one request are how proxies are tricked. */
import type { IncomingMessage } from 'node:http'
import { OxbowError } from '../../../types/index.ts'

/** RFC 9112, 3.2.3: a host, a colon, a port; no credentials, no path, and nothing that a URL would read as one. */
const authority = /^(\[[0-9a-f:.]+\]|[^\s/?#@\\:[\]%]+):([0-9]{1,5})$/i

/** @returns the URL whose host and port a tunnel leads to. @throws OxbowError `bad_input` */
export function tunnelTarget(request: IncomingMessage): string {
  const asked = request.url ?? ''
  if (!authority.test(asked)) throw misread('CONNECT takes host:port.')
  const url = `https://${asked}/`
  // RFC 9110, 7.2: Host repeats what is asked for. Clients leave the port out, or all of it.
  const host = onlyHost(request)
  if (host !== null && !isSameHost(`https://${host}/`, url) && !isSameHost(`https://${host}/`, withoutPort(url)))
    throw misread('Its Host header names another host.')
  return url
}

/** @returns the whole URL of a plain request. @throws OxbowError `bad_input` */
export function forwardTarget(request: IncomingMessage): string {
  const asked = request.url ?? ''
  if (!/^http:\/\//i.test(asked)) throw misread('This is a proxy: it takes CONNECT, and http:// requests with a whole URL.')
  const host = onlyHost(request)
  if (host !== null && !isSameHost(`http://${host}/`, asked)) throw misread('Its Host header names another host.')
  return asked
}

/** @returns null when there is none, which HTTP/1.0 allows. @throws OxbowError `bad_input` for more than one */
function onlyHost(request: IncomingMessage): string | null {
  const all = request.rawHeaders.filter((_, i) => i % 2 === 1 && request.rawHeaders[i - 1]!.toLowerCase() === 'host')
  if (all.length > 1) throw misread('It has more than one Host header.')
  return all[0] ?? null
}

function isSameHost(one: string, other: string): boolean {
  const [a, b] = [URL.parse(one), URL.parse(other)]
  if (a === null || b === null || a.pathname !== '/' || a.username !== '' || a.search !== '' || a.hash !== '') return false
  return a.host.replace(/\.(?=:|$)/, '') === b.host.replace(/\.(?=:|$)/, '')
}

function withoutPort(text: string): string {
  const url = URL.parse(text)
  if (url !== null) url.port = ''
  return url?.href ?? ''
}

function misread(why: string): OxbowError {
  return new OxbowError('bad_input', why, { hint: 'Set http_proxy and https_proxy to http://127.0.0.1:8118.' })
}
