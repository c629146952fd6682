/** Vectors of the models in use, as a search holds them. */
import { createRecentMap, type RecentMap, type UserId } from '../../base/index.ts'
import { heldModels, maxHeldVectors } from '../limits.ts'
import { queryRows, type QuerySteps, type ReadQuery, readTexts } from '../memory/memory-reads.ts'
import type { BlockRow, ModelRow } from '../memory/memory-rows.ts'
import type { ModelImage } from './held-image.ts'
import type { SlotTable } from './slot-table.ts'
import { openBlock } from './vector-block.ts'
import { createVectorScan, type VectorScan } from './vector-scan.ts'

interface HeldScan {
  readonly scan: VectorScan
  /** Vectors as they are stored, by passage, that were compared recently. */
  readonly exact: RecentMap<number, Float32Array>
}

export interface HeldVectors {
  /** @param slot that the passage had; -1 for none */
  drop(passage: number, slot: number): void
  clear(): void
  /** @returns the first query of `scan`, for prefetching; null for a model without vectors in memory */
  question(model: string): ReadQuery | null
  /** @returns the vectors of a model, up to date with the slots of this version */
  scan(model: ModelRow, slots: SlotTable, version: number): QuerySteps<HeldScan>
  /** @param high all slots are below it */
  images(high: number): readonly ModelImage[]
}

interface Held extends HeldScan {
  readonly began: number
  version: number
}

/** Blocks read at once: 6 MB at 384 dimensions. */
const blocksAtOnce = 256

export function createHeldVectors(user: UserId, opened: readonly ModelImage[]): HeldVectors {
  const scans = new Map<string, Held>()
  const hold = (model: string, held: Omit<Held, 'exact'>): Held => {
    const fresh = { ...held, exact: createRecentMap<number, Float32Array>(maxHeldVectors) }
    scans.delete(model)
    for (const [name] of scans) if (scans.size >= heldModels) scans.delete(name)
    scans.set(model, fresh)
    return fresh
  }
  for (const { model, dims, began, version, ...image } of opened) hold(model, { scan: createVectorScan(dims, image), began, version })
  const blocks = (model: string, since: number, after: number): ReadQuery => ({
    text: readTexts.blocksSince,
    args: { user, model, version: since, after, limit: blocksAtOnce },
  })
  return {
    drop(passage, slot) {
      for (const { scan, exact } of scans.values()) {
        exact.delete(passage)
        if (slot >= 0) scan.drop(slot)
      }
    },
    clear: () => scans.clear(),
    question(model) {
      const held = scans.get(model)
      return held === undefined ? null : blocks(model, held.version, -1)
    },
    *scan({ model, dims, began }, slots, version) {
      const before = scans.get(model)
      const held = before?.began === began ? before : hold(model, { scan: createVectorScan(dims), began, version: 0 })
      if (held.version === version) return held
      for (let after = -1; ;) {
        const rows = yield* queryRows<BlockRow>(blocks(model, held.version, after))
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
    images: (high) =>
      [...scans].map(([model, { scan, began, version }]) => ({ model, dims: scan.dims, began, version, ...scan.image(high) })),
  }
}
