/**
 * Tries the tiers as a guest would use them: a plan, a start, and a command inside. Every attempt has a time limit, so that no part of
 * a machine blocks the rest of the examination.
 */
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { toFailure } from '../../base/index.ts'
import type { DoctorCheck, Hands, HandsOps, Sandbox, SandboxTier } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import { readGroupFile } from '../cgroup/cgroup-delegation.ts'
import { type HeldLimit, tasksOfContainer } from '../container/container-command.ts'
import { findEngine } from '../container/container-engine.ts'
import { heldLimits } from '../container/container-limits.ts'
import { createSandbox, type SandboxOptions } from '../create-sandbox.ts'
import { ownSearchPath, runOnHost } from '../host-programs.ts'
import { bootTimeoutMs, commandTimeoutMs, containerTimeoutMs } from './limits.ts'

export type Finding = Pick<DoctorCheck, 'state' | 'says' | 'fix'>

/** One thing that the doctor tries. */
export interface Attempt {
  readonly name: string
  readonly timeoutMs: number
  readonly required?: boolean
  /** What it throws becomes a finding too. */
  run(): Promise<Finding>
}

/** A finding that asks for nothing. */
export const ok = (says: string): Finding => ({ state: 'ok', says, fix: '' })
export const weak = (says: string, fix: string): Finding => ({ state: 'weak', says, fix })
export const missing = (says: string, fix: string): Finding => ({ state: 'missing', says, fix })

/**
 * Never rejects. A run that exceeds its time is left to its own limits.
 * @param onRun told of the run, which may use its workspace for longer than this waits
 */
export async function attempt(
  { name, timeoutMs, required = false, run }: Attempt,
  onRun: (running: Promise<unknown>) => void = () => {},
): Promise<DoctorCheck> {
  const begin = performance.now()
  const over = new AbortController()
  const tooLong = delay(timeoutMs, missing(`no answer within ${timeoutMs / 1000} s`, 'Try again when the machine is less busy.'), {
    signal: over.signal,
  })
  try {
    const running = run()
    onRun(running)
    const finding = await Promise.race([running, tooLong])
    return { name, ...finding, required, ms: Math.round(performance.now() - begin) }
  } catch (error) {
    const { message, hint } = toFailure(error, 'sandbox_failed', 'Try again, and see docs/isolation.md.')
    return { name, ...missing(message, hint), required, ms: Math.round(performance.now() - begin) }
  } finally {
    over.abort()
    tooLong.catch(() => undefined)
  }
}

/** How to get control groups, in whichever tier they are missing. */
export const groupsFix =
  'Log in so that systemd runs a manager for you (as root: loginctl enable-linger NAME), or start Oxbow in a service with Delegate=yes, or as root'

/** The settings of a sandbox, as the doctor tries them. */
export type Machine = Omit<SandboxOptions, 'insecure'>

export async function askCommand(hands: Hands, command: string): Promise<HandsOps['exec']['output']> {
  const exec = { command, cwd: '/tmp', stdin: '', timeoutMs: commandTimeoutMs, maxOutputBytes: 4_096 }
  return hands.ask('exec', exec, { signal: new AbortController().signal, timeoutMs: commandTimeoutMs * 2 })
}

/** Closes the sandbox after `use`, however that ends. */
export async function withSandbox(
  machine: Machine,
  limits: Config['sandbox'],
  use: (sandbox: Sandbox) => Promise<Finding>,
): Promise<Finding> {
  // This workspace needs no quota; the disk of the person's workspace is a finding of its own.
  const disk = limits.tier === 'micro_vm' ? {} : { disk: 'folder' as const, disk_mb: null }
  const sandbox = await createSandbox({ ...machine, limits: { ...limits, ...disk, allow_lower: '' }, insecure: false })
  try {
    const { problem, tier } = sandbox.status
    if (tier === 'none') return missing(withoutConsequence(problem?.message ?? 'not here'), problem?.hint ?? '')
    return await use(sandbox)
  } finally {
    await sandbox.close()
  }
}

