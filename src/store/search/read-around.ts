/** What stands next to an entry in its stream. */
import type { UserId } from '../../types/index.ts'
import type { Beside, FoundPassage, MemorySearch } from '../memory.ts'
import { textKey } from '../memory/entry-row.ts'
import { maxListed } from '../memory/memory-limits.ts'
import type { FoundRow } from '../memory/memory-rows.ts'
import { readTexts } from '../memory/read-texts.ts'
import { ask, type Asking } from './asking.ts'
import { foundPassage } from './found-passage.ts'

export interface AroundPlace {
  readonly stream: string
  readonly place: number
  /** Entries before it, and behind. */
  readonly before: number
  readonly after: number
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

/** @returns what stands next to each of these, by their ids; hits of one entry share it */
export function* readBeside(
  user: UserId,
  hits: readonly FoundPassage[],
  { before, after }: NonNullable<MemorySearch['beside']>,
): Asking<Beside> {
  const beside = new Map<number, readonly FoundPassage[]>()
  const byEntry = new Map<string, readonly FoundPassage[]>()
  for (const { id, entry } of hits) {
    const { stream, place } = entry
    const around = byEntry.get(entry.id) ?? (stream === '' ? [] : yield* readAround(user, { stream, place, before, after }))
    byEntry.set(entry.id, around)
    beside.set(id, around)
  }
  return beside
}

export function listLimit(limit: number): number {
  return limit >= 0 ? Math.min(Math.floor(limit), maxListed) : 0
}
