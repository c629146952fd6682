/**
 * Finds a user's running guest or starts one, and supervises the one it started: signs the heads that the guest reports, detects its
 * end, and stops it with this process.
 */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Failure, isOxbowError, once, OxbowError, systemClock, toFailure } from '../base/index.ts'
import type { HostedPlugin } from '../protocol/index.ts'
import type { Config, GuestEnvelope, GuestQuestion, GuestReport, HostReply } from '../config/index.ts'
import { type FoundGuest, findGuest } from './find-guest.ts'
import { listFolders } from './folders.ts'
import { type ConfigOverrides, keyNames, keysFor } from './config-layers.ts'
import { fallbackNotice, loadLastGood } from './good-config.ts'
import { type BegunGuest, guestFlags, type GuestProgram, guestVariables, ownGuestProgram } from './begin-guest.ts'
import { asReport, fatalError, type GuestProcess, spawnGuest } from './guest-process.ts'
import { type HeadSigner, openHeadSigner, readSeal, signRestore } from './heads/head-signing.ts'
import { type Home, type HostEnv, lockPath, type Workspace } from './home.ts'
import type { HostSide } from './host-questions.ts'
import type { IsolatedGuest } from './isolated-guest.ts'
import { guestReadyTimeoutMs, otherGuestPollMs, otherGuestTimeoutMs, otherGuestTries } from './limits.ts'
import { makeMasterKeys, masterKeys } from './master-keys.ts'

/** What is needed to find or start a user's guest. */
export interface GuestSetup {
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
  /** Default: the guest program next to this code. */
  readonly program?: GuestProgram
  /** A process that may become the guest. */
  readonly begun?: BegunGuest | undefined
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
  /** Stops an owned guest and resolves when it is gone; does nothing for one that was found. */
  stop(): Promise<void>
}

/** @throws OxbowError `guest_unreachable`, or what the guest itself reports as fatal (`bad_config`, `store_corrupt`, …). */
export async function ensureGuest(options: GuestSetup): Promise<RunningGuest> {
  let found = await findGuest(options.workspace)
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

export type PluginsOfHome = typeof import('./plugins/plugin-tools.ts')

/** What the verbs of `oxbow plugin` use. */
export function loadPlugins(): Promise<PluginsOfHome> {
  return import('./plugins/plugin-tools.ts')
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
  const { home, workspace, config, insecure, version, env } = options
  const { user, root: workspaceRoot } = workspace
  const keys = keysFor(config, env)
  const wanted = masters.length === 0 ? [] : keyNames(config).filter((name) => name !== config.store.url_env)
  return {
    user,
    workspaceRoot,
    config,
    catalogFolder: home.catalog,
    insecure,
    version,
    keys,
    folders: listFolders(home, user),
    ...(masters.length > 0 && { masterKeys: masters, wantedKeys: wanted }),
  }
}

function mastersOf({ home, workspace: { user }, config, env }: Omit<GuestSetup, 'warn'>): readonly string[] {
  const place = { home, user, config, env }
  return config.store.encrypt ? makeMasterKeys(place) : masterKeys(place)
}

async function startOwned(options: GuestSetup): Promise<RunningGuest> {
  const { home, workspace, env } = options
  const program = options.program ?? ownGuestProgram()
  const plugins = (await pluginLister(options))?.(options.config)
  const envelope = { ...envelopeFor(options), ...(plugins !== undefined && { plugins }) }
  // Before the process starts: a bad key must not leave an unsupervised guest behind.
  const signer = openHeadSigner(home, workspace.user, systemClock)
  const isolated = options.config.sandbox.isolate_guest ? await isolate(options, envelope, program) : null
  const process = await spawnGuest({
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
  const guest = isolated === null ? process : withEnd(process, isolated)
  const watch = watchReports(guest, signer, options, isolated)
  const started = await Promise.race([watch.ready, sleepUntil(options.readyTimeoutMs ?? guestReadyTimeoutMs, watch.settled)])
  if (started === 'late') {
    await guest.stop()
    throw unreachable(`the guest was not ready within ${(options.readyTimeoutMs ?? guestReadyTimeoutMs) / 1000} seconds`, workspace)
  }
  if (started instanceof OxbowError) {
    await guest.stop()
    throw started
  }
  let stopping = false
  return {
    ...started,
    owned: true,
    gone: watch.over.then((failure) => (stopping ? null : failure)),
    async stop() {
      stopping = true
      await guest.stop()
      await watch.over
    },
  }
}

function isolate({ home, workspace }: GuestSetup, envelope: GuestEnvelope, { entry }: GuestProgram): Promise<IsolatedGuest> {
  return import('./isolated-guest.ts').then(({ isolateGuest }) =>
    isolateGuest({ home, workspace, envelope, entry, flags: guestFlags, variables: guestVariables }),
  )
}

/** @throws OxbowError as the start of an isolated guest would; starts nothing */
export async function checkIsolation(options: GuestSetup): Promise<void> {
  const { home, workspace, config } = options
  const { entry } = options.program ?? ownGuestProgram()
  const parts = { home, workspace, entry, flags: guestFlags, variables: guestVariables }
  await (await import('./isolated-guest.ts')).checkIsolation(parts, config)
}

/** Closes what was opened for a guest when the guest is gone. */
function withEnd(guest: GuestProcess, isolated: IsolatedGuest): GuestProcess {
  const gone = guest.gone.then(async (end) => {
    await isolated.container.remove()
    await isolated.close()
    return end
  })
  return { ...guest, gone }
}

/** Loaded with the first question of the guest, or when it has started. */
function hostSideOf(
  options: GuestSetup,
  { newest: newestHead }: HeadSigner,
  isolated: Pick<IsolatedGuest, 'sandboxFolders'> | null,
): () => Promise<HostSide> {
  const { home, workspace, config, overrides = {}, env, isFallback = false } = options
  return once(async () => {
    const { createHostSide } = await import('./host-questions.ts')
    const isIsolated = config.sandbox.isolate_guest
    const { listPlugins } = await import('./plugins/installed-plugins.ts')
    const plugins: ListPlugins = (next) => listPlugins(home, next, options.warn)
    const envelopeOf = (next: Config, masters: boolean): GuestEnvelope => {
      const place = { home, user: workspace.user, config: next, env }
      const envelope = envelopeFor({ ...options, config: next }, masters ? makeMasterKeys(place) : undefined)
      return existsSync(lockPath(home)) ? { ...envelope, plugins: plugins(next) } : envelope
    }
    const { sandboxFolders } = isolated ?? {}
    const checkStart = (next: Config): Promise<void> => checkStartOf({ ...options, config: next })
    const facts = { home, workspace, config, isFallback, overrides, isIsolated, sandboxFolders, checkStart }
    return createHostSide({ ...facts, now: systemClock.now, newestHead, envelopeOf, plugins })
  })
}

/** Answers one question of the guest. */
async function answerGuest(guest: GuestProcess, hostSide: Promise<HostSide>, { id, question }: GuestReport & { type: 'ask' }) {
  const reply = (line: HostReply): void => guest.send(line)
  try {
    reply({ type: 'answer', id, output: await (await hostSide).answer(question) })
  } catch (error) {
    reply({ type: 'answer', id, failure: toFailure(error, 'internal_failure', 'See the log of the program that started the guest.') })
  }
}

/** Reads all reports of the guest: `ready` settles with the first relevant one, `over` after the last. */
function watchReports(guest: GuestProcess, signer: HeadSigner, options: GuestSetup, isolated: IsolatedGuest | null) {
  const { workspace, warn } = options
  const hostSide = hostSideOf(options, signer, isolated)
  const ready = Promise.withResolvers<FoundGuest | OxbowError>()
  const settled = new AbortController()
  const read = async (): Promise<Failure> => {
    let fatal: OxbowError | null = null
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
        } else if (report?.type === 'ask') {
          void answerGuest(guest, hostSide(), report)
        } else if (report?.type === 'ready') {
          const found = await findGuest(workspace)
          ready.resolve(found ?? unreachable('the guest is ready but cannot be reached', workspace))
          void hostSide().then((each) => each.started())
        }
      }
    } catch (error) {
      fatal = isOxbowError(error) ? error : unreachable((error as Error).message, workspace)
    }
    await (fatal === null ? guest.gone : guest.stop())
    const { exitCode, signal } = await guest.gone
    return fatal ?? unreachable(`the guest ended (${signal ?? `exit code ${exitCode}`})`, workspace)
  }
  const over = read().then((failure) => {
    signer.close()
    ready.resolve(failure as OxbowError)
    return failure
  })
  void ready.promise.then(() => settled.abort())
  return { ready: ready.promise, settled: settled.signal, over }
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
  return { ...found, owned: false, gone: new Promise(() => {}), stop: async () => {} }
}

