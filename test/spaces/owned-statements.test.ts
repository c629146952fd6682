/**
 * Rows of a space belong to its owner, the column `user`. Statements that are built name one, or do not compile (`userTables`); those that are
 * written out are looked through here.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { layoutOf } from '../../src/store/migrations/table-layout.ts'

const source = fileURLToPath(new URL('../../src', import.meta.url))

/** Tables without an owner: what a database says of itself. */
const unowned: ReadonlySet<string> = new Set(['migration', 'move_cursor'])

const tables = [...new Set(['sqlite', 'postgres'].flatMap((dialect) => layoutOf(dialect as 'sqlite').tables))].filter(
  (name) => !unowned.has(name),
)
const reaches = new RegExp(`\\b(?:from|into|update|join)\\s+"?(?:${tables.join('|')})"?(?![\\w.(])`, 'i')

/** Statements whose owner stands in a part that is put in: what is put in, in which file, and how that part begins. */
const composed: readonly (readonly [statement: string, file: string, part: string])[] = [
  ['from memory_entry where ${where.join', 'store/memory/memory-reads.ts', `const where = ['"user" = :user'`],
  ['insert into "wrapped_key" (${columns})', 'store/secrets/secret-store.ts', `const columns = '"user",`],
  ["from memory_near m where m.name = '${name}' and m.${isOwn}", 'store/postgres/row-security.ts', 'const isOwn = `"user" ='],
  ['from "zoey" where ${sql}', 'store/zoey/zoey-rows.ts', `'"user" = ?`],
  ['insert into "zoey" (${names', 'store/zoey/zoey-rows.ts', `const names = ['user',`],
]

const literals = /`(?:[^`\\]|\\.)*`|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g

/** @returns statements of a text that reach a table and name no owner */
function unownedIn(text: string): readonly string[] {
  const code = text.replaceAll(/\/\*[^]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
  return (code.match(literals) ?? []).filter((literal) => reaches.test(literal) && !/\buser\b/i.test(literal))
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.ts') && !/(?:\.test|-fixture|-contract)\.ts$/.test(name) && !name.includes('/contract/'),
)

test('every statement that is written out names the owner of its rows', () => {
  const found = files
    // The steps change the rows of everybody.
    .filter((name) => !name.startsWith('store/migrations/'))
    .flatMap((name) => unownedIn(readFileSync(join(source, name), 'utf8')).map((statement) => ({ name, statement })))
    .filter(({ name, statement }) => !composed.some(([part, file]) => file === name && statement.includes(part)))
  assert.deepEqual(found, [])
  for (const [, file, part] of composed) assert.ok(readFileSync(join(source, file), 'utf8').includes(part), `${file} has no ${part}`)
})

test('a statement that forgets the owner is found', () => {
  assert.equal(unownedIn('const text = `select id from memory_entry where hash_key = :hash`').length, 1)
  assert.equal(unownedIn(`const text = 'delete from "journal" where seq < ?'`).length, 1)
  assert.deepEqual(unownedIn('const text = `select id from memory_entry where "user" = :user and hash_key = :hash`'), [])
})
