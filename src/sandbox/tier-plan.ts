/** What each tier brings: how to find out whether this machine has it, and how to start hands in it. */
import type { Config, Failure, Profile, SandboxTier } from '../types/index.ts'
import type { HandsProcess } from './hands/hands-process.ts'
import type { WorkspaceFolders } from './workspace-folders.ts'

export interface TierOptions {
  readonly folders: WorkspaceFolders
  readonly limits: Config['sandbox']
  readonly browser: Config['browser']
  /**
   * Socket of the egress proxy on the host, which profiles `online` and `browser` get to see; it listens from their first start
   * on. Absent: nothing in the sandbox has a way out, and there are no such profiles.
   */
  readonly egressSocket?: () => Promise<string>
  /** Where the programs of the tier are looked for. */
  readonly searchPath: string
  /** Folder on the host for what the tier keeps: images, snapshots. */
  readonly cacheFolder: string
  readonly logger: (message: string) => void
}

/** A tier that this machine seems to have. Whether it works is known when hands have greeted. */
export interface TierPlan {
  readonly provider: string
  readonly profiles: readonly Profile[]
  readonly limits: readonly string[]
  readonly degraded: readonly string[]
  /** Each start is a new process over the same folders. @throws OxbowError `sandbox_missing`, `sandbox_failed` */
  start(profile: Profile): Promise<HandsProcess>
  /** Ends what outlives single hands: a pool, a container of the user. */
  close(): Promise<void>
}

export interface TierProvider {
  readonly tier: SandboxTier
  /** Quick: looks at what is installed, starts nothing that stays. @returns the plan, or why the tier is missing and what to install */
  plan(options: TierOptions): Promise<TierPlan | Failure>
}

export function isPlan(plan: TierPlan | Failure): plan is TierPlan {
  return 'start' in plan
}
