/** Both engines over one connection: what a worker serves and what the in-memory store runs in process. */
import type { UserId } from '../../types/index.ts'
import { createHasher } from '../chain.ts'
import type { Statements } from '../sql/statements.ts'
import { createEraser, createWriteEngine, type WriteEngine } from './write-engine.ts'
import { createMemoryWriter } from './memory-writer.ts'
import { createSqliteMemory } from './sqlite-memory.ts'
import { createReadEngine, type ReadEngine } from './read-engine.ts'
import type { Database, Durability } from './sqlite-database.ts'
import { schemaOf, sqliteMigrationDriver } from './database-file.ts'
import texts from './statements.json' with { type: 'json' }

/** Written by `scripts/make-statements.ts`. */
const statements: Statements = texts

export interface WriterOptions {
  readonly user: UserId
  readonly durability: Durability
  readonly now: () => number
}

/** Brings the tables up to date first. */
export async function createWriter(database: Database, options: WriterOptions): Promise<WriteEngine> {
  if (schemaOf(database).state === 'behind') {
    // The steps' statements are loaded only when one has to run.
    const { migrate } = await import('../migrations/migration-runner.ts')
    await migrate(sqliteMigrationDriver(database), { now: options.now })
  }
  const hash = await createHasher()
  const erase = createEraser({ database, statements: statements.erase, user: options.user, hash })
  return createWriteEngine({
    database,
    statements: statements.write,
    hash,
    erase,
    memory: createMemoryWriter(database, options.user),
    ...options,
  })
}

export function createReader(database: Database, user: UserId): ReadEngine {
  return createReadEngine({ database, statements, user, memory: () => createSqliteMemory(database, user) })
}
