/**
 * Finds a user's running guest or starts one, and supervises the one it started: signs the heads that the guest reports, detects its
 * end, and stops it with this process.
 */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Failure, isOxbowError, once, OxbowError, systemClock } from '../base/index.ts'
import { openNotes } from '../logs/index.ts'
import type { HostedPlugin, UserSettings } from '../protocol/index.ts'
import type { App, Config, GuestEnvelope, GuestQuestion, GuestReport, HostReply } from '../config/index.ts'
import { collectorVariables } from '../services/index.ts'
import { type FoundGuest, findGuest } from './find-guest.ts'
import { listFolders, withShares } from './folders.ts'
import { type ConfigOverrides, keyNames, keysFor } from './config/config-layers.ts'
import { fallbackNotice, loadLastGood } from './config/good-config.ts'
import { type BegunGuest, guestFlags, type GuestProgram, guestVariables, ownGuestProgram } from './begin-guest.ts'
import { createAnswers } from './questions/guest-answers.ts'
import { asReport, closingAfter, fatalError, type GuestProcess, spawnGuest } from './guest-process.ts'
import { type HeadSigner, openHeadSigner } from './heads/head-signing.ts'
import { type Home, type HostEnv, lockPath, type Workspace } from './home.ts'
import type { HostSide } from './questions/host-questions.ts'
import type { IsolatedGuest } from './isolated-guest.ts'
import { guestReadyTimeoutMs, otherGuestPollMs, otherGuestTimeoutMs, otherGuestTries } from './limits.ts'
import { keyPlaceOf, makeMasterKeys, masterKeys } from './master-keys.ts'
import { whileChanging } from './upgrade/change.ts'
import { assertOpen } from './spaces/space-list.ts'
import { settleMoves } from './spaces/space-moves.ts'
import { hasMemoryShares } from './spaces/space-shares.ts'
import { signRestoreOf } from './system/own-seal.ts'

/** What is needed to find or start a user's guest, with the lease of the node of a cluster that starts it. */
export interface GuestSetup extends Pick<GuestEnvelope, 'lease'> {
  readonly home: Home
  readonly workspace: Workspace
  readonly config: Config
  /** Options that took precedence over the files of `config`. */
  readonly overrides?: ConfigOverrides
  /** `config` is the last one that worked, because the files cannot be used. */
  readonly isFallback?: boolean
  readonly insecure: boolean
  readonly version: string
  readonly env: HostEnv
  /** Called with warnings for the person, such as a journal that is behind a signed head. */
  readonly warn: (text: string) => void
  /** Takes back or finishes moves between spaces that were cut off. Null: this program is about to. Default: they keep a guest from starting. */
  readonly settle?: (() => Promise<void>) | null
  /** Default: the guest program next to this code. */
  readonly program?: GuestProgram
  /** Signs the heads of the journal. Default: the key of the home; in system mode root has the key. */
  readonly signer?: HeadSigner
  /** What an administrator has set for the user. Default: as the home has it; in system mode root tells it. */
  readonly userSettings?: () => UserSettings | undefined
  /** Called before the user gets a first key: in a cluster, all nodes have the same. */
  readonly makeKeys?: () => Promise<void>
  /** A process that may become the guest. */
  readonly begun?: BegunGuest | undefined
  /** This program belongs to the guest: it runs tools of its own, or is the model. */
  readonly app?: App
  /** Starts the guest; default: as a process of its own. */
  readonly spawn?: typeof spawnGuest
  readonly readyTimeoutMs?: number
}

export interface RunningGuest {
  readonly url: string
  readonly token: string
  readonly pid: number
  /** True when this call started it; it then ends with this process. */
  readonly owned: boolean
  /** Resolves when an owned guest is gone: with null after `stop`, else with the failure. Never settles for a guest that was found. */
  readonly gone: Promise<Failure | null>
  /** See `Kernel.settle`, of an owned guest. Resolves after `mostMs` at the latest, or when it is gone. */
  settle(mostMs: number): Promise<void>
  /** Stops an owned guest and resolves when it is gone; does nothing for one that was found. */
  stop(): Promise<void>
}

