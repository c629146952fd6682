/**
 * Folders of the person in which agents may work: mounted at `/shared/NAME`. The list is in the runner's own folder, where no guest
 * writes, so that only a person at a terminal changes what agents see of the host.
 */
import { existsSync, readdirSync, readFileSync, realpathSync, rmdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join, posix, relative, resolve, sep } from 'node:path'
import { isObject, OxbowError, type UserId, writeWhole } from '../base/index.ts'
import { type HostFolder, sandboxUid } from '../protocol/index.ts'
import type { Config } from '../config/index.ts'
import { type Home, hostFiles, type HostEnv, type Workspace } from './home.ts'
import { asOwner } from './file-owner.ts'

/** @returns the file of a user's list; it may not exist */
export function foldersFile(home: Pick<Home, 'runner'>, user: UserId): string {
  return join(home.runner, 'folders', `${user}.json`)
}

/** @throws OxbowError `bad_config` for a damaged list */
export function listFolders(home: Pick<Home, 'runner'>, user: UserId): readonly HostFolder[] {
  const file = foldersFile(home, user)
  if (!existsSync(file)) return []
  try {
    const saved: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (Array.isArray(saved) && saved.every(isFolder)) return saved
    throw new Error('not a list of folders')
  } catch (cause) {
    throw new OxbowError('bad_config', `the list of folders ${file} is damaged`, {
      hint: 'Remove the file, and add the folders again.',
      cause,
    })
  }
}

function isFolder(saved: unknown): saved is HostFolder {
  if (!isObject(saved) || !['string', 'undefined'].includes(typeof saved['space'])) return false
  return typeof saved['name'] === 'string' && typeof saved['path'] === 'string' && typeof saved['readOnly'] === 'boolean'
}

export interface FolderPlace {
  readonly home: Home
  readonly workspace: Workspace
  readonly env: HostEnv
}

export interface NewFolder {
  readonly path: string
  /** Its name in /shared; the last part of its path when absent. */
  readonly name?: string | undefined
  readonly readOnly: boolean
}

/** @returns the path of a folder for agents, if it is on the list or inside a folder that is */
export function sharedPathOf({ home, workspace }: FolderPlace, path: string): string | undefined {
  const real = realPathOf(path)
  const folder = listFolders(home, workspace.user).find((one) => isWithin(real, one.path))
  return folder === undefined ? undefined : posix.join('/shared', folder.name, relative(folder.path, real))
}

/** @throws OxbowError `bad_input` or `path_refused` for a folder that agents must not see */
export function addFolder(place: FolderPlace, { path, name: wanted, readOnly }: NewFolder): HostFolder {
  const real = assertAddable(place, { path, readOnly })
  return changeFolders(place, () => added(place, real, wanted ?? basename(real), readOnly))
}

/**
 * Shows a folder of one space to the agents of another. What they read of it is private from their next start on, and not shown before.
 * @param real a folder in the space that shares it, which no link leads to
 */
export function addShare(place: FolderPlace, real: string, { name, readOnly, space }: Omit<HostFolder, 'path'>): HostFolder {
  return changeFolders(place, () => added(place, real, name, readOnly, space))
}

/**
 * @param hasMemories of other spaces
 * @returns the configuration of a guest that other spaces share something with: what is read of it is private, and a person is asked before it leaves
 */
export function withShares(config: Config, folders: readonly HostFolder[], hasMemories: boolean): Config {
  const shares = folders.filter(({ space }) => space !== undefined)
  if (shares.length === 0 && !hasMemories) return config
  const { flow } = config
  const rules = shares.map(({ name }) => ({ path: `/shared/${name}/**`, labels: ['private' as const] }))
  return { ...config, flow: { ...flow, private: flow.private === 'allow' ? 'ask' : flow.private, source: [...flow.source, ...rules] } }
}

/** @returns the folder's real path @throws OxbowError for one that agents must never see, or could not change */
export function assertAddable(place: FolderPlace, { path, readOnly }: Omit<NewFolder, 'name'>): string {
  const real = realPathOf(path)
  assertAllowed(real, place)
  if (!readOnly) assertWritable(real)
  return real
}

/** Two terminals may change the list at once. */
function changeFolders<Result>({ home, workspace }: Pick<FolderPlace, 'home' | 'workspace'>, work: () => Result): Result {
  return asOwner(foldersFile(home, workspace.user), 'the list of folders', work)
}

function added({ home, workspace }: FolderPlace, real: string, name: string, readOnly: boolean, space?: string): HostFolder {
  const others = listFolders(home, workspace.user).filter((folder) => folder.path !== real)
  // Agents could replace the inner one by a link.
  const nested = others.find((folder) => isWithin(real, folder.path) || isWithin(folder.path, real))
  if (nested !== undefined) {
    throw new OxbowError('path_refused', `${real} ${isWithin(real, nested.path) ? 'is inside' : 'contains'} ${nested.path}`, {
      hint: `Agents work there already, as /shared/${nested.name}. To change that: oxbow folder remove ${nested.name}`,
    })
  }
  assertName(name, others, workspace)
  const folder: HostFolder = { name, path: real, readOnly, ...(space !== undefined && { space }) }
  hostFiles(() => writeWhole(foldersFile(home, workspace.user), JSON.stringify([...others, folder], null, 2)))
  return folder
}

