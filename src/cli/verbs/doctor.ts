/** `oxbow doctor` and `oxbow status`: show what works on this machine, what is missing, and how to install it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  askOffline,
  changeNotice,
  checkHome,
  checkHost,
  checkIsolation,
  checkPort,
  configFiles,
  findGuest,
  spaceOf,
  type GuestSetup,
  type HostCheck,
  loadConfig,
  keyPlaceOf,
  masterKeys,
  parseUser,
} from '../../runner/index.ts'
import { type ErrorCode, type Failure, errorMessage, type Json, ownValue, systemClock, timeInUtc, toFailure } from '../../base/index.ts'
import type { DoctorCheck, JournalRecord } from '../../protocol/index.ts'
import type { StoreStatus, StoreVerifyReport } from '../../config/index.ts'
import { type GuestChoice, guestSetup, outputOf, reportOf, warnOfStale, withGuest } from '../guest-connection.ts'
import { checkCalls } from './known-names.ts'
import { exitOf, printLine, printText, type Terminal } from '../terminal.ts'
import { formatBytes, formatTime, plainText, statusRows, table } from '../../terminal/index.ts'

export interface DoctorOptions extends GuestChoice {
  readonly json?: boolean | undefined
  /** Mend what is safe to mend. */
  readonly fix?: boolean | undefined
  /** With `fix`: only say what would be done. */
  readonly dryRun?: boolean | undefined
}

/** @returns 0 when agents can work, else the exit code of the first check that prevents it */
export async function doctor(options: DoctorOptions, terminal: Terminal): Promise<number> {
  const user = parseUser(options.user)
  const checks: DoctorCheck[] = []
  // Printed one by one: the slowest check takes seconds, and earlier results may already help.
  const show = ({ name, state, says, fix, required, ms }: DoctorCheck): void => {
    const check = { name, state, says, fix, required, ms }
    checks.push(check)
    if (options.json !== true) for (const text of describeCheck(check)) printText(terminal, plainText(text))
  }
  // Before the home is opened, which creates its folders and closes them to others.
  const found = checkHost(terminal.env, user)
  const mended = options.fix === true ? mend(found, options.dryRun === true) : []
  for (const check of options.fix === true && options.dryRun !== true ? checkHost(terminal.env, user) : found) show(check)
  const place = findPlace(options, terminal)
  const { failure } = place
  if (failure !== null) show({ ...failedCheck('configuration', failure), required: place.setup === null })
  if (place.setup !== null) {
    const guest = await findGuest(place.setup.workspace)
    for await (const check of examine(place.setup, guest?.url ?? null)) show(check)
    for (const check of guest === null ? [] : await ofGuest(options, terminal))
      if (!checks.some(({ name }) => name === check.name)) show(check)
  }
  const works = checks.some(({ required }) => required) && checks.every(({ required, state }) => !required || state !== 'missing')
  if (options.json === true) printLine(terminal, JSON.stringify({ works, checks, mended }))
  else for (const text of ['', ...mended, describeVerdict(checks)]) printText(terminal, plainText(text))
  if (works) return 0
  return exitOf(
    failure !== null && place.setup === null
      ? failure.code
      : (ownValue(exitCodes, checks.find(({ required, state }) => required && state === 'missing')?.name ?? '') ?? 'sandbox_missing'),
  )
}

/** What a failed check prevents, where it is not the sandbox. */
const exitCodes: Readonly<Record<string, ErrorCode>> = { database: 'store_failed' }

/** @returns what was mended, or with a dry run would be, in words */
function mend(found: readonly HostCheck[], isDry: boolean): readonly string[] {
  return found.flatMap(({ name, mend: mending }) => {
    if (mending === undefined) return []
    if (isDry) return [`would ${mending.does}`]
    try {
      mending.run()
      return [`${name}: ${mending.does}: done`]
    } catch (error) {
      return [`${name}: ${mending.does}: ${errorMessage(error)}`]
    }
  })
}

