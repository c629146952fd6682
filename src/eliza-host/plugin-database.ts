/**
 * `runtime.db` for plugins with tables of their own: PGlite in the plugin's folder, through the drizzle-orm that the plugin itself brings. It is
 * opened on first use; plugins without tables have none.
 */
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { OxbowError } from '../types/index.ts'
import type { Free, Plugin } from './eliza-types.ts'

export interface PluginDatabaseOptions {
  readonly entries: readonly string[]
  readonly folder: string
  readonly plugins: readonly Plugin[]
}

export interface PluginDatabase {
  /** @returns a database of drizzle; undefined where no plugin has tables @throws OxbowError `bad_config` naming the package that is missing */
  open(): unknown
  /** Makes or changes the tables of these plugins. */
  migrate(plugins: readonly Plugin[]): Promise<void>
}

export function openPluginDatabase({ entries, folder, plugins }: PluginDatabaseOptions): PluginDatabase {
  const hasTables = plugins.some(({ schema }) => schema !== undefined)
  let db: Free | undefined
  const open = (): Free => {
    if (db !== undefined) return db
    const { PGlite } = load(entries, '@electric-sql/pglite')
    const { vector } = load(entries, '@electric-sql/pglite/vector')
    const { fuzzystrmatch } = load(entries, '@electric-sql/pglite/contrib/fuzzystrmatch')
    const { drizzle } = load(entries, 'drizzle-orm/pglite')
    mkdirSync(folder, { recursive: true })
    const client = new PGlite({ dataDir: folder, extensions: { vector, fuzzystrmatch } })
    db = drizzle(client) as Free
    return db
  }
  return {
    open: () => (hasTables ? open() : undefined),
    async migrate(withTables) {
      if (withTables.length === 0) return
      const { DatabaseMigrationService } = load(entries, '@elizaos/plugin-sql')
      const service = new DatabaseMigrationService()
      await service.initializeWithDatabase(open())
      service.discoverAndRegisterPluginSchemas(withTables)
      await service.runAllPluginMigrations({ verbose: false, force: false, dryRun: false })
    },
  }
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
