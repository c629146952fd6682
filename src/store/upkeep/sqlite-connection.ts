/** Upkeep of a SQLite file, in process: whoever does upkeep does nothing else. */
import type { Cipher } from '../encrypt/cipher.ts'
import { toStoreError } from '../store-fault.ts'
import { type Database, openDatabase } from '../sqlite/sqlite-database.ts'
import { sqliteMigrationDriver } from '../sqlite/database-file.ts'
import type { UpkeepConnection, Wish } from './connection.ts'

export interface SqliteConnection extends UpkeepConnection {
  readonly database: Database
}

/** @throws OxbowError as opening a store does */
export function connectSqlite(path: string, wish: Wish, cipher?: Cipher): SqliteConnection {
  const encrypted = cipher === undefined ? {} : { cipher }
  const database = openDatabase({ path, readOnly: wish !== 'write', anyVersion: wish === 'any version', ...encrypted })
  const driver = sqliteMigrationDriver(database)
  const typed = async <Result>(work: () => Result | Promise<Result>): Promise<Result> => {
    try {
      return await work()
    } catch (error) {
      throw toStoreError(error)
    }
  }
  return {
    dialect: 'sqlite',
    where: `the database ${path}`,
    database,
    migration: driver,
    rows: (sql, values = []) =>
      typed(() => {
        // Constants of a template are bound as they are.
        const statement = database.prepare({ sql, parameters: values })
        if (!writes.test(sql)) return statement.rows({})
        statement.run({})
        return []
      }),
    exec: (sql) => typed(() => database.exec(sql)),
    transaction: (work) => typed(() => driver.transaction(work)),
    close: async () => database.close(),
  }
}

/** Those that give rows back are asked as reads are. */
const writes = /^(insert|delete|update) (?!.* returning )/s
