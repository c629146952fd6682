/**
 * One file over HTTP, with a bound, taken up again where the connection broke off, and compared with the hash that the publisher's
 * server names. The Hugging Face hub names SHA-256 of large files and git's hash of small ones, before it redirects to where they are.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { OxbowError } from '../../types/index.ts'
import { embedderPullMs, embedderRedirects, embedderTries } from '../limits.ts'

export interface PulledFile {
  readonly name: string
  readonly bytes: number
  /** SHA-256, lower-case hex. */
  readonly hash: string
}

/** Over TLS, or from this machine. */
export function mayAsk(url: URL): boolean {
  const isLocal = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  return url.username === '' && (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal))
}

interface Answer {
  readonly response: Response
  /** Hash that the first server named: SHA-256, or git's of a blob; empty when it named none. */
  readonly promised: string
  /** What tells this version of the file from others; empty when the server does not say. */
  readonly version: string
}

interface Pulling {
  readonly url: URL
  readonly name: string
  readonly file: number
  readonly most: number
  readonly signal: AbortSignal
  hash: Hash
  bytes: number
  version: string
  promised: string
}

/** @param most bytes that are taken @throws OxbowError `tool_failed`; what is at the path then is of no use */
export async function pullFile(url: URL, path: string, most: number): Promise<PulledFile> {
  const name = url.pathname.split('/').at(-1) ?? ''
  const signal = AbortSignal.timeout(embedderPullMs)
  const file = openSync(path, 'w', 0o600)
  const pulling: Pulling = { url, name, file, most, signal, hash: createHash('sha256'), bytes: 0, version: '', promised: '' }
  try {
    await pullAll(pulling)
  } finally {
    closeSync(file)
  }
  const hash = pulling.hash.digest('hex')
  const { promised, bytes } = pulling
  if (promised !== '' && promised !== hash && promised !== gitHash(path)) {
    throw failed(`${name} of ${url.origin} is not what its publisher says: sha256 ${hash}, not ${promised}`)
  }
  return { name, bytes, hash }
}

/** Again, from where it broke off, as often as a line that is not good may need. */
async function pullAll(pulling: Pulling): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await pullRest(pulling)
      return
    } catch (cause) {
      if (cause instanceof OxbowError) throw cause
      if (pulling.signal.aborted) throw failed(`${pulling.url.origin} did not send all of ${pulling.name} in time`, cause)
      if (tries >= embedderTries) {
        const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
        throw failed(`${pulling.name} of ${pulling.url.origin}: ${inner instanceof Error ? inner.message : String(inner)}`, cause)
      }
    }
  }
}

async function pullRest(pulling: Pulling): Promise<void> {
  const { url, signal, most, name, file } = pulling
  const { response, promised, version } = await ask(url, pulling.bytes, signal)
  const goesOn = response.status === 206 && continues(response, pulling.bytes) && version === pulling.version
  if (!goesOn) {
    // The whole file, from its beginning, also where what was there so far was of another version.
    if (response.status === 206) {
      await response.body?.cancel()
      Object.assign(pulling, { bytes: 0, hash: createHash('sha256') })
      return pullRest(pulling)
    }
    Object.assign(pulling, { bytes: 0, hash: createHash('sha256') })
  }
  Object.assign(pulling, { promised, version })
  const length = Number(response.headers.get('content-length') ?? 0)
  if (length + pulling.bytes > most) {
    await response.body?.cancel()
    throw failed(`${name} is larger than ${most} bytes`)
  }
  for await (const chunk of response.body ?? []) {
    const at = pulling.bytes
    if (at + chunk.length > most) throw failed(`${name} is larger than ${most} bytes`)
    writeSync(file, chunk, 0, chunk.length, at)
    pulling.bytes += chunk.length
    pulling.hash.update(chunk)
  }
}

function continues(response: Response, from: number): boolean {
  return (response.headers.get('content-range') ?? '').startsWith(`bytes ${from}-`)
}

/** Large files are kept on other hosts than their names: redirects are followed, to addresses that may be asked. */
async function ask(first: URL, from: number, signal: AbortSignal): Promise<Answer> {
  let url = first
  let linked = ''
  for (let hops = 0; hops <= embedderRedirects; hops += 1) {
    // Encoded on the way it would have another length than its parts.
    const headers = { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) }
    const response = await fetch(url, { redirect: 'manual', signal, headers })
    // Only where the person asks may say what is right: not the host that keeps the bytes.
    if (url.origin === first.origin) linked ||= hashOf(response.headers.get('x-linked-etag'))
    if (response.ok) {
      const etag = response.headers.get('etag') ?? ''
      return { response, promised: linked || (url.origin === first.origin && isHub(response) ? hashOf(etag) : ''), version: linked || etag }
    }
    await response.body?.cancel()
    const location = response.headers.get('location')
    if (response.status < 300 || response.status >= 400 || location === null) throw failed(`${url.origin} answered ${response.status}`)
    const next = URL.canParse(location, url.href) ? new URL(location, url.href) : null
    if (next === null || !mayAsk(next) || (first.protocol === 'https:' && next.protocol !== 'https:')) {
      throw failed(`${url.origin} redirects to an address that may not be asked`)
    }
    url = next
  }
  throw failed(`${first.origin} redirects more than ${embedderRedirects} times`)
}

/** Its ETag is git's hash of the blob; that of another server may be anything. */
function isHub({ headers }: Response): boolean {
  return headers.has('x-repo-commit')
}

/** @returns the hash in an ETag; empty when there is none that is known. */
function hashOf(etag: string | null): string {
  return /^(?:W\/)?"?([0-9a-f]{64}|[0-9a-f]{40})"?$/.exec(etag ?? '')?.[1] ?? ''
}

/** Hash under which git keeps a file. */
function gitHash(path: string): string {
  const bytes = readFileSync(path)
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
}

function failed(what: string, cause?: unknown): OxbowError {
  return new OxbowError('tool_failed', `the model cannot be fetched: ${what}`, {
    hint: 'What was there before is as it was. Try again later, or name another address with --from.',
    ...(cause === undefined ? {} : { cause }),
  })
}
