/**
 * Writes a file in pieces. They gather in a hidden file beside the target, which takes its name with the last piece: the file
 * shows all of them or none. What an upload leaves when hands are killed is found by a link in `/tmp` and swept at a later start.
 */
import { constants, open, rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps } from '../../types/index.ts'
import { failed, fromSystemError, systemCode, throwIfCancelled } from '../failure.ts'
import { maxReadBytes, maxUploadName, maxUploads, uploadIdleMs } from '../limits.ts'
import { renameToFree, syncFolder, temporaryBeside } from '../files/place-file.ts'
import { noteUpload, sweepUploads } from './upload-notes.ts'
import type { UploadNote } from './upload-notes.ts'
import type { Place, Root } from '../files/workspace-path.ts'
import { toTarget } from '../files/write-file.ts'

type Input = HandsOps['put']['input']

/** A file that is being written. */
interface Upload extends Place {
  readonly temporary: string
  readonly file: FileHandle
  readonly note: UploadNote
  /** Mode of the file that stands there; null when there was none. */
  readonly mode: number | null
  bytes: number
  /** A piece is being written: only the next one may come. */
  busy: boolean
  idle: NodeJS.Timeout | undefined
}

export interface Uploads {
  put(input: Input, signal: AbortSignal): Promise<HandsOps['put']['output']>
  /** Forgets all that were not finished. Never throws. */
  close(): Promise<void>
}

export function createUploads(roots: readonly Root[], idleMs: number = uploadIdleMs): Uploads {
  const uploads = new Map<string, Upload>()
  const beginning = new Set<string>()
  const swept = sweepUploads(roots)

  const forget = async (name: string, upload: Upload): Promise<void> => {
    if (uploads.get(name) === upload) uploads.delete(name)
    clearTimeout(upload.idle)
    await upload.file.close().catch(() => undefined)
    await rm(upload.temporary, { force: true }).catch(() => undefined)
    await upload.note.remove()
  }
  /** @returns the upload that this piece continues, or a new one; busy. */
  const take = async (input: Input): Promise<Upload> => {
    if (beginning.has(input.upload)) throw failed('bad_input', 'This upload has only just begun.', 'Send the pieces in their order.')
    if (input.offset === 0 && !uploads.has(input.upload)) {
      beginning.add(input.upload)
      try {
        const upload = await begin(roots, input, uploads.size + beginning.size)
        uploads.set(input.upload, upload)
        return upload
      } finally {
        beginning.delete(input.upload)
      }
    }
    const upload = uploads.get(input.upload)
    if (upload === undefined)
      throw failed('not_found', 'This upload was never begun, or not continued in time.', 'Begin again at offset 0.')
    if (upload.busy || upload.bytes !== input.offset) {
      throw failed('bad_input', `The next piece of this upload begins at ${upload.bytes}.`, 'Send the pieces in their order.')
    }
    clearTimeout(upload.idle)
    upload.busy = true
    return upload
  }
  return {
    async put(input, signal) {
      check(input)
      throwIfCancelled(signal)
      const upload = await take(input)
      try {
        await append(upload, input.content)
        throwIfCancelled(signal)
        if (input.last) await finish(upload, input.overwrite)
        else upload.idle = setTimeout(() => void forget(input.upload, upload), idleMs).unref()
        return { bytes: upload.bytes, created: upload.mode === null }
      } catch (error) {
        await forget(input.upload, upload)
        throw systemCode(error) === 'EEXIST' ? taken(upload.virtual) : fromSystemError(error, upload.virtual)
      } finally {
        upload.busy = false
        if (input.last) await forget(input.upload, upload)
      }
    },
    async close() {
      for (const [name, upload] of uploads) await forget(name, upload)
      ;(await swept).stop()
    },
  }
}

function check({ upload, content }: Input): void {
  if (upload === '' || upload.length > maxUploadName) throw failed('bad_input', 'An upload needs a short name.', 'Make up another one.')
  if (!(content instanceof Uint8Array) || content.length > maxReadBytes) {
    throw failed('limit_reached', `A piece holds at most ${maxReadBytes} bytes.`, 'Send smaller pieces.')
  }
}

function taken(virtual: string): Error {
  return failed('tool_failed', `${virtual} already exists.`, 'Choose another name, or pass overwrite to replace it.')
}

async function begin(roots: readonly Root[], input: Input, begun: number): Promise<Upload> {
  if (begun > maxUploads) throw failed('limit_reached', 'Too many files are being written.', 'Finish some first.')
  const target = await toTarget(roots, input.path)
  if (target.mode !== null && !input.overwrite) throw taken(target.virtual)
  const temporary = temporaryBeside(target.real)
  try {
    // A file of one piece is as short-lived here as in a write.
    const note = await noteUpload(input.last ? [] : roots, temporary)
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
    const file = await open(temporary, flags, 0o644)
    return { ...target, temporary, file, note, bytes: 0, busy: true, idle: undefined }
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
