/**
 * Where a daemon keeps its own files, and where it listens.
 *
 * Personal mode: one person's home, whose users all have that person's user id. `HOME/control/admin.sock` is for whoever can enter the home.
 *
 * System mode, of root: `/var/lib/oxbow`, or OXBOW_SYSTEM_ROOT.
 *
 *   runner/                0700 root: settings of users, events
 *   runner/seals/USER/     0700 root: the key that signs the heads of the user's journal, and the heads
 *   users/USER/            0700 of that Unix user: a whole home of Oxbow, with the one user `default`. Root opens nothing below it.
 *   control/admin.sock     for root
 *   control/USER.sock      owned by that Unix user: who may connect is whom it belongs to. The folder is root's, so that nobody replaces a
 *                          socket, or leads root astray by a link.
 */
import { lstatSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { OxbowError } from '../../base/index.ts'
import { type Home, homeRoot, type HostEnv, systemRoot, systemUserOf } from '../home.ts'

export type DaemonMode = 'personal' | 'system'

export interface DaemonPlace {
  readonly mode: DaemonMode
  /** The home, or the folder of system mode. */
  readonly root: string
  /** Folder of the daemon's own files. */
  readonly runner: string
}

export function placeOf(mode: DaemonMode, env: HostEnv): DaemonPlace {
  const root = mode === 'system' ? systemRoot(env) : homeRoot(env)
  return { mode, root, runner: join(root, 'runner') }
}

/** Where the daemon listens for administrators: who can use a personal home, or root. */
export function adminSocket({ root }: Pick<DaemonPlace, 'root'>): string {
  return socketPath(join(root, 'control'), 'admin')
}

/** Where the daemon of system mode listens for one Unix user. */
export function userSocket({ root }: Pick<DaemonPlace, 'root'>, user: string): string {
  return join(root, 'control', `${user}.sock`)
}

/** Where the daemon that keeps the guests of a home listens, for whoever can use that home. */
export function socketOf({ root, system }: Pick<Home, 'root' | 'system'>): string {
  return system === null ? adminSocket({ root }) : userSocket({ root: dirname(dirname(root)) }, system)
}

/** Longest path of a unix socket: sun_path has 108 bytes, its end counted (unix(7)). */
const maxSocketBytes = 107

/** One that is too long is a folder of its own among temporary files, which only its owner can enter. */
function socketPath(folder: string, name: string): string {
  const path = join(folder, `${name}.sock`)
  if (Buffer.byteLength(path) <= maxSocketBytes) return path
  // Loaded only here: the place is asked for by every verb.
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256').update(folder).digest('hex').slice(0, 16)
  return join(tmpdir(), `oxbow-${process.getuid?.() ?? 0}-${hash}`, `${name}.sock`)
}

/** @throws OxbowError `bad_config` where the folder of a socket is another person's: they would hear what is said */
export function openSocketFolder(folder: string, mode: number): void {
  mkdirSync(folder, { recursive: true, mode })
  const found = lstatSync(folder)
  if (found.isDirectory() && found.uid === (process.getuid?.() ?? found.uid) && (found.mode & 0o022) === 0) return
  throw new OxbowError('bad_config', `the folder ${folder} is not only yours`, {
    hint: 'Remove it, or move it away: the daemon makes it again.',
  })
}

/** Whom a terminal speaks with. */
export interface ControlPlace {
  readonly mode: DaemonMode
  readonly socket: string
  /** May do everything. False: only what concerns the one user. */
  readonly isAdmin: boolean
  /** The Unix user, in system mode; null for root, and in personal mode. */
  readonly user: string | null
}

/** @param isSystem the verb is for the daemon of system mode where this is root, who keeps a home as well */
export function controlPlaceOf(env: HostEnv, isSystem: boolean = isAdministrator(env)): ControlPlace {
  if (isSystem) return { mode: 'system', socket: adminSocket({ root: systemRoot(env) }), isAdmin: true, user: null }
  const root = homeRoot(env)
  const user = systemUserOf(env, root)
  const mode = user === null ? 'personal' : 'system'
  return { mode, socket: socketOf({ root, system: user }), isAdmin: user === null, user }
}

/** Root speaks with the daemon of the system, where there is one, unless they name a home. */
export function isAdministrator(env: HostEnv): boolean {
  if (process.getuid?.() !== 0 || (env['OXBOW_HOME'] ?? '') !== '') return false
  return lstatSync(join(systemRoot(env), 'control'), { throwIfNoEntry: false })?.isDirectory() === true
}
