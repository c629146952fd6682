/**
 * Calls under way, by id. Readers derive the ids of their calls and clients send requests again, so two may ask for the same call at once:
 * it runs once, and both get its outcome. Whoever asks later finds what was recorded; see `pastOf`.
 */
import type { CallId } from '../../base/index.ts'
import type { Caller, CallOutcome } from '../../protocol/index.ts'

/** Where the intent of a call is; `duplicate`: it was there before. */
export interface Intended {
  readonly firstSeq: number
  readonly duplicate: boolean
}

export interface StartedCall {
  /** Resolves when the intent is durable; null when the call was refused before. */
  readonly intended: Promise<Intended | null>
  readonly outcome: Promise<CallOutcome>
}

interface Asked {
  readonly id: CallId
  readonly caller: Caller
  readonly name: string
  /** It goes on with what a crash interrupted. One that would begin it does not: it finds the record of the intent. */
  readonly resumed: boolean
}

/**
 * @param begin given whether the id belongs to a call under way that another caller made or that is another call: then nothing may be
 * recorded under it
 */
export type Flights = (asked: Asked, begin: (isTaken: boolean) => StartedCall) => StartedCall

export function createFlights(): Flights {
  const flights = new Map<CallId, Asked & StartedCall>()
  return (asked, begin) => {
    const first = flights.get(asked.id)
    const goesOn = asked.resumed && first?.resumed === false
    if (first !== undefined && !goesOn) return isSame(first, asked) ? join(first) : begin(true)
    const started = begin(false)
    const flight = { ...asked, ...started }
    flights.set(asked.id, flight)
    const land = (): void => {
      if (flights.get(asked.id) === flight) flights.delete(asked.id)
    }
    started.outcome.then(land, land)
    return started
  }
}

function isSame(first: Asked, { caller, name }: Asked): boolean {
  const { user, actor, session, audience } = first.caller
  const isSameCaller = caller.user === user && caller.actor === actor && caller.session === session && caller.audience === audience
  return isSameCaller && first.name === name
}

function join({ intended, outcome }: StartedCall): StartedCall {
  const again = intended.then((place) => (place === null ? null : { ...place, duplicate: true }))
  again.catch(() => {})
  return { intended: again, outcome }
}
