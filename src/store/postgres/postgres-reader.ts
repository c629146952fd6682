/** Executes reads of the journal, each by an index and within a limit, with the same statements as SQLite. */
import { ownValue, type UserId } from '../../base/index.ts'
import { emptyChain, noSpend, type Spend } from '../../protocol/index.ts'
import { bodyText, parseReference } from '../chain.ts'
import { indexStatements, type ReadStatements, recordArgs, recordsShape, rowLimit } from '../sql/read-statements.ts'
import { documentRow, sessionRow } from '../sql/journal-rules.ts'
import { bind, type Tables, type Template } from '../sql/template.ts'
import type { Statements } from '../sql/statements.ts'
import { storeFault } from '../store-fault.ts'
import type { MemoryRead } from '../memory/memory-client.ts'
import { type Flat, historyBodyColumn, type Read, type ReadResults, recordBodyColumn } from '../store-message.ts'
import { openScanSlice } from '../phrase-scan.ts'
import type { BudgetUse, DocumentRow, RecordQuery, SessionRow } from '../store.ts'
import type { PostgresSession, Query, Row } from './postgres-session.ts'
import { postgresFaults } from './postgres-structure.ts'

/** @throws what the driver throws, or OxbowError `store_corrupt` */
export type PostgresReader = (session: PostgresSession, read: Read) => Promise<ReadResults[Read['kind']]>

export interface ReaderDeps {
  readonly statements: Pick<Statements, 'read' | 'records'>
  readonly user: UserId
  readonly memory: (session: PostgresSession, read: MemoryRead) => Promise<unknown>
}

type Answers = {
  readonly [Kind in Read['kind']]: (session: PostgresSession, read: Read & { kind: Kind }) => Promise<ReadResults[Kind]>
}

export function createReader(deps: ReaderDeps): PostgresReader {
  const { user } = deps
  const { read: statements, records: recordStatements } = deps.statements
  const recordRows = (session: PostgresSession, query: RecordQuery): Promise<Row[]> => {
    const shape = recordsShape(query)
    return session.rows(queryOf(`records_${shape}`, ownValue(recordStatements, shape)!, recordArgs(user, query)))
  }
  const run = (session: PostgresSession, name: keyof ReadStatements, args: object): Promise<Row[]> =>
    session.rows(queryOf(`read_${name}`, statements[name] as Template<object>, { user, ...args }))
  const objects = <Table extends 'session' | 'document'>(session: PostgresSession, name: keyof ReadStatements, args: object) =>
    session.objects<Tables[Table]>(queryOf(`read_${name}`, statements[name] as Template<object>, { user, ...args }))
  const sessionRows = async (session: PostgresSession, name: 'session' | 'sessions', args: object): Promise<SessionRow[]> =>
    (await objects<'session'>(session, name, args)).map(sessionRow)
  const documentRows = async (session: PostgresSession, name: 'document' | 'documents', args: object): Promise<DocumentRow[]> =>
    (await objects<'document'>(session, name, args)).map(documentRow)

  const bodiesIn = (session: PostgresSession): BodyReading => ({
    session,
    user,
    now: async (seq) => (await run(session, 'bodyAt', { seq }))[0]?.[0] as string | undefined,
  })

  const answers: Answers = {
    async records(session, { query }) {
      const rows = await recordRows(session, query)
      return query.hydrate ? hydrated(bodiesIn(session), rows, recordBodyColumn) : (rows.flat() as Flat)
    },
    async scan(session, { query }) {
      const slice = openScanSlice(query)
      for (let page = slice.next(); page !== null; page = slice.next()) {
        const rows = await recordRows(session, { ...query, ...page, order: 'oldest_first', hydrate: false })
        const bodies = await bodiesOf(bodiesIn(session), rows, recordBodyColumn)
        slice.take(rows as Flat[], (at) => bodies[at]!)
      }
      return slice.answer()
    },
    async history(session, read) {
      const before = read.before ?? Number.MAX_SAFE_INTEGER
      const rows = await run(session, 'history', { session: read.session, before, limit: rowLimit(read.limit) })
      return hydrated(bodiesIn(session), rows, historyBodyColumn)
    },
    open_intents: async (session) => hydrated(bodiesIn(session), await run(session, 'openIntents', {}), recordBodyColumn),
    async head(session) {
      const [row] = await run(session, 'head', {})
      return row === undefined ? emptyChain : { seq: row[0] as number, hash: row[1] as string }
    },
    index_rows: async (session, read) => (await run(session, ...indexQuery(read))) as unknown as ReadResults['index_rows'],
    structure: postgresFaults,
    async blob(session, { hash }) {
      const [row] = await run(session, 'blob', { hash })
      // A copy: a view of a larger buffer would be sent with all of it.
      return row === undefined ? null : Uint8Array.from(row[0] as Uint8Array)
    },
    session: async (session, { id }) => (await sessionRows(session, 'session', { id }))[0] ?? null,
    sessions: (session, { limit }) => sessionRows(session, 'sessions', { limit: rowLimit(limit) }),
    document: async (session, { category, name }) => (await documentRows(session, 'document', { category, name }))[0] ?? null,
    document_categories: async (session) => (await run(session, 'documentCategories', {})).map(([category]) => category as string),
    documents: (session, { query: { category, after = '', limit } }) =>
      documentRows(session, 'documents', { category, after, limit: rowLimit(limit) }),
    used: async (session, { budget }) => useOf((await run(session, 'used', { budget }))[0]),
    spent: async (session, { scope }) => spentOf((await run(session, 'spent', { scope }))[0]),
    memory: (session, { read }) => deps.memory(session, read),
  }
  return (session, read) => {
    const answer: (session: PostgresSession, read: never) => Promise<ReadResults[Read['kind']]> = answers[read.kind]
    return answer(session, read as never)
  }
}

