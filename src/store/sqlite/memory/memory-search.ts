/**
 * The search, in the thread that does nothing else. It holds what it must know of each passage (and vectors, or their signs);
 * each search first takes in what changed since the one before, whoever changed it.
 */
import { OxbowError, type UserId } from '../../../types/index.ts'
import type { FoundPassage, Hit, MemoryFound, MemorySearch } from '../../memory.ts'
import { createHeldMemory, type HeldMemory } from '../../memory/held-memory.ts'
import type { SlotRow } from '../../memory/slot-table.ts'
import { createTop } from '../../memory/top-slots.ts'
import { blockOf, openBlock } from '../../memory/vector-block.ts'
import type { Database } from '../sqlite-database.ts'
import type { MemoryReads } from './memory-reads.ts'
import { hasTextIndex, matchText, openTextSearch, type TextSearch } from './text-index.ts'

export interface SearchParts {
  readonly database: Database
  readonly user: UserId
  readonly reads: MemoryReads
  readonly found: (passages: readonly number[]) => readonly FoundPassage[]
}

/** Within a snapshot. @throws OxbowError `bad_input` */
export function createMemorySearch(parts: SearchParts): (search: MemorySearch) => MemoryFound {
  const { database, user, found } = parts
  const held = createHeldMemory()
  let text: TextSearch | null = null

  return (search) => {
    takeIn(parts, held)
    text ??= hasTextIndex(database, user) ? openTextSearch(database, user) : null
    const textHits = search.text === undefined || text === null ? [] : textSearch(text, held, search.filter, search.text)
    const vectorHits = search.vector === undefined ? [] : vectorSearch(parts, held, search.filter, search.vector)
    const passages = [...new Set([...textHits, ...vectorHits].map((hit) => hit.passage))]
    return { text: textHits, vector: vectorHits, passages: found(passages) }
  }
}

function takeIn({ user, reads }: SearchParts, held: HeldMemory): void {
  const state = reads.state.get({ user })
  if (state === undefined || !held.isBehind(state.version)) return
  const since = held.begin(state)
  if (since > 0) held.remove((reads.removedSince.rows({ user, version: since }) as [number][]).map(([passage]) => passage))
  held.set(reads.slotsSince.rows({ user, version: since }) as unknown as SlotRow[])
}

/** Rows that are asked for at first: those that the filter lets through are mostly among them. */
const spareRows = 64
/** All of them. */
const everyRow = 1_000_000_000

function textSearch(
  text: TextSearch,
  held: HeldMemory,
  filter: MemorySearch['filter'],
  asked: NonNullable<MemorySearch['text']>,
): readonly Hit[] {
  const match = matchText(asked.terms, filter)
  if (match === null || asked.limit === 0) return []
  const passes = held.slots.passing(filter)
  for (const limit of [asked.limit * 4 + spareRows, everyRow]) {
    const rows = text.hits(match, asked.contextWeight, limit)
    const top = createTop(asked.limit, held.slots.goesFirst)
    let passed = 0
    let worst = Infinity
    for (const [passage, score] of rows) {
      const slot = held.slots.slotOf(passage)
      worst = roundScore(score)
      if (slot < 0 || !passes(slot)) continue
      passed++
      top.add(slot, worst)
    }
    const hits = held.hits(top.taken())
    // Rows beyond the last may score as it did, and be newer: then all are looked at.
    const settled = passed >= asked.limit && (hits.at(-1)?.score ?? 0) > worst
    if (rows.length < limit || settled) return hits
  }
  return []
}

/** Sums of the same parts in another order differ in their last digits; scores that are alike must be equal. */
export function roundScore(score: number): number {
  return Number(score.toPrecision(9))
}

function vectorSearch(
  parts: SearchParts,
  held: HeldMemory,
  filter: MemorySearch['filter'],
  asked: NonNullable<MemorySearch['vector']>,
): readonly Hit[] {
  const { reads, user } = parts
  const model = reads.models.all({ user }).find((one) => one.model === asked.model)
  if (model === undefined || model.dims !== asked.vector.length) throw wrongModel(asked.model, asked.vector.length, model?.dims)
  const scan = held.scan(model, (since, after, limit) => reads.blocksSince.all({ user, model: model.model, version: since, after, limit }))
  const exactly = (slots: readonly number[]): ReadonlyMap<number, Float32Array> => {
    const wanted = new Map(slots.map((slot) => [held.slots.passageOf(slot), slot]))
    const vectors = new Map<number, Float32Array>()
    for (const block of new Set([...wanted.keys()].map(blockOf))) {
      const row = reads.block.get({ user, model: model.model, block })
      if (row === undefined) continue
      for (const [passage, vector] of openBlock(row, model.dims)) {
        const slot = wanted.get(passage)
        if (slot !== undefined) vectors.set(slot, vector)
      }
    }
    return vectors
  }
  const { slots } = held
  const top = scan.search({
    vector: asked.vector,
    limit: asked.limit,
    high: slots.high(),
    passes: slots.passing(filter),
    goesFirst: slots.goesFirst,
    exactly,
  })
  return held.hits(top)
}

export function wrongModel(model: string, dims: number, kept: number | undefined): OxbowError {
  const what =
    kept === undefined ? `Memory keeps no vectors of the model ${model}.` : `Vectors of ${model} have ${kept} numbers, not ${dims}.`
  return new OxbowError('bad_input', what, { hint: 'Ask with the model that is active, or rebuild: `oxbow memory reindex`.' })
}