/** @throws OxbowError `guest_unreachable`, or what the guest itself reports as fatal (`bad_config`, `store_corrupt`, …). */
export async function ensureGuest(options: GuestSetup): Promise<RunningGuest> {
  await whileChanging(options.home, options.env)
  assertOpen(options.home, options.workspace.user)
  let found = await findGuest(options.workspace)
  if (found === null && options.settle !== null) await settleMoves(options.home, options.workspace.user, options.settle)
  for (let tries = 1; found === null; tries += 1) {
    try {
      return await startUsable(options)
    } catch (error) {
      if (!isOxbowError(error, 'workspace_busy') || tries === otherGuestTries) throw error
    }
    // Another terminal was faster: its guest holds the workspace and is about to listen, or about to end.
    found = await waitForOther(options.workspace)
  }
  return notOwned(found)
}

/** Starts with the last configuration that worked where the present one cannot be used. @throws what the present one fails with */
async function startUsable(options: GuestSetup): Promise<RunningGuest> {
  try {
    return await startOwned(options)
  } catch (error) {
    const good = isOxbowError(error, 'bad_config') && options.isFallback !== true ? loadLastGood(options, options.overrides) : null
    if (good === null) throw error
    const guest = await startOwned({ ...options, config: good, isFallback: true }).catch(() => Promise.reject(error))
    options.warn(fallbackNotice(error as OxbowError))
    return guest
  }
}

type ListPlugins = (config: Config) => readonly HostedPlugin[]

/** Loaded only where a plugin is installed. */
async function pluginLister({ home, warn }: Pick<GuestSetup, 'home' | 'warn'>): Promise<ListPlugins | undefined> {
  if (!existsSync(lockPath(home))) return undefined
  const { listPlugins } = await import('./plugins/installed-plugins.ts')
  return (config) => listPlugins(home, config, warn)
}

/** @param masters replaces the user's keys */
function envelopeFor(options: Omit<GuestSetup, 'warn'>, masters: readonly string[] = mastersOf(options)): GuestEnvelope {
  const { home, workspace, config, insecure, version, env, app, lease } = options
  const { user, root: workspaceRoot } = workspace
  const collector = collectorVariables(config, env)
  const wanted = masters.length === 0 ? [] : keyNames(config).filter((name) => name !== config.store.url_env)
  return {
    user,
    workspaceRoot,
    config,
    catalogFolder: home.catalog,
    insecure,
    ...(lease !== undefined && { lease }),
    version,
    keys: keysFor(config, env),
    folders: listFolders(home, user),
    ...(collector !== null && { collector: collector.plain }),
    ...(app !== undefined && { app: { tools: app.tools, servesModel: app.servesModel } }),
    ...(masters.length > 0 && { masterKeys: masters, wantedKeys: wanted }),
  }
}

function mastersOf(setup: Omit<GuestSetup, 'warn'>): readonly string[] {
  return (setup.config.store.encrypt ? makeMasterKeys : masterKeys)(keyPlaceOf(setup))
}

