/**
 * What providers and actions have put together for a message: values and data by name, which the actions and evaluators behind them see. Each
 * message has its own, so nothing of one conversation is seen in another. Kept for a while, within a budget of bytes.
 */
import { type Clock, createRecentMap, type JsonObject } from '../../base/index.ts'
import { joinLabels, joinOrigins, type Provenance } from '../../protocol/index.ts'
import type { StateCounts } from './plugin-counts.ts'
import { maxStateBytes, maxTurnStateBytes, stateTtlMs } from './limits.ts'

export interface TurnState {
  readonly values: JsonObject
  readonly data: JsonObject
  /** What providers have said, by plugin and provider; those are not asked again for the same message. */
  readonly provided: ReadonlyMap<string, Provided>
  /** Labels of what those may have kept who have put it together. */
  readonly held: Provenance
}

export interface Provided {
  readonly text: string
  readonly position: number
}

export interface TurnStates {
  /** Counts a hit or a miss. */
  find(message: string): TurnState | null
  /** Adds to the state of a message; later values win. */
  merge(message: string, added: Partial<TurnState>): TurnState
  counts(): StateCounts
}

interface Held {
  readonly state: TurnState
  readonly bytes: number
  readonly until: number
}

export const noLabels: Provenance = { labels: [], from: [] }
const emptyState: TurnState = { values: {}, data: {}, provided: new Map(), held: noLabels }

export function createTurnStates(clock: Pick<Clock, 'monotonicMs'>, maxBytes: number = maxStateBytes): TurnStates {
  const held = createRecentMap<string, Held>(maxBytes, ({ bytes }) => bytes)
  const now = { hits: 0, misses: 0 }
  const fresh = (message: string): TurnState | null => {
    const found = held.get(message)
    if (found === undefined) return null
    if (found.until > clock.monotonicMs()) return found.state
    held.delete(message)
    return null
  }
  return {
    find(message) {
      const state = fresh(message)
      if (state === null) now.misses++
      else now.hits++
      return state
    },
    merge(message, added) {
      const before = fresh(message) ?? emptyState
      const wanted: TurnState = {
        values: { ...before.values, ...added.values },
        data: { ...before.data, ...added.data },
        provided: new Map([...before.provided, ...(added.provided ?? [])]),
        held: toldWith(before.held, added),
      }
      const bytes = bytesOf(wanted)
      // One that has grown too large stays as it was: the rest of the turn sees what it has seen so far.
      if (bytes > maxTurnStateBytes) return before
      held.put(message, { state: wanted, bytes, until: clock.monotonicMs() + stateTtlMs })
      return wanted
    },
    counts() {
      const entries = [...held.entries()]
      const hit_ratio = now.hits === 0 ? 0 : now.hits / (now.hits + now.misses)
      return { ...now, hit_ratio, entries: entries.length, bytes: entries.reduce((sum, [, { bytes }]) => sum + bytes, 0) }
    },
  }
}

function bytesOf({ values, data, provided }: TurnState): number {
  return Buffer.byteLength(JSON.stringify([values, data, [...provided]]))
}

/** @returns labels of what a plugin is told with this state */
export function toldWith(held: Provenance, state: Partial<Pick<TurnState, 'held'>> | null): Provenance {
  const { labels, from } = state?.held ?? noLabels
  return { labels: joinLabels(held.labels, labels), from: joinOrigins(held.from, from) }
}

/** @returns the state as plugins see it */
export function shownState(state: TurnState | null): JsonObject {
  return state === null ? {} : { values: state.values, data: state.data }
}
