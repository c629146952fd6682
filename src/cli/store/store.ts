/** `oxbow store`, `backup` and `restore`: runs an operation offline in a guest program, and shows its progress and report. */
import { existsSync, realpathSync, rmSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import {
  askOffline,
  fileKeys,
  findGuest,
  hasWorkspace,
  isSpace,
  listFolders,
  loadPlugins,
  lockPath,
  openHome,
  openWorkspace,
  parseUser,
  keyPlaceOf,
  usersFolder,
  usersOf,
} from '../../runner/index.ts'
import { ownValue, OxbowError } from '../../base/index.ts'
import type {
  FileKeys,
  MoveReport,
  RestorePreview,
  RestoreReport,
  StoreProgress,
  StoreQuestion,
  StoreVerifyReport,
} from '../../config/index.ts'
import { type GuestChoice, guestSetup } from '../guest-connection.ts'
import { restoreKeys, shareKeys } from './keys.ts'
import { exitOf, printFailure, printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { plainText } from '../../terminal/index.ts'
import * as text from './store-text.ts'
import { openProgress } from './store-text.ts'

export interface StoreOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

export function storeStatus(options: StoreOptions, terminal: Terminal): Promise<number> {
  return show({ ask: 'status' }, text.describeStatus, options, terminal)
}

export interface MigrateOptions extends StoreOptions {
  readonly to?: number | undefined
  readonly dryRun?: boolean | undefined
  readonly yes?: boolean | undefined
}

export function storeMigrate(options: MigrateOptions, terminal: Terminal): Promise<number> {
  const { to, dryRun = false, yes: withoutCopy = false } = options
  const question = { ask: 'migrate', dryRun, withoutCopy, ...(to !== undefined && { to }) } as const
  return show(question, text.describeMigration, options, terminal)
}

export interface BackupOptions extends StoreOptions {
  readonly dryRun?: boolean | undefined
  readonly keep?: number | undefined
  readonly databaseOnly?: boolean | undefined
}

export async function storeBackup(path: string | undefined, options: BackupOptions, terminal: Terminal): Promise<number> {
  const { keep } = options
  const target = path === undefined ? '' : resolve(path)
  if (options.dryRun === true) {
    const preview = { ask: 'backup', path: target, preview: true, ...(keep !== undefined && { keep }) } as const
    return show(preview, text.describeBackupPreview, options, terminal)
  }
  const question = { ask: 'backup', path: target, ...(keep !== undefined && { keep }), ...filesOf(options, terminal) } as const
  const report = await ask(question, options, terminal)
  const { home, workspace, config } = guestSetup(options, terminal)
  const isElsewhere = config.cluster.nats.length > 0 && options.databaseOnly !== true && (await findGuest(workspace)) === null
  if (isElsewhere) printNotice(terminal, text.filesElsewhere(workspace.user))
  // Only said: their paths are sealed in the backup, and its manifest is not.
  const folders = options.databaseOnly === true ? [] : listFolders(home, workspace.user)
  print({ ...report, folders }, text.describeBackup, options, terminal)
  return 0
}

/** Without them, backup and restore cover only the database. */
function filesOf(
  options: GuestChoice & { readonly databaseOnly?: boolean | undefined },
  terminal: Terminal,
): { readonly files?: FileKeys } {
  if (options.databaseOnly === true) return {}
  return { files: fileKeys(keyPlaceOf(guestSetup(options, terminal))) }
}

export interface RestoreOptions extends StoreOptions {
  readonly replace?: boolean | undefined
  readonly acceptDamage?: boolean | undefined
  readonly databaseOnly?: boolean | undefined
  readonly dryRun?: boolean | undefined
  readonly key?: string | undefined
}

/** Previews what will change before changing anything. @throws OxbowError `not_found` */
export function storeRestore(path: string, options: RestoreOptions, terminal: Terminal): Promise<number> {
  return withSpace(options, terminal, () => restoreFrom(path, options, terminal))
}

/** A space that is not here yet comes with its backup: where that does not come, nothing is left of it. */
async function withSpace(options: RestoreOptions, terminal: Terminal, restore: () => Promise<number>): Promise<number> {
  const [home, user] = [openHome(terminal.env), parseUser(options.user)]
  if (!isSpace(user) || home.system !== null || hasWorkspace(home, user)) return restore()
  const { root } = openWorkspace(home, user)
  let isThere = false
  try {
    const exit = await restore()
    isThere = options.dryRun !== true
    return exit
  } finally {
    if (!isThere) rmSync(root, { recursive: true, force: true })
  }
}

async function restoreFrom(path: string, options: RestoreOptions, terminal: Terminal): Promise<number> {
  if (!existsSync(path)) {
    throw new OxbowError('not_found', `there is no backup ${path}`, {
      hint: '`oxbow store status` lists the backups. To bring back a file of the workspace, add --to VERSION: `oxbow log` lists them.',
    })
  }
  const { replace = false, acceptDamage = false } = options
  const place = keyPlaceOf(guestSetup(options, terminal))
  // With the key that the person gives.
  const { files, taken } = restoreKeys(place, options.key, replace)
  const restore = { path: resolve(path), replace, acceptDamage, by: accountName(), files, databaseOnly: options.databaseOnly === true }
  const question = { ask: 'restore', ...restore } as const
  if (options.dryRun === true) {
    // It replaces nothing, so it may say what a restore with --replace would do.
    const rehearsal = (await ask({ ...question, replace: true, rehearse: true }, options, terminal, taken?.keys)) as RestorePreview
    const guest = await findGuest(guestSetup(options, terminal).workspace)
    const { hasRows, files: changes } = rehearsal
    const needs_replace = !replace && (hasRows || changes.some(({ change }) => change === 'replaced'))
    print({ ...rehearsal, needs_replace, running_pid: guest?.pid ?? null }, text.describeRehearsal, options, terminal)
    return needs_replace ? exitOf('bad_input') : 0
  }
  if (options.json !== true)
    print(await ask({ ...question, preview: true }, options, terminal, taken?.keys), text.describePreview, options, terminal)
  taken?.begin()
  let report: RestoreReport
  try {
    report = (await ask(question, options, terminal, taken?.keys)) as RestoreReport
  } catch (error) {
    taken?.drop()
    throw error
  }
  const previousKey = taken?.keep(Date.now()) ?? null
  if (taken !== undefined) await shareKeys(place)
  const disabled = await sealPlugins(report, options, terminal)
  print({ ...report, plugins_disabled: disabled, previous_key: previousKey }, text.describeRestore, options, terminal)
  return 0
}

/** A list of plugins counts under the seal of its own home only. @returns how many of them are disabled now */
async function sealPlugins({ files, proven }: RestoreReport, options: RestoreOptions, terminal: Terminal): Promise<number> {
  const { home } = guestSetup(options, terminal)
  const restored = new Set(files.map(({ path }) => realpathSync(path)))
  const isRestored = (path: string): boolean => existsSync(path) && restored.has(realpathSync(path))
  const loaded = await loadPlugins()
  // Lists that the restore left alone keep their seal, or lack of one.
  if (isRestored(loaded.programsLock.path(home))) loaded.sealRestoredPrograms(home, proven)
  return isRestored(lockPath(home)) ? loaded.sealRestoredLock(home, proven) : 0
}

/** Account name for the journal; the user id when the account has no name. */
function accountName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? '')
  }
}

