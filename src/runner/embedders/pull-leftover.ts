/**
 * What a pull that was cut off has left of a file: its beginning, and beside it of which version of what it is. A server that keeps to
 * ranges is then asked for the rest only. The last byte is asked for again: so a file that is whole already is confirmed by one byte.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { uptime } from 'node:os'

/** What of a file is there: so many bytes, with their hash, of a version. */
export interface Begun {
  readonly bytes: number
  readonly hash: Hash
  /** What tells this version of the file from others; empty when the server does not say. */
  readonly version: string
}

/** From where a file is, what its server says of it, and whether that can prove it in the end. */
export interface Origin {
  readonly url: string
  readonly version: string
  /** The publisher's hash; empty when it names none. */
  readonly promised: string
}

/** Hashed at once: a thousandth of the time that fetching takes. */
const bytesAtOnce: number = 1024 * 1024

export const nothingYet = (): Begun => ({ bytes: 0, hash: createHash('sha256'), version: '' })

/** @returns what can be gone on with; nothing where that is not sure. Never throws. */
export function leftOf(path: string, url: string): Begun {
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
export function noteOrigin(path: string, origin: Origin): void {
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
