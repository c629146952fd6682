/**
 * The one session that writes: opened when it is first needed, and reopened when it is lost, waiting for a server that restarts. It
 * holds the guest's lock where the store is for one guest, so writing without the lock is impossible: the lock ends with the session,
 * and the next session must acquire it before it writes.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { OxbowError, type UserId } from '../../base/index.ts'
import type { GuestLease } from '../../config/index.ts'
import { longestRetryMs } from '../limits.ts'
import { guestLockQuery } from './batch-statements.ts'
import { claimLease, endGuestBefore } from './lease-fence.ts'
import { type PostgresFault, postgresFault, retryWaitMs } from './postgres-fault.ts'
import { isHeld, notHeld } from './row-security.ts'
import type { PostgresDriver, PostgresSession } from './postgres-session.ts'

interface WriteSessionOptions {
  readonly driver: PostgresDriver
  readonly user: UserId
  /** The address without its password. */
  readonly shown: string
  readonly exclusive: boolean
  /** The role that it works as, once all is prepared; absent or empty: the one of the address. */
  readonly rowRole?: string
  /** Of a guest in a cluster: claimed with each session, before anything else. */
  readonly lease?: GuestLease
  readonly patienceMs: number
  /** Runs once, in the first session: brings the tables up to date. */
  readonly prepare: (session: PostgresSession) => Promise<void>
  /** Called when writing is possible again after it was not. */
  readonly mended: () => void
}

export interface WriteSession {
  /**
   * @returns a session that may write. Waits for a server that is away until `until` (unix milliseconds); rejects at once while the
   * server is known to be down.
   * @throws OxbowError
   */
  ready(until: number): Promise<PostgresSession>
  /** Discards an unusable session: a later `ready` opens another. */
  drop(session: PostgresSession): Promise<void>
  /** Reports that writing failed for a reason that may pass: retries in the background until it works again. */
  down(fault: PostgresFault): void
  /** Whether a session was ready once: then the data is this store's own. */
  everReady(): boolean
  /** Why nothing can be written at the moment. */
  fault(): OxbowError | null
  close(): Promise<void>
}

interface State {
  session: PostgresSession | null
  connecting: Promise<PostgresSession> | null
  /** A session was ready once. */
  prepared: boolean
  closed: boolean
  down: OxbowError | null
  /** Permanent: another guest has the store, its pages are damaged, or it never was usable. */
  over: OxbowError | null
  timer: ReturnType<typeof setTimeout> | null
}

export function createWriteSession(options: WriteSessionOptions): WriteSession {
  const state: State = { session: null, connecting: null, prepared: false, closed: false, down: null, over: null, timer: null }

  const connectOnce = (until: number): Promise<PostgresSession> => {
    state.connecting ??= attempt(options, state, until, adopt, note).finally(() => (state.connecting = null))
    return state.connecting
  }
  const adopt = (made: PostgresSession): void => {
    state.session = made
    made.onLost(() => {
      if (state.session === made) state.session = null
      // The lock ended with it: acquire it again at once, before another guest takes this one for ended.
      if (options.exclusive && !state.closed && state.down === null) connectOnce(Date.now() + options.patienceMs).catch(ignore)
    })
  }
  /** While the server is down: retries at intervals until one attempt succeeds. A live session is simply used again. */
  const mend = (): void => {
    if (state.closed || state.timer !== null) return
    state.timer = setTimeout(() => {
      state.timer = null
      const living = state.session !== null && !state.session.isLost()
      const made = living ? Promise.resolve() : connectOnce(Date.now() + options.patienceMs)
      made.then(() => {
        state.down = null
        options.mended()
      }, ignore)
    }, longestRetryMs)
    // It does not keep the process alive.
    state.timer.unref()
  }
  const note = (fault: PostgresFault): void => {
    state.down = fault.error
    // An address that never worked is not retried: a wrong password may lock its account.
    if (fault.kind === 'broken' || fault.kind === 'value' || (fault.kind === 'setup' && !state.prepared)) state.over = fault.error
    else mend()
  }
  return {
    async ready(until) {
      const reason = state.over ?? state.down
      if (reason !== null) throw reason
      return state.session !== null && !state.session.isLost() ? state.session : connectOnce(until)
    },
    async drop(useless) {
      if (state.session === useless) state.session = null
      await useless.close()
    },
    down: note,
    everReady: () => state.prepared,
    fault: () => state.over ?? state.down,
    async close() {
      state.closed = true
      if (state.timer !== null) clearTimeout(state.timer)
      await state.connecting?.catch(ignore)
      await state.session?.close()
    },
  }
}

