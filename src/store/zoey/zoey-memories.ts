/** Memories of plugins: tables by name, filters as part of the query, and search by vector or by words. */
import { randomUUID } from 'node:crypto'
import { OxbowError } from '../../base/index.ts'
import { bm25 } from '../limits.ts'
import { type Filter, type Found, maxZoeyRows, missingField, toFloats, type ZoeyRows } from './zoey-rows.ts'
import type { MemoryQuery, MemorySearchParams, Uuid, ZoeyMemory } from './zoey-types.ts'

export interface MemoryMethods {
  getMemories(query: MemoryQuery): Promise<readonly ZoeyMemory[]>
  getMemoryById(id: Uuid): Promise<ZoeyMemory | null>
  /** In the order of `ids`. */
  getMemoriesByIds(ids: readonly Uuid[], tableName?: string): Promise<readonly ZoeyMemory[]>
  getMemoriesByRoomIds(query: {
    readonly tableName: string
    readonly roomIds: readonly Uuid[]
    readonly limit?: number
  }): Promise<readonly ZoeyMemory[]>
  getMemoriesByWorldId(query: {
    readonly tableName: string
    readonly worldId: Uuid
    readonly count?: number
  }): Promise<readonly ZoeyMemory[]>
  /** @returns its id. Replaces a memory with the same id. @throws OxbowError `bad_input` for a missing field */
  createMemory(memory: ZoeyMemory, tableName: string, unique?: boolean): Promise<Uuid>
  /** Changes the given fields only. @returns whether it existed */
  updateMemory(memory: Partial<ZoeyMemory> & { readonly id: Uuid }): Promise<boolean>
  deleteMemory(id: Uuid): Promise<void>
  removeMemory(id: Uuid, tableName: string): Promise<void>
  deleteManyMemories(ids: readonly Uuid[]): Promise<void>
  deleteAllMemories(roomId: Uuid, tableName: string): Promise<void>
  removeAllMemories(agentId: Uuid, tableName: string): Promise<void>
  countMemories(query: MemoryQuery): Promise<number>
  /** By cosine, or by words without an embedding; `similarity` is the score. Best first. */
  searchMemories(params: MemorySearchParams): Promise<readonly ZoeyMemory[]>
  searchMemoriesByEmbedding(params: MemorySearchParams & { readonly embedding: readonly number[] }): Promise<readonly ZoeyMemory[]>
  /** Embeddings of texts with a small edit distance to this one. */
  getCachedEmbeddings(query: {
    readonly tableName: string
    readonly text: string
    readonly count?: number
  }): Promise<readonly { readonly embedding: readonly number[]; readonly similarity: number }[]>
}

const defaultCount = 10

export function memoryMethods(rows: ZoeyRows, demand: (memory: ZoeyMemory) => Promise<void>): MemoryMethods {
  const create: MemoryMethods['createMemory'] = async (memory, tableName, unique) => {
    for (const field of ['entityId', 'roomId', 'content'] as const) if (!memory[field]) throw missingField('memory', field)
    if (tableName === '') throw missingField('memory', 'tableName')
    const id = memory.id ?? randomUUID()
    await rows.transaction(async () => {
      await demand(memory)
      await put(rows, { ...memory, id, unique: unique ?? memory.unique ?? false }, tableName)
    })
    return id
  }
  const search: MemoryMethods['searchMemories'] = async (params) => {
    const { embedding, query, count = defaultCount, threshold = params.match_threshold } = params
    const found = await rows.find('memory', { ...filterOf(params), limit: undefined, ...(embedding !== undefined && { withVector: true }) })
    const ranked =
      embedding === undefined
        ? byWords(found, textOf, query ?? '')
        : byVector(found, embedding.length === 0 ? embedding : toFloats(embedding))
    const kept = ranked.filter(({ score }) => threshold === undefined || embedding === undefined || score >= threshold).slice(0, count)
    // As in elizaOS, words rank the nearest by vector.
    const order = embedding !== undefined && query ? reordered(kept, query) : kept
    return order.map(({ item, score }) => ({ ...toMemory(item), similarity: score }))
  }
  const remove = async (filter: Filter): Promise<void> => void (await rows.remove('memory', filter))
  return {
    getMemories: async (query) => (await rows.find('memory', filterOf(query))).map(toMemory),
    async getMemoryById(id) {
      const found = await rows.get('memory', id)
      return found === null ? null : toMemory(found)
    },
    async getMemoriesByIds(ids, tableName) {
      const found = await inBatches(ids, (id) => rows.find('memory', { columns: { id, type: tableName } }))
      const byId = new Map(found.flat().map((one) => [one.id, toMemory(one)]))
      return ids.flatMap((id) => byId.get(id) ?? [])
    },
    getMemoriesByRoomIds: async ({ tableName, roomIds, limit }) =>
      (await rows.find('memory', { columns: { type: tableName, room: roomIds }, limit })).map(toMemory),
    getMemoriesByWorldId: async ({ tableName, worldId, count }) =>
      (await rows.find('memory', { columns: { type: tableName, world: worldId }, limit: count })).map(toMemory),
    createMemory: create,
    updateMemory: (change) =>
      rows.transaction(async () => {
        const before = await rows.get('memory', change.id)
        if (before === null) return false
        const { tableName } = before.body as { tableName: string }
        await put(rows, { ...toMemory(before), ...change }, tableName)
        return true
      }),
    deleteMemory: (id) => remove({ columns: { id } }),
    removeMemory: (id, tableName) => remove({ columns: { id, type: tableName } }),
    deleteManyMemories: (ids) => rows.transaction(async () => void (await inBatches(ids, (id) => remove({ columns: { id } })))),
    deleteAllMemories: (roomId, tableName) => remove({ columns: { room: roomId, type: tableName } }),
    removeAllMemories: (agentId, tableName) => remove({ columns: { agent: agentId, type: tableName } }),
    countMemories: (query) => rows.count('memory', filterOf(query)),
    searchMemories: search,
    searchMemoriesByEmbedding: search,
    async getCachedEmbeddings({ tableName, text, count = defaultCount }) {
      const found = await rows.find('memory', { columns: { type: tableName }, withVector: true })
      return byWords(found, textOf, text)
        .slice(0, count)
        .map(({ item, score }) => ({ embedding: Array.from(item.vector ?? []), similarity: score }))
    },
  }
}

