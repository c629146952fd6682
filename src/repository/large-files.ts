/**
 * Files that are too large for a pack: their content is in files of their own next to the repository, once for each content, and the tree has
 * a short text in their place that names it. A text of the same form says of a file that there is no version of it, so that nothing ever
 * takes such a file for one that was not there.
 */
import { createHash, type Hash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

/** What stands for the content of a file. `kept`: it is next to the repository; `none`: there is no version of it. */
type Pointer = { readonly kind: 'kept'; readonly sha256: string; readonly bytes: number } | { readonly kind: 'none' }

const maxPointerBytes = 200

export interface LargeFiles {
  /** Takes in the next piece of a file; offset 0 begins it. @returns the text for the tree after the last piece, else null */
  take(piece: { readonly offset: number; readonly content: Uint8Array; readonly last: boolean }): Buffer | null
  /** @returns null for an ordinary content */
  pointerOf(content: Buffer): Pointer | null
  /** The hashes of all contents. */
  names(): readonly string[]
  bytes(sha256: string): number
  /** A piece of a content; shorter than `maxBytes` at its end. @throws if it is gone */
  read(sha256: string, offset: number, maxBytes: number): Buffer
}

/** @returns the text that stands for a file without a version. @param stamp tells it from another one */
export function unversioned(stamp: string): Buffer {
  return Buffer.from(`oxbow-unversioned ${createHash('sha256').update(stamp).digest('hex')}\n`)
}

/** @param folder of the repository */
export function createLargeFiles(folder: string): LargeFiles {
  const place = join(folder, 'large')
  const draft = join(place, 'draft')
  let open: { readonly file: number; readonly hash: Hash; bytes: number } | null = null
  const drop = (): void => {
    if (open !== null) closeSync(open.file)
    open = null
    rmSync(draft, { force: true })
  }
  const takeIn: LargeFiles['take'] = ({ offset, content, last }) => {
    if (offset === 0) {
      drop()
      mkdirSync(place, { recursive: true, mode: 0o700 })
      open = { file: openSync(draft, 'w', 0o600), hash: createHash('sha256'), bytes: 0 }
    }
    if (open === null || open.bytes !== offset) throw new Error('the pieces of a large file are out of order')
    for (let done = 0; done < content.length;) done += writeSync(open.file, content, done)
    open.hash.update(content)
    open.bytes += content.length
    if (!last) return null
    const { file, hash, bytes } = open
    const sha256 = hash.digest('hex')
    fsyncSync(file)
    closeSync(file)
    open = null
    if (existsSync(join(place, sha256))) rmSync(draft)
    else renameSync(draft, join(place, sha256))
    return Buffer.from(`oxbow-large ${sha256} ${bytes}\n`)
  }
  return {
    take(piece) {
      try {
        return takeIn(piece)
      } catch (error) {
        drop()
        throw error
      }
    },
    pointerOf(content) {
      if (content.length > maxPointerBytes) return null
      const text = content.toString()
      if (/^oxbow-unversioned [0-9a-f]{64}\n$/.test(text)) return { kind: 'none' }
      const [, sha256 = '', bytes] = /^oxbow-large ([0-9a-f]{64}) (\d+)\n$/.exec(text) ?? []
      // Anybody may write such a pointer: the content that it names is then missing, or was theirs before.
      return sha256 !== '' && existsSync(join(place, sha256)) ? { kind: 'kept', sha256, bytes: Number(bytes) } : null
    },
    names: () => (existsSync(place) ? readdirSync(place).filter((name) => /^[0-9a-f]{64}$/.test(name)) : []),
    bytes: (sha256) => statSync(join(place, sha256)).size,
    read(sha256, offset, maxBytes) {
      const file = openSync(join(place, sha256), 'r')
      try {
        const buffer = Buffer.alloc(maxBytes)
        let length = 0
        for (let got = -1; got !== 0 && length < maxBytes; length += got)
          got = readSync(file, buffer, length, maxBytes - length, offset + length)
        return buffer.subarray(0, length)
      } finally {
        closeSync(file)
      }
    },
  }
}
