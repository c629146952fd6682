/**
 * The command line that starts hands in a container, the same for podman and docker where both know a flag. Each part closes a hole that a
 * test has found:
 *
 * - Our own filter instead of the engine's: podman's lets AF_VSOCK, new user namespaces, ptrace and keyctl through.
 * - A first process (`--init`) that reaps orphans, which Node does not.
 * - Limits of open files and processes by name: the engine's own are above what a root without CAP_SYS_RESOURCE may set.
 * - `.git` is mounted onto itself, else it could be renamed away from its read-only parts.
 */
import { insideNode, nodeFlags } from '../tier-plan.ts'
import type { FolderMount } from '../tier-plan.ts'
import { containerProcessLimit, gvisorOwnTasks, gvisorTasksOfProcess, maxOpenFiles, maxSharedMemoryBytes, minDataMb } from '../limits.ts'
import { ownValue } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'

/** Limits of a container as a whole. */
export type HeldLimit = 'memory' | 'processes' | 'processors'

export interface ContainerPlan {
  readonly engine: 'podman' | 'docker'
  readonly kernel: 'runc' | 'gvisor'
  readonly image: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Where the engine writes the container's id. */
  readonly idFile: string
  readonly seccompFile: string
  /** Uid and gid of hands, and how the engine maps them. */
  readonly uid: number
  readonly gid: number
  readonly rootless: boolean
  /** The visible workspace and mounts over it: a later one may be inside an earlier one. */
  readonly mounts: readonly FolderMount[]
  readonly limits: Config['sandbox']
  /** The limits that the engine can enforce. */
  readonly held: readonly HeldLimit[]
  readonly env?: Readonly<Record<string, string>>
  /** It makes sockets in what is mounted, which gVisor must be told. */
  readonly makesSockets?: true
  /** Where it starts; `/` when absent. */
  readonly cwd?: string
  /** What starts inside; Node when absent. */
  readonly entry?: string
  /** Its arguments. */
  readonly program: readonly string[]
}

/** @returns the arguments after the engine's name. */
export function runArguments(plan: ContainerPlan): readonly string[] {
  const podman = plan.engine === 'podman'
  return [
    runtime(plan),
    ['run', '--rm', '--interactive', '--init', '--pull=never', `--name=${plan.name}`, `--cidfile=${plan.idFile}`],
    Object.entries(plan.labels).map(([key, value]) => `--label=${key}=${value}`),
    ['--network=none', '--ipc=private', '--hostname=oxbow', '--log-driver=none', `--user=${plan.uid}:${plan.gid}`],
    ['--cap-drop=ALL', '--security-opt=no-new-privileges', `--security-opt=seccomp=${plan.seccompFile}`, '--read-only'],
    podman ? podmanOnly(plan) : dockerOnly(plan),
    limitArguments(plan),
    Object.entries(plan.env ?? {}).map(([name, value]) => `--env=${name}=${value}`),
    plan.mounts.map((mount) => mountArgument(mount, podman)),
    plan.mounts.some(({ inside }) => inside === '/tmp') ? [] : [`--tmpfs=/tmp:rw,nosuid,nodev,size=${maxSharedMemoryBytes}`],
    [`--workdir=${plan.cwd ?? '/'}`, `--entrypoint=${plan.entry ?? insideNode}`, plan.image],
    plan.program,
  ].flat()
}

/** @returns the arguments that kill and remove a container, and succeed if it does not exist. */
export function removeArguments(engine: ContainerPlan['engine'], container: string): readonly string[] {
  return engine === 'podman' ? ['rm', '--force', '--time=0', '--ignore', container] : ['rm', '--force', container]
}

function runtime({ engine, kernel, rootless, makesSockets }: ContainerPlan): readonly string[] {
  if (engine === 'docker') return []
  if (kernel === 'runc') return ['--runtime=runc']
  // The emulated platform: kvm hangs on machines whose /dev/kvm does not work. The filter applies inside too.
  // Without root it would try to make a control group of its own, and fail.
  // Hands only connect to sockets of the host. `host-uds` is not known to the oldest versions, which cannot make any.
  const sockets = makesSockets === true ? 'host-uds=all' : 'fsgofer-host-uds=true'
  const flags = ['network=none', 'platform=ptrace', sockets, ...(rootless ? ['ignore-cgroups=true'] : [])]
  return ['--runtime=runsc', ...flags.map((flag) => `--runtime-flag=${flag}`)]
}

