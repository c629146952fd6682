/**
 * Unpacks an archive into an empty staging folder. Each entry is created only under folders that were created here, so no entry can go
 * through a link of an earlier one.
 */
import { constants, type FileHandle, link, lstat, mkdir, open, symlink } from 'node:fs/promises'
import { posix } from 'node:path'
import { staysInside } from '../../base/index.ts'
import type { TarEntry, TarEvent } from '../../tar/index.ts'
import { failed, systemCode } from '../failure.ts'
import { maxDepth, maxPathBytes, maxUnpackBytes, maxUnpackEntries } from '../limits.ts'

interface StagedCounts {
  files: number
  folders: number
  links: number
}

export interface Stage {
  readonly counts: StagedCounts
  /** @throws the failure of a refused entry, or system errors; push nothing after that */
  take(event: TarEvent): Promise<void>
  /** Closes open files. Never throws. */
  close(): Promise<void>
}

/** Setuid and setgid: a program that runs as another user. Ignored for folders, which do not run. */
const becomesOther = 0o6000

interface Staging {
  readonly folder: string
  readonly check: (path: string) => void
  readonly anyLink: boolean
  readonly counts: StagedCounts
  /** Folders created here, '' for the stage itself. */
  readonly made: Set<string>
  entries: number
  bytes: number
  /** The file being written. */
  current: { readonly file: FileHandle; readonly modifiedSeconds: number } | null
}

/**
 * @param folder exists and is empty. @param check refuses a path below the target, by throwing
 * @param anyLink links may point anywhere: they are those that the workspace had
 */
export function createStage(folder: string, check: (path: string) => void, anyLink: boolean): Stage {
  const counts: StagedCounts = { files: 0, folders: 0, links: 0 }
  const staging: Staging = { folder, check, anyLink, counts, made: new Set(['']), entries: 0, bytes: 0, current: null }
  return {
    counts,
    async take(event) {
      const { current } = staging
      if (event.kind === 'entry') await add(staging, event.entry)
      else if (current === null) return
      else if (event.kind === 'data') await writeAll(current.file, event.bytes)
      else {
        const seconds = Math.min(current.modifiedSeconds, Date.now() / 1000)
        await current.file.utimes(seconds, seconds)
        await closeCurrent(staging)
      }
    },
    close: () => closeCurrent(staging),
  }
}

async function closeCurrent(staging: Staging): Promise<void> {
  const { current } = staging
  staging.current = null
  await current?.file.close().catch(() => undefined)
}

async function add(staging: Staging, entry: TarEntry): Promise<void> {
  staging.entries += 1
  staging.bytes += entry.bytes
  if (staging.entries + staging.counts.folders > maxUnpackEntries) throw tooMuch(`more than ${maxUnpackEntries} entries`)
  if (staging.bytes > maxUnpackBytes) throw tooMuch(`more than ${maxUnpackBytes} bytes`)
  const path = entryPath(entry.name)
  if (path === '') {
    if (entry.kind !== 'folder') throw refused(entry.name, 'it has no name')
    return
  }
  staging.check(path)
  if (entry.kind === 'folder') return makeFolders(staging, path, entry.name)
  await makeFolders(staging, folderOf(path), entry.name)
  try {
    await addLeaf(staging, entry, path)
  } catch (error) {
    throw systemCode(error) === 'EEXIST' ? refused(entry.name, 'it occurs twice') : error
  }
}

function folderOf(path: string): string {
  const above = posix.dirname(path)
  return above === '.' ? '' : above
}

async function makeFolders(staging: Staging, path: string, name: string): Promise<void> {
  if (staging.made.has(path)) return
  await makeFolders(staging, folderOf(path), name)
  try {
    await mkdir(`${staging.folder}/${path}`, 0o755)
  } catch (error) {
    throw systemCode(error) === 'EEXIST' ? refused(name, 'its path leads through something that is not a folder') : error
  }
  staging.made.add(path)
  staging.counts.folders += 1
}

async function addLeaf(staging: Staging, entry: TarEntry, path: string): Promise<void> {
  const at = `${staging.folder}/${path}`
  if (entry.kind === 'link') {
    checkLinkTarget(path, entry.linkName, staging.anyLink)
    await symlink(entry.linkName, at)
    staging.counts.links += 1
    return
  }
  staging.counts.files += 1
  if (entry.kind === 'hardLink') return addHardLink(staging, entry, at)
  if ((entry.mode & becomesOther) !== 0) throw refused(entry.name, 'it would run as another user (setuid or setgid)')
  const file = await open(at, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
  staging.current = { file, modifiedSeconds: entry.modifiedSeconds }
  // The owner can always change it again.
  await file.chmod((entry.mode & 0o777) | 0o600)
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let written = 0; written < bytes.length;) written += (await file.write(bytes, written)).bytesWritten
}

/** A hard link to an earlier file: only through folders created here, and never to a link. */
async function addHardLink({ folder, made }: Staging, entry: TarEntry, at: string): Promise<void> {
  const path = entryPath(entry.linkName)
  const stats = made.has(folderOf(path)) && path !== '' ? await lstat(`${folder}/${path}`).catch(() => null) : null
  if (stats?.isFile() !== true) throw refused(entry.name, 'it is a hard link to a file that is not in the archive')
  await link(`${folder}/${path}`, at)
}

function tooMuch(what: string): Error {
  return failed('limit_reached', `The archive has ${what}. Nothing was unpacked.`, 'Unpack it in parts.')
}

// Where an entry may go, and where a link may point: never outside the folder.

/** @returns the path below the folder, '' for the folder itself. @throws the failure `path_refused` */
function entryPath(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (posix.isAbsolute(name)) throw refused(name, 'its path is absolute')
  if (parts.includes('..')) throw refused(name, 'its path leads upwards')
  if (parts.length > maxDepth || Buffer.byteLength(name) > maxPathBytes) throw refused(name, 'its path is too long')
  return parts.join('/')
}

/** @param at path of the link, from entryPath. @throws the failure `path_refused` when it could point outside the folder */
function checkLinkTarget(at: string, target: string, anywhere: boolean): void {
  if (target === '' || Buffer.byteLength(target) > maxPathBytes) throw refused(at, 'it is a link with an invalid target')
  if (anywhere) return
  if (!staysInside(at, target)) throw refused(at, 'it is a link that points outside the folder')
}

function refused(name: string, why: string): Error {
  return failed(
    'path_refused',
    `The archive cannot be unpacked: ${name} is refused, ${why}. Nothing was unpacked.`,
    'Pack it without that entry.',
  )
}
