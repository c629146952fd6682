/**
 * The search, in a thread that keeps the main one free. It holds what it must know of each passage, and vectors or their signs;
 * each search first takes in what changed since the one before, whoever changed it.
 */
import { OxbowError, type UserId } from '../../types/index.ts'
import type { FoundPassage, Hit, MemoryFound, MemorySearch } from '../memory.ts'
import { ask, type Asking } from './asking.ts'
import { createHeldMemory, type HeldMemory } from './held-memory.ts'
import { foundPassage } from './found-passage.ts'
import type { FoundRow, ModelRow, StateRow } from '../memory/memory-rows.ts'
import { foundArgs, readTexts } from '../memory/read-texts.ts'
import type { HeldPassages } from './held-passages.ts'
import type { SlotRow, SlotTable } from './slot-table.ts'
import type { ScanQuestion } from './nearest/vector-scan.ts'
import type { ScoredSlot } from './top-slots.ts'
import type { VectorReading } from './vector-reading.ts'

export type AskedText = NonNullable<MemorySearch['text']>

/** Ranks by words; each database has its own index of them. */
export type TextRanking = (slots: SlotTable, filter: MemorySearch['filter'], asked: AskedText) => Asking<readonly ScoredSlot[]>

/** An index of vectors that a database may have. @returns null where it does not serve: then what is held here is looked through */
export type Nearest = (model: ModelRow, slots: SlotTable, question: ScanQuestion) => Asking<readonly ScoredSlot[] | null>

export interface SearchParts {
  readonly user: UserId
  readonly textRanking: TextRanking
  readonly vectorReading: VectorReading
  readonly nearest?: Nearest
}

/** One search at a time: what it holds is of one moment. @throws OxbowError `bad_input` */
export function createMemorySearch(parts: SearchParts): (read: { readonly search: MemorySearch }) => Asking<MemoryFound> {
  const { user, textRanking } = parts
  const held = createHeldMemory()
  return function* ({ search: { filter, text, vector, beside } }) {
    yield* takeIn(user, held)
    const byText = text === undefined ? [] : held.hits(yield* textRanking(held.slots, filter, text))
    const byVector = vector === undefined ? [] : yield* vectorSearch(parts, held, filter, vector)
    const ids = [...new Set([...byText, ...byVector].map((hit) => hit.passage))]
    const next = besideOf(held.slots, [byText, byVector], beside)
    const found = yield* readPassages(user, held.passages, new Set([...ids, ...[...next.values()].flat()]))
    const passages = ids.flatMap((id) => found.get(id) ?? [])
    if (beside === undefined) return { text: byText, vector: byVector, passages }
    const neighbours = new Map([...next].map(([id, around]) => [id, around.flatMap((each) => found.get(each) ?? [])]))
    return { text: byText, vector: byVector, passages, beside: neighbours }
  }
}

/** @returns what stands next to the first hits of each list */
function besideOf(slots: SlotTable, lists: readonly (readonly Hit[])[], asked: MemorySearch['beside']): Map<number, readonly number[]> {
  const beside = new Map<number, readonly number[]>()
  if (asked === undefined) return beside
  for (const { passage } of lists.flatMap((hits) => hits.slice(0, asked.first))) {
    beside.set(passage, slots.beside(slots.slotOf(passage), asked.before, asked.after))
  }
  return beside
}

function* readPassages(user: UserId, held: HeldPassages, ids: ReadonlySet<number>): Asking<ReadonlyMap<number, FoundPassage>> {
  const found = new Map<number, FoundPassage>()
  const missing: number[] = []
  for (const id of ids) {
    const known = held.get(id)
    if (known === undefined) missing.push(id)
    else found.set(id, known)
  }
  for (const some of foundArgs(missing)) {
    for (const row of yield* ask<FoundRow>({ text: readTexts.found, args: { user, ...some } })) {
      const passage = foundPassage(row)
      held.put(passage)
      found.set(passage.id, passage)
    }
  }
  return found
}

function* takeIn(user: UserId, held: HeldMemory): Asking<void> {
  const [state] = yield* ask<StateRow>({ text: readTexts.state, args: { user } })
  if (state === undefined || !held.isBehind(state.version)) return
  const version = held.since(state)
  const removed = yield* ask<readonly [number]>({ text: readTexts.removedSince, args: { user, version }, arrays: true })
  const rows = yield* ask<SlotRow>({ text: readTexts.slotsSince, args: { user, version }, arrays: true })
  // Only now: had a read failed, the next search would begin where this one did.
  held.takeIn(
    state,
    removed.map(([passage]) => passage),
    rows,
  )
}

function* vectorSearch(
  { user, vectorReading, nearest }: SearchParts,
  held: HeldMemory,
  filter: MemorySearch['filter'],
  asked: NonNullable<MemorySearch['vector']>,
): Asking<readonly Hit[]> {
  const models = yield* ask<ModelRow>({ text: readTexts.models, args: { user } })
  const model = models.find((one) => one.model === asked.model)
  if (model === undefined || model.dims !== asked.vector.length) throw wrongModel(asked.model, asked.vector.length, model?.dims)
  const { slots } = held
  const question = { ...asked, high: slots.high(), passes: slots.passing(filter), goesFirst: slots.goesFirst }
  const near = nearest === undefined ? null : yield* nearest(model, slots, question)
  if (near !== null) return held.hits(near)
  const scan = yield* held.scan(user, model)
  const first = scan.search(question)
  if (scan.form === 'whole') return held.hits(first)
  const vectors = yield* vectorReading(
    model,
    first.map(({ slot }) => slots.passageOf(slot)),
  )
  return held.hits(
    scan.compare(
      question,
      [...vectors].map(([passage, vector]) => [slots.slotOf(passage), vector]),
    ),
  )
}

function wrongModel(model: string, dims: number, kept: number | undefined): OxbowError {
  const what =
    kept === undefined ? `Memory keeps no vectors of the model ${model}.` : `Vectors of ${model} have ${kept} numbers, not ${dims}.`
  return new OxbowError('bad_input', what, { hint: 'Ask with the model that is active, or rebuild: `oxbow memory reindex`.' })
}

/** Sums of the same parts in another order differ in their last digits; scores that are alike must be equal. */
export function roundScore(score: number): number {
  return Number(score.toPrecision(9))
}
