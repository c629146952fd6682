/**
 * Where Oxbow lives on the host: `OXBOW_HOME`, else `~/.oxbow`.
 *
 *   config.toml              configuration of all users; above it is the one of the machine, /etc/oxbow/config.toml
 *   runner/                  of the runner only: signing key, signed heads, compile cache; no guest writes here
 *   plugins.lock plugins/    installed plugins, and what of them a person has approved; no guest writes here
 *   catalog/                 changes to the model catalog: overlay.json, refreshed.jsonl
 *   users/<user>/config.toml configuration of one user
 *   users/<user>/shared tmp vault        visible to tools
 *   users/<user>/internal ipc logs       not visible to tools
 *   users/<user>/hands                   not visible to an isolated guest either: files that its runner writes
 */
import { chmodSync, existsSync, linkSync, lstatSync, mkdirSync, readdirSync, statSync, unlinkSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { OxbowError } from '../base/index.ts'
import type { UserId } from '../base/index.ts'
import { maxUserLength } from './limits.ts'

/** Environment variables of the host, as a verb gets them. */
export type HostEnv = Readonly<Record<string, string | undefined>>

export interface Home {
  readonly root: string
  /** Folder of the runner only. */
  readonly runner: string
  readonly compileCache: string
  /** Created only when something is put into it. */
  readonly catalog: string
  /** Path of the configuration of all homes of this machine, which its administrator writes. */
  readonly machineConfig: string
  /** Whose home it is in system mode: the name of a Unix user; null in a home that a person keeps themselves. See daemon/daemon-place.ts. */
  readonly system: string | null
  /** Variables of this program that set keys of the configuration: `OXBOW__SECTION__KEY`. */
  readonly variables: Readonly<Record<string, string>>
}

/** The folders of one user, as absolute paths. */
export interface Workspace {
  readonly user: UserId
  readonly root: string
  readonly shared: string
  readonly ipc: string
  readonly logs: string
}

const ownerOnly = 0o700

/** @returns the home; its folders exist and only their owner can enter them. @throws OxbowError `bad_config` when they cannot be created. */
export function openHome(env: HostEnv): Home {
  const root = homeRoot(env)
  const runner = join(root, 'runner')
  const compileCache = join(runner, 'compile-cache')
  makePrivate([root, runner, compileCache])
  const variables = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[0].startsWith('OXBOW__') && entry[1] !== undefined,
  )
  const system = systemUserOf(env, root)
  const machineConfig = machineConfigOf(env, system)
  return { root, runner, compileCache, catalog: join(root, 'catalog'), machineConfig, system, variables: Object.fromEntries(variables) }
}

/**
 * @param system see `Home`: where an administrator keeps the homes of others and has a folder for their configuration, none of the others
 * chooses another one
 */
export function machineConfigOf(env: HostEnv, system: string | null, folder: string = '/etc/oxbow', uid = process.getuid?.() ?? 0): string {
  const usual = join(folder, 'config.toml')
  const isFixed = system !== null && uid !== 0 && lstatSync(folder, { throwIfNoEntry: false })?.uid === 0
  return (isFixed ? '' : env['OXBOW_MACHINE_CONFIG']) || usual
}

/** @returns the path of the home, whether it exists or not: the one that a person names, has in system mode, or keeps in their own home */
export function homeRoot(env: HostEnv): string {
  return resolve(env['OXBOW_HOME'] || systemHome(env) || join(env['HOME'] || homedir(), '.oxbow'))
}

/** @returns the folder of system mode, in which each Unix user that an administrator has added has a home; it may not exist */
export function systemRoot(env: HostEnv): string {
  return resolve(env['OXBOW_SYSTEM_ROOT'] || '/var/lib/oxbow')
}

/** @returns the home in system mode of whoever runs this program; null: they have none */
function systemHome(env: HostEnv): string | null {
  const homes = join(systemRoot(env), 'users')
  if (!existsSync(homes)) return null
  try {
    const home = join(homes, userInfo().username)
    return existsSync(home) ? home : null
  } catch {
    // A user id without a name.
    return null
  }
}

/** @returns the Unix user whose home in system mode this is; null for any other home */
export function systemUserOf(env: HostEnv, root: string): string | null {
  return dirname(root) === join(systemRoot(env), 'users') ? basename(root) : null
}

/** The list of installed plugins; see `plugins/lock-file.ts`. */
export function lockPath(home: Pick<Home, 'root'>): string {
  return join(home.root, 'plugins.lock')
}