async function put(rows: ZoeyRows, memory: ZoeyMemory & { readonly id: Uuid }, tableName: string): Promise<void> {
  const { embedding, similarity: _, ...rest } = memory
  const createdAt = memory.createdAt ?? rows.clock.now()
  await rows.put('memory', {
    id: memory.id,
    type: tableName,
    agent: memory.agentId ?? '',
    entity: memory.entityId,
    room: memory.roomId,
    world: memory.worldId ?? '',
    unique: memory.unique ?? false,
    createdAt,
    body: { ...rest, createdAt, tableName },
    ...(embedding !== undefined && { vector: embedding }),
  })
}

function toMemory({ body, vector }: Found): ZoeyMemory {
  const { tableName: _, ...memory } = body as Record<string, unknown>
  return { ...(memory as unknown as ZoeyMemory), ...(vector !== null && { embedding: Array.from(vector) }) }
}

function filterOf({ tableName, entityId, agentId, roomId, worldId, unique, count, ...rest }: Partial<MemoryQuery>): Filter {
  const columns = { type: tableName, entity: entityId, agent: agentId, room: roomId, world: worldId }
  // As plugins expect: `unique: false` means all.
  return { columns, unique: unique === true ? true : undefined, limit: count, start: rest.start, end: rest.end, offset: rest.offset }
}

/** Rows that one query reads; databases accept only a few more parameters in a statement. */
async function inBatches<Result>(ids: readonly Uuid[], ask: (ids: readonly Uuid[]) => Promise<Result>): Promise<readonly Result[]> {
  const results: Result[] = []
  for (let at = 0; at < ids.length; at += maxZoeyRows) results.push(await ask(ids.slice(at, at + maxZoeyRows)))
  return results
}

function byVector(found: readonly Found[], embedding: ArrayLike<number>): readonly Ranked<Found>[] {
  const fitting = found.filter(({ vector }) => vector?.length === embedding.length)
  // All are of another model: an empty result would be misleading.
  const compared = fitting.length > 0 ? fitting : found.slice(0, 1)
  return compared.map((item) => ({ item, score: cosine(item.vector ?? [], embedding) })).toSorted((one, other) => other.score - one.score)
}

function reordered(kept: readonly Ranked<Found>[], query: string): readonly Ranked<Found>[] {
  const first = byWords(kept, ({ item }) => textOf(item), query).map(({ item }) => item)
  return [...first, ...kept.filter((one) => !first.includes(one))]
}

function textOf({ body }: Found): string {
  const text = (body['content'] as { text?: unknown } | undefined)?.text
  return typeof text === 'string' ? text : ''
}

interface Ranked<Item> {
  readonly item: Item
  readonly score: number
}

/** @returns -1 to 1; 0 when one of them has no length. @throws OxbowError `bad_input` for vectors of different sizes */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) {
    throw new OxbowError('bad_input', `An embedding has ${a.length} numbers, and the stored ones have ${b.length}.`, {
      hint: 'Use the same embedding model, or compute the stored embeddings again.',
    })
  }
  let dot = 0
  let lengthA = 0
  let lengthB = 0
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0]
    dot += x * y
    lengthA += x * x
    lengthB += y * y
  }
  const product = Math.sqrt(lengthA) * Math.sqrt(lengthB)
  return product === 0 ? 0 : Math.max(-1, Math.min(1, dot / product))
}

const { k1, b } = bm25

/** BM25 over the texts of `items`, best first; equal scores keep their order. Leaves out items that share no word with the query. */
function byWords<Item>(items: readonly Item[], textFrom: (item: Item) => string, query: string): readonly Ranked<Item>[] {
  const wanted = [...new Set(wordsOf(query))]
  const documents = items.map((item) => ({ item, words: wordsOf(textFrom(item)) }))
  const mean = documents.reduce((sum, { words }) => sum + words.length, 0) / Math.max(1, documents.length)
  const having = new Map(wanted.map((word) => [word, documents.filter(({ words }) => words.includes(word)).length]))
  return documents
    .map(({ item, words }) => {
      let score = 0
      for (const [word, n] of having) {
        const times = words.filter((candidate) => candidate === word).length
        const rarity = Math.log(1 + (documents.length - n + 0.5) / (n + 0.5))
        score += (rarity * times * (k1 + 1)) / (times + k1 * (1 - b + (b * words.length) / Math.max(1, mean)))
      }
      return { item, score }
    })
    .filter(({ score }) => score > 0)
    .toSorted((one, other) => other.score - one.score)
}

const segmenter = new Intl.Segmenter('en', { granularity: 'word' })

function wordsOf(text: string): readonly string[] {
  return [...segmenter.segment(text.normalize('NFKC').toLowerCase())].flatMap(({ segment, isWordLike }) =>
    isWordLike === true ? [segment] : [],
  )
}
