/** Answers the queries of memory from a SQLite file; a statement is prepared once, unless it says that it runs once. */
import { type ReadQuery, statementMaker } from '../memory/memory-reads.ts'
import type { Database, Statement } from './sqlite-database.ts'

/** @returns a function that answers the queries of memory with prepared statements */
export function createAnswers(database: Pick<Database, 'prepare'>): (query: ReadQuery) => readonly unknown[] {
  const sql = statementMaker('sqlite')
  const prepared = new Map<string, Statement<object, object>>()
  const statementOf = ({ text, once }: ReadQuery): Statement<object, object> => {
    const statement = prepared.get(text) ?? database.prepare<object, object>(sql(text))
    if (once !== true) prepared.set(text, statement)
    return statement
  }
  return (query) => {
    const statement = statementOf(query)
    return query.arrays === true ? statement.rows(query.args) : statement.all(query.args)
  }
}
