/** The search's copy of one user's memory: slots of passages, their words, vectors of the models in use, and recently found passages. */
import { createRecentMap, type RecentMap, type UserId } from '../../base/index.ts'
import type { FoundPassage, Hit } from '../memory.ts'
import { prefetch, queryRows, type ReadQuery, type QuerySteps, readTexts } from '../memory/memory-reads.ts'
import { heldModels, maxHeldCharacters, maxHeldVectors } from '../limits.ts'
import type { BlockRow, ModelRow, PassageRow, StateRow } from '../memory/memory-rows.ts'
import { unpackBody } from '../memory/passage-body.ts'
import type { HeldImage } from './held-image.ts'
import { createSlotTable, type SlotRow, type SlotTable } from './slot-table.ts'
import type { ScoredSlot } from './top-slots.ts'
import { openBlock } from './vector-block.ts'
import { createVectorScan, type VectorScan } from './vector-scan.ts'
import { createWordIndex, type WordIndex } from './word-index.ts'

export interface HeldMemory {
  /** Both are replaced when everything is read again. */
  readonly slots: SlotTable
  readonly words: WordIndex
  /** Recently found, of the version that is held: each is read and decompressed once. */
  readonly passages: RecentMap<number, FoundPassage>
  /** Reads what has changed. @param model of the vectors that will be compared: they are asked for along with it */
  update(model: string | undefined): QuerySteps<void>
  /** @returns the vectors of a model, up to date */
  scan(model: ModelRow): QuerySteps<HeldScan>
  hits(scored: readonly ScoredSlot[]): readonly Hit[]
  /** Changes since it was opened, or since the last image. */
  changes(): number
  /** Of the version that is held. */
  image(): Omit<HeldImage, 'newest'>
}

export interface HeldScan {
  readonly scan: VectorScan
  /** Vectors as they are stored, by passage, that were compared recently. */
  readonly exact: RecentMap<number, Float32Array>
}

interface Vectors extends HeldScan {
  readonly began: number
  version: number
}

/** Blocks read at once: 6 MB at 384 dimensions. */
const blocksAtOnce = 256
/** Passages whose words are read at once: some 2 MB. */
const wordsAtOnce = 4_096

/** @param opened an image of the same memory as it is, or as it was in an earlier version */
export function createHeldMemory(user: UserId, opened: HeldImage | null = null): HeldMemory {
  let version = opened?.version ?? 0
  let slots = createSlotTable(opened?.slots)
  let words = createWordIndex(opened?.words)
  let changes = 0
  const scans = new Map<string, Vectors>()
  const passages = createRecentMap<number, FoundPassage>(
    maxHeldCharacters,
    ({ text, terms, context }) => text.length + terms.length + context.length,
  )

  const keep = ({ model, began }: ModelRow, scan: VectorScan): Vectors => {
    const fresh: Vectors = { scan, exact: createRecentMap<number, Float32Array>(maxHeldVectors), began, version: 0 }
    scans.delete(model)
    for (const [name] of scans) if (scans.size >= heldModels) scans.delete(name)
    scans.set(model, fresh)
    return fresh
  }
  for (const { model, dims, began, version: since, ...image } of opened?.vectors ?? []) {
    const scan = createVectorScan(dims, image)
    scans.set(model, { scan, exact: createRecentMap<number, Float32Array>(maxHeldVectors), began, version: since })
  }
  const drop = (passage: number): void => {
    passages.delete(passage)
    const slot = slots.drop(passage)
    for (const { scan, exact } of scans.values()) {
      exact.delete(passage)
      if (slot >= 0) scan.drop(slot)
    }
  }
  function* readWords(next: number): QuerySteps<void> {
    for (;;) {
      const rows = yield* queryRows<Pick<PassageRow, 'id' | 'body'>>(wordsQuery(user, words.next()))
      for (const { id, body } of rows) {
        const { terms, context } = unpackBody(body)
        words.add(id, terms, context)
      }
      if (words.isDue()) words.merge((passage) => slots.slotOf(passage) >= 0)
      if (rows.length < wordsAtOnce) break
    }
    words.upTo(next)
  }
  const blocksOf = (model: string, since: number, after: number): ReadQuery => ({
    text: readTexts.blocksSince,
    args: { user, model, version: since, after, limit: blocksAtOnce },
  })
  return {
    get slots() {
      return slots
    },
    get words() {
      return words
    },
    passages,
    *update(model) {
      const [state] = yield* queryRows<StateRow>({ text: readTexts.state, args: { user } })
      if (state === undefined || state.version === version) return
      // Removals that are no longer listed, or a memory that was replaced: everything is read again.
      const since = version < state.trimmed || version > state.version ? 0 : version
      const changed: ReadQuery = { text: readTexts.slotsSince, args: { user, version: since }, arrays: true }
      yield* prefetch(changed)
      if (since > 0) yield* prefetch(wordsQuery(user, words.next()))
      const vectors = model === undefined || since === 0 ? undefined : scans.get(model)
      if (model !== undefined && vectors !== undefined) yield* prefetch(blocksOf(model, vectors.version, -1))
      const removed = yield* queryRows<readonly [number]>({ text: readTexts.removedSince, args: { user, version: since }, arrays: true })
      const rows = yield* queryRows<SlotRow>(changed)
      if (since === 0) {
        slots = createSlotTable()
        words = createWordIndex()
        scans.clear()
        passages.clear()
        // Until all was read: if a read fails, the next search starts anew.
        version = 0
      }
      changes += removed.length + rows.length
      for (const [passage] of removed) drop(passage)
      for (const row of rows) {
        slots.set(row)
        passages.delete(row[0])
      }
      yield* readWords(state.next_passage)
      version = state.version
    },
    *scan(model) {
      const { dims } = model
      const before = scans.get(model.model)
      const held = before !== undefined && before.began === model.began ? before : keep(model, createVectorScan(dims))
      if (held.version === version) return held
      for (let after = -1; ;) {
        const rows = yield* queryRows<BlockRow>(blocksOf(model.model, held.version, after))
        for (const row of rows) {
          for (const [passage, vector] of openBlock(row, dims)) {
            const slot = slots.slotOf(passage)
            if (slot < 0) continue
            held.scan.set(slot, vector)
            held.exact.delete(passage)
          }
        }
        after = rows.at(-1)?.block ?? after
        if (rows.length < blocksAtOnce) break
      }
      held.version = version
      return held
    },
    changes: () => changes,
    image() {
      // Of what was removed no word stays.
      words.merge((passage) => slots.slotOf(passage) >= 0)
      changes = 0
      const vectors = [...scans].map(([model, { scan, began, version: of }]) => ({
        model,
        dims: scan.dims,
        began,
        version: of,
        ...scan.image(),
      }))
      return { version, slots: slots.image(), words: words.image(), vectors }
    },
    hits: (scored) => scored.map(({ slot, score }) => ({ passage: slots.passageOf(slot), score })),
  }
}

function wordsQuery(user: UserId, from: number): ReadQuery {
  return { text: readTexts.bodiesFrom, args: { user, from_id: from, limit: wordsAtOnce } }
}
