/** Connects a verb to a guest, starting one when needed, restarts it when it dies, and stops it afterwards. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, connect, type ConnectionState, type InputOf, type OutputOf } from '../client/index.ts'
import {
  askOffline,
  assertKnown,
  configFiles,
  ensureGuest,
  findGuest,
  type GuestSetup,
  hasWorkspace,
  type Home,
  type HostEnv,
  markUse,
  openHome,
  openWorkspace,
  parseUser,
  type RunningGuest,
  configToStart,
  waitForOthers,
  type Workspace,
} from '../runner/index.ts'
import {
  type Failure,
  isAlive,
  isOxbowError,
  OxbowError,
  ownValue,
  retryDelayMs,
  systemRandom,
  toError,
  toFailure,
  type SessionId,
} from '../base/index.ts'
import type { MadeCall, GuestStatus, Notice, CallOutcome } from '../protocol/index.ts'
import { builtinProviders } from '../config/index.ts'
import { guestEndMs, guestEndPollMs, guestRestartMs, maxGuestRestartMs, stuckGuestMs } from './limits.ts'
import { wakeGuest } from './daemon/ask.ts'
import { printNotice, printOnce, type Terminal } from './terminal.ts'
import { defaultUser, ofUser } from './verb-parts.ts'
import { isOffline, plainText } from '../terminal/index.ts'

/** The options with which a verb chooses or starts its guest. */
export interface GuestChoice {
  readonly user: string
  readonly insecure?: boolean | undefined
  readonly model?: string | undefined
  readonly baseUrl?: string | undefined
  /** A program reads what the verb prints: it gets no notices about the guest. */
  readonly json?: boolean | undefined
  /** Files that nothing worked with before do not keep it from starting, with no rights. */
  readonly isSafe?: boolean | undefined
}

/** @throws OxbowError `bad_input` for the user name, `not_found` for a space that nobody made, `bad_config` for a folder that cannot be created */
export function userWorkspace(home: Home, name: string, terminal: Pick<Terminal, 'errors'>): Workspace {
  const user = parseUser(name)
  assertKnown(home, user)
  const isNew = user !== defaultUser && !hasWorkspace(home, user)
  const workspace = openWorkspace(home, user)
  // A mistyped name creates a new user; the notice makes that visible.
  if (isNew) printNotice(terminal, `notice: created a workspace for the new user ${user}: ${workspace.root}`)
  return workspace
}

/**
 * Where the files cannot be used as a configuration, takes the last one that worked and tells the person.
 * @param warnsOfFallback false where the caller says it
 * @throws OxbowError `bad_input` for the user name, `bad_config` for the files when nothing has worked yet.
 */
export function guestSetup(choice: GuestChoice, terminal: Terminal, warnsOfFallback = true): GuestSetup {
  const home = openHome(terminal.env)
  const workspace = userWorkspace(home, choice.user, terminal)
  const overrides = { model: choice.model, baseUrl: choice.baseUrl }
  const warn = (text: string): void => printOnce(terminal, `warning: ${plainText(text)}`)
  return {
    home,
    workspace,
    ...configToStart({ home, workspace }, { ...choice, ...overrides }, warnsOfFallback ? warn : null),
    overrides,
    insecure: choice.insecure ?? false,
    version: terminal.version,
    env: terminal.env,
    warn,
    ...(terminal.program !== undefined && { program: terminal.program }),
    begun: terminal.begun ?? undefined,
    ...(terminal.settle !== undefined && { settle: terminal.settle === null ? null : async () => terminal.settle?.(terminal) }),
  }
}

/** @returns the last line that a guest program answers, which works offline. @throws OxbowError `guest_unreachable` where it answers nothing */
export async function reportOf<Report extends object>(...asked: Parameters<typeof askOffline>): Promise<Report> {
  let last: unknown = null
  for await (const line of askOffline(...asked)) last = line
  if (last !== null) return last as Report
  throw new OxbowError('guest_unreachable', 'the guest returned no report', { hint: 'See `oxbow logs`.' })
}

