/** Reads of memory in Postgres: queries that can be foreseen are sent ahead, so that a search takes one trip instead of four. */
import type { UserId } from '../../base/index.ts'
import { blockPassages } from '../limits.ts'
import type { MemoryRead } from '../memory/memory-client.ts'
import { type QuerySteps, runAsync, queryRows, type ReadQuery, readTexts, statementMaker } from '../memory/memory-reads.ts'
import type { ModelRow } from '../memory/memory-rows.ts'
import { createMemoryReader } from '../search/memory-reader.ts'
import { blockOf, openBlock, type VectorReading } from '../search/vector-block.ts'
import { type KeptMemory, openKept } from '../snapshot/kept-memory.ts'
import type { SnapshotPlace } from '../snapshot/snapshot-file.ts'
import { bind, type Template } from '../sql/template.ts'
import { robustText } from './memory-statements.ts'
import { createNearSearch, nearQuery } from './near-index.ts'
import type { PostgresSession, Query } from './postgres-session.ts'

interface PostgresMemory {
  /** @throws OxbowError `bad_input` or `store_corrupt`, or what the driver throws */
  read(session: PostgresSession, read: MemoryRead): Promise<unknown>
  /** Whether `keep` has something to do. */
  isDue(): boolean
  /** Writes what the search holds to its snapshot. @throws what the driver throws, or the system's own error */
  keep(session: PostgresSession): Promise<void>
}

/** @param place of the snapshot that the first search opens; absent: it reads everything */
export function createPostgresMemory(user: UserId, place?: SnapshotPlace): PostgresMemory {
  const answersOf = createAnswers()
  const vectorReading = readVectors(user)
  const parts = { dialect: 'postgres', user, vectorReading, nearest: createNearSearch(user, vectorReading) } as const
  const reader = createMemoryReader(parts)
  let kept: KeptMemory | null = null
  let searcher: typeof reader | null = null
  const searcherOf = async (session: PostgresSession): Promise<typeof reader> => {
    if (searcher !== null || place === undefined) return (searcher ??= reader)
    const { answer, ahead } = answersOf(session)
    kept = await runAsync(openKept({ ...place, database: databaseOf }), answer, ahead)
    return (searcher = createMemoryReader({ ...parts, held: kept.held }))
  }
  /** Searches run one after the other: what they hold is a snapshot. */
  let last: Promise<unknown> = Promise.resolve()
  const inOrder = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const result = last.then(work)
    last = result.catch(ignore)
    return result
  }
  const run = async (session: PostgresSession, read: MemoryRead, answers = reader): Promise<unknown> => {
    const began = session.exec('begin isolation level repeatable read read only')
    const { answer, ahead } = answersOf(session)
    for (const query of foreseen(user, read)) ahead(query)
    try {
      await began
      return await runAsync(answers(read), answer, ahead)
    } finally {
      // A transaction that only read need not be awaited; the session answers its next user after it.
      if (!session.isLost()) session.exec('commit').catch(ignore)
    }
  }
  return {
    read(session, read) {
      if (read.ask !== 'search' && read.ask !== 'beside') return run(session, read)
      return inOrder(async () => run(session, read, await searcherOf(session)))
    },
    isDue: () => kept?.isDue() ?? false,
    keep: (session) =>
      inOrder(async () => {
        const { answer, ahead } = answersOf(session)
        if (kept !== null) await runAsync(kept.keep(), answer, ahead)
      }),
  }
}

const knowsItself = `select has_function_privilege('pg_control_system()', 'execute') and has_function_privilege('pg_control_checkpoint()', 'execute') as knows`
const tableOf = `select concat_ws(' ', current_database(), cast(cast('memory_state' as regclass) as oid))`
const serverOf = `select concat_ws(' ', (select system_identifier from pg_control_system()), (select timeline_id from pg_control_checkpoint()))`

/**
 * Tells a database from others, and from itself after it was restored from a dump (its tables have other numbers), to a point in time or by a
 * failover (a server's timeline changes). Some hosted servers do not say which server they are.
 */
function* databaseOf(): QuerySteps<string> {
  const read = function* (text: string): QuerySteps<unknown> {
    return (yield* queryRows<readonly unknown[]>({ text, args: {}, arrays: true, once: true }))[0]?.[0]
  }
  const knows = (yield* read(knowsItself)) === true
  return `${String(yield* read(tableOf))} ${knows ? String(yield* read(serverOf)) : ''}`
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
  const vector = read.ask === 'search' ? read.searches.find((search) => search.vector !== undefined)?.vector : undefined
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