async function startOwned(asked: GuestSetup): Promise<RunningGuest> {
  const { home, workspace, env } = asked
  const options = { ...asked, config: withShares(asked.config, listFolders(home, workspace.user), hasMemoryShares(home, workspace.user)) }
  if (home.system !== null && options.signer === undefined) throw keptByDaemon(home.system)
  const program = options.program ?? ownGuestProgram()
  const plugins = (await pluginLister(options))?.(options.config)
  const envelope = { ...envelopeFor(options), ...(plugins !== undefined && { plugins }) }
  // Before the process starts: a bad key must not leave an unsupervised guest behind.
  const signer = options.signer ?? openHeadSigner(home, workspace.user, systemClock)
  const isolated = options.config.sandbox.isolate_guest ? await isolate(options, envelope, program) : null
  const process = await (options.spawn ?? spawnGuest)({
    home,
    workspace,
    envelope: { ...envelope, ...(isolated !== null && { isolation: isolated.isolation }) },
    program,
    env,
    begun: options.begun,
    ...(isolated !== null && { launch: isolated.container }),
  }).catch(async (error: unknown) => {
    await isolated?.close()
    throw error
  })
  const guest = isolated === null ? process : closingAfter(process, isolated)
  const watch = watchReports(guest, signer, options, isolated)
  const started = await Promise.race([watch.ready, sleepUntil(options.readyTimeoutMs ?? guestReadyTimeoutMs, watch.settled)])
  if (started === 'late' || started instanceof OxbowError) {
    await guest.stop()
    const late = `the guest was not ready within ${(options.readyTimeoutMs ?? guestReadyTimeoutMs) / 1000} seconds`
    throw started === 'late' ? unreachable(late, workspace) : started
  }
  let stopping = false
  return {
    ...started,
    owned: true,
    gone: watch.over.then((failure) => (stopping ? null : failure)),
    async settle(mostMs) {
      guest.send({ type: 'settle' } satisfies HostReply)
      await Promise.race([watch.calm, watch.over, sleep(mostMs, undefined, { ref: false })])
    },
    async stop() {
      stopping = true
      await guest.stop()
      await watch.over
    },
  }
}

async function isolate(options: GuestSetup, envelope: GuestEnvelope, { entry }: GuestProgram): Promise<IsolatedGuest> {
  const { home, workspace, config } = options
  const { listPlugins } = await import('./plugins/installed-plugins.ts')
  const plugins = (): ReturnType<ListPlugins> => (existsSync(lockPath(home)) ? listPlugins(home, config, () => {}) : [])
  return import('./isolated-guest.ts').then(({ isolateGuest }) =>
    isolateGuest({ home, workspace, envelope, plugins, entry, flags: guestFlags, variables: guestVariables }),
  )
}

/** @throws OxbowError as the start of an isolated guest would; starts nothing */
export async function checkIsolation(options: GuestSetup): Promise<void> {
  const { home, workspace, config } = options
  const { entry } = options.program ?? ownGuestProgram()
  const parts = { home, workspace, entry, flags: guestFlags, variables: guestVariables }
  await (await import('./isolated-guest.ts')).checkIsolation(parts, config)
}

/** Loaded with the first question of the guest, or when it has started. */
function hostSideOf(
  options: GuestSetup,
  { newest: newestHead }: HeadSigner,
  guest: Pick<GuestProcess, 'send'>,
  isolated: Pick<IsolatedGuest, 'sandboxFolders'> | null,
): () => Promise<HostSide> {
  const { home, workspace, config, overrides = {}, env, isFallback = false } = options
  return once(async () => {
    const { createHostSide } = await import('./questions/host-questions.ts')
    const isIsolated = config.sandbox.isolate_guest
    const { listPlugins } = await import('./plugins/installed-plugins.ts')
    const plugins: ListPlugins = (next) => listPlugins(home, next, options.warn)
    const envelopeOf = (next: Config, masters: boolean): GuestEnvelope => {
      const changed = { ...options, config: next }
      const envelope = envelopeFor(changed, masters ? makeMasterKeys(keyPlaceOf(changed)) : undefined)
      return existsSync(lockPath(home)) ? { ...envelope, plugins: plugins(next) } : envelope
    }
    const { sandboxFolders } = isolated ?? {}
    const onConfigChange = (): void => guest.send({ type: 'config_changed' } satisfies HostReply)
    const checkStart = (next: Config): Promise<void> => checkStartOf({ ...options, config: next })
    const archives = once(async () => {
      const { createArchiveFiles } = await import('./heads/archive-files.ts')
      const place = keyPlaceOf(options)
      return createArchiveFiles({ place, workspace, lines: (range) => askOffline(options, { command: 'audit-export', ...range }) })
    })
    const { userSettings, makeKeys, program } = options
    const facts = { home, workspace, config, env, isFallback, overrides, isIsolated, sandboxFolders, checkStart, archives, userSettings }
    return createHostSide({ ...facts, program, onConfigChange, now: systemClock.now, newestHead, makeKeys, envelopeOf, plugins })
  })
}

