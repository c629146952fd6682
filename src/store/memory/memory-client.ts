/**
 * Memory as its users see it: methods become messages to an engine, and input that cannot be stored is refused before it is sent.
 * The messages and the form in which search results travel are here too.
 */
import type {
  Apart,
  FoundPassage,
  Hit,
  MemoryChange,
  MemoryEntry,
  MemoryFilter,
  MemoryFound,
  MemoryItem,
  MemoryModel,
  MemorySearch,
  MemoryStats,
  MemoryStore,
  StoredMark,
} from '../memory.ts'
import { checkedChanges, checkedSearch } from './memory-input.ts'

interface MemoryWay {
  write(changes: readonly MemoryChange[]): Promise<void>
  read(read: MemoryRead): Promise<unknown>
}

export function createMemoryClient({ write, read }: MemoryWay): MemoryStore {
  const send = async <Ask extends MemoryRead['ask']>(request: MemoryRead & { ask: Ask }) => (await read(request)) as MemoryAnswers[Ask]
  return {
    async change(changes) {
      if (changes.length > 0) await write(checkedChanges(changes))
    },
    search: async (search) => readFound(await send({ ask: 'search', search: checkedSearch(search) })),
    items: (ids) => send({ ask: 'items', ids }),
    list: (filter, limit, after) => send({ ask: 'list', filter, limit, after: after ?? null }),
    around: (stream, place, before, after) => send({ ask: 'around', stream, place, before, after }),
    withHash: (hash) => send({ ask: 'with_hash', hash }),
    withoutVector: (model, limit) => send({ ask: 'without_vector', model, limit }),
    cursor: (name) => send({ ask: 'cursor', name }),
    models: () => send({ ask: 'models' }),
    stats: () => send({ ask: 'stats' }),
    marks: (after, limit) => send({ ask: 'marks', after, limit }),
  }
}

export type MemoryRead =
  | { readonly ask: 'search'; readonly search: MemorySearch }
  | { readonly ask: 'items'; readonly ids: readonly string[] }
  | { readonly ask: 'list'; readonly filter: MemoryFilter; readonly limit: number; readonly after: ListAfter | null }
  | { readonly ask: 'around'; readonly stream: string; readonly place: number; readonly before: number; readonly after: number }
  | { readonly ask: 'with_hash'; readonly hash: string }
  | { readonly ask: 'without_vector'; readonly model: string; readonly limit: number }
  | { readonly ask: 'cursor'; readonly name: string }
  | { readonly ask: 'models' }
  | { readonly ask: 'stats' }
  | { readonly ask: 'marks'; readonly after: number; readonly limit: number }

export interface ListAfter {
  readonly createdAt: number
  readonly id: string
}

interface UnembeddedPassage {
  readonly id: number
  readonly text: string
  readonly context: string
}

/** What each of them is answered with. */
export interface MemoryAnswers {
  search: SentFound
  items: readonly MemoryItem[]
  list: readonly MemoryEntry[]
  around: readonly FoundPassage[]
  with_hash: readonly string[]
  without_vector: readonly UnembeddedPassage[]
  cursor: number
  models: readonly MemoryModel[]
  stats: MemoryStats
  marks: readonly StoredMark[]
}

/**
 * What a search found, as it travels between threads: as JSON, which costs next to nothing to send. Neighbours are parsed only when
 * they are looked at; most of them never are.
 */
export interface SentFound {
  /** Hits of both lists and their passages. */
  readonly found: string
  /** Neighbors of each passage. */
  readonly beside?: ReadonlyMap<number, string>
}

interface FoundIds {
  readonly text: readonly Hit[]
  readonly vector: readonly Hit[]
  readonly ids: Iterable<number>
  readonly beside: ReadonlyMap<number, readonly number[]> | undefined
  readonly apart: readonly Apart[] | undefined
}

/** The answer to a search for terms that are all common. */
export const sentCommon: SentFound = { found: '{"text":[],"vector":[],"passages":[],"common":true}' }

/** @param texts passages by their ids; one that is not there is left out */
export function sentFound({ text, vector, ids, beside, apart }: FoundIds, texts: ReadonlyMap<number, string>): SentFound {
  const list = (wanted: Iterable<number>): string => `[${[...wanted].flatMap((id) => texts.get(id) ?? []).join()}]`
  const pairs = apart === undefined ? '' : `,"apart":${JSON.stringify(apart)}`
  const found = `{"text":${JSON.stringify(text)},"vector":${JSON.stringify(vector)},"passages":${list(ids)}${pairs}}`
  return beside === undefined ? { found } : { found, beside: new Map([...beside].map(([id, around]) => [id, list(around)])) }
}

function readFound({ found, beside }: SentFound): MemoryFound {
  const read = JSON.parse(found) as Omit<MemoryFound, 'beside'>
  if (beside === undefined) return read
  return { ...read, beside: new Map([...beside].map(([id, text]) => [id, () => JSON.parse(text) as readonly FoundPassage[]])) }
}
