/**
 * Brings a package into a folder of its own, `staging`, without running anything of it: a folder is copied, a tarball is unpacked, and a package
 * of npm is installed with what it needs, with `--ignore-scripts`. Every path, link and size in it may be hostile.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import {
  copyFile,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { readEntries } from '../../tar/index.ts'
import { isObject, OxbowError, staysInside, truncate } from '../../base/index.ts'
import type { PluginSource } from '../../protocol/index.ts'
import { isInside } from '../../plugins/index.ts'
import type { HostEnv } from '../home.ts'
import { runNpm } from '../packages/npm.ts'
import { maxArchiveBytes, maxArchiveEntries, maxFolderBytes, maxFolderEntries, maxUnpackedBytes } from '../limits.ts'

export interface FetchedPackage {
  readonly source: PluginSource
  /** Path of the package within the folder; empty: the folder itself. */
  readonly root: string
  /** Of a package of npm: how many others came along, and which of all would run a script. */
  readonly packages: number
  readonly withScripts: readonly string[]
}

/** Gets a line for a person about what is being done, of what takes long. */
export type Report = (line: string) => void

export const npmSpec: RegExp = /^npm:((?:@[a-z0-9][\w.~-]*\/)?[a-z0-9][\w.~-]*)@(\d+\.\d+\.\d+[\w.+-]*)$/i

/**
 * @param from a folder, a tarball (`.tgz`, `.tar.gz`), or `npm:NAME@VERSION`
 * @param staging an empty folder @throws OxbowError
 */
export async function fetchPackage(from: string, staging: string, env: HostEnv, report: Report = () => {}): Promise<FetchedPackage> {
  const [, name, version] = npmSpec.exec(from) ?? []
  if (name !== undefined && version !== undefined) return fromNpm(name, version, staging, { env, report })
  if (from.startsWith('npm:'))
    throw new OxbowError('bad_input', `${from} does not name a package with an exact version.`, {
      hint: 'For example: npm:@acme/weather@1.2.0',
    })
  const path = resolve(from)
  const stats = await stat(path).catch(() => null)
  if (stats?.isDirectory() === true) {
    await copyTree(path, staging, '', { entries: 0, bytes: 0 })
    return { source: { from: 'folder', path }, root: '', packages: 0, withScripts: [] }
  }
  if (stats?.isFile() !== true)
    throw new OxbowError('not_found', `There is no folder or tarball ${path}.`, {
      hint: 'Give a folder with oxbow.plugin.json, a .tgz, or npm:NAME@VERSION.',
    })
  await unpack(path, stats.size, staging)
  await dropTop(staging)
  return { source: { from: 'tarball', path }, root: '', packages: 0, withScripts: [] }
}

/** Without the folders of version control, which are no part of a package. */
export async function copyTree(from: string, to: string, path: string, copied: { entries: number; bytes: number }): Promise<void> {
  for (const { name } of await readdir(join(from, path), { withFileTypes: true })) {
    if (path === '' && name === '.git') continue
    const inner = join(path, name)
    const stats = await lstat(join(from, inner))
    if ((copied.entries += 1) > maxFolderEntries) throw tooLarge(`more than ${maxFolderEntries} files`)
    if (stats.isFile() && (copied.bytes += stats.size) > maxFolderBytes) throw tooLarge(`more than ${maxFolderBytes} bytes`)
    if (stats.isDirectory()) {
      await mkdir(join(to, inner))
      await copyTree(from, to, inner, copied)
    } else if (stats.isSymbolicLink()) {
      const target = await readlink(join(from, inner))
      if (!staysInside(inner, target)) throw refused(inner, `is a link out of the package, to ${target}`)
      await symlink(target, join(to, inner))
    } else if (stats.isFile()) await copyFile(join(from, inner), join(to, inner))
    else throw refused(inner, 'is neither a file nor a folder')
  }
}

export async function unpack(archive: string, size: number, staging: string): Promise<void> {
  if (size > maxArchiveBytes) throw tooLarge(`more than ${maxArchiveBytes} bytes`)
  const noTarball = (why: string, cause?: unknown): OxbowError =>
    new OxbowError('bad_input', `${archive} cannot be unpacked as a tarball: ${truncate(why, 200)}.`, {
      hint: '`npm pack` makes one of a folder.',
      cause,
    })
  const unzipped = createGunzip()
  // The loop below fails with the same error.
  pipeline(createReadStream(archive), unzipped).catch(() => {})
  try {
    let count = 0
    for await (const { name, kind, mode, content } of readEntries(atMost(unzipped), noTarball)) {
      if ((count += 1) > maxArchiveEntries) throw tooLarge(`more than ${maxArchiveEntries} files`)
      if (kind !== 'folder' && kind !== 'file') throw refused(name, 'is a link, and only files and folders are unpacked')
      if (!isInside(name)) throw refused(name, 'leaves the package')
      const path = join(staging, name)
      try {
        await mkdir(kind === 'folder' ? path : dirname(path), { recursive: true })
        // A second entry of a name would replace what was checked.
        if (kind === 'file') await writeTo(await open(path, 'wx', (mode & 0o111) === 0 ? 0o644 : 0o755), content)
      } catch (error) {
        if (!/^(?:EEXIST|ENOTDIR)$/.test((error as NodeJS.ErrnoException).code ?? '')) throw error
        throw refused(name, 'conflicts with an earlier entry: the same name twice, or a file where a folder should be')
      }
    }
  } catch (error) {
    if (error instanceof OxbowError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    throw code === 'ENOSPC' || code === 'EACCES' ? error : noTarball(message, error)
  }
}

/** Closes the file. */
async function writeTo(file: FileHandle, content: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const piece of content) await file.writeFile(piece)
  } finally {
    await file.close()
  }
}

