/** For tests: a memory with a few entries in it, and recall over it. */
import { type FoundPassage, type MemoryChange, type MemoryEntry, openMemoryStore, type Store } from '../../store/index.ts'
import type { SessionId, UserId } from '../../base/index.ts'
import type { Recall, Recalled, RecallQuestion } from './recalled.ts'
import type { TextEngine } from '../text/text-engine.ts'
import { createLocalTextEngine } from '../text/text-thread.ts'
import type { Candidate } from './fuse-lists.ts'
import { createRecall } from './create-recall.ts'
import { dayTerms, termsOfDay } from './day-terms.ts'

export const now: number = Date.UTC(2026, 5, 1)
export const dayMs = 86_400_000

/** A candidate with nothing but a passage. */
export function candidateOf(passage: FoundPassage, score = 0): Candidate {
  return {
    passage,
    textRank: null,
    textScore: null,
    vectorRank: null,
    vectorScore: null,
    near: 0,
    closeness: null,
    score,
    exact: [],
    prior: 0,
    holds: true,
    standsFor: [],
  }
}

export interface RecallBed extends AsyncDisposable {
  readonly store: Store
  readonly text: TextEngine
  readonly recall: Recall
  /** Texts in their order are neighbours of one stream; the facts of an entry may be given along with its text. */
  keep(texts: readonly (string | (Partial<MemoryEntry> & { readonly text: string }))[]): Promise<void>
  ask(text: string, more?: Partial<RecallQuestion>): Promise<readonly Recalled[]>
}

export async function openRecallBed(embedder: string): Promise<RecallBed> {
  const store = await openMemoryStore({ user: 'ada' as UserId })
  const text = createLocalTextEngine({ embedder })
  const recall = createRecall({ store: store.memory, text, now: () => now })
  return {
    store,
    text,
    recall,
    async keep(texts) {
      const changes: MemoryChange[] = []
      for (const [place, given] of texts.entries())
        changes.push(await putOf(text, typeof given === 'string' ? { text: given } : given, place, texts[place - 1]))
      await store.memory.change(changes)
      const facts = await text.embedder()
      if (facts === null) return
      await store.memory.change([{ change: 'model', model: facts.id, dims: facts.dims, state: 'active' }])
      const wanting = await store.memory.withoutVector(facts.id, 1_000)
      const made = await text.embed(wanting.map((passage) => passage.text))
      const vectors = wanting.flatMap(({ id }, i) => (made[i] === undefined ? [] : [{ passage: id, vector: made[i] }]))
      await store.memory.change([{ change: 'vectors', model: facts.id, vectors }])
    },
    ask: (asked, more = {}) => recall.recall({ text: asked, filter: {}, limit: 10, tokens: 2_000, ...more }),
    async [Symbol.asyncDispose]() {
      await store.close()
      await text.close()
    },
  }
}

type Given = Partial<MemoryEntry> & { readonly text: string }

export async function putOf(
  engine: TextEngine,
  { text, ...facts }: Given,
  place: number,
  before: Given | string | undefined,
): Promise<MemoryChange> {
  const createdAt = facts.createdAt ?? now - 10 * dayMs + place * 1_000
  const textBefore = typeof before === 'string' ? before : (before?.text ?? '')
  const context = [await engine.terms(textBefore), ...termsOfDay(createdAt), ...dayTerms(text, createdAt)]
    .filter((part) => part !== '')
    .join(' ')
  const passages = [{ part: 0, start: 0, text, terms: await engine.storedTerms(text), context }]
  return { change: 'put', item: { entry: { ...entryOf(text, place, createdAt), ...facts }, passages } }
}

/** An entry as an indexer makes it; its id is its place. */
export function entryOf(text: string, place: number, createdAt: number): MemoryEntry {
  return {
    id: `e${place}`,
    kind: 'message',
    type: 'conversation',
    session: 's1' as SessionId,
    stream: 's1',
    place,
    author: 'user',
    tags: [],
    labels: [],
    createdAt,
    updatedAt: createdAt,
    validFrom: createdAt,
    validTo: null,
    supersededBy: '',
    contradicts: [],
    confirmedBy: [],
    importance: 0.35,
    tier: 'warm',
    protection: 'none',
    accesses: 0,
    accessedAt: createdAt,
    seq: 0,
    // Equal texts have equal hashes; nothing here looks at more.
    hash: Buffer.from(text).toString('hex').slice(0, 64).padEnd(64, '0'),
    extra: '',
  }
}