export interface Connection {
  readonly guest: RunningGuest
  readonly gateway: GatewayPort
  readonly setup: GuestSetup
  /** Reports from now on when the connection is lost, restored or gone for good. There is one listener. */
  onConnection(listener: (state: ConnectionState) => void): void
  /** Reports from now on what the person should hear of. There is one listener. */
  onNotice(listener: (notice: Notice) => void): void
  /** Resolves when the guest is gone for good; the client alone would keep trying to reconnect for a day. */
  readonly gone: Promise<Failure>
}

type Use<Result> = (connection: Connection) => Promise<Result>

/** Failure of a verb that used another terminal's guest. */
const orphaned: Failure = {
  code: 'guest_unreachable',
  message: 'the guest that this verb used has ended: it was stopped, or the terminal that had started it has closed',
  hint: 'Run oxbow chat --continue to resume this session.',
}

/** Runs `use` with a connected guest and rejects when that is gone. A guest started for it is stopped afterwards, also when `use` throws. */
export async function withGuest<Result>(choice: GuestChoice, terminal: Terminal, use: Use<Result>): Promise<Result> {
  return withMarked(choice, terminal, (connection) => Promise.race([use(connection), lossOf(connection)]))
}

export interface GuestLife {
  /** Rejects when the guest is gone. */
  readonly lost: Promise<never>
  /** Reports that something was finished that the next guest does not repeat. */
  progressed(): void
}

/**
 * As `withGuest`, but runs `use` again with a new guest each time one dies, until nothing was finished for `stuckGuestMs`. `use` must
 * keep its own progress and race everything it awaits with `lost`.
 */
export async function withLastingGuest<Result>(
  choice: GuestChoice,
  terminal: Terminal,
  use: (connection: Connection, life: GuestLife) => Promise<Result>,
): Promise<Result> {
  let lostAt: number | null = null
  let losses = 0
  const progressed = (): void => {
    lostAt = null
    losses = 0
  }
  for (;;) {
    const ended = await withMarked(choice, terminal, async (connection) => {
      try {
        await Promise.race([warnOfStale(connection, choice, terminal), lossOf(connection)])
        return { result: await use(connection, { lost: lossOf(connection), progressed }) }
      } catch (error) {
        return { error, isGone: await isGone(connection.guest, error) }
      }
    }).catch((error: unknown) => ({ error, isGone: losses > 0 && isOxbowError(error, 'guest_unreachable') }))
    if ('result' in ended) return ended.result
    lostAt ??= performance.now()
    if (!ended.isGone || performance.now() - lostAt > stuckGuestMs) throw ended.error
    const { message } = toFailure(ended.error, 'guest_unreachable', '')
    printNotice(terminal, `notice: ${plainText(message).replace(/\.$/, '')}; starting another to finish the turn`)
    losses += 1
    if (losses > 1) await sleep(retryDelayMs(losses, systemRandom, { firstMs: guestRestartMs, maxMs: maxGuestRestartMs }))
  }
}

/** As `withGuest`, for a `use` that watches `gone` itself. */
export function withConnection<Result>(choice: GuestChoice, terminal: Terminal, use: Use<Result>): Promise<Result> {
  return connected(guestSetup(choice, terminal), async (connection) => {
    await Promise.race([warnOfStale(connection, choice, terminal), lossOf(connection)])
    return use(connection)
  })
}

/** A connection that lasts until it is closed, rather than until a function has returned. */
export async function openConnection(choice: GuestChoice, terminal: Terminal): Promise<Connection & { close(): Promise<void> }> {
  const opened = Promise.withResolvers<Connection & { close(): Promise<void> }>()
  const closing = Promise.withResolvers<void>()
  const ended = withConnection(choice, terminal, async (connection) => {
    const close = async (): Promise<void> => {
      closing.resolve()
      await ended.catch(() => {})
    }
    opened.resolve({ ...connection, close })
    await closing.promise
  })
  ended.catch(opened.reject)
  return opened.promise
}

