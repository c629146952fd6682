/**
 * Compares what a Postgres database has in place of Oxbow's tables, and on them, with what Oxbow makes; see `sql/own-tables.ts`. Other
 * tables and views of the schema belong to others, who may share it. Of an index the catalog tells name, table, whether it is unique, valid
 * and partial; its expressions are not compared, because the server words them in its own way.
 */
import { migrate, type MigrationReport } from '../migrations/migration-runner.ts'
import { newestStep } from '../migrations/schema-version.ts'
import { type ChangedIndex, type ForeignObject, refuseForeign, refuseIndex, structureFaults, type TableLayout } from '../sql/own-tables.ts'
import { postgresMigrationDriver } from './postgres-schema.ts'
import { jsonRows, type PostgresSession } from './postgres-session.ts'
import texts from './statements.json' with { type: 'json' }

/** Written by `scripts/make-statements.ts`. */
const { layout }: { layout: TableLayout } = texts

const names = jsonRows(layout.tables)
const here = 'c.relnamespace = to_regnamespace(quote_ident(current_schema()))'
const own = `${here} and (c.relname in (select json_array_elements_text(cast($1 as json))) or c.relname ~ '^memory_near_[0-9a-f]{24}$')`

const foreignQuery = `select 'trigger', t.tgname::text, c.relname::text from pg_trigger t join pg_class c on c.oid = t.tgrelid where not t.tgisinternal and ${own}
  union all select 'rule', r.rulename::text, c.relname::text from pg_rewrite r join pg_class c on c.oid = r.ev_class where c.relkind in ('r', 'p') and ${own}
  union all select case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'foreign table' end, c.relname::text, c.relname::text
    from pg_class c where c.relkind in ('v', 'm', 'f') and ${own}`

const indexQuery = `select c.relname::text, t.relname::text, i.indisunique, i.indisvalid, i.indpred is not null
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
  where ${here} and c.relname in (select json_array_elements_text(cast($1 as json)))`

async function foreignObjects(session: PostgresSession): Promise<readonly ForeignObject[]> {
  const rows = await session.rows({ text: foreignQuery, values: [names] })
  return rows.map(([kind, name, table]) => ({ kind: String(kind), name: String(name), table: String(table) }))
}

async function changedIndexes(session: PostgresSession): Promise<readonly ChangedIndex[]> {
  const rows = await session.rows({ text: indexQuery, values: [jsonRows(Object.keys(layout.indexes))] })
  const there = new Map(rows.map(([name, ...facts]) => [String(name), facts.join()]))
  return Object.entries(layout.indexes).flatMap(([name, { table, sql }]): ChangedIndex[] => {
    const found = there.get(name)
    if (found === undefined) return [{ name, sql, state: 'missing' }]
    const wanted = [table, sql.startsWith('create unique'), true, sql.includes(') where ')].join()
    return found === wanted ? [] : [{ name, sql, state: 'changed' }]
  })
}

/** For an audit. */
export async function postgresFaults(session: PostgresSession): Promise<readonly string[]> {
  return structureFaults(await foreignObjects(session), await changedIndexes(session))
}

/**
 * Before anything is written: brings the tables up to date, refuses what Oxbow never makes, and makes missing indexes anew.
 * @throws OxbowError for a database that this program may not write, or what the driver throws
 */
export async function prepareTables(session: PostgresSession, shown: string): Promise<void> {
  const driver = postgresMigrationDriver(session, shown)
  refuseForeign(shown, await foreignObjects(session))
  const { to }: MigrationReport = await migrate(driver, { now: Date.now })
  // A newer program has indexes of its own.
  if (to > newestStep || (await changedIndexes(session)).length === 0) return
  await driver.transaction(async () => {
    // Of two guests that start, the second finds them made.
    await session.exec('lock table migration in share row exclusive mode')
    for (const { name, sql } of await changedIndexes(session)) {
      try {
        await session.exec(`drop index if exists "${name}"; ${sql}`)
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === '23505') refuseIndex(shown, name, error)
        throw error
      }
    }
  })
}
