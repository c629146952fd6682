/**
 * Downloads one file over HTTP with a size limit, resumes after a lost connection or a killed pull, and verifies the publisher's hash. The
 * Hugging Face hub publishes SHA-256 for large files and git's hash for small ones, in the response that redirects to the content.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { uptime } from 'node:os'
import { errorMessage, OxbowError } from '../../base/index.ts'
import { embedderPullMs, embedderRedirects, embedderTries } from '../limits.ts'

export interface PulledFile {
  readonly name: string
  readonly bytes: number
  /** SHA-256, lower-case hex. */
  readonly hash: string
  /** Bytes that an earlier, interrupted pull had downloaded. */
  readonly before: number
}

/** Only over TLS, or from this machine. */
export function mayAsk(url: URL): boolean {
  const isLocal = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  return url.username === '' && (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal))
}

interface Answer {
  readonly response: Response
  /** Hash from the first server: SHA-256, or git's blob hash; empty without one. */
  readonly promised: string
  /** Identifies this version of the file; empty if the server sends none. */
  readonly version: string
}

interface Pulling {
  readonly url: URL
  readonly path: string
  readonly name: string
  readonly file: number
  readonly maxBytes: number
  readonly signal: AbortSignal
  hash: Hash
  bytes: number
  version: string
  promised: string
  before: number
}

/**
 * Resumes an earlier pull to the same path. A lost connection keeps the partial file for the next pull; a useless file is removed.
 * @throws OxbowError `tool_failed`
 */
export async function pullFile(url: URL, path: string, maxBytes: number): Promise<PulledFile> {
  const name = url.pathname.split('/').at(-1) ?? ''
  const signal = AbortSignal.timeout(embedderPullMs)
  const begun = readBegun(path, url.href)
  const file = openSync(path, begun.bytes === 0 ? 'w' : 'r+', 0o600)
  const pulling: Pulling = { url, path, name, file, maxBytes, signal, ...begun, promised: '', before: begun.bytes }
  try {
    await pullAll(pulling)
  } finally {
    closeSync(file)
  }
  const hash = pulling.hash.digest('hex')
  const { promised, bytes, before } = pulling
  if (promised !== '' && promised !== hash && promised !== gitHash(path)) {
    throw useless(path, `${name} of ${url.origin} does not match the publisher's hash: sha256 ${hash}, not ${promised}`)
  }
  return { name, bytes, hash, before }
}

/** Retries a lost connection, each time from where it broke off. */
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
        throw failed(`${pulling.name} of ${pulling.url.origin}: ${errorMessage(inner)}`, cause)
      }
    }
  }
}

async function pullRest(pulling: Pulling): Promise<void> {
  const { url, path, signal, maxBytes, name, file } = pulling
  const { response, promised, version } = await ask(url, pulling.bytes, signal)
  const isResumed = response.status === 206 && continues(response, pulling.bytes) && version === pulling.version
  if (!isResumed) {
    // The server sends the whole file, or the partial one is of another version: start over.
    const askedForRange = pulling.bytes > 0
    Object.assign(pulling, { ...nothingYet(), before: 0 })
    ftruncateSync(file, 0)
    if (response.status !== 200) {
      await response.body?.cancel()
      if (!askedForRange) throw failed(`${url.origin} answered ${response.status}`)
      return pullRest(pulling)
    }
    noteOrigin(path, { url: url.href, version, promised })
  }
  Object.assign(pulling, { promised, version })
  const length = Number(response.headers.get('content-length') ?? 0)
  if (length + pulling.bytes > maxBytes) {
    await response.body?.cancel()
    throw useless(path, `${name} is larger than ${maxBytes} bytes`)
  }
  for await (const chunk of response.body ?? []) {
    const at = pulling.bytes
    if (at + chunk.length > maxBytes) throw useless(path, `${name} is larger than ${maxBytes} bytes`)
    // On a full disk a write is short, and only the next one fails.
    for (let done = 0; done < chunk.length;) done += writeSync(file, chunk, done, chunk.length - done, at + done)
    pulling.bytes += chunk.length
    pulling.hash.update(chunk)
  }
  // A resumed file may have been longer than the new content.
  ftruncateSync(file, pulling.bytes)
}

function continues(response: Response, from: number): boolean {
  return (response.headers.get('content-range') ?? '').startsWith(`bytes ${from}-`)
}

