/**
 * Packs the files of a workspace into a tar archive, plain or encrypted in pieces, and unpacks them into new folders.
 *
 * A program in the sandbox may change folders while they are read, and an archive may come from anybody. So folders are opened without
 * following links and read through their handles; and an archive is unpacked only into folders that it created itself, at a path where
 * nothing existed, so that no name or link in it leads elsewhere.
 */
import { Buffer } from 'node:buffer'
import { hkdfSync } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, type FileHandle, lchown, lstat, mkdir, open as openFile, readdir, readlink, symlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { archiveEnd, entryHeader, padding, readEntries, type TarFile } from '../../tar/index.ts'
import { OxbowError, truncate, isOxbowError } from '../../base/index.ts'
import { maxArchiveDepth, maxArchiveEntries, maxArchivedConfigBytes, maxArchiveNameBytes, sealedPieceBytes } from '../limits.ts'
import { open, seal } from '../secrets/secret-store.ts'

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
export function packFiles(source: ArchiveSource): { readonly bytes: AsyncIterable<Uint8Array>; readonly counts: ArchiveCounts } {
  const counts: Counts = { files: 0, bytes: 0, links: 0, skipped: 0, changed: 0 }
  return { bytes: packAll(source, counts), counts }
}

async function* packAll({ folders, texts }: ArchiveSource, counts: Counts): AsyncGenerator<Uint8Array> {
  for (const [name, text] of Object.entries(texts)) {
    yield entryHeader({ kind: 'file', name, mode: 0o600, modifiedSeconds: Date.now() / 1_000, bytes: text.length })
    yield text
    yield padding(text.length)
    counts.files++
    counts.bytes += text.length
  }
  for (const [name, path] of Object.entries(folders)) {
    // The folder itself may be a link that the person made.
    yield* packFolder(name, await openFile(path, constants.O_RDONLY | constants.O_DIRECTORY), path, counts)
  }
  yield archiveEnd
}

/** Closes `folder`. */
async function* packFolder(name: string, folder: FileHandle, path: string, counts: Counts): AsyncGenerator<Uint8Array> {
  try {
    if (name.split('/').length > maxArchiveDepth) throw unusable(`the folder ${name} is nested too deep`)
    const { mode, mtimeMs } = await folder.stat()
    yield entryHeader({ kind: 'folder', name: `${name}/`, mode, modifiedSeconds: mtimeMs / 1_000 })
    // Reads through the handle, so that replacing a parent folder by a link has no effect.
    const via = process.platform === 'linux' ? `/proc/self/fd/${folder.fd}` : path
    for (const entry of (await readdir(via)).toSorted()) yield* packEntry(`${name}/${entry}`, join(via, entry), counts)
  } finally {
    await folder.close()
  }
}