/** Everything but the tiers is tried in this tier. */
export const processTier = 'process tier'

export function tierAttempts(machine: Machine): readonly Attempt[] {
  const { limits } = machine
  const { container } = limits
  const isRequired = (tier: SandboxTier, kernel: Config['sandbox']['container']['kernel'] = container.kernel): boolean =>
    limits.tier === tier && container.kernel === kernel
  const inTier = (tier: SandboxTier, more: Partial<Config['sandbox']> = {}) => ({
    run: () => withSandbox(machine, { ...limits, ...more, tier }, (sandbox) => answers(sandbox, machine, { ...limits, ...more })),
  })
  return [
    { name: processTier, timeoutMs: bootTimeoutMs, required: isRequired('process'), ...inTier('process') },
    {
      name: 'container tier',
      timeoutMs: containerTimeoutMs,
      required: isRequired('container', 'runc'),
      ...inTier('container', { container: { ...container, kernel: 'runc' } }),
    },
    {
      name: 'gVisor tier',
      timeoutMs: containerTimeoutMs,
      required: isRequired('container', 'gvisor'),
      ...inTier('container', { container: { ...container, kernel: 'gvisor' } }),
    },
    { name: 'micro_vm tier', timeoutMs: bootTimeoutMs, required: isRequired('micro_vm'), ...inTier('micro_vm') },
  ]
}

async function answers(sandbox: Sandbox, { searchPath }: Machine, limits: Config['sandbox']): Promise<Finding> {
  const { stdout } = await askCommand(await sandbox.hands('work'), 'echo alive')
  const { provider, degraded, tier } = sandbox.status
  if (stdout !== 'alive\n') return missing(`${provider} starts, and its commands do not answer`, 'See docs/isolation.md.')
  const seen = tier === 'container' ? await containerFinding(sandbox.status.limits, limits, searchPath) : { says: '', lacking: [] }
  const lacking = [...degraded, ...seen.lacking]
  const says = `${provider}${seen.says}${sandbox.status.lacking?.browser === undefined ? '' : '; no browser'}`
  return lacking.length === 0 ? ok(says) : weak(`${says}; not in force: ${lacking.map(subject).join(', ')}`, fixFor(lacking))
}

/** Compares the limits that the status claims with those that the kernel of this machine has. */
async function containerFinding(
  statusLines: readonly string[],
  limits: Config['sandbox'],
  searchPath?: string,
): Promise<{ readonly says: string; readonly lacking: readonly string[] }> {
  const bounds = await boundsOfContainer(limits, searchPath)
  // Engines of other systems run a machine of their own.
  if (bounds === null) return { says: ', whose processes are not on this machine', lacking: [] }
  const wanted: Readonly<Record<HeldLimit, number>> = {
    memory: limits.memory_mb * 1024 * 1024,
    processes: tasksOfContainer(limits.container.kernel, limits.max_processes),
    processors: limits.cpus ?? Infinity,
  }
  const claimed = heldLimits.filter((limit) => statusLines.some((line) => line.startsWith(`${limit}:`)))
  const holds = claimed.filter((limit) => bounds[limit] <= wanted[limit])
  const lacking = claimed.filter((limit) => !holds.includes(limit)).map((limit) => `${limit}: the engine has set nothing`)
  return { says: holds.length === 0 ? '' : `; in force: ${holds.join(', ')}`, lacking }
}

/** @returns the word before the colon; `oxbow status` prints the whole sentence */
function subject(limit: string): string {
  return limit.slice(0, Math.max(0, limit.indexOf(':'))) || limit
}

/** The consequence for agents depends on the configured tier; doctor's verdict states it once. */
function withoutConsequence(message: string): string {
  return message.replace(/ File and shell tools are off\.$/, '')
}