/** Follows redirects to allowed addresses: large files are stored on other hosts. */
async function ask(first: URL, from: number, signal: AbortSignal): Promise<Answer> {
  let url = first
  let linked = ''
  for (let hops = 0; hops <= embedderRedirects; hops += 1) {
    // A compressed response would have other byte positions.
    const headers = { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) }
    const response = await fetch(url, { redirect: 'manual', signal, headers })
    // Only the host that the person named may state the hash, not the one that stores the content.
    if (url.origin === first.origin) linked ||= hashOf(response.headers.get('x-linked-etag'))
    // 416: the file has become shorter, so the caller starts over.
    if (response.ok || (response.status === 416 && from > 0)) {
      const etag = response.headers.get('etag') ?? ''
      return { response, promised: linked || (url.origin === first.origin && isHub(response) ? hashOf(etag) : ''), version: linked || etag }
    }
    await response.body?.cancel()
    const location = response.headers.get('location')
    if (response.status < 300 || response.status >= 400 || location === null) throw failed(`${url.origin} answered ${response.status}`)
    const next = URL.canParse(location, url.href) ? new URL(location, url.href) : null
    if (next === null || !mayAsk(next) || (first.protocol === 'https:' && next.protocol !== 'https:')) {
      throw failed(`${url.origin} redirects to an address that is not allowed`)
    }
    url = next
  }
  throw failed(`${first.origin} redirects more than ${embedderRedirects} times`)
}

/** Only the hub's ETag is known to be git's blob hash. */
function isHub({ headers }: Response): boolean {
  return headers.has('x-repo-commit')
}

/** @returns the hash in an ETag; empty if it has none. */
function hashOf(etag: string | null): string {
  return /^(?:W\/)?"?([0-9a-f]{64}|[0-9a-f]{40})"?$/.exec(etag ?? '')?.[1] ?? ''
}

/** Git's blob hash of a file. */
function gitHash(path: string): string {
  const bytes = readFileSync(path)
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
}

/** Removes the partial file, so that no pull resumes it. */
function useless(path: string, what: string): OxbowError {
  rmSync(path, { force: true })
  forgetOrigin(path)
  return failed(what)
}

function failed(what: string, cause?: unknown): OxbowError {
  return new OxbowError('tool_failed', `the model cannot be downloaded: ${what}`, {
    hint: 'An earlier model is unchanged. Try again later (the download resumes), or name another address with --from.',
    ...(cause === undefined ? {} : { cause }),
  })
}

// An interrupted pull leaves the beginning of a file and a note of its version. A server that supports ranges is asked for the rest. The last
// byte is requested again, so that a complete file is confirmed with one byte.

/** The beginning of a file that is already there. */
interface Begun {
  readonly bytes: number
  readonly hash: Hash
  /** Identifies this version of the file; empty if the server sends none. */
  readonly version: string
}

/** Address and version of a partial file, as noted next to it. */
interface Origin {
  readonly url: string
  readonly version: string
  /** The publisher's hash; empty without one. */
  readonly promised: string
}

/** Bytes read at once for hashing, synchronously: takes a thousandth of the time of the download. */
const bytesAtOnce: number = 1024 * 1024

const nothingYet = (): Begun => ({ bytes: 0, hash: createHash('sha256'), version: '' })

/** @returns the part that can be resumed; empty when in doubt. Never throws. */
function readBegun(path: string, url: string): Begun {
  const origin = originOf(path)
  if (origin === null || origin.url !== url || origin.version === '' || !existsSync(path)) return nothingYet()
  const { size, mtimeMs } = statSync(path)
  // After a crash of the machine the file may have holes, which only a publisher's hash would reveal.
  const bootedAt = Date.now() - uptime() * 1_000
  if (size < 2 || (origin.promised === '' && mtimeMs < bootedAt)) return nothingYet()
  const [bytes, hash] = [size - 1, createHash('sha256')]
  const file = openSync(path, 'r')
  const chunk = Buffer.alloc(bytesAtOnce)
  try {
    for (let at = 0; at < bytes;) {
      const count = readSync(file, chunk, 0, Math.min(chunk.length, bytes - at), at)
      if (count === 0) return nothingYet()
      hash.update(chunk.subarray(0, count))
      at += count
    }
  } finally {
    closeSync(file)
  }
  return { bytes, hash, version: origin.version }
}

/** Called before the first byte is written, so that the note always matches the content. */
function noteOrigin(path: string, origin: Origin): void {
  if (origin.version === '') forgetOrigin(path)
  else writeFileSync(notePath(path), JSON.stringify(origin), { mode: 0o600 })
}

export function forgetOrigin(path: string): void {
  rmSync(notePath(path), { force: true })
}

/** @returns whether the next pull can resume it */
export function isBegun(path: string): boolean {
  return existsSync(notePath(path))
}

function notePath(path: string): string {
  return `${path}.from`
}

/** @returns null for a missing or damaged note */
function originOf(path: string): Origin | null {
  try {
    const value = JSON.parse(readFileSync(notePath(path), 'utf8')) as Partial<Record<keyof Origin, unknown>> | null
    const { url, version, promised } = value ?? {}
    return typeof url === 'string' && typeof version === 'string' && typeof promised === 'string' ? { url, version, promised } : null
  } catch {
    return null
  }
}