/** Retries until `until`, as long as the failure may pass. */
async function attempt(
  options: WriteSessionOptions,
  state: State,
  until: number,
  adopt: (session: PostgresSession) => void,
  note: (fault: PostgresFault) => void,
): Promise<PostgresSession> {
  for (let tries = 0; ; tries++) {
    const wait = retryWaitMs(tries)
    try {
      const made = await connect(options, state.prepared)
      state.prepared = true
      adopt(made)
      return made
    } catch (error) {
      const fault = postgresFault(error, options.shown)
      const mayPass = fault.kind === 'away' || isStandby(error) || (state.prepared && isBusy(error))
      if (state.closed || !mayPass || Date.now() + wait > until) {
        if (isStale(error)) state.over = fault.error
        else if (isBusy(error)) state.over = state.prepared ? lockLost(options.shown) : fault.error
        else if (!state.closed) note(isStandby(error) ? { ...fault, kind: 'away' } : fault)
        throw state.over ?? fault.error
      }
      await pause(wait)
    }
  }
}

async function connect(
  { driver, exclusive, user, shown, lease, rowRole = '', prepare }: WriteSessionOptions,
  prepared: boolean,
): Promise<PostgresSession> {
  const made = await driver.connect()
  try {
    // A guest whose machine is gone loses its lock within a minute, instead of after the two hours of the system's default.
    await made.exec('set tcp_keepalives_idle = 20; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 3; set role none')
    if (lease !== undefined) await claimLease(made, user, lease, shown)
    if (exclusive && !(await takeGuestLock(made, user, lease !== undefined))) throw busy(shown)
    if (!prepared) await prepare(made)
    if (rowRole !== '') {
      await made.exec(`set role "${rowRole}"`)
      if (!prepared && !(await isHeld(made))) throw notHeld(rowRole, shown)
    }
    // A standby answers everything else, so it must be asked.
    const [recovering] = await made.rows({ text: 'select pg_is_in_recovery()', values: [] })
    if (recovering?.[0] === true) throw standby(shown)
    return made
  } catch (error) {
    await made.close()
    throw error
  }
}

/** @param isNewest whoever holds the lock is of an older lease: their sessions are ended */
async function takeGuestLock(session: PostgresSession, user: UserId, isNewest: boolean): Promise<boolean> {
  for (let tries = 0; ; tries += 1) {
    if ((await session.rows(guestLockQuery(user)))[0]?.[0] === true) return true
    if (!isNewest || tries === maxEvictions) return false
    await endGuestBefore(session, user)
    await pause(evictionMs)
  }
}

/** A session ends at its next look at its signals: at once, unless the server is busy. */
const evictionMs = 20
const maxEvictions = 100

function busy(shown: string): OxbowError {
  return new OxbowError('workspace_busy', `Another process already runs Oxbow for this user on ${shown}.`, {
    hint: 'Use that one, end it first, or choose another user.',
  })
}

function lockLost(shown: string): OxbowError {
  return new OxbowError('workspace_busy', `The connection to ${shown} was lost, and another process now runs Oxbow for this user.`, {
    hint: 'Use that one. This one is read-only; end it.',
  })
}

const standbyState = 'standby'

function standby(shown: string): OxbowError {
  return new OxbowError('store_failed', `The database server is read-only now (${shown}).`, {
    hint: 'It is a standby, or a failover is in progress. Oxbow resumes by itself when the primary answers at this address.',
    data: { state: standbyState },
  })
}

function isStandby(error: unknown): boolean {
  return error instanceof OxbowError && error.data['state'] === standbyState
}

function isStale(error: unknown): boolean {
  return error instanceof OxbowError && error.code === 'stale_epoch'
}

function isBusy(error: unknown): boolean {
  return error instanceof OxbowError && error.code === 'workspace_busy'
}

function ignore(): void {}
