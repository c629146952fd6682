/** The sessions that a client follows, across connections. */
import { type Failure, isOxbowError, OxbowError, type SessionId } from '../types/index.ts'
import { createFollower, type Follower, type FollowHandler, type StreamFrame } from './follower.ts'
import type { ClientLimits } from './limits.ts'
import { type Requests, toError } from './requests.ts'

/** One session that is followed. */
export interface Following {
  /** The newest record that the handler has seen: where to go on from another time. */
  cursor(): number
  /** The handler is not called after this returns. */
  stop(): void
}

export interface Followings {
  follow(session: SessionId, cursor: number, handler: FollowHandler): Promise<Following>
  /** @returns false when text was lost, so that only a new connection can help. */
  receive(frame: StreamFrame): boolean
  /** There is a connection: every session goes on from its cursor. */
  up(): void
  down(): void
  /** There is no next connection. @param closed by the terminal itself: then no handler needs to be told */
  end(failure: Failure, closed: boolean): void
}

interface Entry {
  readonly follower: Follower
  /** Settled when the past was told for the first time. */
  readonly ready: PromiseWithResolvers<void>
  isReady: boolean
  /** On this connection. Until then, frames of the session belong to a subscription that was left. */
  subscribed: boolean
}

export function createFollowing(requests: Requests, { callTimeoutMs, requestTimeoutMs }: ClientLimits): Followings {
  const entries = new Map<SessionId, Entry>()
  const leaving = new Map<SessionId, Promise<void>>()
  let connected = false
  let connection = 0

  const subscribe = async (entry: Entry): Promise<void> => {
    const { session, cursor } = entry.follower
    const on = connection
    entry.subscribed = true
    try {
      // The past may be long, so its limit is that of a call.
      await requests.ask({ type: 'subscribe', payload: { session, cursor: cursor() } }, { ...once, timeoutMs: callTimeoutMs })
      entry.isReady = true
      entry.ready.resolve()
    } catch (error) {
      // A lost connection is made good by the next one; a session that was left is nobody's any more.
      if (on !== connection || entries.get(session) !== entry) return
      fail(entry, error)
      entries.delete(session)
    }
  }
  const leave = (session: SessionId): void => {
    const left = requests.ask({ type: 'unsubscribe', payload: { session } }, { ...once, timeoutMs: requestTimeoutMs })
    const gone = left.then(
      () => {},
      () => {},
    )
    leaving.set(session, gone)
    void gone.then(() => leaving.get(session) === gone && leaving.delete(session))
  }

  return {
    async follow(session, cursor, handler) {
      if (entries.has(session)) {
        throw new OxbowError('bad_input', `Session ${session} is followed already.`, {
          hint: 'Stop the first following, or share its events.',
        })
      }
      const entry: Entry = {
        follower: createFollower(session, cursor, (event) => entries.get(session) === entry && handler(event)),
        ready: Promise.withResolvers(),
        isReady: false,
        subscribed: false,
      }
      entries.set(session, entry)
      // It may fail while nobody waits for it yet.
      entry.ready.promise.catch(() => {})
      // Frames of the subscription before are still on their way until its end is answered.
      await leaving.get(session)
      if (connected && !entry.subscribed) void subscribe(entry)
      await entry.ready.promise
      return {
        cursor: entry.follower.cursor,
        stop() {
          if (entries.get(session) !== entry) return
          entries.delete(session)
          if (entry.subscribed) leave(session)
        },
      }
    },
    receive(frame) {
      const session = frame.type === 'record' ? frame.payload.record.session : frame.payload.session
      const entry = session === '' ? undefined : entries.get(session)
      return entry?.subscribed === true ? entry.follower.receive(frame) : true
    },
    up() {
      connected = true
      connection += 1
      entries.forEach((entry) => void subscribe(entry))
    },
    down() {
      connected = false
      connection += 1
      entries.forEach((entry) => (entry.subscribed = false))
    },
    end(failure, closed) {
      connected = false
      connection += 1
      for (const [session, entry] of entries) {
        if (!closed || !entry.isReady) fail(entry, toError(failure))
        entries.delete(session)
      }
    },
  }
}

const once = { repeatable: false, uncounted: true } as const

/** Before the past was told the failure is that of `follow`, after it the stream's last event. */
function fail(entry: Entry, error: unknown): void {
  if (!entry.isReady) return entry.ready.reject(error)
  if (!isOxbowError(error)) throw error
  entry.follower.end({ code: error.code, message: error.message, hint: error.hint })
}
