/**
 * Packs the files of a workspace into a tar archive, plain or encrypted in pieces, and unpacks them into new folders.
 *
 * A program in the sandbox may change folders while they are read, and an archive may come from anybody. So folders are opened without
 * following links and read through their handles; and an archive is unpacked only into folders that it created itself, at a path where
 * nothing existed, so that no name or link in it leads elsewhere.
 */
import { Buffer } from 'node:buffer'
import { hkdfSync } from 'node:crypto'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { chmod, type FileHandle, lchown, lstat, mkdir, open as openFile, readdir, readlink, symlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { extract as openExtract, type Headers, type Pack, pack as openPack } from 'tar-stream'
import { isOxbowError, OxbowError, truncate } from '../../types/index.ts'
import { maxArchiveDepth, maxArchiveEntries, maxArchivedConfigBytes, maxArchiveNameBytes, sealedPieceBytes } from '../limits.ts'
import { open, seal } from '../secrets/secret-store.ts'

/** Header of an entry; `tar-stream` fills in missing fields. */
type Header = Headers & { readonly mode: number; readonly mtime: Date; readonly size: number }

export interface ArchiveCounts {
  readonly files: number
  /** Bytes of content. */
  readonly bytes: number
  readonly links: number
  /** Sockets, pipes and devices, which are skipped. */
  readonly skipped: number
  /** Files that changed while they were read, so that their archived content is inconsistent. */
  readonly changed: number
}

/** Content of an archive: folders by the first part of their entries' names, and texts by their full name. */
export interface ArchiveSource {
  readonly folders: Readonly<Record<string, string>>
  readonly texts: Readonly<Record<string, Uint8Array>>
}

type Counts = { -readonly [Key in keyof ArchiveCounts]: ArchiveCounts[Key] }

/** @returns the archive's bytes; `counts` is complete when they end */
export function packFiles({ folders, texts }: ArchiveSource): {
  readonly bytes: AsyncIterable<Uint8Array>
  readonly counts: ArchiveCounts
} {
  const counts: Counts = { files: 0, bytes: 0, links: 0, skipped: 0, changed: 0 }
  const pack = openPack()
  const fill = async (): Promise<void> => {
    for (const [name, text] of Object.entries(texts)) {
      pack.entry({ name, mode: 0o600 }, Buffer.from(text))
      counts.files++
      counts.bytes += text.length
    }
    for (const [name, path] of Object.entries(folders)) {
      // The folder itself may be a link that the person made.
      await packFolder(pack, name, await openFile(path, constants.O_RDONLY | constants.O_DIRECTORY), path, counts)
    }
    pack.finalize()
  }
  fill().catch((error: Error) => pack.destroy(error))
  return { bytes: pack as AsyncIterable<Uint8Array>, counts }
}

/** Closes `folder`. */
async function packFolder(pack: Pack, name: string, folder: FileHandle, path: string, counts: Counts): Promise<void> {
  try {
    if (name.split('/').length > maxArchiveDepth) throw unusable(`the folder ${name} is nested too deep`)
    const { mode, mtime } = await folder.stat()
    pack.entry({ name: `${name}/`, type: 'directory', mode: mode & 0o777, mtime })
    // Reads through the handle, so that replacing a parent folder by a link has no effect.
    const via = process.platform === 'linux' ? `/proc/self/fd/${folder.fd}` : path
    for (const entry of (await readdir(via)).toSorted()) await packEntry(pack, `${name}/${entry}`, join(via, entry), counts)
  } finally {
    await folder.close()
  }
}

async function packEntry(pack: Pack, name: string, path: string, counts: Counts): Promise<void> {
  try {
    const stat = await lstat(path)
    if (stat.isSymbolicLink()) {
      pack.entry({ name, type: 'symlink', linkname: await readlink(path), mtime: stat.mtime })
      counts.links++
    } else if (stat.isDirectory()) {
      const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
      await packFolder(pack, name, await openFile(path, flags), path, counts)
    } else if (stat.isFile()) await packFile(pack, name, path, counts)
    else counts.skipped++
  } catch (error) {
    // The entry was removed or replaced between two system calls.
    if (!['ENOENT', 'ELOOP', 'ENOTDIR', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    counts.changed++
  }
}

async function packFile(pack: Pack, name: string, path: string, counts: Counts): Promise<void> {
  const file = await openFile(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stat = await file.stat()
    if (!stat.isFile()) return void counts.skipped++
    const entry = pack.entry({ name, size: stat.size, mode: stat.mode & 0o777, mtime: stat.mtime })
    let isShort = false
    for (let left = stat.size; left > 0;) {
      const piece = Buffer.alloc(Math.min(left, readBytes))
      const bytesRead: number = isShort ? 0 : (await file.read(piece, 0, piece.length, stat.size - left)).bytesRead
      // A file that becomes shorter is padded with zeros, because its length is already written.
      isShort ||= bytesRead === 0
      const part = isShort ? piece : piece.subarray(0, bytesRead)
      left -= part.length
      if (!entry.write(part)) await once(entry, 'drain')
    }
    entry.end(null)
    counts.files++
    counts.bytes += stat.size
    if (isShort || (await file.stat()).mtimeMs !== stat.mtimeMs) counts.changed++
  } finally {
    await file.close()
  }
}

const readBytes = 1 << 20

export interface UnpackTarget {
  /** Paths of folders that do not exist yet, by the first part of the entries' names. */
  readonly folders: Readonly<Record<string, string>>
  /** Names of texts that the archive may contain. */
  readonly texts: ReadonlySet<string>
  /** Owner of files and folders; null if this process may not set it. */
  readonly owner: { readonly uid: number; readonly gid: number } | null
}

/** @returns the texts. @throws OxbowError `bad_input` for an archive that is not what `packFiles` makes */
export async function unpackFiles(bytes: AsyncIterable<Uint8Array>, target: UnpackTarget): Promise<ReadonlyMap<string, Uint8Array>> {
  try {
    return await unpack(bytes, target)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Of the reader of archives, which has no codes, and of names that are there already or that cannot be.
    if (isOxbowError(error) || (code !== undefined && !oddNames.has(code))) throw error
    throw unusable(error instanceof Error ? truncate(error.message, 200) : 'it cannot be read', error)
  }
}

const oddNames: ReadonlySet<string> = new Set(['EEXIST', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'EINVAL', 'ELOOP'])

async function unpack(bytes: AsyncIterable<Uint8Array>, target: UnpackTarget): Promise<ReadonlyMap<string, Uint8Array>> {
  const extract = openExtract()
  Readable.from(bytes)
    .on('error', (error) => extract.destroy(error))
    .pipe(extract)
  const texts = new Map<string, Uint8Array>()
  const made = new Set<string>()
  const finish: (() => Promise<void>)[] = []
  let entries = 0
  for await (const entry of extract) {
    const header = entry.header as Header
    if (++entries > maxArchiveEntries) throw unusable('it has too many entries')
    if (target.texts.has(header.name) && header.type === 'file') {
      texts.set(header.name, await textOf(entry, header))
      continue
    }
    const parts = partsOf(header)
    const [root = ''] = parts
    const folder = Object.hasOwn(target.folders, root) ? (target.folders[root] ?? '') : ''
    const name = parts.join('/')
    const parent = parts.slice(0, -1).join('/')
    // The parent must be a folder from the archive, not a link with the same name.
    if (folder === '' || (parts.length > 1 && !made.has(parent)) || (parts.length === 1 && header.type !== 'directory'))
      throw unusable(`its entry ${JSON.stringify(header.name)} is outside of its folders`)
    const path = join(folder, ...parts.slice(1))
    if (header.type === 'directory') {
      await mkdir(path, { mode: 0o700 })
      made.add(name)
      // Runs at the end, because the folder's mode may forbid writing.
      finish.push(async () => settle(path, header, target))
      entry.resume()
    } else if (header.type === 'symlink') {
      await symlink(header.linkname ?? '', path)
      if (target.owner !== null) await lchown(path, target.owner.uid, target.owner.gid)
      entry.resume()
    } else if (header.type === 'file') {
      const file = await openFile(path, 'wx', 0o600)
      try {
        for await (const piece of entry) await file.writeFile(piece as Uint8Array)
        await file.sync()
      } finally {
        await file.close()
      }
      await settle(path, header, target)
    } else throw unusable(`its entry ${JSON.stringify(header.name)} is neither a file, a folder nor a link`)
  }
  for (const last of finish.toReversed()) await last()
  return texts
}

async function settle(path: string, { mode, mtime }: Header, { owner }: UnpackTarget): Promise<void> {
  if (owner !== null) await lchown(path, owner.uid, owner.gid)
  await chmod(path, mode & 0o777)
  await utimes(path, mtime, mtime)
}

async function textOf(entry: AsyncIterable<unknown>, { size }: Header): Promise<Uint8Array> {
  if (size > maxArchivedConfigBytes) throw unusable('a file of its configuration is too large')
  const pieces: Uint8Array[] = []
  for await (const piece of entry) pieces.push(piece as Uint8Array)
  return Buffer.concat(pieces)
}

function partsOf({ name }: Header): readonly string[] {
  const parts = name.replace(/\/$/, '').split('/')
  const isOdd = parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'))
  if (isOdd || parts.length > maxArchiveDepth + 1 || Buffer.byteLength(name) > maxArchiveNameBytes)
    throw unusable(`the name ${JSON.stringify(name.slice(0, 200))} in it cannot be used`)
  return parts
}

/** @param root of a runner's key material, 64 hexadecimal digits */
function archiveKey(root: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', Buffer.from(root, 'hex'), '', 'oxbow backup files', 32))
}

/** Encrypts in pieces, each after its length in four bytes and bound to the archive, its index, and whether it is the last. */
export async function* sealPieces(bytes: AsyncIterable<Uint8Array>, root: string, id: string): AsyncGenerator<Uint8Array> {
  const key = archiveKey(root)
  let index = 0
  let buffered: Buffer = Buffer.alloc(0)
  const piece = (part: Uint8Array, isLast: boolean): Uint8Array => {
    const sealed = seal(key, part, ['backup', id, String(index++), isLast ? 'last' : 'more'])
    const length = Buffer.alloc(4)
    length.writeUInt32BE(sealed.length)
    return Buffer.concat([length, sealed])
  }
  for await (const part of bytes) {
    buffered = Buffer.concat([buffered, part])
    for (; buffered.length > sealedPieceBytes; buffered = buffered.subarray(sealedPieceBytes))
      yield piece(buffered.subarray(0, sealedPieceBytes), false)
  }
  yield piece(buffered, true)
}

/** @returns whether one of the keys opens sealed pieces */
export async function canOpen(bytes: AsyncIterable<Uint8Array>, roots: readonly string[], id: string): Promise<boolean> {
  try {
    const pieces = openPieces(bytes, roots, id)
    await pieces.next()
    await pieces.return(undefined)
    return true
  } catch (error) {
    if (isOxbowError(error, 'denied')) return false
    throw error
  }
}

/** @param roots the one that opens the first piece is used. @throws OxbowError `denied` when none does, `bad_input` when a later piece does not open */
export async function* openPieces(bytes: AsyncIterable<Uint8Array>, roots: readonly string[], id: string): AsyncGenerator<Uint8Array> {
  let keys = roots.map(archiveKey)
  let index = 0
  let isOver = false
  let buffered: Buffer = Buffer.alloc(0)
  const opened = (sealed: Uint8Array): Uint8Array => {
    for (const [place, end] of [
      [String(index), 'more'],
      [String(index), 'last'],
    ] as const) {
      for (const key of keys) {
        const part = open(key, sealed, ['backup', id, place, end])
        if (part === null) continue
        keys = [key]
        index++
        isOver = end === 'last'
        return part
      }
    }
    if (index > 0) throw unusable('an encrypted part was changed')
    throw new OxbowError('denied', 'The files in the backup are encrypted with another key.', {
      hint: 'Restore the key file, signing key or passphrase that it was made with, or restore only the database: --database-only.',
    })
  }
  for await (const part of bytes) {
    buffered = Buffer.concat([buffered, part])
    while (buffered.length >= 4) {
      const length = buffered.readUInt32BE(0)
      if (length > sealedPieceBytes + 64 || isOver) throw unusable('an encrypted part is damaged')
      if (buffered.length < 4 + length) break
      yield opened(buffered.subarray(4, 4 + length))
      buffered = buffered.subarray(4 + length)
    }
  }
  if (!isOver || buffered.length > 0) throw unusable('an encrypted part is truncated')
}

function unusable(why: string, cause?: unknown): OxbowError {
  return new OxbowError('bad_input', `The files in the backup cannot be used: ${why}.`, {
    hint: 'Use another backup, or restore only the database: --database-only. Nothing was changed.',
    cause,
  })
}