/** As `withConnection`, for a verb that ends soon: until then, the verb that started the guest keeps it. */
async function withMarked<Result>(choice: GuestChoice, terminal: Terminal, use: Use<Result>): Promise<Result> {
  const setup = guestSetup(choice, terminal)
  const done = markUse(setup.workspace.ipc)
  try {
    return await connected(setup, (connection) => use(connection).finally(done))
  } finally {
    done()
  }
}

async function connected<Result>(setup: GuestSetup, use: Use<Result>): Promise<Result> {
  const { model } = setup.overrides ?? {}
  if (model?.startsWith('plugin:') === true) await (await import('./plugins/kept-plugins.ts')).assertServed(model, setup)
  let onState: (state: ConnectionState) => void = () => {}
  let onNotice: (notice: Notice) => void = () => {}
  const { guest, gateway, gone } = await joinGuest(
    setup,
    (state) => onState(state),
    (notice) => onNotice(notice),
  )
  try {
    return await use({
      guest,
      gateway,
      setup,
      gone,
      onConnection: (listener) => void (onState = listener),
      onNotice: (listener) => void (onNotice = listener),
    })
  } finally {
    await gateway.close()
    if (guest.owned && isAlive(guest.pid)) await waitForOthers(setup.workspace.ipc)
    await guest.stop()
  }
}

interface Joined extends Pick<Connection, 'guest' | 'gone'> {
  readonly gateway: Client
}

async function joinGuest(
  setup: GuestSetup,
  onState: (state: ConnectionState) => void,
  onNotice: (notice: Notice) => void,
): Promise<Joined> {
  for (;;) {
    await wakeGuest(setup)
    const guest = await ensureGuest(setup)
    const gone = Promise.withResolvers<Failure>()
    void guest.gone.then((failure) => failure !== null && gone.resolve(failure))
    // With a configured port, the client waits for whoever starts the next guest there.
    const isOrphan = (): boolean => !guest.owned && setup.config.gateway.port === 0 && !isAlive(guest.pid)
    try {
      const gateway = await connect({
        url: guest.url,
        token: guest.token,
        client: `oxbow-cli ${setup.version}`,
        onNotice,
        onState(state) {
          onState(state)
          if (state.type === 'gone') gone.resolve(state.failure)
          if (state.type === 'reconnecting' && isOrphan()) gone.resolve(orphaned)
        },
      })
      return { guest, gateway, gone: gone.promise }
    } catch (error) {
      await guest.stop()
      const isReplaced = isOxbowError(error, 'unauthenticated') && (await findGuest(setup.workspace))?.token !== guest.token
      if (guest.owned || !(isReplaced || (await isGone(guest, error)))) throw error
    }
  }
}

function lossOf({ gone }: Pick<Connection, 'gone'>): Promise<never> {
  const lost = gone.then((failure): never => {
    throw toError(failure)
  })
  lost.catch(() => {})
  return lost
}

/** @returns whether it failed because the guest is gone; another terminal's guest may still be shutting down. */
async function isGone({ owned, pid }: RunningGuest, error: unknown): Promise<boolean> {
  if (!isOxbowError(error, 'guest_unreachable')) return false
  if (owned) return true
  for (let waitedMs = 0; isAlive(pid) && waitedMs < guestEndMs; waitedMs += guestEndPollMs) await sleep(guestEndPollMs)
  return !isAlive(pid)
}

/**
 * Warns about options and settings that do not reach the running guest, and about names in the configuration that have no effect in one that
 * was started for the verb. Only verbs whose result depends on them do: those that start
 * turns, and `status`. Before each verb, the notice would hide what was asked for.
 */
