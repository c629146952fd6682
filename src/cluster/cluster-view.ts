/**
 * What a node, or a verb, knows of the cluster: a fold of what its keys say. A key that has not been renewed for the time of a lease counts as
 * gone, by this machine's own clock: the server removes it at about the same time and tells nobody.
 */
import type { Clock } from '../base/index.ts'
import type { LeaseNote, NodeView, PlaceNote } from './notes.ts'

/** A key was written, or is gone: null. */
export type KeyEvent<Note> = { readonly key: string; readonly note: Note | null }

export interface ClusterView {
  takeLease(event: KeyEvent<LeaseNote>): void
  takeNode(event: KeyEvent<NodeView>): void
  takePlace(event: KeyEvent<PlaceNote>): void
  lease(user: string): LeaseNote | null
  /** Null also for a user who sleeps. */
  place(user: string): PlaceNote | null
  isAsleep(user: string): boolean
  node(name: string): NodeView | null
  nodes(): readonly NodeView[]
  leases(): ReadonlyMap<string, LeaseNote>
  /** Users whose guest is to run and that no node has. */
  orphans(): readonly string[]
  /** Resolves with the next change of a lease, or when the signal aborts. */
  changed(user: string, signal: AbortSignal): Promise<void>
}

export function createClusterView(clock: Pick<Clock, 'monotonicMs'>, keptMs: number): ClusterView {
  const leases = new Map<string, Kept<LeaseNote>>()
  const nodes = new Map<string, Kept<NodeView>>()
  const places = new Map<string, PlaceNote>()
  /** Most users sleep: nothing is held of them but their names. */
  const sleepers = new Set<string>()
  const waiting = new Map<string, Set<() => void>>()
  const take = <Note>(map: Map<string, Kept<Note>>, { key, note }: KeyEvent<Note>): void => {
    if (note === null) map.delete(key)
    else map.set(key, { note, at: clock.monotonicMs() })
  }
  const living = <Note>(map: Map<string, Kept<Note>>, key: string): Note | null => {
    const kept = map.get(key)
    if (kept === undefined) return null
    if (clock.monotonicMs() - kept.at < keptMs) return kept.note
    map.delete(key)
    return null
  }
  const all = <Note>(map: Map<string, Kept<Note>>): readonly (readonly [string, Note])[] =>
    [...map.keys()].flatMap((key) => {
      const note = living(map, key)
      return note === null ? [] : [[key, note] as const]
    })
  const lease = (user: string): LeaseNote | null => living(leases, user)
  return {
    takeLease(event) {
      take(leases, event)
      for (const wake of waiting.get(event.key) ?? []) wake()
    },
    takeNode: (event) => take(nodes, event),
    takePlace({ key, note }) {
      places.delete(key)
      sleepers.delete(key)
      if (note?.isAsleep === true) sleepers.add(key)
      else if (note !== null) places.set(key, note)
      for (const wake of waiting.get(key) ?? []) wake()
    },
    lease,
    place: (user) => places.get(user) ?? null,
    isAsleep: (user) => sleepers.has(user),
    node: (name) => living(nodes, name),
    nodes: () => all(nodes).map(([, note]) => note),
    leases: () => new Map(all(leases)),
    orphans: () => [...places].flatMap(([user, { isWanted }]) => (isWanted && lease(user) === null ? [user] : [])),
    changed(user, signal) {
      if (signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const others = waiting.get(user) ?? new Set()
        waiting.set(user, others)
        const wake = (): void => {
          others.delete(wake)
          if (others.size === 0) waiting.delete(user)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        others.add(wake)
        signal.addEventListener('abort', wake, { once: true })
      })
    },
  }
}

interface Kept<Note> {
  readonly note: Note
  readonly at: number
}
