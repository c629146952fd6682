/** Tries the tiers as a guest would use them: a plan, a start, and a command inside. */
import type { Config, Hands, HandsOps, Sandbox, SandboxTier } from '../../types/index.ts'
import { processesOfContainer } from '../container/container-command.ts'
import type { HeldLimit } from '../container/container-command.ts'
import { heldLimits } from '../container/container-limits.ts'
import { createSandbox } from '../create-sandbox.ts'
import type { SandboxOptions } from '../create-sandbox.ts'
import { ok, missing, weak } from './attempt.ts'
import type { Attempt, Finding } from './attempt.ts'
import { boundsOfContainer } from './container-bounds.ts'
import { groupsFix } from './limits-attempt.ts'
import { bootTimeoutMs, commandTimeoutMs, containerTimeoutMs } from './limits.ts'

export type Machine = Omit<SandboxOptions, 'insecure'>

export async function askCommand(hands: Hands, command: string): Promise<HandsOps['exec']['output']> {
  const exec = { command, cwd: '/tmp', stdin: '', timeoutMs: commandTimeoutMs, maxOutputBytes: 4_096 }
  return hands.ask('exec', exec, { signal: new AbortController().signal, timeoutMs: commandTimeoutMs * 2 })
}

/** What the sandbox is asked for is closed after `use`, however it ends. */
export async function withSandbox(
  machine: Machine,
  limits: Config['sandbox'],
  use: (sandbox: Sandbox) => Promise<Finding>,
): Promise<Finding> {
  // The workspace here is none that has to be bounded; what bounds that of the person is a finding of its own.
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

/** Everything but the tiers is tried in this one. */
export const processTier = 'process tier'

export function tierAttempts(machine: Machine): readonly Attempt[] {
  const { limits } = machine
  const { container } = limits
  const asked = (tier: SandboxTier, kernel: Config['sandbox']['container']['kernel'] = container.kernel): boolean =>
    limits.tier === tier && container.kernel === kernel
  const inTier = (tier: SandboxTier, more: Partial<Config['sandbox']> = {}) => ({
    run: () => withSandbox(machine, { ...limits, ...more, tier }, (sandbox) => answers(sandbox, machine, { ...limits, ...more })),
  })
  return [
    { name: processTier, timeoutMs: bootTimeoutMs, required: asked('process'), ...inTier('process') },
    {
      name: 'container tier',
      timeoutMs: containerTimeoutMs,
      required: asked('container', 'runc'),
      ...inTier('container', { container: { ...container, kernel: 'runc' } }),
    },
    {
      name: 'with gVisor',
      timeoutMs: containerTimeoutMs,
      required: asked('container', 'gvisor'),
      ...inTier('container', { container: { ...container, kernel: 'gvisor' } }),
    },
    { name: 'micro_vm tier', timeoutMs: bootTimeoutMs, required: asked('micro_vm'), ...inTier('micro_vm') },
  ]
}

async function answers(sandbox: Sandbox, { searchPath }: Machine, limits: Config['sandbox']): Promise<Finding> {
  const { stdout } = await askCommand(await sandbox.hands('work'), 'echo alive')
  const { provider, degraded, tier } = sandbox.status
  if (stdout !== 'alive\n') return missing(`${provider} starts, and its commands do not answer`, 'See docs/isolation.md.')
  const seen = tier === 'container' ? await containerFinding(sandbox.status.limits, limits, searchPath) : { says: '', lacking: [] }
  const lacking = [...degraded, ...seen.lacking]
  const says = `${provider}${seen.says}`
  return lacking.length === 0 ? ok(says) : weak(`${says}; not in force: ${lacking.map(subject).join(', ')}`, fixFor(lacking))
}

/** What the status says is in force, held against the kernel of this machine. */
async function containerFinding(
  said: readonly string[],
  limits: Config['sandbox'],
  searchPath?: string,
): Promise<{ readonly says: string; readonly lacking: readonly string[] }> {
  const bounds = await boundsOfContainer(limits, searchPath)
  // Engines of other systems run a machine of their own.
  if (bounds === null) return { says: ', whose processes are not on this machine', lacking: [] }
  const wanted: Readonly<Record<HeldLimit, number>> = {
    memory: limits.memory_mb * 1024 * 1024,
    processes: processesOfContainer(limits.container.kernel, limits.max_processes),
    processors: limits.cpus ?? Infinity,
  }
  const claimed = heldLimits.filter((limit) => said.some((line) => line.startsWith(`${limit}:`)))
  const holds = claimed.filter((limit) => bounds[limit] <= wanted[limit])
  const lacking = claimed.filter((limit) => !holds.includes(limit)).map((limit) => `${limit}: the engine has set nothing`)
  return { says: holds.length === 0 ? '' : `; in force: ${holds.join(', ')}`, lacking }
}

/** What a limit is about; the whole sentence is in `oxbow status`. */
function subject(limit: string): string {
  return limit.slice(0, Math.max(0, limit.indexOf(':'))) || limit
}

/** What it means for agents depends on which tier is configured; the verdict says so once. */
function withoutConsequence(message: string): string {
  return message.replace(/ File and shell tools are off\.$/, '')
}

/** @returns what puts the first missing limit in force. */
function fixFor(degraded: readonly string[]): string {
  const [first = ''] = degraded
  if (first.includes('podman without root')) return 'Run Oxbow as root, or boot with systemd.unified_cgroup_hierarchy=1 (cgroup v2 alone)'
  if (first.includes('no plain user')) return 'sudo systemctl edit user@.service   ([Service] Delegate=cpu memory pids), then log in again'
  if (first.includes('docker says')) return 'Boot with cgroup_enable=memory swapaccount=1 on the line of the kernel'
  if (first.includes('cgroup')) return groupsFix
  return 'See docs/isolation.md.'
}
