/**
 * The command line that starts hands under bubblewrap. Each part closes a hole that a test has found:
 *
 * - The environment is empty before bubblewrap starts, because its first process stays visible inside as `/proc/1/environ`,
 *   and its arguments come through a descriptor, because `/proc/1/cmdline` would show the host's paths.
 * - bubblewrap itself stays process 1: it reaps orphans, which Node does not.
 * - Root in a user namespace is still root for files, so root switches to a separate uid first.
 * - Hooks of repositories are read-only: git-guard.ts.
 */
import { existsSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { maxOpenFiles, maxSharedMemoryBytes, minDataMb } from '../limits.ts'
import { type FolderMount, insideEgressSocket, insideNode, nodeFlags, sandboxUid } from '../tier-plan.ts'
import type { SandboxTools } from './bubblewrap-plan.ts'
import { ownFilter } from './seccomp-filter.ts'

export interface LaunchPlan {
  readonly tools: SandboxTools
  readonly asRoot: boolean
  /** The visible part of the workspace. */
  readonly folders: readonly FolderMount[]
  /** Absolute path on the host. */
  readonly node: string
  /** Files that put the launcher into its control groups. */
  readonly cgroupEntries: readonly string[]
  /** Prefix of the command, if systemd creates the control group. */
  readonly cgroupCommand: readonly string[]
  /** Prefix of the command that enters the mount namespace of its folders; see branches/overlay.ts. */
  readonly enter?: readonly string[]
  readonly memoryMb: number
  readonly memoryByCgroup: boolean
  /** Where no control group bounds the memory of `program`: the most for each of its processes. */
  readonly dataMb?: number
  readonly processes: number
  readonly maxFileMb: number
  /** Files to create inside, by path. */
  readonly files: readonly { readonly path: string; readonly text: string | Buffer }[]
  readonly entry: string
  readonly entryArgs: readonly string[]
  /** A program to start instead of hands: its path inside, and its arguments. It inherits the descriptors after `data`'s. */
  readonly program?: readonly string[]
  /** Variables of that program. */
  readonly env?: Readonly<Record<string, string>>
  /** Where it starts; the first folder when absent. */
  readonly cwd?: string
  /** Devices of the host that it may open. */
  readonly devices?: readonly string[]
  /** Socket of the egress proxy on the host. Read-only inside: it can be connected to, not replaced. */
  readonly egressSocket?: string
}

interface LaunchCommand {
  readonly file: string
  readonly args: readonly string[]
  /** What the process reads at descriptors 3, 4, …; each must be written and ended. */
  readonly data: readonly (string | Buffer)[]
}

const firstDescriptor = 3

export function launchCommand(plan: LaunchPlan): LaunchCommand {
  const hidden = plan.asRoot ? hide(plan) : nothingHidden
  const folders = plan.folders.map((folder) => ({ ...folder, host: hidden.placeOf(folder.host) }))
  const argsAt = firstDescriptor
  const filterAt = firstDescriptor + 1
  const filesAt = firstDescriptor + 2
  const inner = [
    isolation,
    ownIds(plan),
    systemFolders(plan.devices ?? []),
    folders.flatMap(({ host, inside, writable }) => [writable ? '--bind' : '--ro-bind', host, inside]),
    folders.some(({ inside }) => inside === '/tmp') ? [] : ['--size', String(maxSharedMemoryBytes), '--tmpfs', '/tmp'],
    ['--symlink', '/tmp', '/var/tmp'],
    folders.flatMap((folder) => guards(folder, folder.host)),
    ['--ro-bind', hidden.placeOf(plan.node), insideNode],
    // Parts of the root, which is remounted read-only below: separate mounts would take 0.3 ms each.
    plan.files.flatMap((file, i) => ['--perms', '0444', '--file', String(filesAt + i), file.path]),
    plan.egressSocket === undefined ? [] : ['--ro-bind', hidden.placeOf(plan.egressSocket), insideEgressSocket],
    Object.entries(plan.env ?? {}).flatMap(([name, value]) => ['--setenv', name, value]),
    ['--remount-ro', '/', '--chdir', plan.cwd ?? plan.folders[0]?.inside ?? '/', '--seccomp', String(filterAt)],
  ].flat()
  const launcher = [
    plan.tools.bwrap,
    '--args',
    String(argsAt),
    '--',
    plan.tools.prlimit,
    ...resourceLimits(plan),
    '--',
    ...(plan.program ?? [insideNode, ...nodeFlags, plan.entry, ...plan.entryArgs, ...dataLimit(plan)]),
  ]
  const data = [`${inner.join('\0')}\0`, ownFilter(), ...plan.files.map((file) => file.text)]
  const started = plan.asRoot
    ? inShell(plan, `${hidden.script}\n${enterGroups(plan)}`, [plan.tools.setpriv, ...stepDown(plan.devices ?? []), ...launcher])
    : inShell(plan, enterGroups(plan), launcher)
  const apart = hidden.script === '' ? [] : [plan.tools.unshare, '--mount', '--propagation', 'private', '--']
  const [file, ...args] = [...plan.cgroupCommand, ...(plan.enter ?? []), ...apart, ...started]
  return { file: file!, args, data }
}

/** Without `--disable-userns`: it needs bubblewrap 0.8, and the filter refuses new namespaces of every kind. */
const isolation = ['--unshare-all', '--unshare-user', '--die-with-parent', '--new-session', '--hostname', 'oxbow', '--clearenv']

/** Whoever has entered a user namespace is its root, which is this user outside. */
function ownIds({ asRoot, enter = [] }: LaunchPlan): string[] {
  if (asRoot || enter.length === 0) return []
  return ['--uid', String(process.getuid?.() ?? sandboxUid), '--gid', String(process.getgid?.() ?? sandboxUid)]
}

/** @returns whether a group other than root's may read and write a device */
export function opensByGroup({ mode, gid }: Pick<Stats, 'mode' | 'gid'>): boolean {
  return (mode & 0o060) === 0o060 && gid !== 0
}

/** Keeps only the groups that may open its devices, as `kvm` may on Debian; never root's. */
function stepDown(devices: readonly string[]): readonly string[] {
  const gids = devices
    .map((path) => statSync(path, { throwIfNoEntry: false }))
    .flatMap((stats) => (stats !== undefined && opensByGroup(stats) ? [stats.gid] : []))
  return [
    `--reuid=${sandboxUid}`,
    `--regid=${sandboxUid}`,
    gids.length === 0 ? '--clear-groups' : `--groups=${[...new Set(gids)].join(',')}`,
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--no-new-privs',
  ]
}

/** Mounts besides the workspace: programs and libraries, and of /etc only what linkers, TLS and clocks need. */
function systemFolders(devices: readonly string[]): string[] {
  return [
    ['--ro-bind', '/usr', '/usr'],
    ...['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].map((name) => rootFolder(name)),
    ...['alternatives', 'ssl', 'ca-certificates', 'pki', 'ld.so.cache', 'localtime'].map((name) => etc(name)),
    ['--proc', '/proc', '--dev', '/dev', '--size', String(maxSharedMemoryBytes), '--tmpfs', '/dev/shm'],
    ...devices.map((path) => ['--dev-bind', path, path]),
    ['--remount-ro', '/dev'],
  ].flat()
}

function etc(name: string): string[] {
  return ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]
}

/** Most systems have /bin as a link into /usr; older ones have a separate folder. */
function rootFolder(name: string): string[] {
  if (!existsSync(`/${name}`)) return []
  return existsSync(`/usr/${name}`) ? ['--symlink', `usr/${name}`, `/${name}`] : ['--ro-bind', `/${name}`, `/${name}`]
}

function guards({ inside, guarded = [] }: FolderMount, mounted: string): string[] {
  return guarded.flatMap(({ path, writable }) => [writable ? '--bind' : '--ro-bind', `${mounted}/${path}`, `${inside}/${path}`])
}

/** Set inside the user namespace, where the number of processes is counted for this sandbox only. */
function resourceLimits(plan: LaunchPlan): string[] {
  const { dataMb, memoryByCgroup } = plan
  const data = dataMb === undefined || memoryByCgroup ? [] : [`--data=${dataMb * 1024 * 1024}`]
  return [...data, `--nofile=${maxOpenFiles}`, `--nproc=${plan.processes}`, `--fsize=${plan.maxFileMb * 1024 * 1024}`, '--core=0']
}

/** Without a control group, hands apply this limit to each process of a command, but not to themselves. */
function dataLimit(plan: LaunchPlan): string[] {
  return plan.memoryByCgroup ? [] : ['--data-limit', String(Math.max(minDataMb, plan.memoryMb) * 1024)]
}

function inShell(plan: LaunchPlan, script: string, command: readonly string[]): readonly string[] {
  return [plan.tools.sh, '-ec', `${script}\nexec "$@"`, 'sh', ...command]
}

function enterGroups(plan: LaunchPlan): string {
  return plan.cgroupEntries.map((entry) => `echo $$ > ${quote(entry)}`).join('\n')
}

const nothingHidden: HiddenMounts = { script: '', placeOf: (host) => host }

function hide({ folders, node, egressSocket, tools }: LaunchPlan): HiddenMounts {
  const files = egressSocket === undefined ? [node] : [node, egressSocket]
  return hiddenMounts(
    folders.map(({ host }) => host),
    files,
    tools,
  )
}

// Root steps down to another uid before bubblewrap starts, and that uid cannot enter folders below /root. So folders that it cannot enter
// are first bind-mounted elsewhere, in a private mount namespace. Each program takes a millisecond or two, so there is one `mount` for each
// folder and nothing else, onto system folders that the sandbox does not show. A file needs a file as its mount point, and so a tmpfs.

interface HiddenMounts {
  /** Shell commands that bind everything; '' when nothing has to be. */
  readonly script: string
  /** The new path of a path on the host. */
  placeOf(host: string): string
}

/** Every Linux has some of them (Filesystem Hierarchy Standard). */
const places = ['/mnt', '/media', '/srv', '/opt', '/home', '/boot']

/** @param needed paths on the host for the sandbox and its launcher, which must not be hidden by a mount */
export function hiddenMounts(folders: readonly string[], files: readonly string[], tools: SandboxTools): HiddenMounts {
  const hiddenFolders = folders.filter((path) => !isReachable(path))
  const hiddenFiles = files.filter((path) => !isReachable(path))
  const needed = [...folders, ...files, ...Object.values(tools)]
  const free = places.filter((place) => existsSync(place) && !needed.some((path) => `${path}/`.startsWith(`${place}/`)))
  const direct = hiddenFiles.length === 0 && hiddenFolders.length <= free.length
  const at = new Map<string, string>()
  if (direct) for (const [i, path] of hiddenFolders.entries()) at.set(path, free[i]!)
  else for (const [i, path] of [...hiddenFolders, ...hiddenFiles].entries()) at.set(path, `${free[0] ?? '/mnt'}/${i}`)
  const binds = [...at].map(([from, to]) => `${tools.mount} --bind ${quote(from)} ${to}`)
  const make = direct
    ? []
    : [
        `${tools.mount} -t tmpfs -o mode=711,size=64k,nosuid,nodev tmpfs ${free[0] ?? '/mnt'}`,
        ...(hiddenFolders.length === 0 ? [] : [`${tools.mkdir} ${hiddenFolders.map((path) => at.get(path)).join(' ')}`]),
        ...hiddenFiles.map((path) => `: > ${at.get(path)}`),
      ]
  return { script: [...make, ...binds].join('\n'), placeOf: (host) => at.get(host) ?? host }
}

/** Whether every user may reach it. */
function isReachable(path: string): boolean {
  for (let at = dirname(path); ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
