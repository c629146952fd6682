/**
 * Writes a file in chunks, atomically: they go to a hidden file next to the target, which is renamed after the last one. What an upload
 * leaves behind when hands are killed is found by a link in `/tmp` and removed at a later start.
 */
import { constants, open, rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps } from '../../protocol/index.ts'
import { failed, fromSystemError, systemCode, throwIfCancelled } from '../failure.ts'
import { maxReadBytes, maxUploads, transferIdleMs } from '../limits.ts'
import { type ContentHash, createContentHash, stateOf } from '../files/file-state.ts'
import { changedMeanwhile, replaceExpected } from '../files/expected-file.ts'
import { renameToFree, syncFolder, type Target, temporaryBeside, toNamedTarget, toTarget } from '../files/write-file.ts'
import { createTransfers, noteUpload, type Transfer } from './transfers.ts'
import type { Place, Root } from '../files/workspace-path.ts'

type Input = HandsOps['put']['input']

/** An unfinished file. */
interface Upload extends Transfer, Place {
  readonly temporary: string
  readonly file: FileHandle
  readonly hash: ContentHash
  /** Mode of the existing file; null for a new file. */
  readonly mode: number | null
  bytes: number
}

export interface Uploads {
  put(input: Input, signal: AbortSignal): Promise<HandsOps['put']['output']>
  /** Drops all unfinished uploads. Never throws. */
  close(): Promise<void>
}

/** Files that arrive in pieces. One that is not continued for `idleMs` is dropped. */
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
            const facts = input.last ? await finish(roots, upload, input) : { created: upload.mode === null, hash: '', was: '' }
            return { movedBytes: input.content.length, last: input.last, output: { bytes: upload.bytes, ...facts } }
          } catch (error) {
            throw fromSystemError(error, upload.virtual)
          }
        },
      )
    },
    close: () => uploads.close(),
  }
}

/** @throws the failure `limit_reached` for a chunk over the limit. */
export function checkPiece(content: Uint8Array): void {
  if (content instanceof Uint8Array && content.length <= maxReadBytes) return
  throw failed('limit_reached', `A piece holds at most ${maxReadBytes} bytes.`, 'Send smaller pieces.')
}

function taken(virtual: string): Error {
  return failed('tool_failed', `${virtual} already exists.`, 'Choose another name, or set overwrite to replace it.')
}

/** Whoever expects a content means what has the name, and not where it leads. */
function targetOf(roots: readonly Root[], { path, ifHash }: Pick<Input, 'path' | 'ifHash'>): Promise<Target> {
  return ifHash === undefined ? toTarget(roots, path) : toNamedTarget(roots, path)
}

async function begin(roots: readonly Root[], input: Input): Promise<Upload> {
  const target = await targetOf(roots, input)
  if (target.mode !== null && !input.overwrite) throw input.ifHash === undefined ? taken(target.virtual) : changedMeanwhile(target.virtual)
  const temporary = temporaryBeside(target.real)
  try {
    // The hidden file of a single chunk lives as briefly as a write's.
    const note = await noteUpload(input.last ? [] : roots, temporary)
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
    const file = await open(temporary, flags, 0o644)
    const close = async (): Promise<void> => {
      await file.close()
      await rm(temporary, { force: true })
      await note.remove()
    }
    return { ...target, temporary, file, hash: createContentHash(), bytes: 0, close }
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
  upload.hash.update(content)
}

/** The caller holds the path's lock. The target is checked again: the first chunk may have come long before. */
async function finish(
  roots: readonly Root[],
  upload: Upload,
  { overwrite, ifHash }: Input,
): Promise<Omit<HandsOps['put']['output'], 'bytes'>> {
  const { virtual, temporary, file } = upload
  const { real, mode } = await targetOf(roots, { path: virtual, ifHash })
  if (real !== upload.real) throw failed('tool_failed', `${virtual} now leads elsewhere. Nothing was written.`, 'Send the file again.')
  if (mode !== null && !overwrite) throw ifHash === undefined ? taken(virtual) : changedMeanwhile(virtual)
  if (mode !== null) await file.chmod(mode)
  await file.sync()
  if (ifHash !== undefined) {
    if (!(await replaceExpected(temporary, real, ifHash))) throw changedMeanwhile(virtual)
    await syncFolder(posix.dirname(real))
    return { created: ifHash === '', hash: upload.hash.digest(), was: ifHash }
  }
  const { hash: was } = await stateOf(roots, { virtual, mode }, false)
  const created = mode === null && (await isNewName(upload, overwrite))
  if (!created) await rename(temporary, real)
  await syncFolder(posix.dirname(real))
  return { created, hash: upload.hash.digest(), was }
}

/** Renames the file unless another program has created the target. @returns false when the target exists and may be replaced */
async function isNewName({ virtual, real, temporary }: Upload, overwrite: boolean): Promise<boolean> {
  try {
    renameToFree(temporary, real)
    return true
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    if (!overwrite) throw taken(virtual)
    return false
  }
}
