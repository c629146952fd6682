/**
 * One connection to one SQLite file: opened, configured, and queried through templates. Everything specific to SQLite is in this
 * folder.
 */
import { closeSync, existsSync, openSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { isEncrypted, isOxbowError, ownValue, OxbowError, setOwn } from '../../base/index.ts'
import { assertMayBePlain, type CipherChoice, openEncrypted } from '../secrets/file-encryption.ts'
import { busyTimeoutMs, checkpointPages, keptLogBytes, leastRoomBytes, readerCacheKib, secondCacheKib, writerCacheKib } from '../limits.ts'
import { assertUsable } from '../migrations/schema-version.ts'
import { binderOf, type Template } from '../sql/template.ts'
import { storeFault, toStoreError } from '../store-fault.ts'
import { schemaOf } from './database-file.ts'
import { unpacked } from './packed-value.ts'

/** `full` syncs each commit to the disk; `normal` may lose the newest ones when power fails, and nothing in a crash of the process. */
export type Durability = 'normal' | 'full'

/** A prepared statement with named parameters. */
export interface Statement<Args, Row> {
  run(args: Args): void
  get(args: Args): Row | undefined
  all(args: Args): Row[]
  /** Rows as arrays of their columns: for results that travel. */
  rows(args: Args): (string | number)[][]
}

export interface Database {
  /** For messages. */
  readonly path: string
  /** Runs a statement without values. @returns its rows as objects */
  query<Row>(sql: string): Row[]
  prepare<Args extends object, Row>(template: Template<Args, Row>): Statement<Args, Row>
  exec(sql: string): void
  /** Runs `work` in one transaction that holds the write lock from its start. */
  transaction<Result>(work: () => Result): Result
  /** Runs reads in one snapshot. */
  snapshot<Result>(work: () => Result): Result
  /** Chooses whether commits from now on survive power loss. */
  setDurability(durability: Durability): void
  /** Checkpoints the log and truncates it, so that nothing of erased data is left in it; waits for readers up to the busy timeout. */
  emptyLog(): void
  close(): void
}

interface DatabaseOptions {
  /** A file, or `:memory:`. */
  readonly path: string
  readonly readOnly: boolean
  /** Opens also a database whose tables this program may not use, to inspect it. */
  readonly anyVersion?: boolean
  /** For a file that is encrypted, or is to be. */
  readonly cipher?: CipherChoice
  /** Another connection is the writer: this one waits for no lock, makes no checkpoint, and has a small page cache. */
  readonly isSecond?: boolean
}

/** @throws OxbowError `not_found`, `store_full`, `store_corrupt` or `store_failed`; also for a file of a newer version. */
export function openDatabase(options: DatabaseOptions): Database {
  const { path, readOnly } = options
  const exists = path === ':memory:' || existsSync(path)
  if ((readOnly || options.isSecond === true) && !exists) {
    throw new OxbowError('not_found', `There is no journal at ${path}.`, { hint: 'Start Oxbow once in this workspace to make one.' })
  }
  let raw: Sqlite.Database | null = null
  try {
    // The journal is private: only its owner may read the file and the log next to it.
    if (!exists) closeSync(openSync(path, 'a', 0o600))
    if (readOnly) rollBackUnfinished(options)
    raw = connect(options, exists)
    setUp(raw, options)
    const database = wrap(raw, path)
    if (options.anyVersion !== true) assertUsable(schemaOf(database), readOnly ? 'read' : 'write', `the database ${path}`)
    return database
  } catch (error) {
    raw?.close()
    if (isOxbowError(error)) throw error
    const { code } = toStoreError(error)
    if (code !== 'store_corrupt' && !hasRoom(path)) {
      // SQLite needs space for its index of the log even to read, and reports an I/O error without it.
      const hint = 'Free some space on the disk, then try again. Nothing is lost.'
      throw new OxbowError('store_full', `The database ${path} cannot be opened: the disk is full.`, { hint, cause: error })
    }
    throw storeFault(
      code === 'store_full' || code === 'store_corrupt' ? code : 'store_failed',
      `The database ${path} cannot be opened (${String(error)}).`,
      error,
    )
  }
}

/**
 * Rolls back what a process that died had begun to write while the file had no write-ahead log (during encryption, for example): only
 * a writer can, and until then nobody can read. Such writes leave a rollback journal next to the file; a live process's journal is left alone.
 */
function rollBackUnfinished(options: DatabaseOptions): void {
  if (!existsSync(`${options.path}-journal`)) return
  const raw = connect({ ...options, readOnly: false }, true)
  try {
    raw.pragma('schema_version')
  } finally {
    raw.close()
  }
}

function hasRoom(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path))
    return bavail * bsize >= leastRoomBytes
  } catch {
    return true
  }
}

