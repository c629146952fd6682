/**
 * The newest change of versions, as a file: how far it came, and what failed. It is written before each step, so a change that was killed can be
 * finished, and `oxbow status` says what failed. While a change is between its steps, nobody else starts a guest (`whileChanging`, and
 * `bin/launch.js` for new commands), because it would be of the wrong version.
 *
 * At any moment the launcher runs a version that can read every store: an upgrade makes the new one current before it migrates, and a downgrade
 * migrates back before it makes the old one current. So whatever is killed, Oxbow starts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { isAlive, isObject, OxbowError, writeWhole } from '../../base/index.ts'
import { readText } from '../file-owner.ts'
import type { Home, HostEnv } from '../home.ts'
import { changePollMs, changeWaitMs } from './limits.ts'
import { versionsFolder } from './versions.ts'

/** In the order of an upgrade. A downgrade migrates before it switches. */
export type ChangeStep = 'rehearse' | 'wait' | 'drain' | 'backup' | 'switch' | 'migrate' | 'start' | 'health' | 'return'

export interface Change {
  readonly kind: 'upgrade' | 'downgrade'
  readonly from: string
  readonly to: string
  /** The step that runs, or ran last. */
  readonly step: ChangeStep
  /** `going` until it ends; `returned`: the version before is back; `stuck`: not even that. */
  readonly state: 'going' | 'done' | 'refused' | 'returned' | 'stuck'
  /** The process that does it. */
  readonly pid: number
  /** Unix milliseconds. */
  readonly at: number
  /** Users with a store, and of them those whose guest ran. */
  readonly users: readonly string[]
  readonly served: readonly string[]
  /** Whether a daemon kept them. */
  readonly daemon: boolean
  /** What failed, and where. */
  readonly failure: { readonly step: ChangeStep; readonly message: string } | null
}

function changeFile(home: Pick<Home, 'root'>): string {
  return join(versionsFolder(home), 'change.json')
}

export function writeChange(home: Pick<Home, 'root'>, change: Change): void {
  writeWhole(changeFile(home), JSON.stringify(change, null, 1))
}

/** @returns the newest change; null: nobody has changed it, or the file is damaged */
export function readChange(home: Pick<Home, 'root'>): Change | null {
  try {
    const written: unknown = JSON.parse(readText(changeFile(home)) ?? 'null')
    return isObject(written) && typeof written['step'] === 'string' ? (written as unknown as Change) : null
  } catch {
    return null
  }
}

/** Before and after these steps, the version that is current may start guests. */
const calm: ReadonlySet<ChangeStep> = new Set(['rehearse', 'wait', 'start', 'health'])

/** @returns whether a process works on it in a step in which no guest may start */
function isBetween({ state, step, pid }: Change): boolean {
  return state === 'going' && !calm.has(step) && isAlive(pid)
}

/** Programs that a change itself starts are not kept waiting. */
const ofChange = 'OXBOW_CHANGE'

/** @returns the variables of a program that a change starts */
export function asPartOfChange(env: HostEnv): HostEnv {
  return { ...env, [ofChange]: '1' }
}

/**
 * Waits until a change of versions is over, before a guest is started.
 * @throws OxbowError `workspace_busy` after a wait: this program may be of the version before
 */
export async function whileChanging(home: Pick<Home, 'root'>, env: HostEnv): Promise<void> {
  if (env[ofChange] !== undefined) return
  for (let waitedMs = 0; ; waitedMs += changePollMs) {
    const change = readChange(home)
    if (change === null || (!isBetween(change) && waitedMs === 0)) return
    if (!isBetween(change) || waitedMs >= changeWaitMs) {
      throw new OxbowError(
        'workspace_busy',
        `Oxbow ${isBetween(change) ? 'is being' : 'was'} changed from ${change.from} to ${change.to} meanwhile.`,
        {
          hint: 'Run the command again.',
        },
      )
    }
    await sleep(changePollMs)
  }
}

/** @returns what `oxbow status` says of the newest change; null: nothing that a person needs to know */
export function changeNotice(home: Pick<Home, 'root'>): string | null {
  const change = readChange(home)
  if (change === null || change.state === 'done') return null
  const { kind, from, to, step, state, failure, pid } = change
  const what = `The ${kind} from ${from} to ${to}`
  if (state === 'going')
    return isAlive(pid)
      ? `${what} is going on: ${words[step]}.`
      : `${what} was interrupted (${words[step]}). \`oxbow ${kind}\` finishes it.`
  const why = failure === null ? '' : ` (${words[failure.step]}): ${failure.message}`
  if (state === 'refused') return `${what} did not begin${why} Nothing was changed.`
  if (state === 'returned') return `${what} failed${why} ${from} is back.`
  return `${what} failed, and so did the way back${why} Run \`oxbow ${kind}\` again; the backups are in versions/backups.`
}

const words: Readonly<Record<ChangeStep, string>> = {
  rehearse: 'trying it on a copy',
  wait: 'waiting for open turns',
  drain: 'stopping guests',
  backup: 'backing up',
  switch: 'changing the version that runs',
  migrate: 'migrating the store',
  start: 'starting',
  health: 'watching whether it stays well',
  return: 'going back',
}
