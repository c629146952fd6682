/** What `oxbow upgrade` and `oxbow downgrade` do: choose a version, get it, list what it costs, change to it, and remove what is old. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { errorMessage, OxbowError, systemClock } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import { type Home, type HostEnv, usersOf } from '../home.ts'
import { type Change, changeNotice, readChange } from './change.ts'
import { type Changed, changeVersion, finishChange, interruptedChange } from './change-version.ts'
import { openProgress } from './progress.ts'
import { install, listReleases, packagePlace } from './release-file.ts'
import { usersWithStore } from './rehearsal.ts'
import { runVerb } from './version-program.ts'
import {
  assertIntact,
  compareVersions,
  type Installed,
  installedVersions,
  removeOld,
  runningVersion,
  versionPattern,
  versionsFolder,
} from './versions.ts'

export interface UpgradePlace {
  readonly home: Home
  readonly env: HostEnv
  readonly config: Config
  readonly tell: (what: string) => void
}

export interface UpgradeWish {
  readonly version?: string | undefined
  /** A package next to its signed hashes. */
  readonly from?: string | undefined
  readonly isTrial: boolean
}

export interface UpgradeReport extends Partial<Changed> {
  readonly from: string
  readonly to: string
  /** Whether there was nothing to do. */
  readonly isSame: boolean
  readonly removed: readonly string[]
}

/** @throws OxbowError when the version cannot be had, is not signed, or fails in the rehearsal: nothing was changed then */
export async function upgradeTo(place: UpgradePlace, wish: UpgradeWish): Promise<UpgradeReport> {
  return reported(place, (telling) => upgrade(telling, wish))
}

/** What it tells, and how it ends, is in the progress too. */
async function reported(place: UpgradePlace, work: (place: UpgradePlace) => Promise<UpgradeReport>): Promise<UpgradeReport> {
  const say = openProgress(place.home, systemClock.now)
  const tell = (what: string): void => {
    say(what)
    place.tell(what)
  }
  try {
    const report = await work({ ...place, tell })
    const { from, to, isSame, change } = report
    if (isSame) say(`${from} is the newest version there`)
    else say(change === undefined || change.state === 'going' ? `${to} works on a copy` : (changeNotice(place.home) ?? `${to} runs now`))
    return report
  } catch (error) {
    say(`nothing was changed: ${errorMessage(error)}`)
    throw error
  }
}

async function upgrade(place: UpgradePlace, { version, from: file, isTrial }: UpgradeWish): Promise<UpgradeReport> {
  const running = runningVersion()
  if (version !== undefined && !versionPattern.test(version))
    throw new OxbowError('bad_input', `${JSON.stringify(version)} is not a version.`, { hint: 'Write it like 1.2.3.' })
  const next = await getVersion(place, running, version, file)
  if (next.version === running.version) return { from: running.version, to: next.version, isSame: true, removed: [] }
  if (compareVersions(next.version, running.version) < 0)
    throw new OxbowError('bad_input', `${next.version} is older than ${running.version}.`, {
      hint: `To go back: oxbow downgrade ${next.version}`,
    })
  const changed = await changeVersion(changePlace(place), running, next, isTrial)
  return { from: running.version, to: next.version, isSame: false, ...changed, removed: tidy(place, changed) }
}

/** What is on this machine needs no package. */
async function getVersion(
  { home, env, config, tell }: UpgradePlace,
  running: Installed,
  version: string | undefined,
  file: string | undefined,
): Promise<Installed> {
  const versions = versionsFolder(home)
  const { source, keys } = config.upgrade
  const there = installedVersions(home, env).find((each) => each.version === version)
  if (file === undefined && there !== undefined) {
    if (dirname(there.root) === versions) await assertIntact(there.root)
    return there
  }
  if (file === undefined && source === '') {
    throw new OxbowError('bad_input', 'No source of packages is configured.', {
      hint: 'Name a package next to its SHA256SUMS, `oxbow upgrade --from FILE`, or set a source: `oxbow config set upgrade.source https://…`.',
    })
  }
  const place = packagePlace(file === undefined ? source : dirname(resolve(file)))
  const releases = await listReleases(place, keys)
  const wanted = releases.find(
    (each) => (file === undefined || each.file === basename(file)) && (version === undefined || each.version === version),
  )
  if (wanted === undefined) {
    const names = releases.map((each) => each.version).join(', ')
    throw new OxbowError('not_found', `${place.where} has no ${version ?? basename(file ?? 'package')} for this machine that is signed.`, {
      hint: names === '' ? 'Check upgrade.source, or name a package: `oxbow upgrade --from FILE`.' : `There are: ${names}.`,
    })
  }
  if (file === undefined && version === undefined && compareVersions(wanted.version, running.version) <= 0) return running
  tell(`getting ${wanted.file}`)
  mkdirSync(versions, { recursive: true, mode: 0o700 })
  return install(place, wanted, versions)
}

export interface DowngradeWish {
  readonly version?: string | undefined
}

export interface DowngradePlan {
  readonly from: Installed
  readonly to: Installed
  /** What the older version cannot read, in words; empty: it reads everything. */
  readonly lost: readonly string[]
}

