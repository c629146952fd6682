/**
 * Writes a file in pieces. They gather in a hidden file beside the target, which takes its name with the last piece: the file
 * shows all of them or none. What an upload leaves when hands are killed is found by a link in `/tmp` and swept at a later start.
 */
import { constants, open, rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps } from '../../types/index.ts'
import { failed, fromSystemError, systemCode, throwIfCancelled } from '../failure.ts'
import { maxReadBytes, maxUploads, transferIdleMs } from '../limits.ts'
import { renameToFree, syncFolder, temporaryBeside, toTarget } from '../files/write-file.ts'
import { createTransfers, noteUpload, type Transfer } from './transfers.ts'
import type { Place, Root } from '../files/workspace-path.ts'

type Input = HandsOps['put']['input']

/** A file that is being written. */
interface Upload extends Transfer, Place {
  readonly temporary: string
  readonly file: FileHandle
  /** Mode of the file that stands there; null when there was none. */
  readonly mode: number | null
  bytes: number
}

export interface Uploads {
  put(input: Input, signal: AbortSignal): Promise<HandsOps['put']['output']>
  /** Forgets all that were not finished. Never throws. */
  close(): Promise<void>
}

export function createUploads(roots: readonly Root[], idleMs: number = transferIdleMs): Uploads {
  const uploads = createTransfers<Upload>(maxUploads, idleMs)
  return {
    async put(input, signal) {
      checkPiece(input.content)
      throwIfCancelled(signal)
      return uploads.step(
        { name: input.upload, offset: input.offset },
        () => begin(roots, input),
        async (upload) => {
          try {
            await append(upload, input.content)
            throwIfCancelled(signal)
            if (input.last) await finish(upload, input.overwrite)
          } catch (error) {
            throw systemCode(error) === 'EEXIST' ? taken(upload.virtual) : fromSystemError(error, upload.virtual)
          }
          const output = { bytes: upload.bytes, created: upload.mode === null }
          return { movedBytes: input.content.length, last: input.last, output }
        },
      )
    },
    close: () => uploads.close(),
  }
}

/** @throws the failure `limit_reached` for a piece that is larger than one may be. */
export function checkPiece(content: Uint8Array): void {
  if (content instanceof Uint8Array && content.length <= maxReadBytes) return
  throw failed('limit_reached', `A piece holds at most ${maxReadBytes} bytes.`, 'Send smaller pieces.')
}

function taken(virtual: string): Error {
  return failed('tool_failed', `${virtual} already exists.`, 'Choose another name, or pass overwrite to replace it.')
}

async function begin(roots: readonly Root[], input: Input): Promise<Upload> {
  const target = await toTarget(roots, input.path)
  if (target.mode !== null && !input.overwrite) throw taken(target.virtual)
  const temporary = temporaryBeside(target.real)
  try {
    // A file of one piece is as short-lived here as in a write.
    const note = await noteUpload(input.last ? [] : roots, temporary)
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
    const file = await open(temporary, flags, 0o644)
    const close = async (): Promise<void> => {
      await file.close()
      await rm(temporary, { force: true })
      await note.remove()
    }
    return { ...target, temporary, file, bytes: 0, close }
  } catch (error) {
    throw fromSystemError(error, target.virtual)
  }
}

async function append(upload: Upload, content: Uint8Array): Promise<void> {
  for (let written = 0; written < content.length;) {
    const { bytesWritten } = await upload.file.write(content, written)
    written += bytesWritten
    upload.bytes += bytesWritten
  }
}

async function finish(upload: Upload, overwrite: boolean): Promise<void> {
  if (upload.mode !== null) await upload.file.chmod(upload.mode)
  await upload.file.sync()
  if (overwrite) await rename(upload.temporary, upload.real)
  else await renameToFree(upload.temporary, upload.real)
  await syncFolder(posix.dirname(upload.real))
}
