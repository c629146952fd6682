/** Tries the tiers as a guest would use them: a plan, a start, and a command inside. */
import type { Config, Hands, HandsOps, Sandbox, SandboxTier } from '../../types/index.ts'
import { createSandbox } from '../create-sandbox.ts'
import type { SandboxOptions } from '../create-sandbox.ts'
import { ok, missing, weak } from './attempt.ts'
import type { Attempt, Finding } from './attempt.ts'
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
    run: () => withSandbox(machine, { ...limits, ...more, tier }, (sandbox) => answers(sandbox)),
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

async function answers(sandbox: Sandbox): Promise<Finding> {
  const { stdout } = await askCommand(await sandbox.hands('work'), 'echo alive')
  const { provider, degraded } = sandbox.status
  if (stdout !== 'alive\n') return missing(`${provider} starts, and its commands do not answer`, 'See docs/isolation.md.')
  return degraded.length === 0 ? ok(provider) : weak(`${provider}; not in force: ${degraded.map(subject).join(', ')}`, fixFor(degraded))
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
  if (first.includes('cgroup')) return 'systemd-run --user --scope -p Delegate=yes oxbow serve (or run as root)'
  return 'See docs/isolation.md.'
}