export async function warnOfStale(
  { guest, gateway, setup }: Pick<Connection, 'guest' | 'gateway' | 'setup'>,
  choice: GuestChoice,
  terminal: Terminal,
): Promise<void> {
  if (choice.json === true) return
  if (guest.owned) {
    const { warnOfNames } = await import('./verbs/known-names.ts')
    return warnOfNames(setup, terminal, () => outputOf(gateway, 'system.calls', {}))
  }
  const { home, workspace } = setup
  const files = configFiles(home, workspace).map(({ path }) => path)
  const touched = changedFiles(workspace.ipc, files)
  const changes = touched.length === 0 ? [] : await waitingChanges(gateway, touched)
  const stale = describeStale({ choice, changes, status: await gateway.status(), env: terminal.env })
  if (stale === '') return
  const restart = `oxbow restart${ofUser(choice.user)}`
  printNotice(
    terminal,
    `notice: a guest is already running (pid ${guest.pid}); ${plainText(stale)} will have no effect before \`${restart}\``,
  )
}

/** @param ipc folder in which the guest wrote its address when it started @returns those that have changed since */
export function changedFiles(ipc: string, files: readonly string[]): readonly string[] {
  const began = changedAt(join(ipc, 'gateway.json')) ?? Infinity
  return files.filter((path) => (changedAt(path) ?? 0) > began)
}

/** A running guest takes up most changes at once. @returns those that wait for a restart; where it cannot tell, all that was touched */
async function waitingChanges(gateway: Pick<GatewayPort, 'call'>, touched: readonly string[]): Promise<readonly string[]> {
  const shown = await outputOf(gateway, 'config.show', {}).catch(() => null)
  return shown === null || shown.problem !== '' ? touched.map((path) => `in ${path}`) : shown.pending.map((key) => `of ${key}`)
}

interface Stale {
  readonly choice: { readonly insecure?: boolean | undefined; readonly baseUrl?: string | undefined }
  /** What of the configuration waits for a restart, e.g. `of gateway.port`. */
  readonly changes: readonly string[]
  readonly status: Pick<GuestStatus, 'model'>
  readonly env: HostEnv
}

/** @returns the options and changes that have no effect on the running guest, as text; else empty. */
export function describeStale({ choice, changes, status, env }: Stale): string {
  const key = Object.values(builtinProviders)
    .flatMap(({ keyEnv }) => keyEnv)
    .find((name) => (ownValue(env, name) ?? '').trim() !== '')
  return [
    ...(choice.insecure === true ? ['--insecure'] : []),
    ...(choice.baseUrl !== undefined ? ['--base-url'] : []),
    ...changes.map((change) => `the change ${change}`),
    ...(key !== undefined && isOffline(status) ? [key] : []),
  ].join(' and ')
}

function changedAt(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? null
}

/** What verbs use of the client. */
export type GatewayPort = Pick<
  Client,
  'status' | 'createSession' | 'listSessions' | 'sendTurn' | 'cancelTurn' | 'approve' | 'call' | 'follow' | 'close'
>

/** @returns what a call of the user gave. @throws OxbowError as the call failed */
export async function outcomeOf<Name extends string>(
  gateway: Pick<GatewayPort, 'call'>,
  name: Name & MadeCall<Name>,
  input: InputOf<Name>,
  session?: SessionId,
): Promise<Answered<OutputOf<Name>>> {
  const outcome = await gateway.call<Name>(name, input, session)
  if (outcome.status === 'ok') return outcome
  throw toError(outcome.failure)
}

type Answered<Output> = Extract<CallOutcome<Output>, { status: 'ok' }>

/** @returns its output, of the type that its schema says. @throws OxbowError as the call failed */
export const outputOf = async <Name extends string>(
  gateway: Pick<GatewayPort, 'call'>,
  name: Name & MadeCall<Name>,
  input: InputOf<Name>,
): Promise<OutputOf<Name>> => (await outcomeOf<Name>(gateway, name, input)).output
