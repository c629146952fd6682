/** Packs a folder as a tar archive on request, in chunks: memory holds one block of one file and the names of the open folders. */
import { lstat, readdir, readlink } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import type { HandsOps } from '../../types/index.ts'
import { fromSystemError, throwIfCancelled } from '../failure.ts'
import { isTemporary } from '../files/write-file.ts'
import { openRegularFile, type Place, type Root, toRealPlace } from '../files/workspace-path.ts'
import { maxDepth, maxReadBytes, maxTransfers, readBlockBytes, transferIdleMs } from '../limits.ts'
import { createTransfers, type Transfer } from '../transfer/transfers.ts'
import { blockBytes, encodeHeader, encodeRecord, firstLargeNumber, maxPlainName } from './tar-header.ts'

type Input = HandsOps['archive']['input']

interface Packing extends Transfer {
  readonly blocks: AsyncGenerator<Buffer>
  readonly counts: { skipped: number }
  /** Output that did not fit the previous chunk. */
  rest: Buffer
}

export interface Packer {
  archive(input: Input, signal: AbortSignal): Promise<HandsOps['archive']['output']>
  /** Drops everything unfinished. Never throws. */
  close(): Promise<void>
}

export function createPacker(roots: readonly Root[], idleMs: number = transferIdleMs): Packer {
  const packings = createTransfers<Packing>(maxTransfers, idleMs)
  return {
    async archive(input, signal) {
      throwIfCancelled(signal)
      return packings.step(
        { name: input.transfer, offset: input.offset },
        () => begin(roots, input.path),
        async (packing) => {
          const { content, done } = await fill(packing, Math.max(1, Math.min(input.maxBytes, maxReadBytes)), signal)
          return { movedBytes: content.length, last: done, output: { content, done, skipped: packing.counts.skipped } }
        },
      )
    },
    close: () => packings.close(),
  }
}

async function begin(roots: readonly Root[], path: string): Promise<Packing> {
  const folder = await toRealPlace(roots, path)
  try {
    // Refuse a file before any output.
    await readdir(folder.real)
  } catch (error) {
    throw fromSystemError(error, folder.virtual)
  }
  const counts = { skipped: 0 }
  const blocks = packFolder(roots, folder, counts)
  const close = async (): Promise<void> => void (await blocks.return(undefined))
  return { blocks, counts, rest: Buffer.alloc(0), close }
}

async function fill(packing: Packing, maxBytes: number, signal: AbortSignal): Promise<{ content: Buffer; done: boolean }> {
  const pieces = [packing.rest]
  let have = packing.rest.length
  let done = false
  while (have < maxBytes && !done) {
    throwIfCancelled(signal)
    const next = await packing.blocks.next()
    done = next.done === true
    if (next.done === true) break
    pieces.push(next.value)
    have += next.value.length
  }
  const all = Buffer.concat(pieces)
  packing.rest = Buffer.from(all.subarray(maxBytes))
  return { content: all.subarray(0, maxBytes), done: done && packing.rest.length === 0 }
}

async function* packFolder(roots: readonly Root[], top: Place, counts: { skipped: number }): AsyncGenerator<Buffer> {
  yield* packEntries(roots, top, '', 0, counts)
  yield Buffer.alloc(2 * blockBytes)
}

async function* packEntries(
  roots: readonly Root[],
  folder: Place,
  below: string,
  depth: number,
  counts: { skipped: number },
): AsyncGenerator<Buffer> {
  // Sorted by name: the same folder gives the same archive.
  const names = (await readdir(folder.real).catch(() => [])).filter((name) => !isTemporary(name) && name !== '.oxbow-uploads').sort()
  for (const name of names) {
    const place = { virtual: `${folder.virtual}/${name}`, real: `${folder.real}/${name}` }
    const stats = await lstat(place.real).catch(() => null)
    if (stats?.isDirectory() === true && depth < maxDepth) {
      yield* headerOf(`${below}${name}/`, stats, '5', 0, '')
      // Checked again: it may have become a link to elsewhere.
      const real = await toRealPlace(roots, place.virtual).catch(() => null)
      if (real?.real === place.real) yield* packEntries(roots, place, `${below}${name}/`, depth + 1, counts)
    } else if (stats?.isSymbolicLink() === true) {
      yield* headerOf(`${below}${name}`, stats, '2', 0, await readlink(place.real).catch(() => '.'))
    } else if (stats?.isFile() === true && (yield* packFile(roots, place, `${below}${name}`))) continue
    else counts.skipped += 1
  }
}

/** @returns whether it could be read. If the file shrinks while it is read, zeros fill the rest; if it grows, the rest is omitted. */
async function* packFile(roots: readonly Root[], place: Place, name: string): AsyncGenerator<Buffer, boolean> {
  const opened = await openRegularFile(roots, place.virtual).catch(() => null)
  if (opened === null) return false
  try {
    const { file, stats } = opened
    yield* headerOf(name, stats, '0', stats.size, '')
    for (let at = 0; at < stats.size;) {
      const block = Buffer.alloc(Math.min(readBlockBytes, stats.size - at))
      const { bytesRead } = await file.read(block, 0, block.length, at).catch(() => ({ bytesRead: 0 }))
      at += bytesRead === 0 ? block.length : bytesRead
      yield bytesRead === 0 ? block : block.subarray(0, bytesRead)
    }
    yield Buffer.alloc((blockBytes - (stats.size % blockBytes)) % blockBytes)
    return true
  } finally {
    await opened.file.close()
  }
}

/** The header of one entry, preceded by an extended one where names or sizes do not fit. */
function* headerOf(name: string, stats: Stats, flag: string, bytes: number, linkName: string): Generator<Buffer> {
  const [nameBytes, linkBytes] = [Buffer.from(name), Buffer.from(linkName)]
  const records = [
    ...(isPlain(nameBytes) ? [] : [encodeRecord('path', nameBytes)]),
    ...(isPlain(linkBytes) ? [] : [encodeRecord('linkpath', linkBytes)]),
    ...(bytes < firstLargeNumber ? [] : [encodeRecord('size', Buffer.from(String(bytes)))]),
  ]
  const facts = { mode: stats.mode & 0o777, modifiedSeconds: Math.floor(stats.mtimeMs / 1000) }
  if (records.length > 0) {
    const body = Buffer.concat(records)
    const none = Buffer.alloc(0)
    yield encodeHeader({ ...facts, flag: 'x', name: Buffer.from('pax'), linkName: none, bytes: body.length })
    yield Buffer.concat([body, Buffer.alloc((blockBytes - (body.length % blockBytes)) % blockBytes)])
  }
  yield encodeHeader({ ...facts, flag, name: nameBytes, linkName: linkBytes, bytes })
}

/** Short, and only characters that every tar reads alike. */
function isPlain(name: Buffer): boolean {
  return name.length <= maxPlainName && name.every((byte) => byte >= 0x20 && byte < 0x7f)
}