/** @returns what a downgrade would do. @throws OxbowError `not_found` for a version that is not on this machine */
export async function planDowngrade(place: UpgradePlace, { version }: DowngradeWish): Promise<DowngradePlan> {
  const { home, env } = place
  const from = runningVersion()
  const older = installedVersions(home, env).filter((each) => compareVersions(each.version, from.version) < 0)
  const before = readChange(home)
  const wanted =
    version ?? (before?.state === 'done' && before.to === from.version && before.kind === 'upgrade' ? before.from : older[0]?.version)
  const to = older.find((each) => each.version === wanted)
  if (to === undefined) {
    const names = older.map((each) => each.version).join(', ')
    throw new OxbowError(
      'not_found',
      `There is no ${version === undefined ? 'older version' : `version ${version} older than ${from.version}`} on this machine.`,
      {
        hint: names === '' ? 'Versions stay here after an upgrade: only those can be gone back to.' : `There are: ${names}.`,
      },
    )
  }
  if (dirname(to.root) === versionsFolder(home)) await assertIntact(to.root)
  return { from, to, lost: await unreadable(place, from, to) }
}

/** @returns what the older version cannot read: steps of the tables, keys of the configuration, kinds of calls in the journal */
async function unreadable({ home, env }: UpgradePlace, from: Installed, to: Installed): Promise<readonly string[]> {
  const lost: string[] = []
  const config = await runVerb(to, ['config', 'validate'], env)
  if (config.exit !== 0) lost.push(`The configuration: ${config.message}`)
  const [known, ours] = await Promise.all([callsOf(to, env), callsOf(from, env)])
  const newer = [...ours].filter((name) => !known.has(name))
  if (newer.length > 0) lost.push(`Calls that only ${from.version} has, which stay in the journal and cannot be made: ${newer.join(', ')}.`)
  for (const user of await usersWithStore(home, usersOf(home), from, env)) {
    if (to.store >= from.store) continue
    const { exit, out, message } = await runVerb(
      from,
      ['store', 'migrate', '--to', String(to.store), '--dry-run', '--user', user, '--json'],
      env,
    )
    const steps =
      exit === 0 ? ((JSON.parse(out.trimEnd().split('\n').at(-1) ?? '{}') as { steps?: readonly string[] }).steps ?? []) : [message]
    if (steps.length > 0)
      lost.push(`Steps of the tables of ${user} that are taken back: ${steps.map((step) => step.replace(/^-/, '')).join(', ')}.`)
  }
  return lost
}

async function callsOf(version: Installed, env: HostEnv): Promise<ReadonlySet<string>> {
  const { out } = await runVerb(version, ['calls', '--json'], env)
  const names = out.split('\n').flatMap((line) => /^\{"name":"([\w.]+)"/.exec(line)?.[1] ?? [])
  return new Set(names)
}

/** @throws OxbowError as `upgradeTo` */
export async function downgradeTo(place: UpgradePlace, { from, to }: DowngradePlan, isTrial: boolean): Promise<UpgradeReport> {
  return reported(place, async (telling) => {
    const changed = await changeVersion(changePlace(telling), from, to, isTrial)
    return { from: from.version, to: to.version, isSame: false, ...changed, removed: [] }
  })
}

/**
 * A change that was killed is finished before another one begins.
 * @returns what it came to; null where none was interrupted. @throws OxbowError `workspace_busy` while another process works on one, or when
 * it was a change of the other kind
 */
export async function finishInterrupted(place: UpgradePlace, kind: Change['kind']): Promise<UpgradeReport | null> {
  const left = interruptedChange(place.home)
  if (left === null) return null
  const { from, to } = left
  if (left.kind !== kind) {
    throw new OxbowError('workspace_busy', `The ${left.kind} from ${from} to ${to} was interrupted.`, {
      hint: `Finish it first: oxbow ${left.kind}`,
    })
  }
  return reported(place, async (telling) => {
    telling.tell(`finishing the ${kind} from ${from} to ${to}, which was interrupted`)
    return { from, to, isSame: false, change: await finishChange(changePlace(telling), left), removed: [] }
  })
}

/** @returns versions that were removed */
function tidy({ home, env, config }: UpgradePlace, { change }: Changed): readonly string[] {
  if (change.state !== 'done') return []
  const removed = removeOld(home, env, config.upgrade.keep, [change.from, change.to])
  // Earlier backups are of no use any more: to go further back migrates.
  const backups = join(versionsFolder(home), 'backups')
  for (const name of existsSync(backups) ? readdirSync(backups) : [])
    if (name !== `${change.from}-to-${change.to}`) rmSync(join(backups, name), { recursive: true, force: true })
  return removed
}

function changePlace({ home, env, config, tell }: UpgradePlace) {
  const { health_s: health, drain_s: drain } = config.upgrade
  const times = { healthMs: health * 1_000, drainMs: drain * 1_000, now: systemClock.now }
  return { home, env, passphrases: [config.store.passphrase_env], ...times, tell }
}

export interface ListedVersion {
  readonly version: string
  readonly running: boolean
  readonly root: string
  /** The newest step of the tables that it knows. */
  readonly store: number
}

export function listVersions({ home, env }: Pick<UpgradePlace, 'home' | 'env'>): readonly ListedVersion[] {
  const { version: running } = runningVersion()
  return installedVersions(home, env).map(({ version, root, store }) => ({ version, running: version === running, root, store }))
}
