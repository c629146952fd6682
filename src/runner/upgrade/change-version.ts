/**
 * Changes the version of Oxbow, up or down, with a way back from each step:
 *
 *   rehearse   the version is tried on a copy of the home; see rehearsal.ts
 *   wait       for open turns, at most `upgrade.drain_s`
 *   drain      guests stop; turns that are still open go on later, from their records
 *   backup     of each store, verified
 *   switch     the launcher runs the other version
 *   migrate    the tables of each store, forward or back
 *   start      the guests that ran
 *   health     they must serve for `upgrade.health_s` without a fault
 *   return     after a fault: the same way back
 *
 * Versions meet by their verbs only (version-program.ts). Where it is, stands in a file before each step (change.ts), so that the same command
 * finishes what was killed.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { errorMessage, isAlive, OxbowError, type UserId } from '../../base/index.ts'
import { openTurns } from '../daemon/guest-rest.ts'
import { findGuest } from '../find-guest.ts'
import { serverOf } from '../process-note.ts'
import { type Home, type HostEnv, openWorkspace, usersOf } from '../home.ts'
import { type Change, type ChangeStep, readChange, writeChange } from './change.ts'
import { daemonOf, startDaemon, stopDaemon } from './daemon-change.ts'
import { healthPollMs, serverStopMs, turnsPollMs } from './limits.ts'
import { rehearse, type Rehearsed, takeFilesBack, usersWithStore } from './rehearsal.ts'
import { askVerb, runVerb } from './version-program.ts'
import { compareVersions, type Installed, installedVersions, launcher, makeCurrent, versionsFolder } from './versions.ts'

export interface ChangePlace {
  readonly home: Home
  readonly env: HostEnv
  /** Variables with passphrases of stores. */
  readonly passphrases: readonly string[]
  readonly healthMs: number
  /** How long open turns are waited for. */
  readonly drainMs: number
  readonly now: () => number
  /** What happens, for people. */
  readonly tell: (what: string) => void
}

export interface Changed {
  readonly change: Change
  readonly rehearsed: readonly Rehearsed[]
}

type WayStep = Exclude<ChangeStep, 'rehearse' | 'return'>

/** The steps after the rehearsal, in their order. */
const ways: Readonly<Record<Change['kind'], readonly WayStep[]>> = {
  upgrade: ['wait', 'drain', 'backup', 'switch', 'migrate', 'start', 'health'],
  downgrade: ['wait', 'drain', 'backup', 'migrate', 'switch', 'start', 'health'],
}

/**
 * @param isTrial whether it ends after the rehearsal
 * @throws OxbowError `tool_failed` when the rehearsal fails: nothing was changed; `workspace_busy` for a guest of a terminal, or another change
 */
export async function changeVersion(place: ChangePlace, from: Installed, to: Installed, isTrial: boolean): Promise<Changed> {
  const { home, env, passphrases, tell, now } = place
  const users = await usersWithStore(home, usersOf(home), from, env)
  const kind = to.store < from.store || compareVersions(to.version, from.version) < 0 ? 'downgrade' : 'upgrade'
  let change: Change = {
    kind,
    from: from.version,
    to: to.version,
    step: 'rehearse',
    state: 'going',
    pid: process.pid,
    at: now(),
    users,
    served: await servedUsers(home, users),
    daemon: daemonOf(home) !== null,
    failure: null,
  }
  if (!isTrial) writeChange(home, change)
  try {
    const back = to.store < from.store ? to.store : null
    const rehearsed = await rehearse({ home, env, users, passphrases, running: from, next: to, back, tell })
    if (isTrial) return { change, rehearsed }
    change = await walk(place, change, { from, to })
    return { change, rehearsed }
  } catch (error) {
    // What fails later is an outcome of `walk`.
    if (!isTrial) writeChange(home, { ...change, state: 'refused', failure: { step: change.step, message: errorMessage(error) } })
    throw error
  }
}

/** @returns a change that was killed in the middle; null: no change was. @throws OxbowError `workspace_busy` while another process works on one */
export function interruptedChange(home: Home): Change | null {
  const change = readChange(home)
  if (change === null || change.state === 'done' || change.state === 'refused' || change.state === 'returned') return null
  if (change.state === 'going' && change.pid !== process.pid && isAlive(change.pid)) {
    throw new OxbowError('workspace_busy', `Process ${change.pid} is changing Oxbow from ${change.from} to ${change.to}.`, {
      hint: 'Wait until it has ended: oxbow status says how far it is.',
    })
  }
  return change.step === 'rehearse' ? null : change
}