interface Place {
  /** Null when no configuration can be used; otherwise with the one that a start would take. */
  readonly setup: GuestSetup | null
  /** What is wrong with the files; null: nothing. */
  readonly failure: Failure | null
}

/** A configuration that cannot be used is a finding: a start takes the last one that worked, which the other checks then examine. */
function findPlace(options: DoctorOptions, terminal: Terminal): Place {
  const failureOf = (work: () => void): Failure | null => {
    try {
      work()
      return null
    } catch (error) {
      return toFailure(error, 'bad_config', '')
    }
  }
  const found: GuestSetup[] = []
  // What it would warn of is a check.
  const failure = failureOf(() => void found.push(guestSetup(options, terminal, false)))
  const [setup = null] = found
  if (setup?.isFallback !== true) return { setup, failure }
  return { setup, failure: failureOf(() => void loadConfig(setup.home, setup.workspace)) }
}

const failedCheck = (name: string, { message, hint }: Failure): DoctorCheck => {
  return { name, state: 'missing', says: message, fix: hint, required: true, ms: 0 }
}

/** Everything that needs a configuration; what takes seconds comes last. @param guestUrl of the guest that runs; null: none does */
async function* examine(setup: GuestSetup, guestUrl: string | null): AsyncGenerator<DoctorCheck> {
  yield await checkPort(setup.config, guestUrl)
  yield* checkHome(setup)
  // Each is a process of its own; none waits for another.
  const [database, clock, names] = [checkDatabase(setup), checkClock(setup), checkCalls(setup)]
  let masters: readonly string[] = []
  try {
    masters = masterKeys(keyPlaceOf(setup))
  } catch {
    // The check of the database says what is wrong with the keys.
  }
  yield* [await database, await clock, await names]
  yield* await checkHooks(setup)
  if (setup.config.sandbox.isolate_guest) yield await checkIsolated(setup)
  for await (const line of askOffline(setup, { command: 'doctor' }, masters)) yield line as DoctorCheck
}

/** @returns what the guest that runs finds of itself and its services. Not for where none runs, which a start would not make better. */
async function ofGuest(options: DoctorOptions, terminal: Terminal): Promise<readonly DoctorCheck[]> {
  try {
    return await withGuest(options, terminal, async ({ gateway }) => {
      const outcome = await gateway.call('system.health', { part: 'guest' })
      if (outcome.status !== 'ok') throw new Error(outcome.text)
      return [...(outcome.output as { checks: readonly DoctorCheck[] }).checks, ...(await checkPlugins(options, terminal))]
    })
  } catch (error) {
    const says = `the guest that runs does not say how it is: ${errorMessage(error)}`
    return [{ name: 'guest', state: 'weak', says, fix: 'oxbow restart', required: false, ms: 0 }]
  }
}

/** No guest starts where it cannot be isolated as configured. */
async function checkIsolated(setup: GuestSetup): Promise<DoctorCheck> {
  const began = performance.now()
  const done = (state: DoctorCheck['state'], says: string, fix: string): DoctorCheck => {
    return { name: isolatedGuest, state, says, fix, required: true, ms: Math.round(performance.now() - began) }
  }
  try {
    await checkIsolation(setup)
    return done('ok', 'it can run in a container of its own (sandbox.isolate_guest)', '')
  } catch (error) {
    const { message, hint } = toFailure(error, 'sandbox_missing', 'Set sandbox.isolate_guest = false in config.toml.')
    return done('missing', message, hint)
  }
}

const isolatedGuest = 'isolated guest'

/** Those that guests do not have yet are started once; a host that failed has its reason until it runs again. */
async function checkPlugins(options: DoctorOptions, terminal: Terminal): Promise<readonly DoctorCheck[]> {
  const began = performance.now()
  const { failuresOfPlugins } = await import('../plugins/plugins.ts')
  const problems = await failuresOfPlugins(options, terminal)
  if (problems.size === 0) return []
  const check = { name: 'plugins', required: false, ms: Math.round(performance.now() - began) } as const
  const failed = [...problems].filter(([, problem]) => problem !== '')
  const [first] = failed
  if (first === undefined) return [{ ...check, state: 'ok', says: `${problems.size} enabled, none has failed`, fix: '' }]
  const says = failed.map(([plugin, problem]) => `${plugin}: ${problem}`).join('; ')
  return [{ ...check, state: 'weak', says, fix: `oxbow plugin logs ${first[0]} shows what it wrote` }]
}

