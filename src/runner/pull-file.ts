/**
 * One file over HTTP, with a bound, taken up again where the connection broke off or the pull was killed, and compared with the hash that
 * the publisher's server names. The Hugging Face hub names SHA-256 of large files and git's hash of small ones, before it redirects to where they are.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { uptime } from 'node:os'
import { OxbowError } from '../types/index.ts'
import { embedderPullMs, embedderRedirects, embedderTries } from './limits.ts'

export interface PulledFile {
  readonly name: string
  readonly bytes: number
  /** SHA-256, lower-case hex. */
  readonly hash: string
  /** Bytes that an earlier pull, which was cut off, had brought. */
  readonly before: number
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
  readonly path: string
  readonly name: string
  readonly file: number
  readonly most: number
  readonly signal: AbortSignal
  hash: Hash
  bytes: number
  version: string
  promised: string
  before: number
}

/**
 * What an earlier pull left at the path is gone on with. What a line that breaks off leaves there is for the next one; what is of no use goes.
 * @param most bytes that are taken
 * @throws OxbowError `tool_failed`
 */
export async function pullFile(url: URL, path: string, most: number): Promise<PulledFile> {
  const name = url.pathname.split('/').at(-1) ?? ''
  const signal = AbortSignal.timeout(embedderPullMs)
  const left = leftOf(path, url.href)
  const file = openSync(path, left.bytes === 0 ? 'w' : 'r+', 0o600)
  const pulling: Pulling = { url, path, name, file, most, signal, ...left, promised: '', before: left.bytes }
  try {
    await pullAll(pulling)
  } finally {
    closeSync(file)
  }
  const hash = pulling.hash.digest('hex')
  const { promised, bytes, before } = pulling
  if (promised !== '' && promised !== hash && promised !== gitHash(path)) {
    throw useless(path, `${name} of ${url.origin} is not what its publisher says: sha256 ${hash}, not ${promised}`)
  }
  return { name, bytes, hash, before }
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
  const { url, path, signal, most, name, file } = pulling
  const { response, promised, version } = await ask(url, pulling.bytes, signal)
  const goesOn = response.status === 206 && continues(response, pulling.bytes) && version === pulling.version
  if (!goesOn) {
    // The whole file, from its beginning, also where what was there so far was of another version.
    const wasAskedFor = pulling.bytes > 0
    Object.assign(pulling, { ...nothingYet(), before: 0 })
    ftruncateSync(file, 0)
    if (response.status !== 200) {
      await response.body?.cancel()
      if (!wasAskedFor) throw failed(`${url.origin} answered ${response.status}`)
      return pullRest(pulling)
    }
    noteOrigin(path, { url: url.href, version, promised })
  }
  Object.assign(pulling, { promised, version })
  const length = Number(response.headers.get('content-length') ?? 0)
  if (length + pulling.bytes > most) {
    await response.body?.cancel()
    throw useless(path, `${name} is larger than ${most} bytes`)
  }
  for await (const chunk of response.body ?? []) {
    const at = pulling.bytes
    if (at + chunk.length > most) throw useless(path, `${name} is larger than ${most} bytes`)
    // On a disk that fills a write takes less than it is given, and only the next one fails.
    for (let done = 0; done < chunk.length;) done += writeSync(file, chunk, done, chunk.length - done, at + done)
    pulling.bytes += chunk.length
    pulling.hash.update(chunk)
  }
  // The last byte that was there is written again, and nothing is behind it.
  ftruncateSync(file, pulling.bytes)
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
    // Of a file that has become shorter there is no such part: it is asked for from its beginning.
    if (response.ok || (response.status === 416 && from > 0)) {
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

/** What came is not gone on with. */
function useless(path: string, what: string): OxbowError {
  rmSync(path, { force: true })
  forgetOrigin(path)
  return failed(what)
}

function failed(what: string, cause?: unknown): OxbowError {
  return new OxbowError('tool_failed', `the model cannot be fetched: ${what}`, {
    hint: 'What was there before is as it was. Try again later (what has come is gone on with), or name another address with --from.',
    ...(cause === undefined ? {} : { cause }),
  })
}

// What an interrupted pull left of a file: its beginning, and a note of the version it is from. A server that supports ranges is asked
// for the rest. The last byte is asked for again, so one byte confirms a complete file.

/** What of a file is there: so many bytes, with their hash, of a version. */
interface Begun {
  readonly bytes: number
  readonly hash: Hash
  /** What tells this version of the file from others; empty when the server does not say. */
  readonly version: string
}

/** From where a file is, what its server says of it, and whether that can prove it in the end. */
interface Origin {
  readonly url: string
  readonly version: string
  /** The publisher's hash; empty when it names none. */
  readonly promised: string
}

/** Hashed at once: a thousandth of the time that fetching takes. */
const bytesAtOnce: number = 1024 * 1024

const nothingYet = (): Begun => ({ bytes: 0, hash: createHash('sha256'), version: '' })

/** @returns what can be gone on with; nothing where that is not sure. Never throws. */
function leftOf(path: string, url: string): Begun {
  const origin = originOf(path)
  if (origin === null || origin.url !== url || origin.version === '' || !existsSync(path)) return nothingYet()
  const { size, mtimeMs } = statSync(path)
  // When the machine went down, there may be holes where bytes were: without a hash in the end nobody would know.
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

/** Before the first byte of a version is written: what stands there is of no other then. */
function noteOrigin(path: string, origin: Origin): void {
  if (origin.version === '') forgetOrigin(path)
  else writeFileSync(notePath(path), JSON.stringify(origin), { mode: 0o600 })
}

export function forgetOrigin(path: string): void {
  rmSync(notePath(path), { force: true })
}

/** May the next pull go on with it? */
export function isBegun(path: string): boolean {
  return existsSync(notePath(path))
}

function notePath(path: string): string {
  return `${path}.from`
}

/** Half a note, or another file in its place, is none. */
function originOf(path: string): Origin | null {
  try {
    const value = JSON.parse(readFileSync(notePath(path), 'utf8')) as Partial<Record<keyof Origin, unknown>> | null
    const { url, version, promised } = value ?? {}
    return typeof url === 'string' && typeof version === 'string' && typeof promised === 'string' ? { url, version, promised } : null
  } catch {
    return null
  }
}
