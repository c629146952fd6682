/** Reads of memory in SQLite: answered at once. */
import type { UserId } from '../../base/index.ts'
import { comparedPassages, snapshotChanges, snapshotRestMs, snapshotShare } from '../limits.ts'
import type { MemoryAnswers, MemoryRead } from '../memory/memory-client.ts'
import { readTexts, runSync } from '../memory/memory-reads.ts'
import { type StateRow, textKey } from '../memory/memory-rows.ts'
import type { HeldImage } from '../search/held-image.ts'
import { createHeldMemory, type HeldMemory } from '../search/held-memory.ts'
import { createMemoryReader } from '../search/memory-reader.ts'
import { readBlocks } from '../search/vector-block.ts'
import type { CipherChoice } from '../secrets/file-encryption.ts'
import { createAnswers } from './memory-answers.ts'
import { hasSnapshot, readSnapshot, writeSnapshot } from './snapshot-file.ts'
import { type Database, openDatabase } from './sqlite-database.ts'

/** @throws OxbowError `bad_input`, `store_corrupt` or `store_failed` */
export type SqliteMemory = (read: MemoryRead) => MemoryAnswers[MemoryRead['ask']]

export function createSqliteMemory(database: Database, user: UserId, held?: HeldMemory): SqliteMemory {
  const answer = createAnswers(database)
  const reader = createMemoryReader({ dialect: 'sqlite', user, vectorReading: readBlocks(user), ...(held !== undefined && { held }) })
  return (read) => database.snapshot(() => runSync(reader(read), answer))
}

export interface KeptSqliteMemory {
  readonly read: SqliteMemory
  /** Writes a snapshot if much has changed since the last one, or if it was erased. Never throws. */
  keep(): void
  close(): void
}

interface KeptMemory {
  readonly path: string
  readonly user: UserId
  readonly cipher?: CipherChoice
}

/** Opens the file to search it, and with it a snapshot where one can be used. @throws OxbowError as `openDatabase` */
export function openKeptMemory(place: KeptMemory): KeptSqliteMemory {
  const { path, user, cipher } = place
  const database = openDatabase({ path, readOnly: true, ...(cipher !== undefined && { cipher }) })
  const answer = createAnswers(database)
  const rows: Rows = (text, args) => answer({ text, args: { user, ...args } })
  let lookedAt = -Infinity
  /** Whoever erases a memory erases the snapshot. */
  const isGone = (): boolean => {
    if (held.slots.count() < snapshotChanges || performance.now() - lookedAt < snapshotRestMs || hasSnapshot(place)) return false
    lookedAt = performance.now()
    return true
  }
  const held = createHeldMemory(
    user,
    readSnapshot(place, (image) => database.snapshot(() => isOf(image, rows))),
  )
  return {
    read: createSqliteMemory(database, user, held),
    keep() {
      const isDue = held.changes() >= Math.max(snapshotChanges, held.slots.count() * snapshotShare)
      if (!isDue && !isGone()) return
      try {
        const { version, slots, ...rest } = held.image()
        const last = slots.passages.toSorted().slice(-comparedPassages)
        const newest = [...last].flatMap((passage) => {
          const mark = passage === 0 ? null : markOf(rows, passage)
          return mark === null ? [] : [[passage, mark] as const]
        })
        writeSnapshot(
          place,
          { version, slots, ...rest, newest },
          () => rows(readTexts.removedSince, { version }).length > 0 || isAhead(rows, version),
        )
      } catch {
        // A full disk, for example: the next process reads everything from the database.
      }
    },
    close: database.close,
  }
}

type Rows = (text: string, args: object) => readonly unknown[]

/** Whether removals after this version may be forgotten. */
function isAhead(rows: Rows, version: number): boolean {
  const [state] = rows(readTexts.state, {}) as readonly StateRow[]
  return state === undefined || state.trimmed > version || state.version < version
}

/** Whether the image is of this database: its newest passages are there, of the same entries, or were removed since. */
function isOf({ version, newest }: HeldImage, rows: Rows): boolean {
  if (isAhead(rows, version)) return false
  const rowsSince = rows(readTexts.removedSince, { version }) as readonly { passage: number }[]
  const removed = new Set(rowsSince.map(({ passage }) => passage))
  return newest.every(([passage, mark]) => {
    const now = markOf(rows, passage)
    return now === null ? removed.has(passage) : now === mark
  })
}

/** @returns a number for the entry of a passage and its text; null where it does not exist */
function markOf(rows: Rows, passage: number): number | null {
  const [found] = rows(readTexts.identity, { id: passage }) as readonly { id: string; hash: string; created_at: number }[]
  return found === undefined ? null : textKey(`${found.id} ${found.hash} ${found.created_at}`)
}
