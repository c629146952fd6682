/**
 * The nearest vectors by an index of pgvector (HNSW over sixteen bits a number), where upkeep has made one: candidates come from
 * it, what was written since is compared one by one, and the scores are those of what is kept, as without an index.
 *
 * pgvector filters what it has found, not what it looks for: so a filter is applied here, to more and more candidates, and where
 * too few of a thousand pass the index is left aside. A search is never short for a filter.
 */
import type { UserId } from '../../../types/index.ts'
import type { BlockRow } from '../../memory/memory-rows.ts'
import { ask, type Ask, type Asking } from '../../search/asking.ts'
import type { Nearest } from '../../search/memory-search.ts'
import { compareExactly, type ScanQuestion } from '../../search/nearest/vector-scan.ts'
import type { SlotTable } from '../../search/slots/slot-table.ts'
import { blockOf, openBlock } from '../../search/vector-block.ts'
import type { VectorReading } from '../../search/vector-reading.ts'
import { maxCandidates, maxTailBlocks, nearPerHit, nearSpare } from './near-limits.ts'
import { type NearRow, nearText, safeName } from './near-table.ts'

const tailText = `select version, block, mask, bytes from memory_vectors
  where "user" = :user and model = :model and version > :version order by version limit :limit`
const effortText = `select set_config('hnsw.ef_search', cast(:effort as text), true)`

/** What every search of vectors asks first: who knows it may ask it before. */
export function nearQuestion(user: UserId, model: string): Ask {
  return { text: 'select model, began, name, version from memory_near where "user" = :user and model = :model', args: { user, model } }
}

/** Blocks that were written after the index was made. */
interface Tail {
  readonly began: number
  readonly made: number
  seen: number
  readonly blocks: Map<number, ReadonlyMap<number, Float32Array>>
}

export function createNearSearch(user: UserId, reading: VectorReading): Nearest {
  const tails = new Map<string, Tail>()

  function* tailOf(row: NearRow, dims: number): Asking<Tail | null> {
    const known = tails.get(row.model)
    const usable = known !== undefined && known.began === row.began && known.made === row.version
    const tail: Tail = usable ? known : { began: row.began, made: row.version, seen: row.version, blocks: new Map() }
    tails.set(row.model, tail)
    const args = { user, model: row.model, version: tail.seen, limit: maxTailBlocks + 1 }
    const rows = yield* ask<BlockRow & { readonly version: number }>({ text: tailText, args })
    if (rows.length > maxTailBlocks) {
      tails.delete(row.model)
      return null
    }
    for (const block of rows) tail.blocks.set(block.block, openBlock(block, dims))
    tail.seen = rows.at(-1)?.version ?? tail.seen
    return tail.blocks.size > maxTailBlocks ? null : tail
  }

  return function* (model, slots, question) {
    const [row] = yield* ask<NearRow>(nearQuestion(user, model.model))
    const name = row === undefined || row.began !== model.began ? null : safeName(row.name)
    if (row === undefined || name === null) return null
    const wanted = nearText(question.vector)
    if (wanted === null) return null
    const tail = yield* tailOf(row, model.dims)
    if (tail === null) return null
    const candidates = yield* passing({ name, wanted, slots, question, tail })
    if (candidates === null) return null
    const vectors = yield* reading.read(model, candidates)
    const all = [...vectors, ...[...tail.blocks.values()].flatMap((block) => [...block])]
    const bySlot = all.map(([passage, vector]) => [slots.slotOf(passage), vector] as const)
    return compareExactly(
      question,
      model.dims,
      bySlot.filter(([slot]) => slot >= 0 && question.passes(slot)),
    )
  }
}

interface Sought {
  readonly name: string
  readonly wanted: string
  readonly slots: SlotTable
  readonly question: ScanQuestion
  readonly tail: Tail
}

/** @returns passages that pass, enough of them to answer; null where too few of all that pgvector gives do */
function* passing({ name, wanted, slots, question, tail }: Sought): Asking<readonly number[] | null> {
  const text = `select passage from ${name} order by v <=> cast(cast(:wanted as text) as halfvec) limit :most`
  const enough = question.limit + nearSpare / 2
  for (const most of [Math.min(maxCandidates, question.limit * nearPerHit + nearSpare), maxCandidates]) {
    yield* ask({ text: effortText, args: { effort: most } })
    const rows = yield* ask<readonly [number]>({ text, args: { wanted, most }, arrays: true })
    const found = rows.map(([passage]) => passage)
    const good = found.filter((passage) => {
      const slot = slots.slotOf(passage)
      return slot >= 0 && !tail.blocks.has(blockOf(passage)) && question.passes(slot)
    })
    if (good.length >= enough) return good
  }
  return null
}
