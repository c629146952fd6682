/** What a searching thread holds of one user's memory: slots of passages, and vectors of the models that were asked for. */
import type { Hit } from '../memory.ts'
import { heldModels } from './memory-limits.ts'
import { createSlotTable, type SlotRow, type SlotTable } from './slot-table.ts'
import type { ScoredSlot } from './top-slots.ts'
import { openBlock, type VectorBlock } from './vector-block.ts'
import { createExactScan, createSignScan, holdsExactly, lengthOf, type VectorScan } from './vector-scan.ts'

export interface HeldModel {
  readonly model: string
  readonly dims: number
  readonly began: number
  readonly vectors: number
}

/** Blocks that changed after a version, with numbers above `after`, in order. */
export type BlockReader = (since: number, after: number, limit: number) => readonly VectorBlock[]

export interface HeldMemory {
  /** Another one after all was read anew. */
  readonly slots: SlotTable
  isBehind(version: number): boolean
  /** Begins to take in what changed. @returns the version after which it did; 0: everything, for nothing is held any more */
  begin(state: { readonly version: number; readonly trimmed: number }): number
  remove(passages: readonly number[]): void
  set(rows: readonly SlotRow[]): void
  /** @returns the vectors of a model, up to date */
  scan(model: HeldModel, blocks: BlockReader): VectorScan
  hits(scored: readonly ScoredSlot[]): readonly Hit[]
}

interface HeldScan {
  readonly scan: VectorScan
  readonly began: number
  version: number
}

/** Blocks that are read at once: 6 MB at 384 dimensions. */
const blocksAtOnce = 256

export function createHeldMemory(): HeldMemory {
  let version = 0
  let slots = createSlotTable()
  const scans = new Map<string, HeldScan>()

  const freshScan = ({ model, dims, began, vectors }: HeldModel, blocks: BlockReader): HeldScan => {
    const scan = holdsExactly(vectors, dims) ? createExactScan(dims) : createSignScan(dims, meanOf(dims, blocks))
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
    isBehind: (now) => now !== version,
    begin(state) {
      const since = version < state.trimmed || version > state.version ? 0 : version
      if (since === 0) {
        slots = createSlotTable()
        scans.clear()
      }
      version = state.version
      return since
    },
    remove(passages) {
      for (const passage of passages) {
        const slot = slots.drop(passage)
        if (slot >= 0) for (const { scan } of scans.values()) scan.drop(slot)
      }
    },
    set(rows) {
      for (const row of rows) slots.set(row)
    },
    scan(model, blocks) {
      const known = scans.get(model.model)
      const usable = known !== undefined && known.began === model.began && known.scan.dims === model.dims
      // Once there are too many to hold them whole they are held by signs, and never the other way round.
      const held = usable && (!known.scan.exact || holdsExactly(model.vectors, model.dims)) ? known : freshScan(model, blocks)
      if (held.version !== version) {
        for (const [passage, vector] of eachVector(held.version, blocks, model.dims)) {
          const slot = slots.slotOf(passage)
          if (slot >= 0) held.scan.set(slot, vector)
        }
        held.version = version
      }
      return held.scan
    },
    hits: (scored) => scored.map(({ slot, score }) => ({ passage: slots.passageOf(slot), score })),
  }
}

function* eachVector(since: number, blocks: BlockReader, dims: number): Generator<[number, Float32Array]> {
  for (let after = -1; ;) {
    const rows = blocks(since, after, blocksAtOnce)
    for (const row of rows) {
      yield* openBlock(row, dims)
      after = row.block
    }
    if (rows.length < blocksAtOnce) return
  }
}

/** The mean of the vectors, each brought to length 1, of as many as say enough. */
function meanOf(dims: number, blocks: BlockReader): Float32Array {
  const sum = new Float64Array(dims)
  let count = 0
  for (const row of blocks(0, -1, blocksAtOnce)) {
    for (const vector of openBlock(row, dims).values()) {
      const length = lengthOf(vector)
      if (length === 0) continue
      count++
      for (let i = 0; i < dims; i++) sum[i] = (sum[i] as number) + (vector[i] as number) / length
    }
  }
  return Float32Array.from(sum, (value) => value / Math.max(1, count))
}
