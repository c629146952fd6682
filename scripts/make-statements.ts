/** `node scripts/make-statements.ts`: writes down the statements that the stores run, after a change in `src/store/sql/` or a new migration; and what the migrations leave. */
import { writeFileSync } from 'node:fs'
import { buildMigrations } from '../src/store/migrations/migration-steps.ts'
import { layoutOf } from '../src/store/migrations/table-layout.ts'
import { buildStatements } from '../src/store/sql/statements.ts'

for (const dialect of ['sqlite', 'postgres'] as const) {
  writeFileSync(
    new URL(`../src/store/${dialect}/statements.json`, import.meta.url),
    `${lines({ ...buildStatements(dialect), layout: layoutOf(dialect) }, 2)}\n`,
  )
}
const migrations = { sqlite: buildMigrations('sqlite'), postgres: buildMigrations('postgres') }
writeFileSync(new URL('../src/store/migrations/statements.json', import.meta.url), `${JSON.stringify(migrations, null, 1)}\n`)

/** JSON with a line for each statement, so that a difference can be read. */
function lines(value: object, depth: number): string {
  if (depth === 0) return JSON.stringify(value)
  const entries = Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}: ${lines(inner as object, depth - 1)}`)
  return `{\n${entries.join(',\n')}\n}`
}