async function* packEntry(name: string, path: string, counts: Counts): AsyncGenerator<Uint8Array> {
  try {
    const stat = await lstat(path)
    if (stat.isSymbolicLink()) {
      const linkName = await readlink(path)
      yield entryHeader({ kind: 'link', name, mode: 0o777, modifiedSeconds: stat.mtimeMs / 1_000, linkName })
      counts.links++
    } else if (stat.isDirectory()) {
      const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
      yield* packFolder(name, await openFile(path, flags), path, counts)
    } else if (stat.isFile()) yield* packFile(name, path, counts)
    else counts.skipped++
  } catch (error) {
    // The entry was removed or replaced between two system calls.
    if (!['ENOENT', 'ELOOP', 'ENOTDIR', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    counts.changed++
  }
}

async function* packFile(name: string, path: string, counts: Counts): AsyncGenerator<Uint8Array> {
  const file = await openFile(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stat = await file.stat()
    if (!stat.isFile()) {
      counts.skipped++
      return
    }
    yield entryHeader({ kind: 'file', name, mode: stat.mode, modifiedSeconds: stat.mtimeMs / 1_000, bytes: stat.size })
    let isShort = false
    for (let left = stat.size; left > 0;) {
      const piece = Buffer.alloc(Math.min(left, readBytes))
      const bytesRead: number = isShort ? 0 : (await file.read(piece, 0, piece.length, stat.size - left)).bytesRead
      // A file that becomes shorter is padded with zeros, because its length is already written.
      isShort ||= bytesRead === 0
      const part = isShort ? piece : piece.subarray(0, bytesRead)
      left -= part.length
      yield part
    }
    yield padding(stat.size)
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
  /** Texts and first parts of names that are passed over. */
  readonly passed: ReadonlySet<string>
  /** Owner of files and folders; null if this process may not set it. */
  readonly owner: { readonly uid: number; readonly gid: number } | null
}

/** @returns the texts. @throws OxbowError `bad_input` for an archive that is not what `packFiles` makes */
export async function unpackFiles(bytes: AsyncIterable<Uint8Array>, target: UnpackTarget): Promise<ReadonlyMap<string, Uint8Array>> {
  try {
    return await unpack(bytes, target)
  } catch (error) {
    // Names that are there already or that cannot be.
    if (!oddNames.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    throw unusable(truncate((error as Error).message, 200), error)
  }
}

const oddNames: ReadonlySet<string> = new Set(['EEXIST', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'EINVAL', 'ELOOP'])

async function unpack(bytes: AsyncIterable<Uint8Array>, target: UnpackTarget): Promise<ReadonlyMap<string, Uint8Array>> {
  const texts = new Map<string, Uint8Array>()
  const made = new Set<string>()
  const finish: (() => Promise<void>)[] = []
  let entries = 0
  for await (const entry of readEntries(bytes, unusable)) {
    if (++entries > maxArchiveEntries) throw unusable('it has too many entries')
    if (target.texts.has(entry.name) && entry.kind === 'file') {
      texts.set(entry.name, await textOf(entry))
      continue
    }
    const parts = partsOf(entry)
    const [root = ''] = parts
    if (target.passed.has(root) || target.passed.has(entry.name)) continue
    const folder = Object.hasOwn(target.folders, root) ? (target.folders[root] ?? '') : ''
    const parent = parts.slice(0, -1).join('/')
    // The parent must be a folder from the archive, not a link with the same name.
    if (folder === '' || (parts.length > 1 && !made.has(parent)) || (parts.length === 1 && entry.kind !== 'folder'))
      throw unusable(`its entry ${JSON.stringify(entry.name)} is outside of its folders`)
    const path = join(folder, ...parts.slice(1))
    if (entry.kind === 'folder') {
      await mkdir(path, { mode: 0o700 })
      made.add(parts.join('/'))
      // Runs at the end, because the folder's mode may forbid writing.
      finish.push(async () => settle(path, entry, target))
    } else if (entry.kind === 'link') {
      await symlink(entry.linkName, path)
      if (target.owner !== null) await lchown(path, target.owner.uid, target.owner.gid)
    } else if (entry.kind === 'file') {
      const file = await openFile(path, 'wx', 0o600)
      try {
        for await (const piece of entry.content) await file.writeFile(piece)
        await file.sync()
      } finally {
        await file.close()
      }
      await settle(path, entry, target)
    } else throw unusable(`its entry ${JSON.stringify(entry.name)} is neither a file, a folder nor a link`)
  }
  for (const last of finish.toReversed()) await last()
  return texts
}

async function settle(path: string, { mode, modifiedSeconds }: TarFile, { owner }: UnpackTarget): Promise<void> {
  if (owner !== null) await lchown(path, owner.uid, owner.gid)
  await chmod(path, mode & 0o777)
  await utimes(path, modifiedSeconds, modifiedSeconds)
}

async function textOf({ content, bytes }: TarFile): Promise<Uint8Array> {
  if (bytes > maxArchivedConfigBytes) throw unusable('a file of its configuration is too large')
  const pieces: Uint8Array[] = []
  // A piece is only valid until the next one.
  for await (const piece of content) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

function partsOf({ name }: TarFile): readonly string[] {
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
