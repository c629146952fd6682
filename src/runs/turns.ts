/**
 * Runs that are turns. What schedules, agents, graphs and tasks of programs have in common: a session of their own, a message whose id is the
 * run's, so that a restart sends it again without a second turn, a place in the queue, and the wait for an outcome that is on record.
 */
import { type Core, userCaller } from '../kernel/index.ts'
import type { CallId, JsonObject, SessionId, TurnId } from '../base/index.ts'
import type { Caller, DataOrigin, Labels } from '../protocol/index.ts'
import type { RunQueue } from './queue.ts'
import type { Runs } from './runs.ts'

/** What has made a run, and what its turn may not hide. */
interface Cause {
  /** Joined to its session before anything of it is read. */
  readonly labels: Labels
  readonly from?: readonly DataOrigin[]
}

interface TurnMessage extends Cause {
  readonly session: SessionId
  readonly turn: TurnId
  readonly text: string
  /** Who sends it; absent: the user. */
  readonly actor?: string
  /** Empty, or absent: the usual one. */
  readonly model?: string
}

interface TurnRun {
  readonly turn: TurnId
  readonly session: string
  /** As in a ticket of the queue. */
  readonly kind: NonNullable<Parameters<RunQueue['enter']>[0]['kind']>
  readonly since: number
  /**
   * Waits for its place before it begins. A turn that goes on after a restart has its place at once.
   * @param enter resolves with the place
   * @returns what it has become instead of a turn; null: its turn has begun
   */
  readonly begin: (enter: (signal: AbortSignal) => Promise<void>, isRecovered: boolean) => Promise<JsonObject | null>
  readonly signal: AbortSignal
}

export interface Turns {
  /** Makes the session of a run, unless it is there. @param session follows from the run @throws OxbowError `not_found` if it was deleted */
  openSession(session: SessionId, title: string, cause?: Cause): Promise<void>
  /** Sends the message of a run; one that was sent before is no second turn. @returns whether it was */
  send(message: TurnMessage): Promise<{ readonly duplicate: boolean }>
  /** Takes a turn from where it is, before its place or after a restart, to its end. @returns its outcome @throws the reason of the signal */
  toEnd(run: TurnRun): Promise<JsonObject>
  /** Waits for the end of a turn. @throws the reason of the signal */
  ended(turn: TurnId, signal?: AbortSignal): Promise<JsonObject>
  /** As `ended`, until a time, unix milliseconds. @returns null if it has not ended by then */
  endedBy(turn: TurnId, until: number, signal?: AbortSignal): Promise<JsonObject | null>
}

/**
 * @returns the actor by whose rights a run is bound as long as it goes on; empty: a person, whose word at its beginning counts. A program and a
 * plugin are not the person who has started them.
 */
export function starterOf({ actor }: Pick<Caller, 'actor'>): string {
  return /^(?:agent|key|plugin|program):/.test(actor) ? actor : ''
}

type TurnsDeps = Pick<Core, 'user' | 'gate' | 'sessions' | 'startTurn' | 'outcomeOf' | 'recovered' | 'events'>

const topicOf = (turn: string): string => `turn ${turn}`

export function createTurns(core: TurnsDeps, { queue, until, changed }: Pick<Runs, 'queue' | 'until' | 'changed'>): Turns {
  const { sessions, outcomeOf } = core
  core.events.onTurnEnd(({ call }) => changed(topicOf(call)))
  const join = (session: SessionId, { labels, from = [] }: Cause): void => sessions.join({ session }, labels, from)
  const endedBy: Turns['endedBy'] = (turn, time, signal) =>
    until(topicOf(turn), () => outcomeOf(turn), { until: time, ...(signal && { signal }) })
  const ended: Turns['ended'] = async (turn, signal) => (await endedBy(turn, Infinity, signal))!
  return {
    async openSession(session, title, cause) {
      const options = { id: session as string as CallId, signal: null }
      await core.gate.call(userCaller(core.user, '', ''), 'session.create', { title }, options)
      await sessions.load(session)
      if (cause !== undefined) join(session, cause)
    },
    async send({ session, turn, text, actor, model = '', ...cause }) {
      await sessions.load(session)
      join(session, cause)
      const clientId = turn as string as CallId
      return core.startTurn({ session, clientId, text, ...(actor !== undefined && { actor }), ...(model !== '' && { model }) })
    },
    ended,
    endedBy,
    async toEnd({ turn, session, kind, since, begin, signal }) {
      const known = await outcomeOf(turn)
      if (known !== null) return known
      const place = { key: turn, session, kind }
      const isRecovered = core.recovered.has(turn as string as CallId)
      try {
        if (isRecovered) queue.occupy(place)
        const enter = async (entering: AbortSignal): Promise<void> => {
          if (!isRecovered) await queue.enter({ ...place, priority: 'normal', since }, entering)
        }
        return (await begin(enter, isRecovered)) ?? (await ended(turn, signal))
      } finally {
        queue.leave(turn)
      }
    },
  }
}