/** Also where no guest runs: a guard that does not start is no less missing then. @returns nothing where every plugin with hooks has started */
async function checkHooks(setup: GuestSetup): Promise<readonly DoctorCheck[]> {
  const began = performance.now()
  const { unstartedPlugins } = await import('../plugins/kept-plugins.ts')
  const unstarted = await unstartedPlugins(setup)
  const [first] = unstarted
  if (first === undefined) return []
  const says = unstarted.map((plugin) => plugin.says).join(' ')
  return [{ name: 'hooks', state: 'weak', says, fix: first.fix, required: false, ms: Math.round(performance.now() - began) }]
}

/** Larger stores take longer to verify than a person waits. */
const maxVerifiedBytes: number = 64 * 1024 * 1024

async function checkDatabase(setup: GuestSetup): Promise<DoctorCheck> {
  const began = performance.now()
  const done = (finding: Pick<DoctorCheck, 'state' | 'says' | 'fix'>): DoctorCheck => {
    return { name: 'database', ...finding, required: true, ms: Math.round(performance.now() - began) }
  }
  const { url, url_env: urlEnv } = setup.config.store
  const isFile = url === '' && (ownValue(setup.env, urlEnv) ?? '') === ''
  if (isFile && !existsSync(join(setup.workspace.root, 'internal', 'oxbow.db')))
    return done({ state: 'ok', says: 'it is created at the first start', fix: '' })
  try {
    const { where, bytes, state, version, head } = await reportOf<StoreStatus>(setup, { command: 'store', store: { ask: 'status' } })
    if (state === 'too_new' || state === 'changed')
      return done({ state: 'missing', says: `${where}: its tables are not this Oxbow's`, fix: 'See `oxbow store status`.' })
    const says = `${where}, ${formatBytes(bytes)}, version ${version}, ${head.seq} records`
    if (bytes > maxVerifiedBytes) return done({ state: 'ok', says: `${says}; \`oxbow store verify\` reads all of it`, fix: '' })
    const { ok, problems } = await reportOf<StoreVerifyReport>(setup, { command: 'store', store: { ask: 'verify' } })
    const [first] = problems
    if (ok || first === undefined) return done({ state: 'ok', says: `${says}, verified`, fix: '' })
    return done({ state: 'missing', says: `${where}: ${first.what}`, fix: first.todo })
  } catch (error) {
    const { message, hint } = toFailure(error, 'store_failed', 'See `oxbow logs`.')
    return done({ state: 'missing', says: message, fix: hint })
  }
}

/** The clock may be off by less than this: files and the network have clocks of their own. */
const maxClockStepMs = 60_000

/** The newest record cannot be from the future. */
async function checkClock(setup: GuestSetup): Promise<DoctorCheck> {
  const check = { name: 'clock', required: false, ms: 0 } as const
  const now = systemClock.now()
  let newest = 0
  try {
    newest = (await reportOf<JournalRecord>(setup, { command: 'audit-show', limit: 1 })).at
  } catch {
    // No journal yet, or the check of the database says what is wrong with it.
  }
  if (newest - now <= maxClockStepMs) return { ...check, state: 'ok', says: timeInUtc(now), fix: '' }
  return {
    ...check,
    state: 'weak',
    says: `the newest record is from ${timeInUtc(newest)}, and the clock says ${timeInUtc(now)}`,
    fix: 'Set the clock; `timedatectl set-ntp true` keeps it right.',
  }
}

const stateColumn = 8
const nameColumn = 17

