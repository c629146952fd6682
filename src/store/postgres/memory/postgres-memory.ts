/** Reads of memory, answered by Postgres. */
import type { UserId } from '../../../types/index.ts'
import type { MemoryRead } from '../../memory/memory-message.ts'
import { statementMaker } from '../../memory/memory-statement.ts'
import { answerLater, ask, type Ask } from '../../search/asking.ts'
import { createMemoryReader } from '../../search/memory-reader.ts'
import { bind, type Template } from '../../sql/template.ts'
import type { PostgresSession, Query } from '../postgres-session.ts'
import { createPostingRanking } from './posting-ranking.ts'
import { readVectors } from './vector-rows.ts'

/** @throws OxbowError `bad_input` or `store_corrupt`, or what the driver throws */
export type PostgresMemory = (session: PostgresSession, read: MemoryRead) => Promise<unknown>

export function createPostgresMemory(user: UserId): PostgresMemory {
  const queryOf = createQueries()
  const reader = createMemoryReader({
    dialect: 'postgres',
    user,
    textRanking: createPostingRanking(user),
    vectorReading: readVectors(user),
    *indexBytes() {
      const text = 'select coalesce(sum(length(postings)), 0)::bigint as bytes from memory_posting where "user" = :user'
      return (yield* ask<{ bytes: number }>({ text, args: { user } }))[0]?.bytes ?? 0
    },
  })
  /** What searches hold is of one moment: they go one after the other. */
  let last: Promise<unknown> = Promise.resolve()
  const run = async (session: PostgresSession, read: MemoryRead): Promise<unknown> => {
    await session.exec('begin isolation level repeatable read read only')
    try {
      return await answerLater(reader(read), (asked) =>
        asked.arrays === true ? session.rows(queryOf(asked)) : session.objects(queryOf(asked)),
      )
    } finally {
      if (!session.isLost()) await session.exec('commit')
    }
  }
  return (session, read) => {
    if (read.ask !== 'search') return run(session, read)
    const result = last.then(() => run(session, read))
    last = result.catch(() => {})
    return result
  }
}

/** Statements that are asked again and again are prepared under a name. */
function createQueries(): (asked: Ask) => Query {
  const sql = statementMaker('postgres')
  const known = new Map<string, { readonly name: string; readonly template: Template<never> }>()
  return ({ text, args, once }) => {
    if (once === true) return bound(sql(text), args)
    const query = known.get(text) ?? { name: `memory_${known.size}`, template: sql(text) }
    known.set(text, query)
    return { ...bound(query.template, args), name: query.name }
  }
}

function bound({ sql, parameters }: Template<never>, args: object): Query {
  return { text: sql, values: bind(parameters, args) }
}
