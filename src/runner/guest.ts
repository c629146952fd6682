/**
 * Brings a user's guest to life, or finds it alive, and supervises the one it started: heads that the guest reports are signed,
 * its end is noticed, and it ends with its runner.
 */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Config,
  type Failure,
  type GuestEnvelope,
  type GuestQuestion,
  type GuestReport,
  isAlive,
  isOxbowError,
  OxbowError,
  systemClock,
} from '../types/index.ts'
import { keyNames, keysFor } from './config-layers.ts'
import {
  asReport,
  fatalError,
  guestFlags,
  type GuestProcess,
  type GuestProgram,
  guestVariables,
  ownGuestProgram,
  spawnGuest,
} from './guest-process.ts'
import { type HeadSigner, openHeadSigner, readSeal, signRestore } from './head-signing.ts'
import type { Home, HostEnv, Workspace } from './home.ts'
import type { IsolatedGuest } from './isolated-guest.ts'
import { guestReadyTimeoutMs, otherGuestPollMs, otherGuestTimeoutMs, otherGuestTries, portProbeTimeoutMs } from './limits.ts'
import { makeMasterKeys, masterKeys } from './master-keys.ts'

export interface GuestSetup {
  readonly home: Home
  readonly workspace: Workspace
  readonly config: Config
  readonly insecure: boolean
  readonly version: string
  readonly env: HostEnv
  /** Called with warnings for the person, e.g. a journal that is behind a signed head. */
  readonly warn: (text: string) => void
  /** Default: the guest program beside this code. */
  readonly program?: GuestProgram
  readonly readyTimeoutMs?: number
}

export interface RunningGuest {
  readonly url: string
  readonly token: string
  readonly pid: number
  /** True when this call started it; then it ends with this process. */
  readonly owned: boolean
  /** Resolves when an owned guest is gone: null after `stop`, else what happened. Never settles for a guest that was found. */
  readonly gone: Promise<Failure | null>
  /** Stops an owned guest and resolves when it is gone; leaves a found one alone. */
  stop(): Promise<void>
}

/** @throws OxbowError `guest_unreachable`, or what the guest itself reports as fatal (`bad_config`, `store_corrupt`, …). */
export async function ensureGuest(options: GuestSetup): Promise<RunningGuest> {
  let found = await findGuest(options.workspace)
  for (let tries = 1; found === null; tries += 1) {
    try {
      return await startOwned(options)
    } catch (error) {
      if (!isOxbowError(error, 'workspace_busy') || tries === otherGuestTries) throw error
    }
    // Another terminal was faster. Its guest holds the workspace, and will listen in a moment or is about to end.
    found = await waitForOther(options.workspace)
  }
  return notOwned(found)
}

/** @param masters in place of the keys that the user has */
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
  const envelope = envelopeFor(options)
  // Before there is a process: a key that cannot be used must not leave a guest behind that nobody knows of.
  const signer = openHeadSigner(home, workspace.user, systemClock)
  const isolated = options.config.sandbox.isolate_guest ? await isolate(options, envelope, program) : null
  const process = await spawnGuest({
    home,
    workspace,
    envelope: { ...envelope, ...(isolated !== null && { isolation: isolated.isolation }) },
    program,
    env,
    ...(isolated !== null && { launch: isolated.container }),
  }).catch(async (error: unknown) => {
    await isolated?.close()
    throw error
  })
  const guest = isolated === null ? process : withEnd(process, isolated)
  const watch = watchReports(guest, signer, options)
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

/** What was opened for a guest goes with it. */
function withEnd(guest: GuestProcess, isolated: IsolatedGuest): GuestProcess {
  const gone = guest.gone.then(async (end) => {
    await isolated.container.remove()
    await isolated.close()
    return end
  })
  return { ...guest, gone }
}

/** Reads the guest's reports to their end: `ready` settles with the first that matters, `over` after the last. */
function watchReports(guest: GuestProcess, signer: HeadSigner, { workspace, warn }: GuestSetup) {
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
          // A last word ends a guest, whether or not it knows.
          void guest.stop()
        } else if (report?.type === 'ready') {
          const found = await findGuest(workspace)
          ready.resolve(found ?? unreachable('the guest is ready but cannot be reached', workspace))
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
    hint: `Start Oxbow again: nothing that was acknowledged is lost, and an open turn goes on. Its log is ${workspace.logs}/guest.log.`,
  })
}

