/**
 * Control groups under systemd. It owns every group that it has not delegated, reverts changes of others there, and documents that they are
 * not allowed (systemd: docs/CGROUP_DELEGATION). So groups are created directly only in a unit with `Delegate=`; otherwise systemd creates
 * a scope for each sandbox: the system's manager for root, the user's for any other. No existing process is moved.
 *
 *     systemd-run --scope … -- launcher execs the launcher once it is in its group
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { runOnHost } from '../host-programs.ts'
import { managerAnswerMs } from '../limits.ts'
import { type CgroupBounds, type CgroupParent, limitsNamedIn } from './cgroup-delegation.ts'

/** The unit of this process, according to the path of its group. */
export interface SystemdUnit {
  readonly name: string
  /** Absolute. */
  readonly folder: string
  /** Belongs to the user's manager, not to the system's. */
  readonly isOfUser: boolean
}

/** Access to the system; tests have their own folders. */
export interface SystemdView {
  /** `/run` */
  readonly run: string
  readonly uid: number
  /** @returns its absolute path. */
  readonly find: (program: string) => string | null
  /** @returns the program's output; null when it fails. Never rejects. */
  readonly ask: (file: string, args: readonly string[], env: NodeJS.ProcessEnv) => Promise<string | null>
}

/** Without a description systemd uses the whole command line, with paths of the workspace. */
const modes = ['--scope', '--quiet', '--collect', '--description=A sandbox of Oxbow']
const slices = { system: 'system.slice', user: 'app.slice' } as const

/** @returns null if systemd does not manage the groups: sd_booted(3), and a path with a unit in it. */
export function findUnit(root: string, path: string, { run, uid }: SystemdView): SystemdUnit | null {
  if (!existsSync(join(run, 'systemd/system'))) return null
  const names = path.split('/').filter(Boolean)
  const isUnit = (name: string): boolean => /\.(?:service|scope)$/.test(name)
  const first = names.findIndex(isUnit)
  if (first < 0) return null
  const below = names.slice(first + 1).findIndex(isUnit)
  const isOfUser = names[first] === `user@${uid}.service` && below >= 0
  const at = isOfUser ? first + 1 + below : first
  return { name: names[at]!, folder: resolve(root, names.slice(0, at + 1).join('/')), isOfUser }
}

/** Whether the unit is delegated to its processes. File owners show this only for a user's unit of the system's manager. */
export async function isDelegated({ name, isOfUser }: SystemdUnit, view: SystemdView): Promise<boolean> {
  // Delegated to the user's manager, not to processes below it, where root may be by `sudo`.
  if (/^user@\d+\.service$/.test(name)) return false
  if (view.uid !== 0 && !isOfUser) return true
  const systemctl = view.find('systemctl')
  if (systemctl === null) return false
  const args = [...(isOfUser ? ['--user'] : []), 'show', '--property=Delegate', '--value', '--', name]
  const output = await view.ask(systemctl, args, isOfUser ? { XDG_RUNTIME_DIR: runtimeFolderOf(view) } : {})
  return output?.trim() === 'yes'
}

/** @returns where a manager creates scopes; null if none is available */
export function findScopes(root: string, view: SystemdView): CgroupParent | null {
  const [systemdRun, env] = [view.find('systemd-run'), view.find('env')]
  const runtimeFolder = view.uid === 0 ? null : runtimeFolderOf(view)
  if (systemdRun === null || env === null || !existsSync(join(runtimeFolder ?? view.run, 'systemd/private'))) return null
  const manager = view.uid === 0 ? root : join(root, `user.slice/user-${view.uid}.slice/user@${view.uid}.service`)
  const limits = limitsNamedIn(join(manager, 'cgroup.controllers'))
  if (limits.length === 0) return null
  const slice = view.uid === 0 ? slices.system : slices.user
  return { folder: join(manager, slice), version: 2, limits, scopes: { systemdRun, env, runtimeFolder } }
}

/** @returns the prefix of a launcher's command that puts it into a scope of that name, with an empty environment. */
export function scopeCommand({ scopes, limits }: CgroupParent, unit: string, bounds: CgroupBounds): readonly string[] {
  if (scopes === undefined) return []
  const { systemdRun, env, runtimeFolder } = scopes
  const properties = [
    // A delegated group is not killed as a whole when memory runs out, and we may kill its processes.
    'Delegate=yes',
    ...(limits.includes('memory') ? [`MemoryMax=${bounds.memoryBytes}`, 'MemorySwapMax=0'] : []),
    ...(limits.includes('pids') ? [`TasksMax=${bounds.processes}`] : []),
    ...(limits.includes('cpu') && typeof bounds.cpus === 'number' ? [`CPUQuota=${Math.max(1, Math.round(bounds.cpus * 100))}%`] : []),
  ].flatMap((property) => ['--property', property])
  const slice = runtimeFolder === null ? slices.system : slices.user
  return [
    ...(runtimeFolder === null ? [] : [env, `XDG_RUNTIME_DIR=${runtimeFolder}`]),
    systemdRun,
    ...(runtimeFolder === null ? [] : ['--user']),
    ...modes,
    `--unit=${unit}`,
    `--slice=${slice}`,
    ...properties,
    '--',
    env,
    '-i',
  ]
}

/** Not from the environment: after `su` it may name the folder of another user. */
function runtimeFolderOf({ run, uid }: SystemdView): string {
  return join(run, 'user', String(uid))
}

/** Of this system. The managers have their own sockets, without a bus. */
export function systemdView(find: SystemdView['find']): SystemdView {
  return {
    run: '/run',
    uid: process.getuid?.() ?? 0,
    find,
    async ask(file, args, env) {
      const { exitCode, stdout } = await runOnHost(file, args, { env, timeoutMs: managerAnswerMs })
      return exitCode === 0 ? stdout : null
    },
  }
}
