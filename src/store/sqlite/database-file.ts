/** A SQLite database as a file: the version of its tables, the driver that migrates them, its copies and its log. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import type { MigrationDriver } from '../migrations/migration-runner.ts'
import { type AppliedStep, judgeSchema, newestStep, type Schema, stepsByNumber } from '../migrations/schema-version.ts'
import { toStoreError } from '../store-fault.ts'

/** What migrations need of a connection. */
interface SchemaConnection {
  readonly path: string
  query<Row>(sql: string): Row[]
  exec(sql: string): void
}

/** Reads the version number in the file's header, and the table of steps when there is one; loads no statements of steps. */
export function schemaOf(database: SchemaConnection): Schema {
  const version = numberOf(database)
  const table = database.query<{ found: number }>(`select count(*) as found from sqlite_master where name = 'migration'`)[0]?.found === 1
  const applied = table
    ? database.query<AppliedStep>('select id, name, checksum, reads_from, writes_from from migration order by id')
    : stepsByNumber(version)
  // A number that is not in the table was written by another program.
  return judgeSchema(version > newestStep && !applied.some(({ id }) => id === version) ? stepsByNumber(version) : applied)
}

function numberOf(database: SchemaConnection): number {
  return database.query<{ user_version: number }>('pragma user_version')[0]?.user_version ?? 0
}

/** Runs migrations over an open connection; each in one transaction that locks the file. */
export function sqliteMigrationDriver(database: SchemaConnection): MigrationDriver {
  return {
    dialect: 'sqlite',
    where: `the database ${database.path}`,
    exec: (sql) => typed(() => database.exec(sql)),
    query: (sql) => typed(() => database.query(sql)),
    async transaction(work) {
      database.exec('begin immediate')
      try {
        const result = await work()
        database.exec('commit')
        return result
      } catch (error) {
        try {
          database.exec('rollback')
        } catch {
          // After a disk failure SQLite has often rolled back already.
        }
        throw error
      }
    },
    copy: (name) => typed(() => copyBeside(database, `${database.path}.${name}`)),
  }
}

async function typed<Result>(work: () => Result): Promise<Result> {
  await Promise.resolve()
  try {
    return work()
  } catch (error) {
    throw toStoreError(error)
  }
}

/** Makes a copy that is there whole or not at all. @returns its path */
function copyBeside(database: SchemaConnection, path: string): string {
  const unfinished = `${path}.unfinished`
  rmSync(unfinished, { force: true })
  // Only its owner may read the copy, as the file itself.
  closeSync(openSync(unfinished, 'a', 0o600))
  try {
    database.exec(copyInto(unfinished))
  } catch (error) {
    // The incomplete copy would fill the disk further.
    rmSync(unfinished, { force: true })
    throw error
  }
  syncFile(unfinished)
  renameSync(unfinished, path)
  return path
}

/** The database and its log. */
export function removeDatabase(path: string): void {
  rmSync(path, { force: true })
  removeLog(path)
}

export function removeLog(path: string): void {
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true })
}

/** Flushes a file to the disk; of a folder, its entries: after a rename. */
export function syncFile(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** The statement that copies a whole database into a file that does not exist or is empty. */
export function copyInto(path: string): string {
  return `vacuum into '${path.replaceAll("'", "''")}'`
}
