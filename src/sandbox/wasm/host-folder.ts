/**
 * A folder of the host as a mount: its files are read before a run, and the tool's changes are written after it. Links and special files
 * are left out and never written through; files are written atomically.
 *
 * For folders of the person who runs the tool. It does not defend against others who change the folder meanwhile: an agent's files go
 * through hands.
 */
import { randomUUID } from 'node:crypto'
import { constants, type Dirent, type Stats } from 'node:fs'
import { lstat, mkdir, open, readdir, realpath, rename, rm, rmdir, unlink } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { OxbowError } from '../../base/index.ts'
import { maxToolFiles, toolFileBytes } from '../limits.ts'
import { isPlainPath, type ToolChange, type ToolFile, type ToolMount } from './wasm-tool.ts'

export interface HostFolder {
  readonly mount: ToolMount
  /** The real path of the folder. */
  readonly root: string
  /** Existing entries that were not copied, by path inside the folder. */
  readonly leftOut: readonly string[]
}

/** The tool sees it as `/` followed by the folder's name. @throws OxbowError `not_found`, `path_refused` or `limit_reached` */
export async function readHostFolder(folder: string, mode: ToolMount['mode']): Promise<HostFolder> {
  const root = await realFolder(folder)
  const files: ToolFile[] = []
  const leftOut: string[] = []
  let bytes = 0
  for await (const { path, entry } of walk(root)) {
    const content = entry.isFile() ? await readPlainFile(join(root, path)) : null
    if (content === null || !isPlainPath(path)) leftOut.push(path)
    else files.push({ path, bytes: content })
    bytes += content?.length ?? 0
    if (files.length + leftOut.length <= maxToolFiles && bytes <= toolFileBytes) continue
    throw new OxbowError('limit_reached', `${folder} has more than ${maxToolFiles} files or ${toolFileBytes} bytes`, {
      hint: 'Mount a smaller folder; large trees are for the shell in its sandbox.',
    })
  }
  return { mount: { guest: `/${basename(resolve(folder))}`, mode, files }, root, leftOut }
}

/** Writes in order; stops at the first failure. @throws OxbowError `path_refused` */
export async function writeHostFolder({ mount, root }: HostFolder, changes: readonly ToolChange[]): Promise<void> {
  if (mount.mode !== 'rw') return
  for (const change of changes) {
    if (!change.path.startsWith(`${mount.guest}/`)) continue
    const path = change.path.slice(mount.guest.length + 1)
    try {
      await apply(root, path, change)
    } catch (cause) {
      throw new OxbowError('path_refused', `${change.path} cannot be written: ${reasonOf(cause)}`, {
        hint: 'Changes before it in the list are written, those after it are not.',
        cause,
      })
    }
  }
}

async function realFolder(folder: string): Promise<string> {
  try {
    const root = await realpath(folder)
    if ((await lstat(root)).isDirectory() && basename(root) !== '') return root
  } catch (cause) {
    throw new OxbowError('not_found', `${folder} cannot be mounted: ${reasonOf(cause)}`, { hint: 'Pass a folder that exists.', cause })
  }
  throw new OxbowError('path_refused', `${folder} cannot be mounted`, { hint: 'Pass a folder other than the root.' })
}

/** Everything but folders; links are not entered. */
async function* walk(root: string): AsyncGenerator<{ readonly path: string; readonly entry: Dirent }> {
  const folders = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) folders.push(path)
      else yield { path, entry }
    }
  }
}

/** @returns null unless the open file is a regular file. */
async function readPlainFile(path: string): Promise<Uint8Array | null> {
  // Without following a link, and without blocking on a FIFO.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => null)
  if (file === null) return null
  try {
    const { size, ...stat } = await file.stat()
    if ((stat.mode & constants.S_IFMT) !== constants.S_IFREG) return null
    if (size > toolFileBytes) throw new OxbowError('limit_reached', `${path} is too large to be mounted`, { hint: 'Mount another folder.' })
    return await file.readFile()
  } finally {
    await file.close()
  }
}

async function apply(root: string, path: string, change: ToolChange): Promise<void> {
  if (!isPlainPath(path) || (sep === '\\' && /[\\:]/.test(path))) throw new Error('it is not a plain name')
  const target = join(root, ...path.split('/'))
  if ((await realpath(dirname(target))) !== dirname(target)) throw new Error('its folder is a link')
  const now = await lstat(target).catch(() => null)
  if (now !== null && !now.isFile() && !now.isDirectory()) throw new Error('it exists and is not a regular file')
  if (change.kind === 'written') await replaceFile(target, change.bytes, now)
  else if (change.kind === 'folder_made') await (now?.isDirectory() === true ? undefined : mkdir(target))
  else if (now !== null) await (now.isDirectory() ? rmdir(target) : unlink(target))
}

async function replaceFile(target: string, bytes: Uint8Array, now: Stats | null): Promise<void> {
  const beside = join(dirname(target), `.oxbow-${randomUUID()}`)
  try {
    const file = await open(beside, 'wx', now === null ? 0o666 : now.mode & 0o777)
    try {
      await file.writeFile(bytes)
    } finally {
      await file.close()
    }
    await rename(beside, target)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string }
  return code ?? message ?? 'unknown'
}