function unreachable(message: string, workspace: Workspace): OxbowError {
  return new OxbowError('guest_unreachable', message, {
    hint: `Start Oxbow again: nothing that was acknowledged is lost, and an open turn continues. See ${workspace.logs}/guest.log.`,
  })
}

// Offline requests: the guest program answers them from the workspace and exits.

/** The runner's seal is added here. */
type OfflineQuestion = Exclude<GuestQuestion, { command: 'audit-verify' }> | { readonly command: 'audit-verify' }

/** Requests that do not open the store: they need no passphrase and do not wait for key derivation. */
const withoutStore: ReadonlySet<string> = new Set<OfflineQuestion['command']>([
  'calls',
  'catalog',
  'config-check',
  'doctor',
  'images',
  'wasm-run',
])

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
  const question = request.command === 'audit-verify' ? { ...request, seal: readSeal(home, workspace.user) } : request
  // Plugins serve models, too.
  const plugins = request.command === 'catalog' ? (await pluginLister({ ...options, warn: () => {} }))?.(options.config) : undefined
  const asked = { question, ...(plugins !== undefined && { plugins }) }
  const envelope = { ...envelopeFor(options, withoutStore.has(request.command) ? (masters ?? []) : masters), ...asked }
  const guest = await spawnGuest({ home, workspace, envelope, program: options.program ?? ownGuestProgram(), env })
  try {
    for await (const line of guest.lines) {
      const report = asReport(line)
      if (report?.type === 'fatal') throw fatalError(report)
      if (report?.type === 'restoring') {
        signFor(options, request, report)
        guest.send({ signed: true })
      } else yield line
    }
    const { exitCode, signal } = await guest.gone
    if (exitCode === 0) return
    throw fatalError({
      type: 'fatal',
      code: 'guest_unreachable',
      message: `the guest ended with ${signal ?? `exit code ${exitCode}`}`,
      hint: `See ${workspace.logs}/guest.log.`,
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
function signFor(
  { home, workspace }: Omit<GuestSetup, 'warn'>,
  request: OfflineQuestion,
  report: GuestReport & { type: 'restoring' },
): void {
  if (request.command !== 'store' || request.store.ask !== 'restore')
    throw unreachable('the guest restores a store without a request', workspace)
  const { call, from, to } = report
  signRestore(home, workspace.user, systemClock, { call, from, to, by: request.store.by })
}