/** @param which name or path @throws OxbowError `not_found` */
export function findFolder({ home, workspace }: Pick<FolderPlace, 'home' | 'workspace'>, which: string): HostFolder {
  const found = listFolders(home, workspace.user).find(({ name, path }) => name === which || path === resolve(which))
  if (found !== undefined) return found
  throw new OxbowError('not_found', `there is no folder ${which}`, { hint: 'oxbow folder list shows the folders.' })
}

/** @param which name or path @throws OxbowError `not_found` */
export function removeFolder({ home, workspace }: Pick<FolderPlace, 'home' | 'workspace'>, which: string): HostFolder {
  return changeFolders({ home, workspace }, () => {
    const found = findFolder({ home, workspace }, which)
    const others = listFolders(home, workspace.user).filter(({ name }) => name !== found.name)
    hostFiles(() => writeWhole(foldersFile(home, workspace.user), JSON.stringify(others, null, 2)))
    removeMountPoint(workspace, found)
    return found
  })
}

/** What agents would write to it would be in the workspace. One that is not empty has files of the workspace already. */
function removeMountPoint({ shared }: Workspace, { name }: HostFolder): void {
  try {
    rmdirSync(join(shared, name))
  } catch {
    // A sandbox may hold it: it removes it itself.
  }
}

function realPathOf(path: string): string {
  let real: string
  try {
    real = realpathSync(resolve(path))
  } catch (cause) {
    throw new OxbowError('not_found', `the folder ${resolve(path)} does not exist`, { hint: 'Give the path of an existing folder.', cause })
  }
  if (statSync(real).isDirectory()) return real
  throw new OxbowError('bad_input', `${real} is not a folder`, { hint: 'Give the path of an existing folder.' })
}

const isWithin = (path: string, folder: string): boolean => path === folder || path.startsWith(folder === sep ? sep : folder + sep)

/** Folders of the system: devices, processes, configuration, programs. */
const ofSystem = ['/dev', '/proc', '/sys', '/run', '/etc', '/boot', '/usr', '/bin', '/sbin', '/lib', '/lib64', '/var']

/** Homes hold keys and settings of every program; so do dot folders. */
function assertAllowed(real: string, place: Pick<FolderPlace, 'home' | 'env'>): void {
  const why = whyHidden(real, place) || (hasDotFolder(real) ? 'a part of its path begins with a dot' : '')
  if (why !== '')
    throw new OxbowError('path_refused', `agents cannot work in ${real}: ${why}`, { hint: 'Choose the folder of one project.' })
}

/** @param real a real path @returns why no program of a sandbox may ever see the folder; empty if it may */
export function whyHidden(real: string, { home, env }: Pick<FolderPlace, 'home' | 'env'>): string {
  const own = realpathSync(home.root)
  if (isWithin(real, own) || isWithin(own, real)) return 'Oxbow keeps its own files there'
  for (const person of [env['HOME'] || homedir(), homedir()]) {
    const folder = existsSync(person) ? realpathSync(person) : person
    if (isWithin(folder, real)) return 'it is or contains a home folder'
  }
  if (/^\/(?:home|Users)\/[^/]+$/.test(real)) return 'it is a home folder'
  return ofSystem.some((folder) => isWithin(real, folder)) ? 'it belongs to the system' : ''
}

export function hasDotFolder(real: string): boolean {
  return relative(sep, real)
    .split(sep)
    .some((part) => part.startsWith('.'))
}

const writeBits = { owner: 0o200, group: 0o020, others: 0o002 }

/**
 * As root, agents work under an account of their own, which no folder of a person belongs to. Changing the owner is the person's to do.
 * @throws OxbowError `path_refused` for a folder in which that account cannot write
 */
function assertWritable(real: string): void {
  if (process.getuid?.() !== 0) return
  const { uid, gid, mode } = statSync(real)
  const bit = uid === sandboxUid ? writeBits.owner : gid === sandboxUid ? writeBits.group : writeBits.others
  if ((mode & bit) !== 0) return
  throw new OxbowError('path_refused', `agents could not write in ${real}: Oxbow runs as root, and agents as the user id ${sandboxUid}`, {
    hint:
      `Run Oxbow as the folder's owner, add it with --read-only, or give it to agents, whose user id ${sandboxUid} Oxbow chose itself ` +
      `(it needs no account): chown -R ${sandboxUid} ${real}`,
  })
}

function assertName(name: string, others: readonly HostFolder[], { shared }: Workspace): void {
  const refuse = (why: string): never => {
    throw new OxbowError('bad_input', why, { hint: 'Choose another name: oxbow folder add PATH --as NAME' })
  }
  if (!/^[\p{L}\p{N}_][\p{L}\p{N}_.-]{0,63}$/u.test(name)) refuse(`${JSON.stringify(name)} cannot be the name of a folder in /shared`)
  if (others.some((folder) => folder.name === name)) refuse(`there is already a folder ${name}`)
  const point = join(shared, name)
  const stats = statSync(point, { throwIfNoEntry: false })
  // What is below a mount point cannot be seen.
  if (stats !== undefined && (!stats.isDirectory() || readdirSync(point).length > 0)) refuse(`/shared/${name} exists in the workspace`)
}

/** @returns why a guest with this configuration would not show the folder; empty if it would */
export async function unseenFolder({ sandbox: { tier } }: Pick<Config, 'sandbox'>, folder: Pick<HostFolder, 'readOnly'>): Promise<string> {
  const { unseenIn } = await import('../sandbox/index.ts')
  return unseenIn(tier === 'micro_vm' ? 'writable' : true, folder)
}
