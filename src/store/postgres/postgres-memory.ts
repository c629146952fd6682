/** Reads of memory in Postgres: queries that can be foreseen are sent ahead, so that a search takes one trip instead of four. */
import type { UserId } from '../../base/index.ts'
import { blockPassages } from '../limits.ts'
import type { MemoryRead } from '../memory/memory-client.ts'
import { runAsync, queryRows, type ReadQuery, readTexts, statementMaker } from '../memory/memory-reads.ts'
import type { ModelRow } from '../memory/memory-rows.ts'
import { createMemoryReader } from '../search/memory-reader.ts'
import { blockOf, openBlock, type VectorReading } from '../search/vector-block.ts'
import { bind, type Template } from '../sql/template.ts'
import { robustText } from './memory-statements.ts'
import { createNearSearch, nearQuery } from './near-index.ts'
import type { PostgresSession, Query } from './postgres-session.ts'

/** @throws OxbowError `bad_input` or `store_corrupt`, or what the driver throws */
type PostgresMemory = (session: PostgresSession, read: MemoryRead) => Promise<unknown>

export function createPostgresMemory(user: UserId): PostgresMemory {
  const answersOf = createAnswers()
  const vectorReading = readVectors(user)
  const reader = createMemoryReader({ dialect: 'postgres', user, vectorReading, nearest: createNearSearch(user, vectorReading) })
  /** Searches run one after the other: what they hold is a snapshot. */
  let last: Promise<unknown> = Promise.resolve()
  const run = async (session: PostgresSession, read: MemoryRead): Promise<unknown> => {
    const began = session.exec('begin isolation level repeatable read read only')
    const { answer, ahead } = answersOf(session)
    for (const query of foreseen(user, read)) ahead(query)
    try {
      await began
      return await runAsync(reader(read), answer, ahead)
    } finally {
      // A transaction that only read need not be awaited; the session answers its next user after it.
      if (!session.isLost()) session.exec('commit').catch(ignore)
    }
  }
  return (session, read) => {
    if (read.ask !== 'search' && read.ask !== 'beside') return run(session, read)
    const result = last.then(() => run(session, read))
    last = result.catch(ignore)
    return result
  }
}

interface Answering {
  readonly answer: (query: ReadQuery) => Promise<readonly unknown[]>
  /** Sends a query that follows later. */
  readonly ahead: (query: ReadQuery) => void
}

/** @returns what answers the queries of memory in a session; what is sent ahead is known until it is asked for */
export function createAnswers(): (session: PostgresSession) => Answering {
  const queryOf = createQueries()
  return (session) => {
    const send = (query: ReadQuery): Promise<readonly unknown[]> =>
      query.arrays === true ? session.rows(queryOf(query)) : session.objects(queryOf(query))
    const early = createEarly(send)
    return { answer: async (query) => early.answer(query) ?? send(query), ahead: early.send }
  }
}

/** Queries that every search makes, whatever it finds: sent with the start of its transaction, they take one trip and not four. */
function foreseen(user: UserId, read: MemoryRead): readonly ReadQuery[] {
  if (read.ask !== 'search' && read.ask !== 'beside') return []
  const query: ReadQuery[] = [{ text: readTexts.state, args: { user } }]
  const vector = read.ask === 'search' ? read.search.vector : undefined
  if (vector !== undefined) query.push({ text: readTexts.models, args: { user } }, nearQuery(user, vector.model))
  return query
}

interface Early {
  send(query: ReadQuery): void
  /** @returns the answer to what was sent early, once; null for anything else */
  answer(query: ReadQuery): Promise<readonly unknown[]> | null
}

function createEarly(send: (query: ReadQuery) => Promise<readonly unknown[]>): Early {
  const answers = new Map<string, Promise<readonly unknown[]>>()
  const keyOf = ({ text, args }: ReadQuery): string => JSON.stringify([text, args])
  return {
    send(query) {
      const answer = send(query)
      answer.catch(ignore)
      answers.set(keyOf(query), answer)
    },
    answer(query) {
      if (answers.size === 0) return null
      const key = keyOf(query)
      const answer = answers.get(key) ?? null
      answers.delete(key)
      return answer
    },
  }
}

function ignore(): void {}

/** Statements that are repeated are prepared under a name. */
function createQueries(): (query: ReadQuery) => Query {
  const sql = statementMaker('postgres')
  const prepared = new Map<string, { readonly name: string; readonly template: Template<never> }>()
  return ({ text, args, once }) => {
    if (once === true) return bound(sql(text), args)
    const query = prepared.get(text) ?? { name: `memory_${prepared.size}`, template: sql(robustText(text)) }
    prepared.set(text, query)
    return { ...bound(query.template, args), name: query.name }
  }
}

function bound({ sql, parameters }: Template<never>, args: object): Query {
  return { text: sql, values: bind(parameters, args) }
}

/**
 * The place of a vector in its row is the number of those before it, by the bits of the mask. Rows of the form with an odd number of
 * bytes begin with one that says so; it goes before the vector here, too.
 */
const text = `select s.passage, substring(s.bytes for s.head) || substring(s.bytes
      from s.head + s.before * ((length(s.bytes) - s.head) / s.count) + 1
      for (length(s.bytes) - s.head) / s.count) as bytes
  from (select w.passage, v.bytes, length(v.bytes) % 2 as head,
          cast(bit_count(cast(v.mask & ((1 << w.place) - 1) as bit(32))) as integer) as before,
          cast(bit_count(cast(v.mask as bit(32))) as integer) as count
        from (select cast(value as bigint) as passage, cast(value as bigint) / ${blockPassages} as block,
                cast(cast(value as bigint) % ${blockPassages} as integer) as place
              from json_array_elements_text(cast(:passages as json))) w
        cross join lateral
          (select mask, bytes from memory_vectors where "user" = :user and model = :model and block = w.block offset 0) v
        where (v.mask >> w.place) & 1 = 1) s`

function readVectors(user: UserId): VectorReading {
  const question = ({ model }: ModelRow, passages: readonly number[]): ReadQuery => ({
    text,
    args: { user, model, passages: JSON.stringify(passages) },
    arrays: true,
  })
  return {
    question,
    *read(model, passages) {
      const rows = yield* queryRows<readonly [number, Uint8Array]>(question(model, passages))
      const vectors = new Map<number, Float32Array>()
      for (const [passage, bytes] of rows) {
        const mask = 1 << (passage % blockPassages)
        const vector = openBlock({ block: blockOf(passage), mask, bytes }, model.dims).get(passage)
        if (vector !== undefined) vectors.set(passage, vector)
      }
      return vectors
    },
  }
}