/** Reads all reports of the guest: `ready` settles with the first relevant one, `over` after the last. */
function watchReports(guest: GuestProcess, signer: HeadSigner, options: GuestSetup, isolated: IsolatedGuest | null) {
  const { workspace, warn } = options
  const hostSide = hostSideOf(options, signer, guest, isolated)
  const answers = createAnswers(guest, hostSide, options.app)
  const note = openNotes(workspace.logs, 'runner')
  const ready = Promise.withResolvers<FoundGuest | OxbowError>()
  const settled = new AbortController()
  const calm = Promise.withResolvers<void>()
  const read = async (): Promise<Failure> => {
    let fatal: OxbowError | null = null
    let hasStarted = false
    try {
      for await (const line of guest.lines) {
        const report = asReport(line)
        if (report?.type === 'head') {
          const problem = signer.sign({ seq: report.seq, hash: report.hash })
          if (problem !== null) warn(problem)
        } else if (report?.type === 'fatal') {
          fatal = fatalError(report)
          // A fatal report ends the guest, even if the process keeps running.
          void guest.stop()
        } else if (report?.type === 'renewed') {
          void hostSide().then((each) => each.started())
        } else if (report?.type === 'settled') {
          calm.resolve()
        } else if (report?.type === 'ask') {
          answers.take(report)
        } else if (report?.type === 'ready') {
          const found = await findGuest(workspace)
          ready.resolve(found ?? unreachable('the guest is ready but cannot be reached', workspace))
          hasStarted = true
          note('info', 'a guest has started', { pid: report.pid })
          void hostSide().then((each) => each.started())
        }
      }
    } catch (error) {
      fatal = isOxbowError(error) ? error : unreachable((error as Error).message, workspace)
    }
    await (fatal === null ? guest.gone : guest.stop())
    answers.close()
    const { exitCode, signal } = await guest.gone
    note(exitCode === 0 ? 'info' : 'error', 'a guest has ended', {
      pid: guest.pid,
      exit_code: exitCode,
      signal,
      failure: fatal?.message ?? '',
    })
    if (hasStarted) (await hostSide()).ended(exitCode === 0)
    return fatal ?? unreachable(`the guest ended (${signal ?? `exit code ${exitCode}`})`, workspace)
  }
  const over = read().then((failure) => {
    signer.close()
    ready.resolve(failure as OxbowError)
    return failure
  })
  void ready.promise.then(() => settled.abort())
  return { ready: ready.promise, settled: settled.signal, calm: calm.promise, over }
}

async function waitForOther(workspace: Workspace): Promise<FoundGuest | null> {
  for (let waitedMs = 0; waitedMs < otherGuestTimeoutMs; waitedMs += otherGuestPollMs) {
    const found = await findGuest(workspace)
    if (found !== null) return found
    await sleep(otherGuestPollMs)
  }
  return null
}

async function sleepUntil(ms: number, signal: AbortSignal): Promise<'late'> {
  await sleep(ms, undefined, { signal }).catch(() => {})
  return 'late'
}

function notOwned(found: FoundGuest): RunningGuest {
  return { ...found, owned: false, gone: new Promise(() => {}), settle: async () => {}, stop: async () => {} }
}

