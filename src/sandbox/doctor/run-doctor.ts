/**
 * Examines this machine by doing: each part is used once, as a guest would use it, in a workspace of its own that is removed
 * after. What is merely installed is no finding: files of devices and versions of programs have lied about what works.
 */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config, DoctorCheck } from '../../types/index.ts'
import { ownSearchPath } from '../bubblewrap/sandbox-tools.ts'
import { createEgressProxy } from '../egress/proxy/egress-proxy.ts'
import { attempt } from './attempt.ts'
import { diskAttempt } from './disk-attempt.ts'
import { insideAttempts } from './inside-attempts.ts'
import { keptCheck } from './kept-check.ts'
import { limitsAttempt } from './limits-attempt.ts'
import { processTier, tierAttempts } from './tier-attempts.ts'
import { wasmAttempt } from './wasm-attempt.ts'
import { workspaceAttempt } from './workspace-attempt.ts'

export interface DoctorOptions {
  readonly config: Pick<Config, 'sandbox' | 'browser' | 'egress'>
  /** The folder of the workspace that agents write; looked at, not used. */
  readonly shared: string
  /** Folder on the host for what was found of them. */
  readonly cacheFolder: string
  /** See TierOptions. */
  readonly imageFolder: string
  /** See TierOptions; that of this process when absent. */
  readonly searchPath?: string
}

/** One finding after the other, as they are made. One at a time: two machines at once would slow each other down. */
export async function* runDoctor({ config, shared, ...places }: DoctorOptions): AsyncGenerator<DoctorCheck> {
  const workspaceRoot = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-doctor-')))
  const proxy = createEgressProxy(config.egress, join(workspaceRoot, 'ipc'))
  try {
    const own = { workspaceRoot, cacheFolder: join(workspaceRoot, 'internal') }
    const machine = { ...places, ...own, limits: config.sandbox, browser: config.browser, egressSocket: proxy.socket }
    let inside = true
    for (const each of tierAttempts(machine)) {
      const check = await keptCheck(each, { ...machine, cacheFolder: places.cacheFolder })
      // What cannot be started cannot be looked into.
      if (each.name === processTier && check.state === 'missing') inside = false
      yield check
    }
    if (inside)
      for (const each of [limitsAttempt(places.searchPath ?? ownSearchPath()), ...insideAttempts(machine)]) yield await attempt(each)
    yield await attempt(wasmAttempt)
    yield await attempt(diskAttempt(shared, config.sandbox.disk_mb))
    yield await attempt(workspaceAttempt(shared))
  } finally {
    await proxy.close()
    await rm(workspaceRoot, { recursive: true, force: true })
  }
}
