/** Connects versions and branches of files with the core: what they use of it, and what other services get of them. And their calls. */
import { sectionOf } from '../../config/index.ts'
import { versionsConfig } from './config.ts'
import type { Core } from '../../kernel/index.ts'
import type { Runs } from '../../runs/index.ts'
import { once } from '../../base/index.ts'
import type { Branches } from './branches/branches.ts'
import { createVersioning, type Versioning } from './versioning.ts'

export interface OpenVersions {
  readonly versioning: Versioning
  /** Loaded with the first. */
  readonly branches: () => Promise<Branches>
}

export function openVersions(core: Core, runs: () => Promise<Runs>): OpenVersions {
  const pause: Runs['pause'] = async (ms) => (await runs()).pause(ms)
  const versioning = createVersioning({
    ...core,
    config: sectionOf(versionsConfig, core.config),
    pause,
  })
  const far = once(async () => (await import('./branches/far-branches.ts')).createFarBranches({ ...core, ...versioning, pause }))
  const branches = once(async () => {
    const { createBranches } = await import('./branches/branches.ts')
    return createBranches({ ...core, ...versioning, far, versioning, heldLabels: core.sessions.held, loadHeld: core.sessions.loadHeld })
  })
  return { versioning, branches }
}
