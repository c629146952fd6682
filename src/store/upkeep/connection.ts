/**
 * A user's store as upkeep sees it: the tables with the user's rows, a connection to them in either dialect, and the lock that
 * keeps guests out meanwhile. Runs in process, because a program that does upkeep does nothing else.
 */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { OxbowError, setOwn, type UserId } from '../../base/index.ts'
import type { GuestLease } from '../../config/index.ts'
import type { ChainHead } from '../../protocol/index.ts'
import { appliedSteps, type MigrationDriver } from '../migrations/migration-runner.ts'
import { assertUsable, judgeSchema } from '../migrations/schema-version.ts'
import type { PostgresSession } from '../postgres/postgres-session.ts'
import type { CipherChoice } from '../secrets/file-encryption.ts'
import type { Dialect } from '../sql/user-tables.ts'
import { type Database, openDatabase } from '../sqlite/sqlite-database.ts'
import { sqliteMigrationDriver } from '../sqlite/database-file.ts'
import { lockWorkspace } from '../sqlite/workspace-lock.ts'
import { busyTimeoutMs, lockPauseMs } from '../limits.ts'
import { isLocked, toStoreError } from '../store-fault.ts'

export interface TableFacts {
  readonly name: string
  /** Rows are copied and compared in this order. Begins with `user`, so that a user's rows are adjacent. */
  readonly key: readonly string[]
}

const tableOf = (name: string, ...key: readonly string[]): TableFacts => ({ name, key: ['user', ...key] })

/** The journal comes first, because the other tables are derived from it. */
export const storeTables: readonly TableFacts[] = [
  tableOf('journal', 'seq'),
  tableOf('blob', 'hash'),
  tableOf('message', 'session', 'seq'),
  tableOf('open_call', 'call'),
  tableOf('session', 'id'),
  tableOf('account', 'scope'),
  tableOf('budget_use', 'budget'),
  tableOf('document', 'category', 'name'),
  tableOf('lane', 'session'),
  tableOf('memory_state'),
  tableOf('memory_entry', 'key'),
  tableOf('memory_passage', 'id'),
  tableOf('memory_removal', 'version', 'passage'),
  tableOf('memory_model', 'model'),
  tableOf('memory_vectors', 'model', 'block'),
  tableOf('memory_cursor', 'name'),
  tableOf('wrapped_key', 'id'),
  tableOf('secret', 'name'),
  tableOf('zoey', 'kind', 'id'),
]

/** Tables that are derived from the others: rebuilt, never copied. */
export const madeTables: ReadonlySet<string> = new Set(['memory_near'])

/** Tables without a user: applied migrations, and the progress of a move. */
export const ownTables: ReadonlySet<string> = new Set(['migration', 'move_cursor'])

/** A parameter or a column of either database. */
export type Value = string | number | Uint8Array | null

/** `read`: tables must be up to date. `write`: migrations may be pending. `any version`: to inspect the store only. */
export type Wish = 'read' | 'write' | 'any version'

/** Failures are OxbowErrors. */
export interface UpkeepConnection {
  readonly dialect: Dialect
  /** Location of the store for a person, without a password. */
  readonly where: string
  readonly migration: MigrationDriver
  /** @param sql with `?` for each value */
  rows(sql: string, values?: readonly Value[]): Promise<readonly (readonly Value[])[]>
  exec(sql: string): Promise<void>
  transaction<Result>(work: () => Promise<Result>): Promise<Result>
  close(): Promise<void>
}

/** Quotes names of our own tables and columns for SQL; not for foreign names. */
export function quoted(...names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ')
}

/** @returns the number in the first column of the first row; 0 without a row */
export async function countOf(db: UpkeepConnection, sql: string, values: readonly Value[] = []): Promise<number> {
  return Number((await db.rows(sql, values))[0]?.[0] ?? 0)
}

/** Names of all tables made by migrations, without the internal tables of a full-text index. */
export async function tableNames(db: UpkeepConnection): Promise<ReadonlySet<string>> {
  const rows = await db.rows(
    db.dialect === 'sqlite'
      ? `select name from pragma_table_list where schema = 'main' and type in ('table', 'virtual') and name not like 'sqlite!_%' escape '!'`
      : `select table_name::text from information_schema.tables where table_schema = current_schema() and table_type = 'BASE TABLE'`,
  )
  return new Set(rows.map(([name]) => String(name)))
}

/** @returns the newest record of a user's journal; seq 0 without records */
export async function headOf(db: UpkeepConnection, user: string): Promise<{ readonly seq: number; readonly hash: string }> {
  const [row] = await db.rows('select seq, hash from journal where "user" = ? order by seq desc limit 1', [user])
  return row === undefined ? { seq: 0, hash: '0'.repeat(64) } : { seq: Number(row[0]), hash: String(row[1]) }
}

