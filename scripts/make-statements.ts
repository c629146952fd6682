/** `node scripts/make-statements.ts`: writes down the statements that the stores run, after a change in `src/store/sql/`. */
import { writeFileSync } from 'node:fs'
import { buildStatements } from '../src/store/sql/statements.ts'

for (const dialect of ['sqlite', 'postgres'] as const) {
  writeFileSync(new URL(`../src/store/${dialect}/statements.json`, import.meta.url), `${lines(buildStatements(dialect), 2)}\n`)
}

/** JSON with a line for each statement, so that a difference can be read. */
function lines(value: object, depth: number): string {
  if (depth === 0) return JSON.stringify(value)
  const entries = Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}: ${lines(inner as object, depth - 1)}`)
  return `{\n${entries.join(',\n')}\n}`
}