/** @returns what puts the first missing limit in force. */
function fixFor(degraded: readonly string[]): string {
  const [first = ''] = degraded
  if (first.includes('podman without root')) return 'Run Oxbow as root, or boot with systemd.unified_cgroup_hierarchy=1 (cgroup v2 alone)'
  if (first.includes('no plain user'))
    return 'As root: systemctl edit user@.service   ([Service] Delegate=cpu memory pids), then log in again'
  if (first.includes('docker says')) return 'Boot with cgroup_enable=memory swapaccount=1 on the line of the kernel'
  if (first.includes('cgroup')) return groupsFix
  return 'See docs/isolation.md.'
}

/**
 * Reads the limits of the only container of this process from the kernel, because engines accept limits that they cannot set, and only
 * warn. Reads them outside, in the control groups of the container's first process: they are not visible inside.
 * @returns null where the container is no process of this machine
 */
async function boundsOfContainer(
  { container }: Config['sandbox'],
  searchPath: string = ownSearchPath(),
): Promise<Readonly<Record<HeldLimit, number>> | null> {
  const engine = findEngine(container, searchPath)
  if ('code' in engine) return null
  const ask = async (...args: readonly string[]): Promise<string> => (await runOnHost(engine.file, args, { env: engine.env })).stdout.trim()
  const id = await ask('ps', '--quiet', '--filter', `label=oxbow.guest=${process.pid}`, '--filter', 'label=oxbow.profile=work')
  if (!/^[0-9a-f]{12,64}$/.test(id)) return null
  const pid = await ask('inspect', '--format', '{{.State.Pid}}', id)
  const groups = /^[1-9]\d*$/.test(pid) ? readGroupFile(`/proc/${pid}/cgroup`) : ''
  return groups === '' ? null : boundsOfGroups(groupRoot, groups)
}

const groupRoot = '/sys/fs/cgroup'

/** cgroups(7) and Documentation/admin-guide/cgroup-v2 of Linux: where each version says it. */
const files: Readonly<Record<HeldLimit, { readonly controller: string; readonly v1: string; readonly v2: string }>> = {
  memory: { controller: 'memory', v1: 'memory.limit_in_bytes', v2: 'memory.max' },
  processes: { controller: 'pids', v1: 'pids.max', v2: 'pids.max' },
  processors: { controller: 'cpu', v1: 'cpu.cfs_quota_us', v2: 'cpu.max' },
}

/**
 * @param root where control groups are mounted
 * @param own the text of `/proc/<pid>/cgroup`
 * @returns bytes, processes, processors; Infinity for what has no bound
 */
export function boundsOfGroups(root: string, own: string): Readonly<Record<HeldLimit, number>> {
  const bound = (limit: HeldLimit): number => {
    const { controller, v1, v2 } = files[limit]
    const lines = own.split('\n').map((line) => line.split(':'))
    const first = lines.find(([, controllers = '']) => controllers.split(',').includes(controller))
    const unified = lines.find(([number, controllers]) => number === '0' && controllers === '')
    if (first !== undefined) return least(join(root, first[1]!), first.slice(2).join(':'), (folder) => oneBound(folder, v1))
    return unified === undefined ? Infinity : least(root, unified.slice(2).join(':'), (folder) => oneBound(folder, v2))
  }
  return { memory: bound('memory'), processes: bound('processes'), processors: bound('processors') }
}

/** A group holds what is in the groups below it, too: engines set limits on the one or the other. */
function least(hierarchy: string, path: string, read: (folder: string) => number): number {
  // From outside its namespace a group may be above the root that is seen here.
  let at = join('/', path)
  let found = Infinity
  for (; at !== '/'; at = dirname(at)) found = Math.min(found, read(join(hierarchy, at)))
  return found
}

/** `max`, a number, or for processor time a quota with its period behind it; version 1 has the period in a file of its own. */
function oneBound(folder: string, name: string): number {
  const [text = '', period = readGroupFile(join(folder, 'cpu.cfs_period_us'))] = readGroupFile(join(folder, name)).trim().split(' ')
  const value = Number.parseInt(text, 10)
  if (Number.isNaN(value) || value <= 0) return Infinity
  return name.startsWith('cpu') ? value / Number.parseInt(period, 10) : value
}
