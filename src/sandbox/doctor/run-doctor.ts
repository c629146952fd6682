/**
 * Examines this machine by doing: each part is used once, as a guest would use it, in a workspace of its own that is removed
 * after. What is merely installed is no finding: files of devices and versions of programs have lied about what works.
 */
import { statSync } from 'node:fs'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { DoctorCheck } from '../../protocol/index.ts'
import { type Config, engineVariables } from '../../config/index.ts'
import { loadHandsProgram } from '../bubblewrap/hands-program.ts'
import { findEngine, findImage, installationOf } from '../container/container-engine.ts'
import { createEgressProxy } from '../egress/egress-proxy.ts'
import { ownSearchPath } from '../host-programs.ts'
import { bootId, keptAnswer } from '../kept-files.ts'
import { kvmUsers } from '../micro-vm/accelerator.ts'
import { handsMark, imagesName } from '../micro-vm/qemu-command.ts'
import { startTimeoutMs } from './limits.ts'
import { branchesAttempt, diskAttempt, workspaceAttempt } from './workspace-attempts.ts'
import { browserAttempt, insideAttempts, limitsAttempt, wasmAttempt } from './inside-attempts.ts'
import { attempt, type Attempt, type Machine, processTier, tierAttempts } from './tier-attempts.ts'

export interface DoctorOptions {
  readonly config: Pick<Config, 'sandbox' | 'browser' | 'egress'>
  /** The folder of the workspace that agents write; looked at, not used. */
  readonly shared: string
  /** Folder on the host for what was found of them. */
  readonly cacheFolder: string
  /** See TierOptions. */
  readonly imageFolder: string
  /** See TierOptions; this process's own when absent. */
  readonly searchPath?: string
}

/** Yields each finding when it is made. One at a time: two machines at once would slow each other down. */
export async function* runDoctor({ config, shared, ...places }: DoctorOptions): AsyncGenerator<DoctorCheck> {
  const workspaceRoot = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-doctor-')))
  const runs: Promise<unknown>[] = []
  const tryOut = (each: Attempt): Promise<DoctorCheck> => attempt(each, (running) => void runs.push(running))
  const proxy = createEgressProxy(config.egress, join(workspaceRoot, 'ipc'))
  try {
    const own = { workspaceRoot, cacheFolder: join(workspaceRoot, 'internal') }
    const machine = { ...places, ...own, limits: config.sandbox, browser: config.browser, egressSocket: proxy.socket }
    let inside = true
    for (const each of tierAttempts(machine)) {
      const check = await keptCheck(each, { ...machine, cacheFolder: places.cacheFolder }, tryOut)
      // Most of the rest is tried inside the process tier.
      if (each.name === processTier && check.state === 'missing') inside = false
      yield check
    }
    if (inside)
      for (const each of [limitsAttempt(places.searchPath ?? ownSearchPath()), ...insideAttempts(machine)]) yield await tryOut(each)
    yield await tryOut(browserAttempt(machine))
    yield await attempt(wasmAttempt)
    yield await attempt(diskAttempt(shared, config.sandbox.disk_mb))
    yield await attempt(branchesAttempt(shared, config.sandbox.tier, places.searchPath ?? ownSearchPath()))
    yield await attempt(workspaceAttempt(shared))
  } finally {
    await proxy.close()
    // A browser that did not answer in time still writes its profile.
    await Promise.race([Promise.allSettled(runs), delay(startTimeoutMs, null, { ref: false })])
    // What is left after that is no finding: the system empties this folder.
    await rm(workspaceRoot, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }).catch(() => {})
  }
}

/**
 * A tier that takes seconds to try out is tried once for each start of the machine, and again when something of what it is made of has
 * changed: programs, image, configuration, Node, hands, the user, who may use /dev/kvm. What does not work is tried each time: somebody is mending it.
 */

const programs = ['bwrap', 'podman', 'docker', 'runc', 'runsc', 'qemu-system-x86_64', 'mke2fs', 'msb']

/** Never rejects. */
export async function keptCheck(
  each: Attempt,
  machine: Machine,
  tryOut: (each: Attempt) => Promise<DoctorCheck> = attempt,
): Promise<DoctorCheck> {
  // Quick, and everything else is tried inside it.
  if (each.name === processTier) return tryOut(each)
  const folder = machine.cacheFolder
  if (folder === undefined) return tryOut(each)
  let isNew = false
  const find = (): Promise<DoctorCheck> => {
    isNew = true
    return tryOut(each)
  }
  const file = join(folder, 'doctor', `${each.name.replaceAll(/\W+/g, '-')}.json`)
  const check = await keptAnswer(file, await questionOf(each, machine), find, ({ state }) => state !== 'missing')
  return isNew ? check : { ...check, says: `${check.says} (kept since this machine booted)`, ms: 0, required: each.required ?? false }
}

async function questionOf({ name }: Attempt, { limits, searchPath = ownSearchPath(), imageFolder = '' }: Machine): Promise<string> {
  const made = [
    ...searchPath.split(':').flatMap((folder) => programs.map((program) => join(folder, program))),
    join(imageFolder, imagesName),
  ]
  const environment = engineVariables.map((variable) => process.env[variable] ?? '')
  const engine = findEngine(limits.container, searchPath)
  const image = 'code' in engine ? null : await findImage(engine, limits.container.image, installationOf(imageFolder))
  // The machines of another version of Oxbow need another image.
  const hands = handsMark(await loadHandsProgram())
  const stamps = [...new Set(made)].map(stampOf)
  return JSON.stringify([bootId(), name, process.version, process.getuid?.() ?? '', kvmUsers(), limits, environment, image, hands, stamps])
}

/** Changes when the file or folder is written. @returns '' for what is missing, or in a folder that this account may not enter */
function stampOf(path: string): string {
  try {
    const { mtimeMs, size } = statSync(path)
    return `${mtimeMs} ${size}`
  } catch {
    return ''
  }
}