/** @returns lines without a final newline */
export function describeCheck({ name, state, says, fix, required }: DoctorCheck): readonly string[] {
  const tierNote = required && name.includes('tier') ? '  (sandbox.tier)' : ''
  const line = `${state.padEnd(stateColumn)}${name.padEnd(nameColumn)}${says}${tierNote}`
  return fix === '' ? [line] : [line, `${' '.repeat(stateColumn + nameColumn)}→ ${fix}`]
}

/** @returns a summary that begins with whether agents can work at all. */
export function describeVerdict(checks: readonly DoctorCheck[]): string {
  const isFallback = checks.some(({ name, required: isRequired, state }) => name === 'configuration' && !isRequired && state === 'missing')
  if (isFallback)
    return `Oxbow starts with the last configuration that worked: correct the configuration. ${verdictOf(checks.filter(({ name }) => name !== 'configuration'))}`
  return verdictOf(checks)
}

function verdictOf(checks: readonly DoctorCheck[]): string {
  const required = checks.filter((check) => check.required)
  const others = listed(checks, 'missing', 'Not here') + listed(checks, 'weak', 'Look at')
  const broken = required.find(({ state }) => state === 'missing')
  if (broken !== undefined && ['configuration', 'database', isolatedGuest].includes(broken.name))
    return `Oxbow cannot start: see ${broken.name} above.${others}`
  if (broken !== undefined) return `The configured ${broken.name} does not work: agents have no files and no commands.${others}`
  const tier = required.find(({ name }) => name.includes('tier'))
  if (tier === undefined) return `The configured sandbox tier was not tested.${others}`
  return `The configured ${tier.name} works${tier.state === 'weak' ? ', with limits missing' : ''}.${others}`
}

function listed(checks: readonly DoctorCheck[], state: DoctorCheck['state'], word: string): string {
  const names = checks.filter((check) => !check.required && check.state === state).map(({ name }) => name)
  return names.length === 0 ? '' : ` ${word}: ${names.join(', ')}.`
}

export interface StatusOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

function loosenedText(key: string, before: Json, after: Json, at: number): string {
  return `${key} was loosened at ${formatTime(at)}: ${JSON.stringify(before)} → ${JSON.stringify(after)}. oxbow config explain ${key}`
}

export async function status(options: StatusOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async (connection) => {
    const { gateway, guest } = connection
    const { home, workspace } = connection.setup
    await warnOfStale(connection, options, terminal)
    const guestStatus = await gateway.status()
    const versionChange = changeNotice(home)
    // An older guest does not know the call.
    const { loosened } = await outputOf(gateway, 'config.changes', {}).catch(() => ({ loosened: [] }))
    if (options.json === true) {
      printLine(
        terminal,
        JSON.stringify({
          ...guestStatus,
          space: spaceOf(workspace.user).space,
          workspace: workspace.root,
          running: !guest.owned,
          loosened,
          version_change: versionChange,
        }),
      )
      return 0
    }
    const files = configFiles(home, workspace)
      .filter(({ source, found }) => found || source !== 'machine')
      .map(({ path, found }) => `${path}${found ? '' : ' (not there: defaults)'}`)
    const { unstartedPlugins } = await import('../plugins/kept-plugins.ts')
    const unstarted = await unstartedPlugins(connection.setup)
    const rows = [
      ['version', terminal.version],
      ['node', process.version],
      ['space', spaceOf(workspace.user).space],
      ['workspace', workspace.root],
      ['guest', guest.owned ? 'not running (started to answer this)' : `running, pid ${guest.pid}, ${guest.url}`],
      ...files.map((path) => ['config', path]),
      ...statusRows(guestStatus, `a file: ${join(workspace.root, 'internal', 'oxbow.db')}`),
      ...(versionChange === null ? [] : [['!', versionChange]]),
      ...unstarted.map(({ says, fix }) => ['!', `${says} ${fix}`]),
      ...loosened.map(({ key, before, after, at }) => ['!', loosenedText(key, before, after, at)]),
    ]
    printText(terminal, plainText(table(rows)))
    return 0
  })
}