/** Finishes a change that was killed: forward, or back if it was on its way back. */
export async function finishChange(place: ChangePlace, change: Change): Promise<Change> {
  const versions = installedVersions(place.home, place.env)
  const named = (version: string): Installed => {
    const found = versions.find((each) => each.version === version)
    if (found !== undefined) return found
    throw new OxbowError('not_found', `Version ${version} is not on this machine any more.`, {
      hint: 'Get it again: oxbow upgrade --from FILE',
    })
  }
  const pair = { from: named(change.from), to: named(change.to) }
  const mine = { ...change, state: 'going', pid: process.pid } as const
  if (change.step === 'return') return goBack(place, mine, pair)
  return walk(place, mine, pair)
}

interface Pair {
  readonly from: Installed
  readonly to: Installed
}

/**
 * Goes on from the step at which the change is. After a kill, guests may have started and migrated again, so all steps but the backup are done
 * again: each finds what is done. @returns how it ended: done, or returned with what failed
 */
async function walk(place: ChangePlace, begun: Change, pair: Pair): Promise<Change> {
  const way = ways[begun.kind]
  const isBackedUp = way.indexOf(begun.step as WayStep) > way.indexOf('backup')
  let change = begun
  try {
    for (const step of isBackedUp ? way.filter((each) => each !== 'backup') : way) {
      change = { ...change, step }
      writeChange(place.home, change)
      await steps[step](place, change, pair)
    }
    change = { ...change, state: 'done' }
    writeChange(place.home, change)
    return change
  } catch (error) {
    const failure = { step: change.step, message: errorMessage(error) }
    place.tell(`${failure.message} Going back to ${pair.from.version}`)
    return goBack(place, { ...change, failure }, pair)
  }
}

/** Takes seconds, whatever failed: it waits for nothing but the end of guests, the steps of the tables and a start. */
async function goBack(place: ChangePlace, failed: Change, { from, to }: Pair): Promise<Change> {
  const { home, env } = place
  const change: Change = { ...failed, step: 'return' }
  writeChange(home, change)
  let state: Change['state'] = 'returned'
  try {
    await drain(place, change)
    await takeFilesBack(env, to, from)
    if (to.store > from.store) await migrateBack(place, change, { from, to })
    makeCurrent(home, env, from)
    await start(place, change)
  } catch (error) {
    state = 'stuck'
    place.tell(errorMessage(error))
  }
  const ended = { ...change, state }
  writeChange(home, ended)
  return ended
}

/** By the newer version; where that cannot do it, the backup is put back, which the drained store is the same as. */
async function migrateBack({ home, env, tell }: ChangePlace, { users, from: before }: Change, { from, to }: Pair): Promise<void> {
  for (const user of users) {
    const { exit, message } = await runVerb(to, ['store', 'migrate', '--to', String(from.store), '--yes', '--user', user, '--json'], env)
    if (exit === 0) continue
    tell(`${to.version} cannot take its steps back (${message}): the backup of ${user} is put back`)
    const backup = backupFile(home, { from: before, to: to.version }, user)
    await askVerb(from, ['restore', backup, '--database-only', '--replace', '--user', user], env)
  }
}

const steps: Readonly<Record<WayStep, (place: ChangePlace, change: Change, pair: Pair) => Promise<void>>> = {
  wait: waitForTurns,
  drain,
  async backup({ home, env, tell }, change, { from }) {
    for (const user of change.users) {
      tell(`backing up the store of ${user}`)
      const file = backupFile(home, change, user)
      mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 })
      rmSync(file, { force: true })
      const { problems } = await askVerb(from, ['backup', file, '--database-only', '--user', user], env)
      if (Array.isArray(problems) && problems.length > 0) throw notSound(user, String(problems[0]))
    }
  },
  async switch({ home, env }, _change, { to }) {
    makeCurrent(home, env, to)
  },
  async migrate({ env, tell }, { users, kind }, { from, to }) {
    await takeFilesBack(env, from, to)
    const [by, target] = kind === 'upgrade' ? [to, []] : [from, ['--to', String(Math.min(from.store, to.store))]]
    if (from.store === to.store) return
    for (const user of users) {
      tell(`${by.version} migrates the store of ${user}`)
      await askVerb(by, ['store', 'migrate', ...target, '--yes', '--user', user], env)
    }
  },
  start,
  health,
}

const notSound = (user: string, problem: string): OxbowError =>
  new OxbowError('store_corrupt', `The journal of ${user} does not verify: ${problem}.`, { hint: 'oxbow audit verify says more.' })

function backupFile(home: Home, { from, to }: Pick<Change, 'from' | 'to'>, user: string): string {
  return join(versionsFolder(home), 'backups', `${from}-to-${to}`, `${user}.oxbow-backup`)
}