/** Docker does these by default, or has other flags. */
function podmanOnly({ rootless, uid, gid }: ContainerPlan): readonly string[] {
  const flags = [
    '--uts=private',
    '--no-hosts',
    '--unsetenv-all',
    '--http-proxy=false',
    '--read-only-tmpfs=false',
    '--security-opt=mask=/sys',
  ]
  return rootless ? [...flags, `--userns=keep-id:uid=${uid},gid=${gid}`] : flags
}

/**
 * Docker's client passes the proxies of the person's `config.json` to every container, with their passwords, unless these variables are
 * set.
 */
const proxyVariables = ['HTTP', 'HTTPS', 'FTP', 'NO', 'ALL'].flatMap((kind) => [`${kind}_PROXY`, `${kind.toLowerCase()}_proxy`])

/** Hides the machine's devices, name servers and proxies, for which podman has flags. */
function dockerOnly({ env = {} }: ContainerPlan): readonly string[] {
  const unset = proxyVariables.filter((name) => ownValue(env, name) === undefined)
  return [
    '--tmpfs=/sys:ro,nosuid,nodev,noexec,size=4k,mode=555',
    '--dns=127.0.0.1',
    // Programs read either case: a value of the plan applies to both.
    ...unset.map((name) => `--env=${name}=${ownValue(env, name.toUpperCase()) ?? ''}`),
  ]
}

/** Maximum of the host's tasks in a container. With gVisor, whose kernel counts processes itself, it only bounds what that kernel needs. */
export function tasksOfContainer(kernel: ContainerPlan['kernel'], limit: number): number {
  return kernel === 'gvisor' ? gvisorOwnTasks + limit * gvisorTasksOfProcess : limit
}

function limitArguments({ engine, kernel, limits, held, rootless }: ContainerPlan): readonly string[] {
  const gvisor = kernel === 'gvisor'
  const fileBytes = limits.max_file_mb * 1024 * 1024
  // Counts all processes of the uid on the whole machine; it must be low only if nothing else limits them, or gVisor counts.
  const perUser = held.includes('processes') && !gvisor && !rootless ? containerProcessLimit : limits.max_processes
  const whole: Readonly<Record<HeldLimit, readonly string[]>> = {
    memory: [`--memory=${limits.memory_mb}m`, `--memory-swap=${limits.memory_mb}m`],
    processes: [`--pids-limit=${tasksOfContainer(kernel, limits.max_processes)}`],
    processors: limits.cpus === null ? [] : [`--cpus=${limits.cpus}`],
  }
  return [
    ...held.flatMap((limit) => whole[limit]),
    `--ulimit=nofile=${maxOpenFiles}:${maxOpenFiles}`,
    `--ulimit=nproc=${perUser}:${perUser}`,
    `--ulimit=fsize=${fileBytes}:${fileBytes}`,
    '--ulimit=core=0:0',
    `--shm-size=${maxSharedMemoryBytes}`,
    ...(engine === 'docker' && gvisor ? ['--runtime=runsc'] : []),
  ]
}

/** Engines read this as a line of CSV: a comma in a path must be quoted. */
function mountArgument({ host, inside, writable }: FolderMount, podman: boolean): string {
  const flags = [...(writable ? [] : ['readonly']), ...(podman ? ['nosuid', 'nodev'] : [])]
  return `--mount=${['type=bind', csvField(`source=${host}`), `destination=${inside}`, ...flags].join(',')}`
}

function csvField(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** @returns how Node starts hands: `entry` is their file, and all processes inside are theirs */
export function handsProgram(
  entry: string,
  args: readonly string[],
  { limits, held }: Pick<ContainerPlan, 'limits' | 'held'>,
): readonly string[] {
  const alone = held.includes('memory') ? [] : ['--data-limit', String(Math.max(minDataMb, limits.memory_mb) * 1024)]
  return [...nodeFlags, entry, '--alone', ...args, ...alone]
}
