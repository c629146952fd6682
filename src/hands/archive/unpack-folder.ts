/** Unpacks an archive into a folder, in pieces: beside it first, and into it when all of the archive was found good. */
import { mkdir, rm, utimes } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps } from '../../types/index.ts'
import { fromSystemError, throwIfCancelled } from '../failure.ts'
import { refuseGuarded } from '../files/guarded-path.ts'
import { makeFolderFor, temporaryBeside } from '../files/place-file.ts'
import { toPlace, toRealPlace } from '../files/workspace-path.ts'
import type { Place, Root } from '../files/workspace-path.ts'
import { maxTransfers, transferIdleMs } from '../limits.ts'
import { checkPiece } from '../transfer/put-file.ts'
import { createTransfers } from '../transfer/transfers.ts'
import type { Transfer } from '../transfer/transfers.ts'
import { noteUpload } from '../transfer/upload-notes.ts'
import { mergeFolder } from './merge-folder.ts'
import { createStage } from './stage-entries.ts'
import type { Stage } from './stage-entries.ts'
import { createTarReader } from './tar-reader.ts'
import type { TarReader } from './tar-reader.ts'

type Input = HandsOps['unpack']['input']

interface Unpacking extends Transfer {
  readonly target: Place
  /** Where the entries wait. */
  readonly staged: string
  readonly reader: TarReader
  readonly stage: Stage
  bytes: number
}

export interface Unpacker {
  unpack(input: Input, signal: AbortSignal): Promise<HandsOps['unpack']['output']>
  /** Forgets all that was not finished. Never throws. */
  close(): Promise<void>
}

export function createUnpacker(roots: readonly Root[], idleMs: number = transferIdleMs): Unpacker {
  const unpackings = createTransfers<Unpacking>(maxTransfers, idleMs)
  return {
    async unpack(input, signal) {
      checkPiece(input.content)
      throwIfCancelled(signal)
      return unpackings.step(
        { name: input.transfer, offset: input.offset },
        () => begin(roots, input.path),
        async (unpacking) => {
          try {
            await takePiece(unpacking, input, signal)
          } catch (error) {
            throw fromSystemError(error, unpacking.target.virtual)
          }
          const { bytes, stage } = unpacking
          return { movedBytes: input.content.length, last: input.last, output: { bytes, ...stage.counts } }
        },
      )
    },
    close: () => unpackings.close(),
  }
}

async function begin(roots: readonly Root[], path: string): Promise<Unpacking> {
  const target = await makeTarget(roots, path)
  // A root has no folder beside it that hands may write.
  const isRoot = roots.some(({ real }) => real === target.real)
  const staged = temporaryBeside(isRoot ? `${target.real}/x` : target.real)
  const note = await noteUpload(roots, staged)
  try {
    await mkdir(staged, 0o700)
  } catch (error) {
    throw fromSystemError(error, target.virtual)
  }
  const check = (below: string): void => refuseGuarded(roots, { virtual: `${target.virtual}/${below}`, real: `${target.real}/${below}` })
  const stage = createStage(staged, check)
  const close = async (): Promise<void> => {
    await stage.close()
    await rm(staged, { recursive: true, force: true })
    await note.remove()
  }
  return { target, staged, reader: createTarReader(), stage, bytes: 0, close }
}

/** @returns the folder with every link followed; it is made where there is none. */
async function makeTarget(roots: readonly Root[], path: string): Promise<Place> {
  const place = toPlace(roots, path)
  if (!place.isRoot) {
    try {
      const { real } = await makeFolderFor(roots, { virtual: place.virtual, real: posix.join(place.real, 'x') })
      return { virtual: place.virtual, real: posix.dirname(real) }
    } catch (error) {
      throw fromSystemError(error, place.virtual)
    }
  }
  return toRealPlace(roots, path)
}

async function takePiece(unpacking: Unpacking, input: Input, signal: AbortSignal): Promise<void> {
  const { reader, stage, staged, target } = unpacking
  const { content } = input
  for (const event of reader.push(Buffer.from(content.buffer, content.byteOffset, content.byteLength))) {
    await stage.take(event)
    throwIfCancelled(signal)
  }
  unpacking.bytes += content.length
  // Its age says that somebody is at work here.
  const now = new Date()
  await utimes(staged, now, now)
  if (!input.last) return
  reader.finish()
  await mergeFolder(staged, target, input.overwrite)
}