// Offline questions: the guest program answers them from the workspace and exits.

/** The runner's seal is put to it here. */
type OfflineQuestion = Exclude<GuestQuestion, { command: 'audit-verify' }> | { readonly command: 'audit-verify' }

/** What is asked without a look into the store: it needs no passphrase, and must not wait for a key that is made of one. */
const withoutStore: ReadonlySet<string> = new Set<OfflineQuestion['command']>(['calls', 'catalog', 'doctor', 'image-build', 'wasm-run'])

/**
 * @param masters in place of those that the user has
 * @returns the answer, one JSON document at a time. Leaving early stops the guest. @throws OxbowError what the guest reports
 * as fatal, or `guest_unreachable` when it ends badly without a word.
 */
export async function* askOffline(options: Omit<GuestSetup, 'warn'>, asked: OfflineQuestion, masters?: readonly string[]): AsyncGenerator {
  const { home, workspace, env } = options
  const question = asked.command === 'audit-verify' ? { ...asked, seal: readSeal(home, workspace.user) } : asked
  const envelope = { ...envelopeFor(options, withoutStore.has(asked.command) ? [] : masters), question }
  const guest = await spawnGuest({ home, workspace, envelope, program: options.program ?? ownGuestProgram(), env })
  try {
    for await (const line of guest.lines) {
      const report = asReport(line)
      if (report?.type === 'fatal') throw fatalError(report)
      if (report?.type === 'restoring') {
        signFor(options, asked, report)
        guest.send({ signed: true })
      } else yield line
    }
    const { exitCode, signal } = await guest.gone
    if (exitCode === 0) return
    throw fatalError({
      type: 'fatal',
      code: 'guest_unreachable',
      message: `the guest ended with ${signal ?? `exit code ${exitCode}`}`,
      hint: `Its log is ${workspace.logs}/guest.log.`,
    })
  } finally {
    await guest.stop()
  }
}

/** Only a guest that was asked to restore gets a restore signed. */
function signFor({ home, workspace }: Omit<GuestSetup, 'warn'>, asked: OfflineQuestion, report: GuestReport & { type: 'restoring' }): void {
  if (asked.command !== 'store' || asked.store.ask !== 'restore') throw unreachable('the guest restores a store unasked', workspace)
  const { call, from, to } = report
  signRestore(home, workspace.user, systemClock, { call, from, to, by: asked.store.by })
}

// A running guest leaves its address and token in `ipc/`, which only the user can read.

interface FoundGuest {
  readonly url: string
  readonly token: string
  readonly pid: number
}

/** @returns the live guest, or null when the files are missing or stale. Never throws for what a crash can leave behind. */
export async function findGuest(workspace: Workspace): Promise<FoundGuest | null> {
  const found = readGatewayFiles(workspace)
  if (found === null || !isAlive(found.pid)) return null
  return (await answers(found.url)) ? found : null
}

/** @returns what the guest has written, alive or not. */
function readGatewayFiles(workspace: Workspace): FoundGuest | null {
  try {
    const written = JSON.parse(readFileSync(join(workspace.ipc, 'gateway.json'), 'utf8')) as Partial<FoundGuest>
    const token = readFileSync(join(workspace.ipc, 'token'), 'utf8').trim()
    const { url, pid } = written
    return typeof url === 'string' && URL.canParse(url) && Number.isSafeInteger(pid) ? { url, token, pid: pid as number } : null
  } catch {
    return null
  }
}

/** The pid alone proves nothing: after a crash it may belong to any other program. */
function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) })
    const settle = (alive: boolean): void => {
      socket.destroy()
      resolve(alive)
    }
    // What has happened by now is heard first: after a standstill of this process its timers come before its sockets.
    socket.setTimeout(portProbeTimeoutMs, () => setImmediate(settle, false))
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
  })
}
