/**
 * Installing a plugin in three steps: `stage` brings its files into a folder of its own and judges them, a person sees what it is and may do,
 * and `commit` moves the folder to its final place and writes the lock. Nothing of a plugin runs in any of them.
 */
import { randomUUID } from 'node:crypto'
import { chmod, lstat, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  compareRights,
  hashOfFiles,
  listTree,
  manifestFile,
  maxManifestBytes,
  maxSignatureBytes,
  orderPlugins,
  parseManifest,
  reservedNames,
  type RightChanges,
  type PackageKind,
  signatureFileOf,
  signerOf,
  type TreeFile,
} from '../../plugins/index.ts'
import { OxbowError } from '../../base/index.ts'
import type { LockedPlugin, PluginManifest, PluginSource } from '../../protocol/index.ts'
import type { Home, HostEnv } from '../home.ts'
import { fetchAlone, fetchPackage, type Report } from './fetch-package.ts'
import { pluginFolder } from './installed-plugins.ts'
import { changeLock, damagedLock, readLock } from './lock-file.ts'
import { dropUnshared, shareFiles } from './shared-files.ts'

/** A package that is ready to be installed. */
export interface StagedPlugin {
  readonly folder: string
  readonly root: string
  readonly source: PluginSource
  readonly manifest: PluginManifest
  readonly tree_hash: string
  readonly signer: string
  readonly files: readonly TreeFile[]
  readonly bytes: number
  /** Of a package of npm: how many others came along, and names of those that have a script, which is not run. */
  readonly packages: number
  readonly withScripts: readonly string[]
  /** The installed version; null: not installed. */
  readonly before: LockedPlugin | null
  readonly changes: RightChanges
  /** Why a person has to say yes, for people. Empty: the same author has signed it, and it may do nothing new. */
  readonly reasons: readonly string[]
}

export interface StageOptions {
  readonly home: Home
  readonly env: HostEnv
  /** Makes a manifest for a package that has none. @param folder of the package */
  readonly propose?: ((folder: string) => Promise<string>) | undefined
  /** `propose` only ever throws, with a proposal: a package of npm is looked at before all that it needs is fetched. */
  readonly onlyProposes?: boolean | undefined
  readonly report?: Report | undefined
  /** Only this plugin may be in the package. */
  readonly expected?: string | undefined
}

