/** Executes reads, each by an index and within a limit. */
import { ownValue, type UserId } from '../../base/index.ts'
import { emptyChain, noSpend } from '../../protocol/index.ts'
import { bodyText, parseReference } from '../chain.ts'
import { indexStatements, type RecordArgs, recordArgs, recordsShape, rowLimit } from '../sql/read-statements.ts'
import { documentRow, sessionRow, useRow } from '../sql/journal-rules.ts'
import type { Statements } from '../sql/statements.ts'
import { storeFault, toStoreError } from '../store-fault.ts'
import { historyBodyColumn, type Read, type ReadResults, recordBodyColumn } from '../store-message.ts'
import { openScanSlice } from '../phrase-scan.ts'
import type { RecordQuery } from '../store.ts'
import { sqliteFaults } from './sqlite-structure.ts'
import { createSqliteMemory, type SqliteMemory } from './sqlite-memory.ts'
import type { Database, Statement } from './sqlite-database.ts'
import texts from './statements.json' with { type: 'json' }

/** Written by `scripts/make-statements.ts`. */
const { read: statements, records: recordStatements }: Pick<Statements, 'read' | 'records'> = texts

/** @throws OxbowError `store_corrupt` or `store_failed` */
export type ReadEngine = (read: Read) => ReadResults[Read['kind']]

type Row = (string | number)[]
type Answers = { readonly [Kind in Read['kind']]: (read: Read & { kind: Kind }) => ReadResults[Kind] }

export function createReadEngine(database: Database, user: UserId): ReadEngine {
  const records = createRecordReader(database, user)
  const history = database.prepare(statements.history)
  const openIntents = database.prepare(statements.openIntents)
  const head = database.prepare(statements.head)
  const blob = database.prepare(statements.blob)
  const session = database.prepare(statements.session)
  const sessions = database.prepare(statements.sessions)
  const spent = database.prepare(statements.spent)
  const used = database.prepare(statements.used)
  const document = database.prepare(statements.document)
  const categories = database.prepare(statements.documentCategories)
  const documents = database.prepare(statements.documents)
  const bodyAt = database.prepare(statements.bodyAt)

  const bytesOf = (hash: string): Uint8Array | null => blob.get({ user, hash })?.bytes ?? null
  const hydrate = (row: Row, column: number): string => {
    const body = row[column] as string
    const reference = parseReference(body)
    if (reference === null) return body
    const bytes = bytesOf(reference.blob)
    if (bytes !== null) return bodyText(bytes)
    // Its body may have been erased since the row was read.
    const now = bodyAt.get({ user, seq: row[0] as number })?.body
    if (now !== undefined && now !== body) return now
    throw storeFault('store_corrupt', `The blob ${reference.blob} of a record is missing.`)
  }
  /** Made with the first read of memory. */
  let memory: SqliteMemory | null = null

  const answers: Answers = {
    records: ({ query }) => flatten(records(query), query.hydrate ? recordBodyColumn : null, hydrate),
    scan({ query }) {
      const slice = openScanSlice(query)
      for (let page = slice.next(); page !== null; page = slice.next()) {
        const rows = records({ ...query, ...page, order: 'oldest_first', hydrate: false })
        slice.take(rows, (at) => hydrate(rows[at]!, recordBodyColumn))
      }
      return slice.answer()
    },
    history(read) {
      const before = read.before ?? Number.MAX_SAFE_INTEGER
      return flatten(history.rows({ user, session: read.session, before, limit: rowLimit(read.limit) }), historyBodyColumn, hydrate)
    },
    open_intents: () => flatten(openIntents.rows({ user }), recordBodyColumn, hydrate),
    head: () => head.get({ user }) ?? emptyChain,
    ...createAuditAnswers(database, user),
    blob: ({ hash }) => bytesOf(hash),
    session: ({ id }) => session.all({ user, id }).map(sessionRow)[0] ?? null,
    sessions: ({ limit }) => sessions.all({ user, limit: rowLimit(limit) }).map(sessionRow),
    memory: ({ read }) => (memory ??= createSqliteMemory(database, user))(read),
    document: ({ category, name }) => document.all({ user, category, name }).map(documentRow)[0] ?? null,
    document_categories: () => categories.all({ user }).map(({ category }) => category),
    documents: ({ query: { category, after = '', limit } }) =>
      documents.all({ user, category, after, limit: rowLimit(limit) }).map(documentRow),
    used: ({ budget }) => used.all({ user, budget }).map(useRow)[0] ?? null,
    spent({ scope }) {
      const row = spent.get({ user, scope })
      return row === undefined ? noSpend : { microDollars: row.micro_dollars, tokens: row.tokens }
    },
  }
  return (read) => {
    try {
      const answer: (read: never) => ReadResults[Read['kind']] = answers[read.kind]
      return answer(read as never)
    } catch (error) {
      throw toStoreError(error)
    }
  }
}

/** What only audits ask. */
function createAuditAnswers(database: Database, user: UserId): Pick<Answers, 'index_rows' | 'structure'> {
  return {
    index_rows({ table, after: [name, place], limit }) {
      const statement = database.prepare(statements[indexStatements[table]])
      return statement.rows({ user, name, place, limit: rowLimit(limit) }) as unknown as ReadResults['index_rows']
    },
    structure: () => sqliteFaults(database),
  }
}

/** A statement for each shape of query, prepared when it is first asked for. */
function createRecordReader(database: Database, user: UserId): (query: RecordQuery) => Row[] {
  const prepared = new Map<string, Statement<RecordArgs, never>>()
  return (query) => {
    const shape = recordsShape(query)
    const statement = prepared.get(shape) ?? database.prepare(ownValue(recordStatements, shape)!)
    prepared.set(shape, statement)
    return statement.rows(recordArgs(user, query))
  }
}

/** One array of all columns of all rows; bodies in `bodyColumn` that are references are replaced by what they refer to. */
function flatten(rows: readonly Row[], bodyColumn: number | null, hydrate: (row: Row, column: number) => string): Row {
  const flat: Row = []
  for (const row of rows) {
    if (bodyColumn !== null) row[bodyColumn] = hydrate(row, bodyColumn)
    for (const column of row) flat.push(column)
  }
  return flat
}
