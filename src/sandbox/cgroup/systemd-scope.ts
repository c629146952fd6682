/**
 * Control groups beside systemd. It owns every group that it has not delegated, undoes changes of others there, and
 * asks others to keep out (systemd: docs/CGROUP_DELEGATION). So groups are made by hand in a unit with `Delegate=` alone; where ours has
 * none, systemd itself is asked for a scope for each sandbox, the system's for root, that of the person for anybody else. No
 * process that is there already is moved.
 *
 *     systemd-run --scope … -- launcher      becomes the launcher, once it is in its group
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { runOnHost } from '../host-programs.ts'
import { managerAnswerMs } from '../limits.ts'
import { type CgroupBounds, type CgroupParent, limitsNamedIn } from './cgroup-delegation.ts'

/** The unit that this process is in, as far as the path of its group tells. */
export interface SystemdUnit {
  readonly name: string
  /** Absolute. */
  readonly folder: string
  /** Of the person's own manager, not of the system's. */
  readonly isOfUser: boolean
}

/** What of the system is looked at; tests have folders of their own. */
export interface SystemdView {
  /** `/run` */
  readonly run: string
  readonly uid: number
  /** @returns its absolute path. */
  readonly find: (program: string) => string | null
  /** @returns what the program says; null when it fails. Never rejects. */
  readonly ask: (file: string, args: readonly string[], env: NodeJS.ProcessEnv) => Promise<string | null>
}

/** The description would be the whole command line otherwise, with paths of the workspace. */
const modes = ['--scope', '--quiet', '--collect', '--description=A sandbox of Oxbow']
const slices = { system: 'system.slice', user: 'app.slice' } as const

/** @returns null where no systemd manages the groups: sd_booted(3), and a path with a unit in it. */
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

/** Whether the unit was handed over to what runs in it. Owners of files tell it only of a user's unit that the system's manager has made. */
export async function isDelegated({ name, isOfUser }: SystemdUnit, view: SystemdView): Promise<boolean> {
  // That was handed over to the person's manager, not to what runs below it: root may get there by `sudo`.
  if (/^user@\d+\.service$/.test(name)) return false
  if (view.uid !== 0 && !isOfUser) return true
  const systemctl = view.find('systemctl')
  if (systemctl === null) return false
  const args = [...(isOfUser ? ['--user'] : []), 'show', '--property=Delegate', '--value', '--', name]
  const answer = await view.ask(systemctl, args, isOfUser ? { XDG_RUNTIME_DIR: runtimeFolderOf(view) } : {})
  return answer?.trim() === 'yes'
}

/** @returns where a manager makes scopes when it is asked to; null where nobody can be asked */
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

/** @returns what stands before a launcher to have it in a scope of that name. Nothing of our environment reaches the launcher. */
export function scopeCommand({ scopes, limits }: CgroupParent, unit: string, bounds: CgroupBounds): readonly string[] {
  if (scopes === undefined) return []
  const { systemdRun, env, runtimeFolder } = scopes
  const properties = [
    // What is handed over is not ended as a whole when memory is used up, and we may end what is in it.
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

/** Not the variable of the environment: after `su` it may name the folder of another user. */
function runtimeFolderOf({ run, uid }: SystemdView): string {
  return join(run, 'user', String(uid))
}

/** Of this system. The managers answer over sockets of their own, without a bus. */
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
