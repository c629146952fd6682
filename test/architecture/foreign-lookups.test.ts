/** Plants lookups by foreign names in a small project, and sees exactly those reported. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findForeignLookups } from './foreign-lookups.ts'

const source = `
const table: Readonly<Record<string, number>> = { a: 1 }
const fixed = { a: 1, b: 2 } as const
type Key = keyof typeof fixed
export const read = (name: string) => table[name]
export const cast = (name: string) => fixed[name as Key]
export const inside = (name: string) => name in table
export const write = (to: Record<string, number>, name: string) => (to[name] = 1)
export const template = (name: string) => table[\`a.\${name}\`]
export const open = <Name extends string>(name: Name) => table[name]
export const anything = (name: any) => table[name]
export const chained = (one: Record<string, number> | undefined, name: string) => one?.[name]

export const listed = (list: readonly number[], at: number) => list[at]
export const known = (name: Key) => fixed[name]
export const bounded = <Name extends Key>(name: Name) => fixed[name]
export const literal = () => table['constructor']
export const guarded = (name: string) => (Object.hasOwn(table, name) ? table[name] : 0)
export const removed = (to: Record<string, number>, name: string) => delete to[name]
export const mapped = (map: ReadonlyMap<string, number>, name: string) => map.get(name)
`

void test('lookups by a text that is not known are found, and no others', () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-lookups-')))
  try {
    mkdirSync(join(root, 'src'))
    writeFileSync(join(root, 'src', 'a.ts'), source)
    writeFileSync(
      join(root, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { strict: true, target: 'es2022', types: [] }, include: ['src'] }),
    )
    const found = findForeignLookups(root, [join(root, 'tsconfig.json')], (path) => path.startsWith('src/'))
    assert.deepEqual(
      found.map(({ text }) => text),
      ['table[name]', 'fixed[name as Key]', 'name in table', 'to[name]', 'table[`a.${name}`]', 'table[name]', 'table[name]', 'one?.[name]'],
    )
    assert.deepEqual(
      findForeignLookups(root, [join(root, 'tsconfig.json')], () => false),
      [],
    )
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
