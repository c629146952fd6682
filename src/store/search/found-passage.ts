/** Passages with their entries, as they are handed out, and those next to an entry in its stream. */
import type { RecentMap, UserId } from '../../types/index.ts'
import type { FoundPassage } from '../memory.ts'
import { rowEntry, textKey } from '../memory/entry-row.ts'
import { maxListed } from '../memory/memory-limits.ts'
import type { FoundRow } from '../memory/memory-rows.ts'
import { unpackBody } from '../memory/passage-body.ts'
import { foundArgs, readTexts } from '../memory/read-texts.ts'
import { ask, type Ask, askAhead, type Asking } from './asking.ts'

export interface AroundPlace {
  readonly stream: string
  readonly place: number
  /** Entries before it, and behind. */
  readonly before: number
  readonly after: number
}

/** @throws OxbowError `store_corrupt` */
function foundPassage(row: FoundRow): FoundPassage {
  return { id: row.passage, part: row.part, start: row.start, ...unpackBody(row.body), entry: rowEntry(row) }
}

/** Reads passages in parts: what is known to be wanted is asked for before all of it is known. */
export interface PassageReading {
  want(ids: Iterable<number>): Asking<void>
  /** @returns all that were wanted, and are there, as they travel */
  read(): Asking<ReadonlyMap<number, string>>
}

/** @param held what is there already; it takes in what is read */
export function createPassageReading(user: UserId, held: Pick<RecentMap<number, string>, 'get' | 'put'>): PassageReading {
  const wanted = new Set<number>()
  const found = new Map<number, string>()
  const questions: Ask[] = []
  return {
    *want(ids) {
      const missing: number[] = []
      for (const id of ids) {
        if (wanted.has(id)) continue
        wanted.add(id)
        const known = held.get(id)
        if (known === undefined) missing.push(id)
        else found.set(id, known)
      }
      for (const some of foundArgs(missing)) {
        const question = { text: readTexts.found, args: { user, ...some } }
        questions.push(question)
        yield* askAhead(question)
      }
    },
    *read() {
      for (const question of questions) {
        for (const row of yield* ask<FoundRow>(question)) {
          const text = JSON.stringify(foundPassage(row))
          held.put(row.passage, text)
          found.set(row.passage, text)
        }
      }
      return found
    },
  }
}

export function* readAround(user: UserId, { stream, place, before, after }: AroundPlace): Asking<readonly FoundPassage[]> {
  const asked = (text: string, limit: number) =>
    ask<{ key: number }>({ text, args: { user, stream, stream_key: textKey(stream), place, limit: listLimit(limit) } })
  const earlier = yield* asked(readTexts.entriesBefore, before)
  const later = yield* asked(readTexts.entriesAfter, after)
  const found: FoundPassage[] = []
  for (const { key } of [...earlier.toReversed(), ...later]) {
    const rows = yield* ask<FoundRow>({ text: readTexts.foundOf, args: { user, entry: key } })
    found.push(...rows.map(foundPassage))
  }
  return found
}

export function listLimit(limit: number): number {
  return limit >= 0 ? Math.min(Math.floor(limit), maxListed) : 0
}
