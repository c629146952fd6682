/** The Linux sandbox as a tier: its profiles, and its limits in force and missing. */
import { once } from '../../base/index.ts'
import { findBrowser } from '../browser.ts'
import { findDiskLimit } from '../disk.ts'
import type { TierOptions, TierPlan, TierProvider } from '../tier-plan.ts'
import { type BubblewrapPlan, holds, planBubblewrap } from './bubblewrap-plan.ts'

export const bubblewrapTier: TierProvider = {
  tier: 'process',
  async plan(options) {
    const plan = await planBubblewrap(options.searchPath)
    return 'code' in plan ? plan : tierPlan(plan, options)
  },
}

function tierPlan(plan: BubblewrapPlan, options: TierOptions): TierPlan {
  // Loaded with the first start of hands; all starts share its counters.
  const starter = once(async () => (await import('./bubblewrap-start.ts')).createStarter(plan, options))
  return {
    provider: 'bubblewrap',
    ...profilesOf(options),
    mounts: true,
    enters: true,
    limits: limitsInForce(plan, options),
    degraded: [...plan.degraded, ...notInForce(plan, options)],
    start: async (profile) => (await starter()).hands(profile),
    serve: async (program) => (await starter()).serve(program),
    close: () => Promise.resolve(),
  }
}

function profilesOf({ egressSocket, browser }: TierOptions): Pick<TierPlan, 'profiles' | 'lacking'> {
  if (egressSocket === undefined) return { profiles: ['work', 'vault-read'] }
  const found = findBrowser(browser)
  if (!('code' in found)) return { profiles: ['work', 'online', 'browser', 'vault-read'] }
  const why = `this machine does not have: ${found.message.replace(/^No browser: /, '').replace(/\.$/, '')}`
  return { profiles: ['work', 'online', 'vault-read'], lacking: { browser: { why, hint: found.hint } } }
}

function limitsInForce({ cgroups }: BubblewrapPlan, { folders, limits, egressSocket, diskProblem }: TierOptions): readonly string[] {
  const network = egressSocket === undefined ? 'none' : 'none but the egress proxy, for calls that may use it'
  const inForce = [`network: ${network}`, `largest file: ${limits.max_file_mb} MB`]
  if (holds(cgroups, 'memory')) inForce.push(`memory: ${limits.memory_mb} MB for all together`)
  if (holds(cgroups, 'pids')) inForce.push(`processes: ${limits.max_processes}`)
  if (holds(cgroups, 'cpu') && limits.cpus !== null) inForce.push(`processors: ${limits.cpus}`)
  return [...inForce, ...findDiskLimit(folders, limits.disk_mb, diskProblem).inForce]
}

/** Configured limits that this machine cannot enforce. */
function notInForce({ cgroups }: BubblewrapPlan, { folders, limits, diskProblem }: TierOptions): readonly string[] {
  const processors = limits.cpus === null || holds(cgroups, 'cpu') ? [] : ['processors: no writable cgroup; not limited']
  return [...processors, ...findDiskLimit(folders, limits.disk_mb, diskProblem).missing]
}