/** Number of the user's rows by table; omits tables that do not exist yet or have no column `user`. */
export async function rowCounts(db: UpkeepConnection, user: string): Promise<Readonly<Record<string, number>>> {
  const there = await tableNames(db)
  const counts: Record<string, number> = {}
  for (const { name } of storeTables) {
    if (!there.has(name) || !(await hasUser(db, name))) continue
    setOwn(counts, name, await countOf(db, `select count(*) from ${quoted(name)} where "user" = ?`, [user]))
  }
  return counts
}

async function hasUser(db: UpkeepConnection, table: string): Promise<boolean> {
  const column =
    db.dialect === 'sqlite'
      ? `select 1 from pragma_table_info(?) where name = 'user'`
      : `select 1 from information_schema.columns where table_schema = current_schema() and table_name = ? and column_name = 'user'`
  return (await db.rows(column, [table])).length > 0
}

export interface SqliteConnection extends UpkeepConnection {
  readonly database: Database
}

/**
 * @param isShared others of this thread write the file, too: a lock is waited for without stopping the thread, or who holds it never lets go
 * @throws OxbowError as opening a store does
 */
export function connectSqlite(path: string, wish: Wish, cipher?: CipherChoice, isShared: boolean = false): SqliteConnection {
  const encrypted = cipher === undefined ? {} : { cipher }
  const isSecond = isShared && wish === 'write'
  const database = openDatabase({ path, readOnly: wish !== 'write', anyVersion: wish === 'any version', isSecond, ...encrypted })
  const driver = sqliteMigrationDriver(database)
  const typed = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    for (let waitedMs = 0; ; waitedMs += lockPauseMs) {
      try {
        return await work()
      } catch (error) {
        if (!isSecond || waitedMs >= busyTimeoutMs || !isLocked(error)) throw toStoreError(error)
      }
      await sleep(lockPauseMs)
    }
  }
  return {
    dialect: 'sqlite',
    where: `the database ${path}`,
    database,
    migration: { ...driver, transaction: (work) => typed(() => driver.transaction(work)) },
    rows: (sql, values = []) =>
      typed(async () => {
        // Values of a template are bound unchanged.
        const statement = database.prepare({ sql, parameters: values })
        if (!writes.test(sql)) return statement.rows({})
        statement.run({})
        return []
      }),
    exec: (sql) => typed(async () => database.exec(sql)),
    transaction: (work) => typed(() => driver.transaction(work)),
    close: async () => database.close(),
  }
}

/** better-sqlite3 has separate methods for statements that return rows. */
const writes = /^(insert|delete|update) (?!.* returning )/s

export interface PostgresConnection extends UpkeepConnection {
  readonly session: PostgresSession
}

/** Of a guest: whose rows its connection works with, and the lease under which it writes. Absent for upkeep by a person. */
export interface GuestSide {
  readonly user: UserId
  /** See `PostgresOptions.role`. */
  readonly role: string
  readonly lease?: GuestLease
}

/** @throws OxbowError for an invalid address, a server that refuses, or tables that are not usable */
export async function connectPostgres(address: string, wish: Wish, guest?: GuestSide): Promise<PostgresConnection> {
  const [{ openPgDriver }, { parseAddress }, { postgresFault }, { postgresMigrationDriver }, { fencedWork }] = await Promise.all([
    import('../postgres/postgres-session.ts'),
    import('../postgres/postgres-address.ts'),
    import('../postgres/postgres-fault.ts'),
    import('../postgres/postgres-schema.ts'),
    import('../postgres/lease-fence.ts'),
  ])
  const { shown } = parseAddress(address)
  const typed = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work()
    } catch (error) {
      throw postgresFault(error, shown).error
    }
  }
  const rows = guest && { rows: guest, isWatched: guest.lease !== undefined }
  const driver = openPgDriver({ url: address, connections: 2, name: 'oxbow store', statementMs: 0, ...rows })
  const session = await typed(() => driver.connect())
  const close = async (): Promise<void> => {
    await session.close()
    await driver.close()
  }
  try {
    // Copying a large table may take any time.
    await typed(() => session.exec('set statement_timeout = 0; set idle_in_transaction_session_timeout = 0'))
    const migration = postgresMigrationDriver(session, shown)
    // Whatever a guest writes is under its lease, statements outside of a transaction, too.
    const lease = guest?.lease
    let isWithin = false
    const transaction = <Result>(work: () => Promise<Result>): Promise<Result> =>
      migration.transaction(async () => {
        isWithin = true
        try {
          return await (lease === undefined ? work() : fencedWork(session, { user: guest!.user, lease, shown }, work))
        } finally {
          isWithin = false
        }
      })
    const run = async (sql: string, values: readonly Value[]) =>
      (await session.rows({ text: numbered(sql), values })) as unknown as Value[][]
    const db: PostgresConnection = {
      session,
      dialect: 'postgres',
      where: shown,
      migration,
      rows: (sql, values = []) =>
        typed(() => (lease === undefined || isWithin || !changes.test(sql) ? run(sql, values) : transaction(() => run(sql, values)))),
      exec: (sql) => typed(async () => void (await session.exec(sql))),
      transaction: (work) => typed(() => transaction(work)),
      close,
    }
    if (wish !== 'any version') assertUsable(judgeSchema(await typed(() => appliedSteps(migration))), wish, shown)
    return db
  } catch (error) {
    await close()
    throw error
  }
}

