/** The search thread's copy of one user's memory: slots of passages, vectors of the models in use, and a cache of found passages. */
import { createRecentMap, type RecentMap, type UserId } from '../../base/index.ts'
import type { Hit } from '../memory.ts'
import { queryRows, type ReadQuery, type QuerySteps, readTexts } from '../memory/memory-reads.ts'
import { heldModels, maxHeldCharacters } from '../limits.ts'
import type { BlockRow, ModelRow } from '../memory/memory-rows.ts'
import { createSlotTable, type SlotRow, type SlotTable } from './slot-table.ts'
import type { ScoredSlot } from './top-slots.ts'
import { openBlock } from './vector-block.ts'
import { createVectorScan, type VectorScan } from './vector-scan.ts'

export interface HeldMemory {
  /** Replaced when everything is read again. */
  readonly slots: SlotTable
  /**
   * Recently found passages of the same version, as the JSON that is sent to the main thread: a frequent result is read and decompressed
   * once, and the main thread parses only the results it uses.
   */
  readonly passages: RecentMap<number, string>
  isBehind(version: number): boolean
  /** @returns the version after which changes must be read; 0 means everything, because the copy is not usable */
  since(state: { readonly version: number; readonly trimmed: number }): number
  /** Applies removals and changes after that version. */
  apply(state: { readonly version: number; readonly trimmed: number }, removed: readonly number[], rows: readonly SlotRow[]): void
  /** @returns the first query of `scan`, for prefetching; null for a model without vectors in memory */
  question(user: UserId, model: string): ReadQuery | null
  /** @returns the vectors of a model, up to date */
  scan(user: UserId, model: ModelRow): QuerySteps<VectorScan>
  hits(scored: readonly ScoredSlot[]): readonly Hit[]
}

interface HeldScan {
  readonly scan: VectorScan
  readonly began: number
  version: number
}

/** Blocks read at once: 6 MB at 384 dimensions. */
const blocksAtOnce = 256

export function createHeldMemory(): HeldMemory {
  let version = 0
  let slots = createSlotTable()
  const scans = new Map<string, HeldScan>()
  const passages = createRecentMap<number, string>(maxHeldCharacters, (text) => text.length)
  const since: HeldMemory['since'] = (state) => (version < state.trimmed || version > state.version ? 0 : version)

  const keep = ({ model, began }: ModelRow, scan: VectorScan): HeldScan => {
    const fresh: HeldScan = { scan, began, version: 0 }
    scans.delete(model)
    for (const [name] of scans) if (scans.size >= heldModels) scans.delete(name)
    scans.set(model, fresh)
    return fresh
  }
  return {
    get slots() {
      return slots
    },
    passages,
    isBehind: (now) => now !== version,
    since,
    apply(state, removed, rows) {
      if (since(state) === 0) {
        slots = createSlotTable()
        scans.clear()
        passages.clear()
      }
      for (const passage of removed) {
        passages.delete(passage)
        const slot = slots.drop(passage)
        if (slot >= 0) for (const { scan } of scans.values()) scan.drop(slot)
      }
      for (const row of rows) {
        slots.set(row)
        passages.delete(row[0])
      }
      version = state.version
    },
    question(user, model) {
      const scan = scans.get(model)
      return scan === undefined ? null : blocksQuery(user, model, scan.version, -1)
    },
    *scan(user, model) {
      const { dims } = model
      const before = scans.get(model.model)
      const usable = before !== undefined && before.began === model.began
      const held = usable ? before : keep(model, createVectorScan(dims))
      if (held.version === version) return held.scan
      for (let after = -1; ;) {
        const rows = yield* queryRows<BlockRow>(blocksQuery(user, model.model, held.version, after))
        for (const row of rows) takeVectors(held.scan, slots, openBlock(row, dims))
        after = rows.at(-1)?.block ?? after
        if (rows.length < blocksAtOnce) break
      }
      held.version = version
      return held.scan
    },
    hits: (scored) => scored.map(({ slot, score }) => ({ passage: slots.passageOf(slot), score })),
  }
}

function blocksQuery(user: UserId, model: string, version: number, after: number): ReadQuery {
  return { text: readTexts.blocksSince, args: { user, model, version, after, limit: blocksAtOnce } }
}

function takeVectors(scan: VectorScan, slots: SlotTable, vectors: ReadonlyMap<number, Float32Array>): void {
  for (const [passage, vector] of vectors) {
    const slot = slots.slotOf(passage)
    if (slot >= 0) scan.set(slot, vector)
  }
}
