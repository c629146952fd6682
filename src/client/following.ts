/** The sessions that a client follows, across connections. */
import { type Failure, isOxbowError, OxbowError, type SessionId, toError } from '../base/index.ts'
import { createFollower, type Follower, type FollowHandler, type StreamFrame } from './follower.ts'
import type { ClientLimits } from './limits.ts'
import type { Requests } from './requests.ts'

/** One session that is followed. */
export interface Following {
  /** The newest record that the handler has received: where to continue later. */
  cursor(): number
  /** The handler is not called after this returns. */
  stop(): void
}

export interface Followings {
  follow(session: SessionId, cursor: number, handler: FollowHandler): Promise<Following>
  /** @returns false when text was lost, so that only a new connection helps */
  receive(frame: StreamFrame): boolean
  /** There is a connection: every session continues from its cursor. */
  up(): void
  down(): void
  /** There is no next connection. @param closed by the terminal itself, so that no handler needs to know */
  end(failure: Failure, closed: boolean): void
}

interface Entry {
  readonly follower: Follower
  /** Settled when the past is complete for the first time. */
  readonly ready: PromiseWithResolvers<void>
  isReady: boolean
  /** On this connection. Before that, frames of the session belong to an earlier subscription. */
  subscribed: boolean
}

interface State {
  readonly entries: Map<SessionId, Entry>
  connected: boolean
  /** Counts connections and losses, to recognize late answers. */
  connection: number
  ended: Failure | null
}

export function createFollowing(requests: Requests, limits: ClientLimits): Followings {
  const state: State = { entries: new Map(), connected: false, connection: 0, ended: null }
  const { entries } = state
  const leavings = createLeavings(requests, limits.requestTimeoutMs)
  const change = (connected: boolean): void => {
    state.connected = connected
    state.connection += 1
  }
  const queue = createSubscribing(state, requests, limits)

  return {
    async follow(session, cursor, handler) {
      if (state.ended !== null) throw toError(state.ended)
      if (entries.has(session)) throw alreadyFollowed(session)
      const entry: Entry = {
        follower: createFollower(session, cursor, (event) => entries.get(session) === entry && handler(event)),
        ready: Promise.withResolvers(),
        isReady: false,
        subscribed: false,
      }
      entries.set(session, entry)
      // It may be rejected before anything awaits it.
      entry.ready.promise.catch(() => {})
      // Frames of the previous subscription may arrive until its end is answered.
      await leavings.of(session)
      if (state.connected && !entry.subscribed) queue.add(entry)
      await entry.ready.promise
      return {
        cursor: entry.follower.cursor,
        stop() {
          if (entries.get(session) !== entry) return
          entries.delete(session)
          if (entry.subscribed) leavings.start(session)
        },
      }
    },
    receive(frame) {
      const session = frame.type === 'record' ? frame.payload.record.session : frame.payload.session
      const entry = session === '' ? undefined : entries.get(session)
      return entry?.subscribed === true ? entry.follower.receive(frame) : true
    },
    up() {
      change(true)
      entries.forEach(queue.add)
    },
    down() {
      change(false)
      queue.clear()
      entries.forEach((entry) => (entry.subscribed = false))
    },
    end(failure, closed) {
      change(false)
      state.ended = failure
      queue.clear()
      for (const [session, entry] of entries) {
        if (!closed || !entry.isReady) fail(entry, toError(failure))
        entries.delete(session)
      }
    },
  }
}

/** Subscribes to sessions, at most so many at once that the answers of none are late. */
function createSubscribing(state: State, requests: Requests, limits: ClientLimits) {
  const due = new Set<Entry>()
  let subscribing = 0
  const subscribeNext = (): void => {
    for (const entry of due) {
      if (subscribing >= limits.maxSubscribing) return
      due.delete(entry)
      if (state.entries.get(entry.follower.session) !== entry) continue
      subscribing += 1
      // The past may be long, so it may take as long as a call.
      void subscribeTo(state, entry, requests, limits.callTimeoutMs).finally(() => {
        subscribing -= 1
        subscribeNext()
      })
    }
  }
  return {
    add(entry: Entry): void {
      due.add(entry)
      subscribeNext()
    },
    clear: (): void => due.clear(),
  }
}

async function subscribeTo(state: State, entry: Entry, requests: Requests, timeoutMs: number): Promise<void> {
  const { session, cursor } = entry.follower
  const { connection } = state
  entry.subscribed = true
  try {
    await requests.ask({ type: 'subscribe', payload: { session, cursor: cursor() } }, { ...once, timeoutMs })
    entry.isReady = true
    entry.ready.resolve()
  } catch (error) {
    // The next connection subscribes again; a session that is no longer followed needs nothing.
    if (connection !== state.connection || state.entries.get(session) !== entry) return
    fail(entry, error)
    state.entries.delete(session)
  }
}

/** Subscriptions that the client has ended and the gateway has not confirmed. */
function createLeavings(
  requests: Requests,
  timeoutMs: number,
): { start(session: SessionId): void; of(session: SessionId): Promise<void> | undefined } {
  const leaving = new Map<SessionId, Promise<void>>()
  return {
    of: (session) => leaving.get(session),
    start(session) {
      const left = requests.ask({ type: 'unsubscribe', payload: { session } }, { ...once, timeoutMs })
      const gone = left.then(
        () => {},
        () => {},
      )
      leaving.set(session, gone)
      void gone.then(() => leaving.get(session) === gone && leaving.delete(session))
    },
  }
}

function alreadyFollowed(session: SessionId): OxbowError {
  return new OxbowError('bad_input', `Session ${session} is already followed.`, { hint: 'Stop following it first, or share the events.' })
}

const once = { repeatable: false, uncounted: true } as const

/** Until the past is complete `follow` rejects; after that the failure is the stream's last event. */
function fail(entry: Entry, error: unknown): void {
  if (!entry.isReady) return entry.ready.reject(error)
  if (!isOxbowError(error)) throw error
  entry.follower.end({ code: error.code, message: error.message, hint: error.hint })
}
