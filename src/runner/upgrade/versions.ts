/**
 * Versions of Oxbow side by side. Whatever started this program (npm's package, a Debian package, an unpacked tarball) is the *launcher*. Further
 * versions are below the home, and one file says which of them the launcher runs (`bin/launch.js` reads it):
 *
 *   versions/0.2.0/           an unpacked package; `files.sha256` has the hash of each of its files
 *   versions/current.json     the version that runs, and the launcher's own that it replaces; without the file the launcher runs itself
 *   versions/change.json      the newest upgrade or downgrade: how far it came, and what failed; see change.ts
 *   versions/rehearsal/       a copy of the home, while a version is tried
 *   versions/backups/         what was backed up before each change
 */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { isObject, OxbowError, writeWhole } from '../../base/index.ts'
import { readText } from '../file-owner.ts'
import type { Home, HostEnv } from '../home.ts'

/** A version that is on this machine. */
export interface Installed {
  readonly version: string
  /** Folder with `bin` and `dist`. */
  readonly root: string
  /** The newest step of the tables that it knows. */
  readonly store: number
  /** The newest version of configuration files that it knows. */
  readonly config: number
  /** The program that runs it: its own Node, if it has one. */
  readonly node: string
}

export const versionPattern: RegExp = /^\d{1,6}\.\d{1,6}\.\d{1,6}(?:-[0-9A-Za-z.-]{1,50})?$/

export function versionsFolder({ root }: Pick<Home, 'root'>): string {
  return join(root, 'versions')
}

/** @returns what a folder holds; null unless it is a built version of Oxbow */
export function installedAt(root: string): Installed | null {
  const facts: unknown = JSON.parse(readText(join(root, 'dist', 'release.json')) ?? 'null')
  if (!isObject(facts) || typeof facts['version'] !== 'string' || !Number.isSafeInteger(facts['store'])) return null
  const own = join(root, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  const config = typeof facts['config'] === 'number' ? facts['config'] : 1
  return { version: facts['version'], root, store: facts['store'] as number, config, node: existsSync(own) ? own : process.execPath }
}

/** @returns the version that runs now. @throws OxbowError `bad_input` for a checkout, which has no versions */
export function runningVersion(): Installed {
  const found = installedAt(fileURLToPath(new URL('..', import.meta.url)))
  if (found !== null) return found
  throw new OxbowError('bad_input', 'This Oxbow runs from its sources, which have no packages to change to.', {
    hint: 'Update the checkout with git pull and npm ci, or install a package: docs/install.md.',
  })
}

/** @returns what `bin/oxbow.js` belongs to, whichever version it runs */
export function launcher(env: HostEnv): Installed {
  const root = env['OXBOW_LAUNCHER']
  return (root === undefined ? null : installedAt(root)) ?? runningVersion()
}

/** @returns the launcher's version and those below the home, the newest first */
export function installedVersions(home: Pick<Home, 'root'>, env: HostEnv): readonly Installed[] {
  const folder = versionsFolder(home)
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => versionPattern.test(name)) : []
  const own = launcher(env)
  const others = names.flatMap((name) => {
    const found = installedAt(join(folder, name))
    return found === null || found.version !== name || found.version === own.version ? [] : [found]
  })
  return [own, ...others].toSorted((a, b) => compareVersions(b.version, a.version))
}

/** Makes the launcher run this version from now on, in one step. */
export function makeCurrent(home: Pick<Home, 'root'>, env: HostEnv, { version }: Installed): void {
  const path = join(versionsFolder(home), 'current.json')
  const over = launcher(env).version
  if (version === over) rmSync(path, { force: true })
  else writeWhole(path, JSON.stringify({ version, over }))
}

/** @returns less than 0 if the first one is older. A pre-release comes before its release. */
export function compareVersions(a: string, b: string): number {
  const [first, second] = [a, b].map((version) => {
    const [numbers = '', ...rest] = version.split('-')
    return { numbers: numbers.split('.').map(Number), label: rest.join('-') }
  })
  for (let at = 0; at < 3; at += 1) {
    const difference = (first!.numbers[at] ?? 0) - (second!.numbers[at] ?? 0)
    if (difference !== 0) return difference
  }
  if (first!.label === second!.label) return 0
  if (first!.label === '' || second!.label === '') return first!.label === '' ? 1 : -1
  return first!.label.localeCompare(second!.label, 'en', { numeric: true })
}

/** The list of a package's files, in the format of `sha256sum`. */
export const fileList = 'files.sha256'

/** @throws OxbowError `bad_input` when a file of an unpacked package is missing, was changed or does not belong to it */
export async function assertIntact(root: string): Promise<void> {
  const broken = (what: string): OxbowError =>
    new OxbowError('bad_input', `${root} is not as it was packed: ${what}.`, {
      hint: 'Remove that folder and get the package again: oxbow upgrade VERSION',
    })
  const listed = new Map<string, string>()
  for (const line of (readText(join(root, fileList)) ?? '').split('\n')) {
    const [, hash, name] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? []
    if (hash !== undefined && name !== undefined) listed.set(name, hash)
  }
  if (listed.size === 0) throw broken(`it has no ${fileList}`)
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const name = join(entry.parentPath, entry.name).slice(root.length + 1)
    if (entry.isDirectory() || name === fileList) continue
    const hash = listed.get(name)
    listed.delete(name)
    if (hash === undefined || !entry.isFile()) throw broken(`${name} does not belong to it`)
    if ((await hashOf(join(root, name))) !== hash) throw broken(`${name} was changed`)
  }
  const [missing] = listed.keys()
  if (missing !== undefined) throw broken(`${missing} is missing`)
}

export async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** Removes the oldest versions that are not needed. @param needed versions that stay in any case @returns what was removed */
export function removeOld(home: Pick<Home, 'root'>, env: HostEnv, keep: number, needed: readonly string[]): readonly string[] {
  const own = launcher(env).version
  const spare = installedVersions(home, env).filter(({ version }) => version !== own && !needed.includes(version))
  const old = spare.slice(Math.max(0, keep - needed.length + 1))
  for (const { root } of old) rmSync(root, { recursive: true, force: true })
  return old.map(({ version }) => version)
}
