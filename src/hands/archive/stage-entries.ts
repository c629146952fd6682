/**
 * Unpacks an archive into an empty staging folder. Each entry is created only under folders that were created here, so no entry can go
 * through a link of an earlier one.
 */
import { closeSync, constants, fchmodSync, futimesSync, linkSync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs'
import { posix } from 'node:path'
import { staysInside } from '../../base/index.ts'
import type { TarEntry, TarEvent } from '../../tar/index.ts'
import { failed, systemCode } from '../failure.ts'
import { lookAt } from '../files/file-state.ts'
import { maxDepth, maxPathBytes, maxUnpackBytes, maxUnpackEntries } from '../limits.ts'

interface StagedCounts {
  files: number
  folders: number
  links: number
}

export interface Stage {
  readonly counts: StagedCounts
  /** @throws the failure of a refused entry, or system errors; push nothing after that */
  take(event: TarEvent): void
  /** Closes open files. Never throws. */
  close(): void
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
  current: { readonly file: number; readonly modifiedSeconds: number } | null
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
    take(event) {
      const { current } = staging
      if (event.kind === 'entry') add(staging, event.entry)
      else if (current === null) return
      else if (event.kind === 'data') writeAll(current.file, event.bytes)
      else {
        const seconds = Math.min(current.modifiedSeconds, Date.now() / 1000)
        futimesSync(current.file, seconds, seconds)
        closeCurrent(staging)
      }
    },
    close: () => closeCurrent(staging),
  }
}

function closeCurrent(staging: Staging): void {
  const { current } = staging
  staging.current = null
  if (current === null) return
  try {
    closeSync(current.file)
  } catch {
    // A late write error of a network file system: the folder is synced when all is in place.
  }
}

function add(staging: Staging, entry: TarEntry): void {
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
  makeFolders(staging, folderOf(path), entry.name)
  try {
    addLeaf(staging, entry, path)
  } catch (error) {
    throw systemCode(error) === 'EEXIST' ? refused(entry.name, 'it occurs twice') : error
  }
}

function folderOf(path: string): string {
  const above = posix.dirname(path)
  return above === '.' ? '' : above
}

function makeFolders(staging: Staging, path: string, name: string): void {
  if (staging.made.has(path)) return
  makeFolders(staging, folderOf(path), name)
  try {
    mkdirSync(`${staging.folder}/${path}`, 0o755)
  } catch (error) {
    throw systemCode(error) === 'EEXIST' ? refused(name, 'its path leads through something that is not a folder') : error
  }
  staging.made.add(path)
  staging.counts.folders += 1
}

function addLeaf(staging: Staging, entry: TarEntry, path: string): void {
  const at = `${staging.folder}/${path}`
  if (entry.kind === 'link') {
    checkLinkTarget(path, entry.linkName, staging.anyLink)
    symlinkSync(entry.linkName, at)
    staging.counts.links += 1
    return
  }
  staging.counts.files += 1
  if (entry.kind === 'hardLink') return addHardLink(staging, entry, at)
  if ((entry.mode & becomesOther) !== 0) throw refused(entry.name, 'it would run as another user (setuid or setgid)')
  const file = openSync(at, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
  staging.current = { file, modifiedSeconds: entry.modifiedSeconds }
  // The owner can always change it again.
  fchmodSync(file, (entry.mode & 0o777) | 0o600)
}

function writeAll(file: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written)
}

/** A hard link to an earlier file: only through folders created here, and never to a link. */
function addHardLink({ folder, made }: Staging, entry: TarEntry, at: string): void {
  const path = entryPath(entry.linkName)
  const stats = made.has(folderOf(path)) && path !== '' ? lookAt(`${folder}/${path}`) : null
  if (stats?.isFile() !== true) throw refused(entry.name, 'it is a hard link to a file that is not in the archive')
  linkSync(`${folder}/${path}`, at)
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
