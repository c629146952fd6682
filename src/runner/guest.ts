/**
 * Brings a user's guest to life, or finds it alive, and supervises the one it started: heads that the guest reports are signed,
 * its end is noticed, and it ends with its runner.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isOxbowError, OxbowError, systemClock } from '../types/index.ts'
import type { Config, Failure, GuestEnvelope } from '../types/index.ts'
import { keyNames, keysFor } from './config-layers.ts'
import { asReport, fatalError, guestFlags, guestVariables, ownGuestProgram, spawnGuest } from './guest-process.ts'
import type { GuestProcess, GuestProgram } from './guest-process.ts'
import { findGuest } from './guest-search.ts'
import type { FoundGuest } from './guest-search.ts'
import { openHeadSigner } from './head-signing.ts'
import type { HeadSigner } from './head-signing.ts'
import type { Home, HostEnv, Workspace } from './home.ts'
import type { IsolatedGuest } from './isolated/isolated-guest.ts'
import { makeMasterKeys, masterKeys } from './master-keys.ts'
import { guestReadyTimeoutMs, otherGuestPollMs, otherGuestTimeoutMs, otherGuestTries } from './limits.ts'

export interface GuestSetup {
  readonly home: Home
  readonly workspace: Workspace
  readonly config: Config
  readonly insecure: boolean
  readonly version: string
  readonly env: HostEnv
  /** Told what a person should know and nobody asked for, e.g. a journal that went back behind a signed head. */
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
export function envelopeFor(options: Omit<GuestSetup, 'warn'>, masters: readonly string[] = mastersOf(options)): GuestEnvelope {
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
  return import('./isolated/isolated-guest.ts').then(({ isolateGuest }) =>
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