function connect({ path, readOnly, cipher }: DatabaseOptions, exists: boolean): Sqlite.Database {
  if (cipher !== undefined && path !== ':memory:') {
    if (exists ? isEncrypted(path) : cipher.required) return openEncrypted(cipher, path, readOnly)
    assertMayBePlain(cipher, path)
  }
  return new Sqlite(path, { readonly: readOnly, timeout: busyTimeoutMs })
}

function setUp(raw: Sqlite.Database, { readOnly, isSecond = false }: DatabaseOptions): void {
  raw.pragma(`cache_size = -${isSecond ? secondCacheKib : readOnly ? readerCacheKib : writerCacheKib}`)
  if (isSecond) raw.pragma('busy_timeout = 0')
  raw.pragma('foreign_keys = ON')
  if (readOnly) return
  // Erased data is overwritten in the file.
  raw.pragma('secure_delete = ON')
  raw.pragma('journal_mode = WAL')
  raw.pragma('synchronous = NORMAL')
  raw.pragma(`wal_autocheckpoint = ${isSecond ? 0 : checkpointPages}`)
  raw.pragma(`journal_size_limit = ${keptLogBytes}`)
}

function wrap(raw: Sqlite.Database, path: string): Database {
  // For the way back to programs that do not know packed values; see `migrations/migration-steps.ts`.
  raw.function('oxbow_unpacked', { deterministic: true }, unpacked)
  const begin = raw.prepare('begin immediate')
  const beginRead = raw.prepare('begin')
  const commit = raw.prepare('commit')
  const rollback = raw.prepare('rollback')
  let durability: Durability = 'normal'
  return {
    path,
    query: <Row>(sql: string) => raw.prepare<[], Row>(sql).all(),
    prepare: (template) => prepareStatement(raw, template),
    exec: (sql) => void raw.exec(sql),
    transaction(work) {
      begin.run()
      try {
        const result = work()
        commit.run()
        return result
      } catch (error) {
        // After a disk failure SQLite has often rolled back already.
        if (raw.inTransaction) rollback.run()
        throw error
      }
    },
    snapshot(work) {
      beginRead.run()
      try {
        return work()
      } finally {
        commit.run()
      }
    },
    setDurability(wanted) {
      if (wanted === durability) return
      raw.pragma(`synchronous = ${wanted}`)
      durability = wanted
    },
    emptyLog: () => void raw.pragma('wal_checkpoint(TRUNCATE)'),
    close: () => void raw.close(),
  }
}

function prepareStatement<Args extends object, Row>(raw: Sqlite.Database, template: Template<Args, Row>): Statement<Args, Row> {
  const bind = binderOf(template.parameters)
  const sql = plannedOnce(template.sql)
  const statement = raw.prepare<unknown[], Row>(sql)
  const rows = statement.reader ? raw.prepare<unknown[], (string | number)[]>(sql).raw(true) : null
  const unpack = statement.reader ? unpackerOf<Row>(statement.columns().map(({ name }) => name)) : null
  if (unpack === null) {
    return {
      run: (args) => void statement.run(bind(args)),
      get: (args) => statement.get(bind(args)),
      all: (args) => statement.all(bind(args)),
      rows: (args) => rows?.all(bind(args)) ?? [],
    }
  }
  return {
    run: (args) => void statement.run(bind(args)),
    get(args) {
      const row = statement.get(bind(args))
      return row === undefined ? row : unpack.row(row)
    },
    all: (args) => statement.all(bind(args)).map(unpack.row),
    rows: (args) => rows?.all(bind(args)).map(unpack.columns) ?? [],
  }
}

/** Columns that may have packed values. */
const packable: ReadonlySet<string> = new Set(['body', 'bytes'])

/** Both change the row that they are given. @returns null where no column may have packed values */
function unpackerOf<Row>(names: readonly string[]) {
  const places = names.flatMap((name, at) => (packable.has(name) ? [at] : []))
  if (places.length === 0) return null
  return {
    row(row: Row): Row {
      const values = row as Record<string, unknown>
      for (const at of places) {
        const kept = ownValue(values, names[at]!)
        const value = unpacked(kept)
        if (value !== kept) setOwn(values, names[at]!, value)
      }
      return row
    },
    columns(row: (string | number)[]): (string | number)[] {
      for (const at of places) row[at] = unpacked(row[at]) as string
      return row
    },
  }
}

/**
 * SQLite may plan a read with ORDER BY or LIMIT for the values that are bound, and then compiles the statement at each run
 * (`sqlite3Reprepare`, seen with 3.54): 21 µs instead of 4 for the smallest. A plus sign before a parameter changes no value and hides
 * it from the planner. No statement has a question mark inside a string.
 */
function plannedOnce(sql: string): string {
  return /^\s*(?:select|with)\b/i.test(sql) ? sql.replaceAll('?', '+?') : sql
}