/** Folder with the workspaces of all users. */
export function usersFolder(home: Pick<Home, 'root'>): string {
  return join(home.root, 'users')
}

/** @param isMeant of those that are looked into @returns the users that have a workspace */
export function usersOf(home: Pick<Home, 'root'>, isMeant: (name: string) => boolean = () => true): readonly UserId[] {
  const folder = usersFolder(home)
  if (!existsSync(folder)) return []
  return readdirSync(folder).filter((name): name is UserId => isMeant(name) && existsSync(join(folder, name, 'ipc')))
}

export function hasWorkspace(home: Pick<Home, 'root'>, user: UserId): boolean {
  return existsSync(join(usersFolder(home), user))
}

/** @returns the user's workspace with all its folders. @throws OxbowError `bad_config` when it cannot be created. */
export function openWorkspace(home: Home, user: UserId): Workspace {
  const root = join(usersFolder(home), user)
  const folder = (name: string): string => join(root, name)
  makePrivate([usersFolder(home), ...workspaceFolders(root)])
  return { user, root, shared: folder('shared'), ipc: folder('ipc'), logs: folder('logs') }
}

/** @returns the folders of a workspace, itself first */
export function workspaceFolders(root: string): readonly string[] {
  return [root, ...['shared', 'tmp', 'vault', 'internal', 'ipc', 'logs'].map((name) => join(root, name))]
}

/** @throws OxbowError `bad_input` for a name that could leave the folder of users or garble a terminal. */
export function parseUser(text: string): UserId {
  const odd = text === '' || text.length > maxUserLength || text.startsWith('.') || text.includes('..') || /[/\\\p{C}\p{Z}]/u.test(text)
  if (odd) {
    throw new OxbowError('bad_input', `${JSON.stringify(text.slice(0, maxUserLength))} cannot be a user name`, {
      hint: `Use 1 to ${maxUserLength} characters without slash, backslash, space or "..", not starting with a dot.`,
    })
  }
  return text as UserId
}

/**
 * Runs work that reads or writes the host's files. @throws OxbowError `store_full` for a full disk, `bad_config` for other system
 * errors; errors of the work itself pass through
 */
export function hostFiles<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (cause) {
    const { syscall, code, path, message } = cause as NodeJS.ErrnoException
    if (syscall === undefined) throw cause
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new OxbowError('store_full', `the disk is full: ${message}`, { hint: 'Free some space on the disk of your Oxbow home.', cause })
    }
    const hint = `Check ${path ?? 'the disk'}: Oxbow must be able to read and write there.`
    throw new OxbowError('bad_config', `cannot use a file of Oxbow: ${message}`, { hint, cause })
  }
}

/** Renames a complete draft to its final path, unless another process was faster: then that file stays. */
export function placeFirst(draft: string, path: string): void {
  try {
    linkSync(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    unlinkSync(draft)
  }
}

/** Creates the folders, parents first. Closes existing ones to other users too: their modes are not trusted. */
function makePrivate(folders: readonly string[]): void {
  for (const folder of folders) {
    let action = 'created'
    try {
      makeFolder(folder)
      action = 'used'
      chmodSync(folder, ownerOnly)
    } catch (cause) {
      throw new OxbowError('bad_config', `the folder ${folder} cannot be ${action}: ${reasonOf(cause, folder)}`, {
        hint: 'Set OXBOW_HOME to a folder that you can write to: OXBOW_HOME=/path/to/folder oxbow',
        cause,
      })
    }
  }
}

/**
 * As `mkdirSync` with `recursive`, which never returns where the parent exists and nothing can be created in it, as in /proc.
 * @throws the system's own error
 */
export function makeFolder(folder: string, mode: number = ownerOnly): void {
  try {
    mkdirSync(folder, { mode })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && statSync(folder).isDirectory()) return
    const parent = dirname(folder)
    if (code !== 'ENOENT' || existsSync(parent)) throw error
    makeFolder(parent, mode)
    makeFolder(folder, mode)
  }
}

/** Why the system refused it, in words for a person. */
function reasonOf(error: unknown, folder: string): string {
  const { code, message } = error as NodeJS.ErrnoException
  let existing = dirname(folder)
  while (!existsSync(existing)) existing = dirname(existing)
  if (code === 'ENOENT') return `nothing can be created in ${existing}`
  if (code === 'EROFS') return 'the file system is read-only'
  if (code === 'EACCES' || code === 'EPERM') return `you may not write to ${existing}`
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'a file is in its place'
  return message
}
