/** Packs a folder as a tar archive on request, in chunks: memory holds one block of one file and the names of the open folders. */
import { lstat, readdir, readlink } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { archiveEnd, entryHeader, padding } from '../../tar/index.ts'
import type { HandsOps } from '../../protocol/index.ts'
import { fromSystemError, throwIfCancelled } from '../failure.ts'
import { isTemporary } from '../files/write-file.ts'
import { openRegularFile, type Place, type Root, toRealPlace } from '../files/workspace-path.ts'
import { maxDepth, maxReadBytes, maxTransfers, readBlockBytes, transferIdleMs } from '../limits.ts'
import { createTransfers, type Transfer } from '../transfer/transfers.ts'

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
  yield archiveEnd
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
      yield entryHeader({ kind: 'folder', name: `${below}${name}/`, ...factsOf(stats) })
      // Checked again: it may have become a link to elsewhere.
      const real = await toRealPlace(roots, place.virtual).catch(() => null)
      if (real?.real === place.real) yield* packEntries(roots, place, `${below}${name}/`, depth + 1, counts)
    } else if (stats?.isSymbolicLink() === true) {
      const linkName = await readlink(place.real).catch(() => '.')
      yield entryHeader({ kind: 'link', name: `${below}${name}`, ...factsOf(stats), linkName })
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
    yield entryHeader({ kind: 'file', name, ...factsOf(stats), bytes: stats.size })
    for (let at = 0; at < stats.size;) {
      const block = Buffer.alloc(Math.min(readBlockBytes, stats.size - at))
      const { bytesRead } = await file.read(block, 0, block.length, at).catch(() => ({ bytesRead: 0 }))
      at += bytesRead === 0 ? block.length : bytesRead
      yield bytesRead === 0 ? block : block.subarray(0, bytesRead)
    }
    yield padding(stats.size)
    return true
  } finally {
    await opened.file.close()
  }
}

function factsOf({ mode, mtimeMs }: Stats): { readonly mode: number; readonly modifiedSeconds: number } {
  return { mode, modifiedSeconds: mtimeMs / 1000 }
}
