/** Chooses what holds hands on this machine: the tier that was asked for, or the lowest one that the configuration allows. */
import { join } from 'node:path'
import { sandboxTiers, toError } from '../types/index.ts'
import type { Config, Failure, Sandbox, SandboxStatus, SandboxTier } from '../types/index.ts'
import { bubblewrapTier } from './bubblewrap/bubblewrap-tier.ts'
import { ownSearchPath } from './bubblewrap/sandbox-tools.ts'
import { keepHands } from './keep-hands.ts'
import { isPlan } from './tier-plan.ts'
import type { EgressSocket, TierOptions, TierPlan, TierProvider } from './tier-plan.ts'
import { prepareFolders } from './workspace-folders.ts'

export interface SandboxOptions {
  /** Folder of the workspace; its `shared` and `tmp` become `/shared` and `/tmp`, its `vault` is what `vault-read` sees. */
  readonly workspaceRoot: string
  readonly limits: Config['sandbox']
  readonly browser: Config['browser']
  /** File tools without a sandbox, held by path policy alone; commands stay off. */
  readonly insecure: boolean
  /** See TierOptions. */
  readonly egressSocket?: EgressSocket
  /** Where the launcher's programs are looked for; the search path of this process when absent. */
  readonly searchPath?: string
  /** See TierOptions; a folder of the workspace that agents do not see, when absent. */
  readonly cacheFolder?: string
  /** See TierOptions; the cache folder when absent. */
  readonly imageFolder?: string
  readonly logger?: (message: string) => void
}

/** Quick: looks at what is installed, starts nothing. @throws a system error when the workspace cannot be made. */
export async function createSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { limits, logger = () => undefined, egressSocket } = options
  const diskProblem = await putDisk(options.workspaceRoot, limits)
  const tierOptions: TierOptions = {
    folders: await prepareFolders(options.workspaceRoot),
    limits,
    diskProblem,
    browser: options.browser,
    searchPath: options.searchPath ?? ownSearchPath(),
    cacheFolder: options.cacheFolder ?? join(options.workspaceRoot, 'internal'),
    imageFolder: options.imageFolder ?? join(options.workspaceRoot, 'internal'),
    logger,
    ...(egressSocket !== undefined && { egressSocket }),
  }
  if (options.insecure) {
    const { planInsecure } = await import('./insecure-plan.ts')
    const { status, plan } = planInsecure(tierOptions, limits.tier)
    return keepHands(status, plan, logger)
  }
  const problems: Failure[] = []
  for (const tier of tiersToTry(limits)) {
    const plan = await (await providers[tier]()).plan(tierOptions)
    if (isPlan(plan)) return keepHands(statusOf(tier, plan, limits.tier, problems[0] ?? null), plan, logger)
    problems.push(plan)
  }
  return withoutHands(problems[0]!, limits.tier)
}

/** A machine has a disk of its own. @returns see TierOptions.diskProblem */
async function putDisk(workspaceRoot: string, limits: Config['sandbox']): Promise<string | null> {
  if (limits.disk === 'folder' || limits.disk_mb === null || limits.tier === 'micro_vm') return null
  return (await import('./disk/held-disk.ts')).holdDisk(workspaceRoot, limits)
}

/** The tier that was asked for is a minimum: a weaker one only where the configuration names the lowest. */
function tiersToTry({ tier, allow_lower: lowest }: Config['sandbox']): readonly SandboxTier[] {
  if (lowest === '') return [tier]
  const from = sandboxTiers.indexOf(lowest)
  return sandboxTiers.slice(from, Math.max(from, sandboxTiers.indexOf(tier)) + 1).toReversed()
}

/** A tier that is not asked for costs no start. */
const providers: Readonly<Record<SandboxTier, () => Promise<TierProvider>>> = {
  process: async () => (process.platform === 'darwin' ? (await import('./srt/srt-tier.ts')).srtTier : bubblewrapTier),
  container: async () => (await import('./container/container-tier.ts')).containerTier,
  micro_vm: async () => (await import('./micro-vm/micro-vm-tier.ts')).microVmTier,
}

function statusOf(tier: SandboxTier, plan: TierPlan, asked: SandboxTier, missing: Failure | null): SandboxStatus {
  const { provider, profiles, limits, degraded, shell = true } = plan
  const problem = missing === null ? null : { ...missing, message: `Weaker than asked for (${asked}): ${missing.message}` }
  return { asked, tier, provider, files: true, shell, profiles, problem, limits, degraded }
}

function withoutHands(problem: Failure, asked: SandboxTier): Sandbox {
  return {
    status: { asked, tier: 'none', provider: '', files: false, shell: false, profiles: [], problem, limits: [], degraded: [] },
    hands: () => Promise.reject(toError(problem)),
    close: () => Promise.resolve(),
  }
}