/** @returns the package; whoever calls this removes `folder` unless it commits @throws OxbowError for a package that cannot be installed */
export async function stagePlugin(from: string, options: StageOptions): Promise<StagedPlugin> {
  const { home, env } = options
  const { plugins, problem } = readLock(home)
  if (problem !== '') throw damagedLock(home, problem)
  const folder = join(home.root, 'plugins', `.staging-${randomUUID()}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    if (options.onlyProposes === true) await proposeEarly(from, folder, options)
    const fetched = await fetchPackage(from, folder, env, options.report)
    const manifest = await manifestOf(join(folder, fetched.root), options)
    const files = await listTree(folder)
    const isFile = new Set(files.map(({ path }) => path))
    const inPackage = (path: string): string => (fetched.root === '' ? path : `${fetched.root}/${path}`)
    const missing = manifest.entry.find((entry) => !isFile.has(inPackage(entry)))
    if (missing !== undefined)
      throw new OxbowError('bad_input', `The entry ${missing} of ${manifest.name} is not in its package.`, {
        hint: 'Build the plugin first, or correct entry in its manifest.',
      })
    assertFits(manifest, plugins, options)
    const signer = await signerIn(folder, fetched.root, files)
    const before = plugins.find((plugin) => plugin.manifest.name === manifest.name) ?? null
    const changes = compareRights(before?.manifest.rights ?? null, manifest.rights)
    const tree_hash = hashOfFiles(files)
    return {
      ...fetched,
      folder,
      manifest,
      tree_hash,
      signer,
      files,
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      before,
      changes,
      reasons: reasonsToAsk(before, { signer, tree_hash, changes, packages: fetched.packages }),
    }
  } catch (error) {
    await discard(folder)
    throw error
  }
}

/**
 * A signature covers every file of the package, so that nobody adds files to what somebody else has signed. What npm has installed next to or
 * below it is not signed.
 */
export async function signerIn(folder: string, root: string, files: readonly TreeFile[], kind: PackageKind = 'plugin'): Promise<string> {
  const signatureFile = signatureFileOf(kind)
  const prefix = root === '' ? '' : `${root}/`
  const own = files.filter(({ path }) => path.startsWith(prefix)).map((file) => ({ ...file, path: file.path.slice(prefix.length) }))
  const covered = root === '' ? own : own.filter(({ path }) => !path.startsWith('node_modules/'))
  const isSigned = covered.some(({ path }) => path === signatureFile)
  return signerOf(covered, isSigned ? await readSmall(join(folder, root, signatureFile), maxSignatureBytes) : null, kind)
}

async function proposeEarly(from: string, staging: string, options: StageOptions): Promise<void> {
  const folder = `${staging}.alone`
  await mkdir(folder, { mode: 0o700 })
  try {
    options.report?.(`Fetching ${from}…`)
    if (await fetchAlone(from, folder, options.env)) await manifestOf(folder, options)
  } finally {
    await discard(folder)
  }
}

export async function discard(folder: string): Promise<void> {
  await setModes(folder, 0o700).catch(() => {})
  await rm(folder, { recursive: true, force: true })
}

async function manifestOf(folder: string, { propose }: StageOptions): Promise<PluginManifest> {
  const path = join(folder, manifestFile)
  const found = await readSmall(path, maxManifestBytes).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (found !== null) return parseManifest(found)
  if (propose === undefined)
    throw new OxbowError('not_found', `The package has no ${manifestFile}.`, {
      hint: 'Give one of your own: oxbow plugin add … --manifest FILE',
    })
  const made = await propose(folder)
  const manifest = parseManifest(made, 'the proposed manifest')
  // Part of what is approved and hashed, like one of the author's.
  await writeFile(path, made, { flag: 'wx' })
  return manifest
}

function assertFits(manifest: PluginManifest, plugins: readonly LockedPlugin[], { expected }: StageOptions): void {
  const { name } = manifest
  if (expected !== undefined && name !== expected)
    throw new OxbowError('bad_input', `The package has the plugin ${name}, and not ${expected}.`, {
      hint: `oxbow plugin add installs ${name}.`,
    })
  if (reservedNames.has(name))
    throw new OxbowError('bad_input', `${name} cannot be the name of a plugin: calls of Oxbow begin with it.`, {
      hint: 'Its author has to choose another name.',
    })
  const others = plugins.filter((plugin) => plugin.enabled && plugin.manifest.name !== name).map((plugin) => plugin.manifest)
  // Throws with the path of what is missing or depends on itself.
  orderPlugins([...others, manifest])
}

/** What a person approves is these files with these rights; a key that has signed the installed version stands for new files, but not for rights. */
function reasonsToAsk(
  before: LockedPlugin | null,
  { signer, tree_hash, changes, packages }: Pick<StagedPlugin, 'signer' | 'tree_hash' | 'changes' | 'packages'>,
): readonly string[] {
  if (before === null) return [signer === '' ? 'it is new, and nobody has signed it' : 'it is new']
  const isSame = before.tree_hash === tree_hash
  return [
    ...(changes.added.length > 0 ? ['it may do more than before'] : []),
    ...(before.signer !== '' && signer === '' ? ['it is no longer signed'] : []),
    ...(before.signer !== '' && signer !== '' && signer !== before.signer ? ['another key has signed it'] : []),
    ...(before.signer === '' && !isSame ? [signer === '' ? 'nobody has signed it' : 'it is signed for the first time'] : []),
    ...(before.signer !== '' && packages > 0 && !isSame ? ['packages come along that nobody has signed'] : []),
  ]
}

/**
 * Makes a staged plugin the installed one. The folder of the version before stays, for a host that still runs from it, until the next one.
 * @param by account of the person who approved it
 */
export async function commitPlugin(home: Home, staged: StagedPlugin, by: string, now: number): Promise<LockedPlugin> {
  const { manifest, source, root, tree_hash, signer, before, files } = staged
  const locked: LockedPlugin = {
    manifest,
    source,
    folder: `${manifest.version}-${tree_hash.slice(0, 16)}`,
    root,
    tree_hash,
    signer,
    approved_by: by,
    approved_at: now,
    enabled: before?.enabled ?? true,
  }
  const parent = pluginFolder(home, manifest.name)
  const place = join(parent, locked.folder)
  await mkdir(parent, { recursive: true, mode: 0o700 })
  shareFiles(home, staged.folder, files)
  await setModes(staged.folder, 0o555)
  await chmod(staged.folder, 0o700)
  if (before?.tree_hash === tree_hash && before.folder === locked.folder) await discard(place)
  // A folder that a crash has left, whose content nobody has checked.
  else if ((await lstat(place).catch(() => null)) !== null) await discard(place)
  await rename(staged.folder, place)
  await chmod(place, 0o555)
  changeLock(home, (plugins) => [...plugins.filter((plugin) => plugin.manifest.name !== manifest.name), locked])
  if (before?.folder === locked.folder) return locked
  const kept = new Set([locked.folder, before?.folder])
  for (const name of await readdir(parent)) if (!kept.has(name)) await discard(join(parent, name))
  dropUnshared(home)
  return locked
}

/** Makes the version before the installed one again, or removes a plugin that was new. */
export async function revertPlugin(home: Home, { manifest: { name }, before }: Pick<StagedPlugin, 'manifest' | 'before'>): Promise<void> {
  if (before === null) await removePlugin(home, name)
  else changeLock(home, (plugins) => [...plugins.filter(({ manifest }) => manifest.name !== name), before])
}

/** @returns the plugin as it was @throws OxbowError `not_found`, or `bad_input` if another plugin needs it */
export async function removePlugin(home: Home, name: string): Promise<LockedPlugin> {
  const found = findPlugin(home, name)
  changeLock(home, (plugins) => {
    assertUnneeded(plugins, name, 'removed')
    return plugins.filter(({ manifest }) => manifest.name !== name)
  })
  await discard(pluginFolder(home, name))
  dropUnshared(home)
  return found
}

/** @throws OxbowError `not_found` or `bad_input`, with the path of what is missing */
export function switchPlugin(home: Home, name: string, isOn: boolean): LockedPlugin {
  findPlugin(home, name)
  changeLock(home, (plugins) => {
    const next = plugins.map((plugin) => (plugin.manifest.name === name ? { ...plugin, enabled: isOn } : plugin))
    if (isOn) orderPlugins(next.filter((plugin) => plugin.enabled).map(({ manifest }) => manifest))
    else assertUnneeded(plugins, name, 'disabled')
    return next
  })
  return findPlugin(home, name)
}

/** @throws OxbowError `not_found`, or `bad_config` for a damaged lock */
export function findPlugin(home: Home, name: string): LockedPlugin {
  const { plugins, problem } = readLock(home)
  if (problem !== '') throw damagedLock(home, problem)
  const found = plugins.find(({ manifest }) => manifest.name === name)
  if (found !== undefined) return found
  throw new OxbowError('not_found', `There is no plugin ${name}.`, { hint: '`oxbow plugin list` shows the installed ones.' })
}

function assertUnneeded(plugins: readonly LockedPlugin[], name: string, what: string): void {
  const user = plugins.find(({ enabled, manifest }) => enabled && manifest.dependencies.includes(name))
  if (user !== undefined)
    throw new OxbowError('bad_input', `${name} cannot be ${what}: ${user.manifest.name} → ${name}.`, {
      hint: `Disable ${user.manifest.name} first: oxbow plugin disable ${user.manifest.name}`,
    })
}

/** So that nothing changes an installed file by accident; programs stay programs. Folders get `mode`, which must allow to enter them. */
export async function setModes(folder: string, mode: number): Promise<void> {
  await chmod(folder, mode | 0o700)
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await setModes(path, mode)
    else if (entry.isFile()) await chmod(path, ((await lstat(path)).mode & 0o111) === 0 ? 0o444 : 0o555)
  }
  await chmod(folder, mode)
}

/** @throws the system's own error, or OxbowError `limit_reached` */
export async function readSmall(path: string, maxBytes: number): Promise<string> {
  const file = await open(path)
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(maxBytes + 1), 0, maxBytes + 1, 0)
    if (bytesRead > maxBytes)
      throw new OxbowError('limit_reached', `${path} has more than ${maxBytes} bytes.`, {
        hint: 'Check that it is the file that its name says, or make it shorter.',
      })
    return buffer.subarray(0, bytesRead).toString()
  } finally {
    await file.close()
  }
}
