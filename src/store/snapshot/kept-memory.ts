/**
 * What a search holds, opened from its snapshot and kept in it, for any database. A snapshot is used only where it is of this database as it is
 * or as it was in an earlier version: versions of two databases may be equal, so its newest passages are compared with those that are there,
 * and of a server also what tells its databases and its restored copies apart.
 */
import { comparedPassages, snapshotChanges, snapshotRestMs, snapshotShare } from '../limits.ts'
import { prefetch, queryRows, type QuerySteps, readTexts } from '../memory/memory-reads.ts'
import { type StateRow, textKey } from '../memory/memory-rows.ts'
import type { HeldImage } from '../search/held-image.ts'
import { createHeldMemory, type HeldMemory } from '../search/held-memory.ts'
import { eraseSnapshots } from './erase-snapshots.ts'
import { hasSnapshot, readSnapshot, type SnapshotPlace, writeSnapshot } from './snapshot-file.ts'

export interface KeptMemory {
  readonly held: HeldMemory
  /** Whether much has changed since the last snapshot, or it was erased. */
  isDue(): boolean
  /** Writes a snapshot. Not while a search runs: what it holds belongs to one version. @throws the system's own error, e.g. of a full disk */
  keep(): QuerySteps<void>
}

export interface KeptPlace extends SnapshotPlace {
  /** Tells the databases of a server apart; absent: the file is next to the only one. */
  readonly database?: () => QuerySteps<string>
}

/** @throws errors of the database */
export function* openKept(place: KeptPlace): QuerySteps<KeptMemory> {
  const { user } = place
  const database = place.database === undefined ? '' : yield* place.database()
  const image = readSnapshot(place)
  const isUsable = image !== null && image.database === database && (yield* isOf(user, image))
  const held = createHeldMemory(user, isUsable ? image : null)
  let lookedAt = -Infinity
  /** Whoever erases a memory erases the snapshot; of a server also another machine's, which only sees that something is gone. */
  const isGone = (): boolean => {
    if (performance.now() - lookedAt < snapshotRestMs) return false
    const has = hasSnapshot(place)
    const isStale = has && place.database !== undefined && held.removals() > 0
    if (isStale) eraseSnapshots(place.path)
    if ((has && !isStale) || held.slots.count() < snapshotChanges) return false
    lookedAt = performance.now()
    return true
  }
  return {
    held,
    isDue: () => held.changes() >= Math.max(snapshotChanges, held.slots.count() * snapshotShare) || isGone(),
    *keep() {
      const { version, slots, ...rest } = held.image()
      const newest = yield* marksOf(user, Array.from(slots.passages.toSorted().slice(-comparedPassages)))
      yield* writeSnapshot(place, { version, database, slots, ...rest, newest }, function* () {
        return (yield* removedSince(user, version)).length > 0 || (yield* isAhead(user, version))
      })
    },
  }
}

type User = SnapshotPlace['user']

function removedSince(user: User, version: number): QuerySteps<readonly { readonly passage: number }[]> {
  return queryRows<{ readonly passage: number }>({ text: readTexts.removedSince, args: { user, version } })
}

/** Whether removals after this version may be forgotten. */
function* isAhead(user: User, version: number): QuerySteps<boolean> {
  const [state] = yield* queryRows<StateRow>({ text: readTexts.state, args: { user } })
  return state === undefined || state.trimmed > version || state.version < version
}

/** Whether the image is of this database: its newest passages are there, of the same entries, or were removed since. */
function* isOf(user: User, { version, newest }: HeldImage): QuerySteps<boolean> {
  if (yield* isAhead(user, version)) return false
  const removed = new Set((yield* removedSince(user, version)).map(({ passage }) => passage))
  const now = new Map(
    yield* marksOf(
      user,
      newest.map(([passage]) => passage),
    ),
  )
  return newest.every(([passage, mark]) => (now.has(passage) ? now.get(passage) === mark : removed.has(passage)))
}

interface Identity {
  readonly id: string
  readonly hash: string
  readonly created_at: number
}

/** @returns for each passage that exists a number for its entry and its text */
function* marksOf(user: User, passages: readonly number[]): QuerySteps<HeldImage['newest']> {
  const marks: (readonly [number, number])[] = []
  const queryOf = (id: number) => ({ text: readTexts.identity, args: { user, id } })
  for (const passage of passages) yield* prefetch(queryOf(passage))
  for (const passage of passages) {
    const [found] = yield* queryRows<Identity>(queryOf(passage))
    if (found !== undefined) marks.push([passage, textKey(`${found.id} ${found.hash} ${found.created_at}`)])
  }
  return marks
}