async function* atMost(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let unpacked = 0
  for await (const piece of bytes) {
    unpacked += piece.length
    if (unpacked > maxUnpackedBytes) throw tooLarge(`more than ${maxUnpackedBytes} bytes when it is unpacked`)
    yield piece
  }
}

/** `npm pack` puts everything into a folder `package`. */
export async function dropTop(staging: string): Promise<void> {
  const entries = await readdir(staging, { withFileTypes: true })
  const [only] = entries
  if (entries.length !== 1 || only?.isDirectory() !== true) return
  const whole = `${staging}.top`
  await rename(join(staging, only.name), whole)
  await rm(staging, { recursive: true })
  await rename(whole, staging)
}

/**
 * A package of npm without what it needs, which may be hundreds of megabytes: enough to see whether it has a manifest, and to propose one.
 * @returns false for another source, which is not fetched
 */
export async function fetchAlone(from: string, staging: string, env: HostEnv): Promise<boolean> {
  const [, name, version] = npmSpec.exec(from) ?? []
  if (name === undefined || version === undefined) return false
  await unpackFromNpm(`${name}@${version}`, staging, env)
  return true
}

/** @param spec `NAME@VERSION` @returns the hash of its tarball, as npm writes it; npm has compared it with the registry's */
export async function unpackFromNpm(spec: string, staging: string, env: HostEnv): Promise<string> {
  const archives = `${staging}.archive`
  await mkdir(archives)
  try {
    await npm(['pack', spec], archives, env)
    const [archive = ''] = await readdir(archives)
    const path = join(archives, archive)
    await unpack(path, (await stat(path)).size, staging)
    await dropTop(staging)
    return `sha512-${createHash('sha512')
      .update(await readFile(path))
      .digest('base64')}`
  } finally {
    await rm(archives, { recursive: true, force: true })
  }
}

async function fromNpm(
  name: string,
  version: string,
  staging: string,
  { env, report }: { readonly env: HostEnv; readonly report: Report },
): Promise<FetchedPackage> {
  // Its name is in the lock file, which is hashed with the rest: without one, npm takes the name of the folder.
  await writeFile(join(staging, 'package.json'), JSON.stringify({ name: 'plugin', private: true, dependencies: { [name]: version } }))
  report(`Looking up what ${name} ${version} needs…`)
  await npm(['install', '--package-lock-only'], staging, env)
  const { length } = lockedPackages(await readFile(join(staging, 'package-lock.json'), 'utf8'))
  report(`Fetching up to ${length} ${length === 1 ? 'package' : 'packages'} from npm, without running their scripts…`)
  // Not `npm ci`: it refuses a lock that lacks optional packages of other platforms which the registry does not have.
  await npm(['install', '--omit=dev'], staging, env)
  const packages = lockedPackages(await readFile(join(staging, 'package-lock.json'), 'utf8'))
  const root = `node_modules/${name}`
  const { integrity } = packages.find(({ path }) => path === root) ?? {}
  if (integrity === undefined) throw new OxbowError('tool_failed', `npm did not install ${name}.`, { hint: 'Check its name and version.' })
  // Links to programs of packages: nobody starts them here.
  await rm(join(staging, 'node_modules', '.bin'), { recursive: true, force: true })
  await rm(join(staging, 'node_modules', '.package-lock.json'), { force: true })
  const withScripts = packages.filter(({ hasScripts }) => hasScripts).map(({ path }) => path.slice(path.lastIndexOf('node_modules/') + 13))
  return { source: { from: 'npm', spec: `${name}@${version}`, integrity }, root, packages: packages.length - 1, withScripts }
}

interface LockedPackage {
  readonly path: string
  readonly integrity: string
  readonly hasScripts: boolean
}

/** @throws OxbowError `denied` for a package that nothing pins */
function lockedPackages(text: string): readonly LockedPackage[] {
  const lock: unknown = JSON.parse(text)
  const packages = isObject(lock) && isObject(lock['packages']) ? Object.entries(lock['packages']) : []
  return packages.flatMap(([path, entry]): LockedPackage[] => {
    if (path === '' || !isObject(entry)) return []
    const { integrity, link, hasInstallScript } = entry
    if (typeof integrity !== 'string' || !/^sha(?:512|384|256)-/.test(integrity) || link === true)
      throw new OxbowError('denied', `${path} comes from no registry, or without a hash of its content.`, {
        hint: 'Such a package cannot be pinned. Install a version of the plugin that does not need it.',
      })
    return [{ path, integrity, hasScripts: hasInstallScript === true }]
  })
}

const npm = (args: readonly string[], cwd: string, env: HostEnv): Promise<void> =>
  runNpm([...args, '--no-bin-links'], cwd, env, 'add the plugin from a folder or tarball')

function refused(path: string, why: string): OxbowError {
  return new OxbowError('path_refused', `${path.slice(0, 300)} in the package ${why}.`, { hint: 'Do not install it: ask its author.' })
}

export function tooLarge(what: string): OxbowError {
  return new OxbowError('limit_reached', `The package has ${what}.`, {
    hint: 'Do not install it, or install it from a folder that you have looked at.',
  })
}
