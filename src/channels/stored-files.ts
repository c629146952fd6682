/** Files that come with a message go to the guest in pieces, as they come: none is whole in memory. */
import { isOxbowError } from '../base/index.ts'
import type { InputOf } from '../client/index.ts'
import type { Guest } from './gateway.ts'
import { fileMs, maxFileBytes, maxFiles, pieceBytes } from './limits.ts'
import type { InboundFile } from './port.ts'

type StoredFile = NonNullable<InputOf<'channel.receive'>['files']>[number]

/** What of the files was stored, and why the rest was not, for people. */
export interface StoredFiles {
  readonly files: readonly StoredFile[]
  readonly notes: readonly string[]
}

/** Never rejects for a file that cannot be read: the message comes without it, and says so. @throws OxbowError of the guest */
export async function storeFiles(guest: Pick<Guest, 'put'>, files: readonly InboundFile[]): Promise<StoredFiles> {
  const stored: StoredFile[] = []
  const notes: string[] = []
  for (const [index, file] of files.entries()) {
    if (index >= maxFiles) {
      notes.push(`${files.length - maxFiles} more files were left out: a message has at most ${maxFiles}`)
      break
    }
    const name = nameOf(file.name)
    const read = await piecesOf(guest, file)
    if (typeof read === 'string') notes.push(`the file ${name} was left out: ${read}`)
    else if (read.length > 0) stored.push({ name, pieces: read, ...(file.speech !== undefined && { speech: file.speech }) })
  }
  return { files: stored, notes }
}

/** A name is hostile: it is no path, and has no sign that cannot be seen. */
function nameOf(name: string): string {
  const plain = name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').replace(/^.*[\\/]/, '')
  return plain.slice(0, 120).toWellFormed() || 'file'
}

/** @returns hashes of its pieces, or why it could not be read */
async function piecesOf(guest: Pick<Guest, 'put'>, file: InboundFile): Promise<string[] | string> {
  if (file.bytes > maxFileBytes) return `it has more than ${maxFileBytes / 1_000_000} MB`
  const pieces: string[] = []
  let waiting: Buffer[] = []
  let bytes = 0
  const flush = async (): Promise<void> => {
    if (bytes === 0) return
    pieces.push(await guest.put(Buffer.concat(waiting)))
    waiting = []
    bytes = 0
  }
  const incoming = file.open(maxFileBytes, AbortSignal.timeout(fileMs))
  const next = incoming[Symbol.asyncIterator]()
  for (;;) {
    let piece: IteratorResult<Uint8Array>
    try {
      piece = await next.next()
    } catch (error) {
      return isOxbowError(error) ? error.message : 'it could not be read'
    }
    if (piece.done === true) break
    for (let at = 0; at < piece.value.length; at += pieceBytes) {
      const part = piece.value.subarray(at, at + pieceBytes)
      if (bytes + part.length > pieceBytes) await flush()
      waiting.push(Buffer.from(part))
      bytes += part.length
    }
  }
  await flush()
  return pieces
}
