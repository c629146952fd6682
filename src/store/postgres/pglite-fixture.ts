/**
 * PGlite (Postgres as WebAssembly, in process) as a driver of the engine: one connection that all sessions share, so that a
 * transaction keeps the others waiting. It shows that the statements are Postgres's and not one server's; it is no stand-in for
 * several connections, and tests of those do not run on it.
 */
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { type Cell, fromStored, type PostgresDriver, type PostgresSession, type Query, type Row, storedValues } from './postgres-session.ts'

export interface PgliteServer extends AsyncDisposable {
  driver(): PostgresDriver
  /** Everything that was in it goes. */
  empty(): Promise<void>
}

export async function startPglite(): Promise<PgliteServer> {
  const database = await PGlite.create({ extensions: { vector } })
  const turns = createTurns()
  return {
    driver: () => ({
      connect: async () => openSession(database, turns),
      read: (work) => work(openSession(database, turns)),
      close: async () => {},
    }),
    async empty() {
      await database.exec('drop schema public cascade; create schema public')
    },
    [Symbol.asyncDispose]: () => database.close(),
  }
}

/** Whose turn it is; given back by calling what it resolves with. */
type Turns = () => Promise<() => void>

function createTurns(): Turns {
  let last: Promise<void> = Promise.resolve()
  return async () => {
    const before = last
    let release = (): void => {}
    last = new Promise((resolve) => (release = resolve))
    await before
    return release
  }
}

/** `pg`'s numbers of types: int8, and text. */
const parsers = { 20: Number, 25: fromStored }

function openSession(database: PGlite, turns: Turns): PostgresSession {
  /** Gives the turn back at the end of the transaction that is open. */
  let holding: (() => void) | null = null
  let failed = false
  let tail: Promise<unknown> = Promise.resolve()

  /** One after the other, in the order of asking; outside of a transaction each has its own turn. */
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const run = async (): Promise<Result> => {
      const release = holding === null ? await turns() : null
      try {
        return await work()
      } catch (error) {
        failed = true
        throw error
      } finally {
        release?.()
      }
    }
    const result = tail.then(run, run)
    tail = result.catch(() => {})
    return result
  }
  const query = <Found>({ text, values }: Query, rowMode: 'array' | 'object'): Promise<Found[]> =>
    inTurn(async () => (await database.query<Found>(text, storedValues(values), { rowMode, parsers })).rows)

  const begin = async (sql: string): Promise<string> => {
    const release = await turns()
    failed = false
    try {
      await database.exec(sql)
      holding = release
      return 'BEGIN'
    } catch (error) {
      release()
      throw error
    }
  }
  const end = async (sql: string): Promise<string> => {
    const release = holding
    try {
      await database.exec(sql)
      return sql === 'commit' && !failed ? 'COMMIT' : 'ROLLBACK'
    } finally {
      holding = null
      release?.()
    }
  }
  return {
    rows: (asked) => query<Row & Cell[]>(asked, 'array'),
    objects: (asked) => query(asked, 'object'),
    exec(sql) {
      const run = sql.startsWith('begin') ? begin : sql === 'commit' || sql === 'rollback' ? end : null
      if (run === null) return inTurn(async () => void (await database.exec(sql))).then(() => '')
      const result = tail.then(() => run(sql))
      tail = result.catch(() => {})
      return result
    },
    isLost: () => false,
    onLost: () => {},
    close: async () => {},
  }
}
