/**
 * Fetches a catalog over the network. It decides what models cost, so it comes over TLS (or from this machine), is bounded in
 * size and time, and is never taken from another host than the one that was named.
 */
import { OxbowError } from '../../types/index.ts'
import { catalogDownloadMs, catalogRedirects, maxCatalogBytes } from '../limits.ts'

export interface DownloadLimits {
  readonly timeMs: number
  readonly maxBytes: number
}

const usual: DownloadLimits = { timeMs: catalogDownloadMs, maxBytes: maxCatalogBytes }

/** @returns the text. @throws OxbowError `bad_input` for an address that may not be used, `tool_failed` for a download that fails. */
export async function downloadCatalog(address: string, limits: DownloadLimits = usual): Promise<string> {
  const first = checkedUrl(address)
  const signal = AbortSignal.timeout(limits.timeMs)
  try {
    let url = first
    for (let hops = 0; hops <= catalogRedirects; hops++) {
      const response = await fetch(url.href, { redirect: 'manual', signal, headers: { accept: 'application/json' } })
      if (response.status < 300 || response.status >= 400) return await readBody(response, url, limits.maxBytes)
      await response.body?.cancel()
      url = redirected(url, response.headers.get('location'))
    }
    throw failed(`${first.origin} redirects more than ${catalogRedirects} times`)
  } catch (cause) {
    if (cause instanceof OxbowError) throw cause
    if (signal.aborted) throw failed(`${first.origin} did not send all of it within ${limits.timeMs / 1000} seconds`, cause)
    throw failed(`${first.origin} cannot be reached: ${reasonOf(cause)}`, cause)
  }
}

function checkedUrl(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : null
  const isLocal = url !== null && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  if (url !== null && url.username === '' && (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal))) return url
  throw new OxbowError('bad_input', `${JSON.stringify(address.slice(0, 200))} is no address that a catalog may come from`, {
    hint: 'Give an https address without user name; http is for this machine only.',
  })
}

function redirected(from: URL, location: string | null): URL {
  const to = location !== null && URL.canParse(location, from.href) ? new URL(location, from.href) : null
  if (to === null) throw failed(`${from.origin} redirects to nowhere`)
  if (to.origin !== from.origin) throw failed(`${from.origin} redirects to ${to.origin}, which is not followed`)
  return to
}

async function readBody(response: Response, url: URL, maxBytes: number): Promise<string> {
  if (!response.ok) {
    await response.body?.cancel()
    throw failed(`${url.origin} answered ${response.status}`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > maxBytes) throw failed(`${url.origin} sends more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What `fetch` says is "fetch failed"; the reason stands in its cause. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof Error ? inner.message || inner.name : String(inner)
}

function failed(what: string, cause?: unknown): OxbowError {
  return new OxbowError('tool_failed', `the catalog cannot be fetched: ${what}`, {
    hint: 'The catalog stays as it was. Try again later, or name another address with --url.',
    cause,
  })
}