/** Users whose guest a server, or the daemon, keeps. @throws OxbowError `workspace_busy` for one that belongs to a terminal */
async function servedUsers(home: Home, users: readonly UserId[]): Promise<readonly UserId[]> {
  const served: UserId[] = []
  for (const user of users) {
    const workspace = openWorkspace(home, user)
    const guest = await findGuest(workspace)
    if (guest === null) continue
    if (serverOf(workspace) === null && daemonOf(home) === null) {
      throw new OxbowError('workspace_busy', `The guest of ${user}, process ${guest.pid}, belongs to a terminal. Nothing was changed.`, {
        hint: 'Close the chat, or the program that started it, and run the command again.',
      })
    }
    served.push(user)
  }
  return served
}

/**
 * So that a person who waits for an answer gets it from the version that began it. What is not done in time goes on in the other one, and turns
 * that wait for a person are not waited for: that may take days.
 */
async function waitForTurns({ home, drainMs, tell }: ChangePlace, { users }: Change): Promise<void> {
  const openOf = async (user: string): Promise<readonly string[]> => {
    const guest = await findGuest(openWorkspace(home, user as UserId))
    return guest === null ? [] : (await openTurns(guest)).map((title) => `${user}, ${JSON.stringify(title.slice(0, maxTitle))}`)
  }
  const until = performance.now() + drainMs
  for (let told = ''; ; await sleep(Math.max(0, Math.min(turnsPollMs, until - performance.now())))) {
    const open = (await Promise.all(users.map(openOf))).flat()
    if (open.length === 0) return
    const who = open.join('; ')
    if (performance.now() >= until) return tell(`not done within ${drainMs / 1_000} s, and going on afterwards: ${who}`)
    if (who !== told) tell(`waiting for ${open.length === 1 ? 'an open turn' : `${open.length} open turns`}: ${who}`)
    told = who
  }
}

const maxTitle = 60

/** A server that has lost its guest, and pauses before the next one, counts as running. */
async function drain({ home, env, tell }: ChangePlace, { users }: Change): Promise<void> {
  if (daemonOf(home) !== null) tell('stopping the daemon; turns that are still open go on later')
  await stopDaemon(home)
  for (const user of users as readonly UserId[]) {
    const workspace = openWorkspace(home, user)
    for (let waitedMs = 0; waitedMs < serverStopMs; waitedMs += healthPollMs) {
      const guest = await findGuest(workspace)
      if (guest === null && serverOf(workspace) === null) break
      if (waitedMs === 0) tell(`stopping the guest of ${user}; its open turns go on later`)
      await askVerb(launcher(env), ['stop', '--user', user], env, { isLaunched: true })
      if (serverOf(workspace) !== null) await sleep(healthPollMs)
    }
  }
}

/** Also where none ran before, one is started, to see that it is well. */
async function start({ home, env, tell }: ChangePlace, { users, served, daemon }: Change): Promise<void> {
  if (daemon) await startDaemon(home, env)
  for (const user of toWatch(users, served)) {
    tell(`starting the guest of ${user}`)
    await askVerb(launcher(env), ['start', '--user', user], env, { isLaunched: true })
  }
}

const toWatch = (users: readonly string[], served: readonly string[]): readonly UserId[] =>
  (served.length > 0 ? served : users.slice(0, 1)) as readonly UserId[]

/** @throws OxbowError `guest_unreachable` when a guest is lost or says that it is another version */
async function health(place: ChangePlace, { users, served }: Change, { to }: Pair): Promise<void> {
  const { home, env, healthMs, tell } = place
  const watched = toWatch(users, served).map((user) => openWorkspace(home, user))
  const pids = await Promise.all(watched.map(async (workspace) => (await findGuest(workspace))?.pid ?? 0))
  tell(`watching for ${healthMs / 1_000} s whether ${to.version} stays well`)
  const until = performance.now() + healthMs
  do {
    for (const [at, workspace] of watched.entries()) {
      const guest = await findGuest(workspace)
      if (guest === null || guest.pid !== pids[at])
        throw new OxbowError(
          'guest_unreachable',
          `The guest of ${workspace.user} did not stay: ${guest === null ? 'it ended' : 'it was started again'}.`,
          {
            hint: 'oxbow logs says more.',
          },
        )
    }
    await sleep(healthPollMs)
  } while (performance.now() < until)
  for (const { user } of watched) {
    const { version } = await askVerb(launcher(env), ['status', '--user', user], env, { isLaunched: true })
    if (version !== to.version)
      throw new OxbowError('guest_unreachable', `The guest of ${user} is of version ${String(version)}, not ${to.version}.`, {
        hint: 'Run the command again.',
      })
    if (!served.includes(user)) await askVerb(launcher(env), ['stop', '--user', user], env, { isLaunched: true })
  }
}
