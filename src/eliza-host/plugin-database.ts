/**
 * `runtime.db` for plugins with tables of their own: PGlite in the plugin's folder, through the drizzle-orm that the plugin itself brings. It is
 * opened on first use; plugins without tables have none.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { OxbowError } from '../base/index.ts'
import type { Free, Plugin } from './eliza-types.ts'

export interface PluginDatabaseOptions {
  readonly entries: readonly string[]
  readonly folder: string
  readonly plugins: readonly Plugin[]
}

export interface PluginDatabase {
  /** @returns a database of drizzle; undefined where no plugin has tables @throws OxbowError `bad_config` naming the package that is missing */
  open(): unknown
  /** Makes or changes the tables of these plugins, one call after the other. */
  migrate(plugins: readonly Plugin[]): Promise<void>
  /** Erases rows that contain one of these phrases, in lower case, also from the files. @returns how many */
  forget(phrases: readonly string[]): Promise<number>
  close(): Promise<void>
}

export function openPluginDatabase({ entries, folder, plugins }: PluginDatabaseOptions): PluginDatabase {
  const hasTables = plugins.some(({ schema }) => schema !== undefined)
  let held: { readonly client: Free; readonly db: Free } | undefined
  const open = (): { readonly client: Free; readonly db: Free } => {
    if (held !== undefined) return held
    const { PGlite } = load(entries, '@electric-sql/pglite')
    const { vector } = load(entries, '@electric-sql/pglite/vector')
    const { fuzzystrmatch } = load(entries, '@electric-sql/pglite/contrib/fuzzystrmatch')
    const { drizzle } = load(entries, 'drizzle-orm/pglite')
    mkdirSync(folder, { recursive: true })
    const client = new PGlite({ dataDir: folder, extensions: { vector, fuzzystrmatch } }) as Free
    held = { client, db: drizzle(client) as Free }
    return held
  }
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }
  return {
    open: () => (hasTables ? open().db : undefined),
    migrate: (withTables) =>
      inTurn(async () => {
        if (withTables.length === 0) return
        const { DatabaseMigrationService } = load(entries, '@elizaos/plugin-sql')
        const service = new DatabaseMigrationService()
        await service.initializeWithDatabase(open().db)
        service.discoverAndRegisterPluginSchemas(withTables)
        await service.runAllPluginMigrations({ verbose: false, force: false, dryRun: false })
      }),
    // What was made by an earlier version of the plugin counts, too.
    forget: (phrases) => inTurn(async () => (existsSync(folder) ? eraseRows(open().client, phrases) : 0)),
    close: () => inTurn(async () => held?.client['close']()),
  }
}

interface Rows {
  readonly rows: readonly Record<string, string>[]
  readonly affectedRows?: number
}

/** Of a row each text counts, at any depth, with white space folded as in the phrases. */
const hasPhrase = `exists (
  select 1 from jsonb_path_query(to_jsonb(whole), '$.** ? (@.type() == "string")') as value, unnest($1::text[]) as phrase
  where position(phrase in regexp_replace(lower(value #>> '{}'), '\\s+', ' ', 'g')) > 0)`

async function eraseRows(client: Free, phrases: readonly string[]): Promise<number> {
  const query = (sql: string, values: readonly unknown[] = []): Promise<Rows> => client['query'](sql, values)
  const { rows: tables } = await query(
    `select quote_ident(table_schema) || '.' || quote_ident(table_name) as name from information_schema.tables
     where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`,
  )
  let erased = 0
  for (const { name = '' } of tables) {
    const { affectedRows = 0 } = await query(`delete from ${name} as whole where ${hasPhrase}`, [phrases])
    if (affectedRows === 0) continue
    erased += affectedRows
    // A deleted row stays in its page until the table is written anew.
    await query(`vacuum full ${name}`)
  }
  if (erased === 0) return 0
  // The log has the rows as well: it goes on in a new file, and old ones are removed instead of used again.
  await query('set wal_recycle = off')
  await query('select pg_switch_wal()')
  await query('checkpoint')
  return erased
}

/** From the folder of the plugin that has it. */
function load(entries: readonly string[], name: string): Free {
  for (const entry of entries) {
    try {
      return createRequire(entry)(name) as Free
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  throw new OxbowError('bad_config', `The plugin has tables of its own, and its package does not contain ${name}.`, {
    hint: 'Add @elizaos/plugin-sql 1.7.2 to its dependencies.',
  })
}
