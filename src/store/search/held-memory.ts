/** The search's copy of one user's memory: slots of passages, their words, vectors of the models in use, and recently found passages. */
import { createRecentMap, type RecentMap, type UserId } from '../../base/index.ts'
import type { FoundPassage, Hit } from '../memory.ts'
import { prefetch, queryRows, type ReadQuery, type QuerySteps, readTexts } from '../memory/memory-reads.ts'
import { maxHeldCharacters } from '../limits.ts'
import type { PassageRow, StateRow } from '../memory/memory-rows.ts'
import { unpackBody } from '../memory/passage-body.ts'
import type { HeldImage } from './held-image.ts'
import { createHeldVectors, type HeldVectors } from './held-vectors.ts'
import { createSlotTable, type SlotRow, type SlotTable } from './slot-table.ts'
import type { ScoredSlot } from './top-slots.ts'
import { createWordIndex, type WordIndex } from './word-index.ts'

export interface HeldMemory {
  /** Both are replaced when everything is read again. */
  readonly slots: SlotTable
  readonly words: WordIndex
  readonly vectors: HeldVectors
  /** Recently found, of the version that is held: each is read and decompressed once. */
  readonly passages: RecentMap<number, FoundPassage>
  version(): number
  /** Reads what has changed. @param model of the vectors that will be compared: they are asked for along with it */
  update(model: string | undefined): QuerySteps<void>
  hits(scored: readonly ScoredSlot[]): readonly Hit[]
  /** Changes since it was opened, or since the last image. */
  changes(): number
  /** Passages that were removed meanwhile: a snapshot from before has their words. */
  removals(): number
  /** Of the version that is held. */
  image(): Omit<HeldImage, 'newest' | 'database'>
}

/** Passages whose words are read at once: some 2 MB. */
const wordsAtOnce = 4_096

/** @param opened an image of the same memory as it is, or as it was in an earlier version */
export function createHeldMemory(user: UserId, opened: HeldImage | null = null): HeldMemory {
  let version = opened?.version ?? 0
  let slots = createSlotTable(opened?.slots)
  let words = createWordIndex(opened?.words)
  let changes = 0
  let removals = 0
  const vectors = createHeldVectors(user, opened?.vectors ?? [])
  const weight = ({ text, terms, context }: FoundPassage): number => text.length + terms.length + context.length
  const passages = createRecentMap<number, FoundPassage>(maxHeldCharacters, weight)
  const clear = (): void => {
    slots = createSlotTable()
    words = createWordIndex()
    vectors.clear()
    passages.clear()
    // Until all was read: if a read fails, the next search starts anew.
    version = 0
  }
  const take = (removed: readonly (readonly [number])[], rows: readonly SlotRow[]): void => {
    changes += removed.length + rows.length
    removals += removed.length
    for (const [passage] of removed) {
      passages.delete(passage)
      vectors.drop(passage, slots.drop(passage))
    }
    for (const row of rows) {
      slots.set(row)
      passages.delete(row[0])
    }
  }
  return {
    get slots() {
      return slots
    },
    get words() {
      return words
    },
    vectors,
    passages,
    version: () => version,
    *update(model) {
      const [state] = yield* queryRows<StateRow>({ text: readTexts.state, args: { user } })
      if (state === undefined || state.version === version) return
      // Removals that are no longer listed, or a memory that was replaced: everything is read again.
      const since = version < state.trimmed || version > state.version ? 0 : version
      const changed: ReadQuery = { text: readTexts.slotsSince, args: { user, version: since }, arrays: true }
      yield* prefetch(changed)
      if (since > 0) {
        yield* prefetch(wordsQuery(user, words.next()))
        const blocks = model === undefined ? null : vectors.question(model)
        if (blocks !== null) yield* prefetch(blocks)
      }
      const removed = yield* queryRows<readonly [number]>({ text: readTexts.removedSince, args: { user, version: since }, arrays: true })
      const rows = yield* queryRows<SlotRow>(changed)
      if (since === 0) clear()
      take(removed, rows)
      yield* readWords(user, words, slots)
      words.upTo(state.next_passage)
      version = state.version
    },
    changes: () => changes,
    removals: () => removals,
    image() {
      // Of what was removed no word stays.
      words.merge((passage) => slots.slotOf(passage) >= 0)
      changes = removals = 0
      return { version, slots: slots.image(), words: words.image(), vectors: vectors.images(slots.high()) }
    },
    hits: (scored) => scored.map(({ slot, score }) => ({ passage: slots.passageOf(slot), score })),
  }
}

function* readWords(user: UserId, words: WordIndex, slots: SlotTable): QuerySteps<void> {
  for (;;) {
    const rows = yield* queryRows<Pick<PassageRow, 'id' | 'body'>>(wordsQuery(user, words.next()))
    for (const { id, body } of rows) {
      const { terms, context } = unpackBody(body)
      words.add(id, terms, context)
    }
    if (words.isDue()) words.merge((passage) => slots.slotOf(passage) >= 0)
    if (rows.length < wordsAtOnce) return
  }
}

function wordsQuery(user: UserId, from: number): ReadQuery {
  return { text: readTexts.bodiesFrom, args: { user, from_id: from, limit: wordsAtOnce } }
}
