/** Reads of memory, answered by Postgres. */
import type { UserId } from '../../../types/index.ts'
import type { MemoryRead } from '../../memory/memory-message.ts'
import { statementMaker } from '../../memory/memory-statement.ts'
import { readTexts } from '../../memory/read-texts.ts'
import { answerLater, ask, type Ask } from '../../search/asking.ts'
import { createMemoryReader } from '../../search/memory-reader.ts'
import { bind, type Template } from '../../sql/template.ts'
import { createNearSearch, nearQuestion } from '../near/near-search.ts'
import type { PostgresSession, Query } from '../postgres-session.ts'
import { createPostingRanking, type PostingRanking } from './posting-ranking.ts'
import { robustText } from './robust-texts.ts'
import { readVectors } from './vector-rows.ts'

/** @throws OxbowError `bad_input` or `store_corrupt`, or what the driver throws */
export type PostgresMemory = (session: PostgresSession, read: MemoryRead) => Promise<unknown>

export function createPostgresMemory(user: UserId): PostgresMemory {
  const queryOf = createQueries()
  const ranking = createPostingRanking(user)
  const vectorReading = readVectors(user)
  const reader = createMemoryReader({
    dialect: 'postgres',
    user,
    textRanking: ranking.rank,
    vectorReading,
    nearest: createNearSearch(user, vectorReading),
    *indexBytes() {
      const text = 'select coalesce(sum(length(postings)), 0)::bigint as bytes from memory_posting where "user" = :user'
      return (yield* ask<{ bytes: number }>({ text, args: { user } }))[0]?.bytes ?? 0
    },
  })
  /** What searches hold is of one moment: they go one after the other. */
  let last: Promise<unknown> = Promise.resolve()
  const run = async (session: PostgresSession, read: MemoryRead): Promise<unknown> => {
    const send = (asked: Ask): Promise<readonly unknown[]> =>
      asked.arrays === true ? session.rows(queryOf(asked)) : session.objects(queryOf(asked))
    const began = session.exec('begin isolation level repeatable read read only')
    const early = createEarly(send)
    for (const asked of foreseen(user, ranking, read)) early.send(asked)
    try {
      await began
      return await answerLater(reader(read), (asked) => early.answer(asked) ?? send(asked), early.send)
    } finally {
      // Nobody waits for the end of what only read; whoever has the session next is answered behind it.
      if (!session.isLost()) session.exec('commit').catch(ignore)
    }
  }
  return (session, read) => {
    if (read.ask !== 'search') return run(session, read)
    const result = last.then(() => run(session, read))
    last = result.catch(ignore)
    return result
  }
}

/** What a search is going to ask whatever it finds: sent with its beginning, it takes one trip and not four. */
function foreseen(user: UserId, ranking: PostingRanking, read: MemoryRead): readonly Ask[] {
  if (read.ask !== 'search') return []
  const { text, vector } = read.search
  const asked: Ask[] = [{ text: readTexts.state, args: { user } }]
  if (vector !== undefined) asked.push({ text: readTexts.models, args: { user } }, nearQuestion(user, vector.model))
  if (text !== undefined && text.terms.length > 0) asked.push(ranking.question(text))
  return asked
}

interface Early {
  send(asked: Ask): void
  /** @returns the answer to what was sent early, once; null for anything else */
  answer(asked: Ask): Promise<readonly unknown[]> | null
}

function createEarly(send: (asked: Ask) => Promise<readonly unknown[]>): Early {
  const answers = new Map<string, Promise<readonly unknown[]>>()
  const keyOf = ({ text, args }: Ask): string => JSON.stringify([text, args])
  return {
    send(asked) {
      const answer = send(asked)
      answer.catch(ignore)
      answers.set(keyOf(asked), answer)
    },
    answer(asked) {
      if (answers.size === 0) return null
      const key = keyOf(asked)
      const answer = answers.get(key) ?? null
      answers.delete(key)
      return answer
    },
  }
}

function ignore(): void {}

/** Statements that are asked again and again are prepared under a name. */
function createQueries(): (asked: Ask) => Query {
  const sql = statementMaker('postgres')
  const known = new Map<string, { readonly name: string; readonly template: Template<never> }>()
  return ({ text, args, once }) => {
    if (once === true) return bound(sql(text), args)
    const query = known.get(text) ?? { name: `memory_${known.size}`, template: sql(robustText(text)) }
    known.set(text, query)
    return { ...bound(query.template, args), name: query.name }
  }
}

function bound({ sql, parameters }: Template<never>, args: object): Query {
  return { text: sql, values: bind(parameters, args) }
}