/** What begins with anything else reads. */
const changes = /^\s*(?:insert|delete|update)\b/i

/** Replaces `?` by `$1`, `$2` …; no statement of upkeep contains one in a string. */
function numbered(sql: string): string {
  let count = 0
  return sql.replaceAll('?', () => `$${++count}`)
}

export interface StorePlace {
  readonly user: UserId
  /** The file in the workspace, which may not exist. */
  readonly file: string
  /** The address of Postgres; empty when the store is the file. */
  readonly url: string
  /** The same without its password, for people. */
  readonly shownUrl?: string
  /** Folder of backups: for a backup without a path, and for listing them. */
  readonly backups: string
  /** Set when the file may be encrypted. */
  readonly cipher?: CipherChoice
  /** Others of this thread write the file, too. */
  readonly isShared?: boolean
  /** The guest that connects, to Postgres. */
  readonly guest?: GuestSide
}

export type Tell = (what: string, done: number, total: number) => void

/** Heads of the replaced and of the restored journal, and the call under which the restored one records the restore. */
export interface SignedRestore {
  readonly call: string
  readonly from: ChainHead
  readonly to: ChainHead
}

export interface UpkeepDeps {
  readonly place: StorePlace
  /** Unix milliseconds. */
  readonly now: () => number
  readonly tell: Tell
  /**
   * Lets the runner sign that the journal is about to be replaced. Resolves when the signature is on the disk.
   * @throws OxbowError when it cannot be written: nothing may be replaced then
   */
  readonly signRestore: (restore: SignedRestore) => Promise<void>
  /**
   * Reads the whole journal of the store at a file or an address, and checks it.
   * @returns what is wrong with it, in words for a person; empty when it verifies
   */
  readonly verifyChain: (at: { readonly file: string } | { readonly url: string }) => Promise<readonly string[]>
}

/** @throws OxbowError `not_found` if there is no store yet */
export async function connectStore(place: StorePlace, wish: Wish): Promise<UpkeepConnection> {
  if (place.url !== '') {
    return connectPostgres(place.url, wish, place.guest)
  }
  if (!existsSync(place.file)) throw noStore(place.file)
  return connectSqlite(place.file, wish, place.cipher, place.isShared)
}

/** Runs `work` while no guest uses the workspace. @throws OxbowError `workspace_busy` */
export async function alone<Result>(place: StorePlace, work: () => Promise<Result>): Promise<Result> {
  const lock = lockWorkspace(place.file)
  try {
    return await work()
  } finally {
    lock.release()
  }
}

/** The same with an open connection; in Postgres this also excludes the user's guests on other machines. */
export async function aloneWith<Result>(place: StorePlace, wish: Wish, work: (db: UpkeepConnection) => Promise<Result>): Promise<Result> {
  return alone(place, async () =>
    using(await connectStore(place, wish), async (db) => {
      await assertNobodyWrites(db, place.user)
      return work(db)
    }),
  )
}

/** In Postgres a guest holds a lock of the database, wherever it runs. @throws OxbowError `workspace_busy` */
export async function assertNobodyWrites(db: UpkeepConnection, user: UserId): Promise<void> {
  if (db.dialect === 'sqlite') return
  const { guestLockQuery } = await import('../postgres/batch-statements.ts')
  const { text, values } = guestLockQuery(user)
  const [row] = await db.rows(text.replace('$1', '?'), values as readonly string[])
  if (row?.[0] as unknown as boolean) return
  throw new OxbowError('workspace_busy', `A guest of ${user} uses ${db.where}.`, { hint: 'Stop it first, on whichever machine it runs.' })
}

/** Runs `work` and always closes the connection. */
export async function using<Result>(db: UpkeepConnection, work: (db: UpkeepConnection) => Promise<Result>): Promise<Result> {
  try {
    return await work(db)
  } finally {
    await db.close()
  }
}

function noStore(file: string): OxbowError {
  return new OxbowError('not_found', `There is no store at ${file}.`, {
    hint: 'Start Oxbow once in this workspace to create one, or restore a backup.',
  })
}