/** Of its own it would have no key that root vouches for. */
function keptByDaemon(user: string): OxbowError {
  return new OxbowError('guest_unreachable', `the guest of ${user} does not run, and only the daemon of this machine may start it`, {
    hint: 'Start it: oxbow start. If the daemon itself does not run, ask an administrator: systemctl start oxbow',
  })
}

function unreachable(message: string, workspace: Workspace): OxbowError {
  return new OxbowError('guest_unreachable', message, {
    hint: `Start Oxbow again: nothing that was acknowledged is lost, and an open turn continues. See \`oxbow logs --user ${workspace.user}\`.`,
  })
}

// Offline requests: the guest program answers them from the workspace and exits.

/** The runner's seal is added here. */
type OfflineQuestion = Exclude<GuestQuestion, { command: 'audit-verify' }> | { readonly command: 'audit-verify' }

/** Requests that do not open the store: they need no passphrase and do not wait for key derivation. */
const noStore = new Set<string>(['calls', 'catalog', 'config-check', 'doctor', 'images', 'wasm-run'] satisfies OfflineQuestion['command'][])

/**
 * @param masters replaces the user's keys
 * @returns the answer, one JSON document at a time. Leaving early stops the guest. @throws OxbowError reported by the guest as fatal,
 * or `guest_unreachable` when it fails without a report.
 */
export async function* askOffline(
  options: Omit<GuestSetup, 'warn'>,
  request: OfflineQuestion,
  masters?: readonly string[],
): AsyncGenerator {
  const { home, workspace, env } = options
  const compared = async () => (await import('./questions/host-state.ts')).comparedWith(options)
  const question = request.command === 'audit-verify' ? { ...request, ...(await compared()) } : request
  // Plugins serve models, too.
  const plugins = request.command === 'catalog' ? (await pluginLister({ ...options, warn: () => {} }))?.(options.config) : undefined
  const asked = { question, ...(plugins !== undefined && { plugins }) }
  const envelope = { ...envelopeFor(options, noStore.has(request.command) ? (masters ?? []) : masters), ...asked }
  const guest = await spawnGuest({ home, workspace, envelope, program: options.program ?? ownGuestProgram(), env })
  try {
    for await (const line of guest.lines) {
      const report = asReport(line)
      if (report?.type === 'fatal') throw fatalError(report)
      if (report?.type === 'restoring') {
        await signFor(options, request, report)
        guest.send({ signed: true })
      } else yield line
    }
    const { exitCode, signal } = await guest.gone
    if (exitCode === 0) return
    throw fatalError({
      type: 'fatal',
      code: 'guest_unreachable',
      message: `the guest ended with ${signal ?? `exit code ${exitCode}`}`,
      hint: `See \`oxbow logs --user ${workspace.user}\`.`,
    })
  } finally {
    await guest.stop()
  }
}

/** @throws OxbowError `bad_config` with what no guest starts with this configuration for, except for keys that are missing */
export async function checkStartOf(options: Omit<GuestSetup, 'warn'>): Promise<void> {
  const { config, env } = options
  // Which service `auto` chooses depends on the keys that there are.
  const keys = config.model.provider === 'auto' ? [] : keyNames(config).filter((name) => !/_(?:URL|HOST)$/.test(name))
  const filled = { ...Object.fromEntries(keys.map((name) => [name, 'missing'])), ...env }
  for await (const _ of askOffline({ ...options, env: filled }, { command: 'config-check' })) continue
  if (config.sandbox.isolate_guest) await checkIsolation({ ...options, warn: () => {} })
}

/** Signs a restore, but only when the request was one. */
async function signFor(
  { home, workspace }: Omit<GuestSetup, 'warn'>,
  request: OfflineQuestion,
  report: GuestReport & { type: 'restoring' },
): Promise<void> {
  if (request.command !== 'store' || request.store.ask !== 'restore')
    throw unreachable('the guest restores a store without a request', workspace)
  const { call, from, to } = report
  await signRestoreOf(home, workspace.user, { call, from, to, by: request.store.by })
}