/** @returns 0 when no problem was found, else the exit code of `store_corrupt`. */
export async function storeVerify(options: StoreOptions, terminal: Terminal): Promise<number> {
  const report = (await ask({ ask: 'verify' }, options, terminal)) as StoreVerifyReport
  print(report, text.describeCheck, options, terminal)
  if (report.ok) return 0
  if (options.json === true) return exitOf('store_corrupt')
  return printFailure(terminal, {
    code: 'store_corrupt',
    message: 'the store is damaged; the lines above say where',
    hint: 'Copy the workspace before you run anything else on it.',
  })
}

export function storeVacuum(options: StoreOptions, terminal: Terminal): Promise<number> {
  return show({ ask: 'vacuum' }, text.describeVacuum, options, terminal)
}

/** @param url a Postgres address, `env:NAME` for the variable that holds one, or `file` */
export function storeMove(
  url: string,
  options: StoreOptions & { readonly replace?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  const describe = (report: MoveReport): string =>
    [text.describeMove(movedTo(url, report)), ...text.describeLeft(url, url === 'file' ? [] : usersInFiles(options, terminal))].join('\n')
  return show({ ask: 'move', to: addressOf(url, terminal), replace: options.replace ?? false }, describe, options, terminal)
}

/** @returns the other users of this home whose store is in a file: `store.url` of the home is for them, too */
function usersInFiles(options: StoreOptions, terminal: Terminal): readonly string[] {
  const { home, workspace } = guestSetup(options, terminal)
  const fileOf = (user: string): string => join(usersFolder(home), user, 'internal', 'oxbow.db')
  return usersOf(home, (user) => user !== workspace.user && existsSync(fileOf(user)) && !existsSync(`${fileOf(user)}.moved`))
}

/** @returns the report of a move; an address from a variable may hold a password, so `configure` names the variable instead. */
export function movedTo(url: string, report: MoveReport): MoveReport {
  const variable = variableIn(url)
  return variable === undefined ? report : { ...report, configure: `store.url_env = "${variable}"` }
}

function variableIn(url: string): string | undefined {
  return /^env:(\w+)$/.exec(url)?.[1]
}

function addressOf(url: string, { env }: Terminal): string {
  if (url === 'file' || /^postgres(ql)?:\/\//.test(url)) return url
  const name = variableIn(url)
  const value = name === undefined ? undefined : ownValue(env, name)
  if (value !== undefined && value !== '') return value
  const message = name === undefined ? 'That is not a store address.' : `The variable ${name} is not set.`
  throw new OxbowError('bad_input', message, { hint: 'Give postgres://user@host/database, env:NAME, or `file`.' })
}

/** @param describe formats the report */
export async function show(
  question: StoreQuestion,
  describe: (report: never) => string,
  options: StoreOptions,
  terminal: Terminal,
): Promise<number> {
  print(await ask(question, options, terminal), describe, options, terminal)
  return 0
}

function print(report: object, describe: (report: never) => string, { json }: StoreOptions, terminal: Terminal): void {
  if (json === true) printLine(terminal, JSON.stringify(report))
  else printText(terminal, plainText(describe(report as never)))
}

/** @param masters the home's keys, unless given */
async function ask(store: StoreQuestion, options: StoreOptions, terminal: Terminal, masters?: readonly string[]): Promise<object> {
  const progress = openProgress(terminal, options.json === true)
  let report: object | null = null
  try {
    for await (const line of askOffline(guestSetup(options, terminal), { command: 'store', store }, masters)) {
      if (isProgress(line)) progress.show(line)
      else report = line as object
    }
  } finally {
    progress.end()
  }
  if (report === null) throw new OxbowError('guest_unreachable', 'the guest returned no report', { hint: 'See `oxbow logs`.' })
  return report
}

function isProgress(line: unknown): line is StoreProgress {
  return typeof line === 'object' && line !== null && 'progress' in line
}