function indexQuery({ table, after: [name, place], limit }: Read & { kind: 'index_rows' }): [keyof ReadStatements, object] {
  return [indexStatements[table], { name, place, limit: rowLimit(limit) }]
}

function spentOf(row: Row | undefined): Spend {
  return row === undefined ? noSpend : { microDollars: row[0] as number, tokens: row[1] as number }
}

function useOf(row: Row | undefined): BudgetUse | null {
  if (row === undefined) return null
  const [since = 0, microDollars = 0, tokens = 0, calls = 0, ms = 0] = row as number[]
  return { since, microDollars, tokens, calls, ms }
}

function queryOf<Args extends object>(name: string, { sql, parameters }: Template<Args, unknown>, args: Args): Query {
  return { name, text: sql, values: bind(parameters, args) }
}

interface BodyReading {
  readonly session: PostgresSession
  readonly user: UserId
  /** The body of a record as it is by now. */
  readonly now: (seq: number) => Promise<string | undefined>
}

/** All columns of all rows, the seq first; bodies that are references are replaced by what they refer to, read in one statement. */
async function hydrated(reading: BodyReading, rows: Row[], bodyColumn: number): Promise<Flat> {
  const bodies = await bodiesOf(reading, rows, bodyColumn)
  const flat: Flat = []
  for (const [at, row] of rows.entries()) {
    row[bodyColumn] = bodies[at]!
    for (const cell of row) flat.push(cell as string | number)
  }
  return flat
}

async function bodiesOf({ session, user, now }: BodyReading, rows: readonly Row[], bodyColumn: number): Promise<readonly string[]> {
  const wanted = new Set(rows.flatMap((row) => parseReference(row[bodyColumn] as string)?.blob ?? []))
  const blobs = new Map<string, Uint8Array>()
  if (wanted.size > 0) {
    // Each is looked up by itself, whatever the planner expects of the user.
    const text = `select t.* from json_array_elements_text($2::json) w(value) cross join lateral
      (select "hash", "bytes" from "blob" where "user" = $1 and "hash" = w.value offset 0) t`
    const found = await session.rows({ name: 'read_blobs', text, values: [user, JSON.stringify([...wanted])] })
    for (const [hash, bytes] of found) blobs.set(hash as string, bytes as Uint8Array)
  }
  const bodies: string[] = []
  for (const row of rows) {
    const body = row[bodyColumn] as string
    const found = bodyOf(body, blobs)
    // A missing blob may have been erased since its row was read.
    const erased = found === null ? await now(row[0] as number) : undefined
    if (found === null && (erased === undefined || erased === body)) {
      throw storeFault('store_corrupt', `The blob of record ${String(row[0])} is missing.`)
    }
    bodies.push(found ?? erased!)
  }
  return bodies
}

/** @returns null when its blob is not in the map */
function bodyOf(body: string, blobs: ReadonlyMap<string, Uint8Array>): string | null {
  const reference = parseReference(body)
  if (reference === null) return body
  const bytes = blobs.get(reference.blob)
  return bytes === undefined ? null : bodyText(bytes)
}
