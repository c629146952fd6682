/** What counts as the contract of an export, and how many of the product's have one. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { exportsOf, leastShare } from './contracts.ts'

const told = (text: string): readonly boolean[] => exportsOf('a.ts', text).map(({ hasContract }) => hasContract)

void test('a comment before an export, its fields or its group is a contract; a line comment, and one further up, are not', () => {
  assert.deepEqual(told('/** Ids. */\nexport type Id = string\n'), [true])
  assert.deepEqual(told('// Ids.\nexport type Id = string\n'), [false])
  assert.deepEqual(told('/** Of something else. */\nconst a = 1\nexport const b = 2\n'), [false])
  assert.deepEqual(told('/** A size and its unit. */\nexport const a = 1\nexport const b = 2\n\nexport const c = 3\n'), [true, true, false])
  assert.deepEqual(told('export interface A {\n  /** In seconds. */\n  b: number\n  c: string\n}\n'), [true])
  assert.deepEqual(told('export interface A {\n  /** In seconds. */\n  b: number\n  c: string\n  d: string\n}\n'), [false])
  assert.deepEqual(told('export type A = z.infer<typeof schema>\n'), [true])
})

void test('at least three quarters of the exports of the product say their contract', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const others = /(?:\.test|-fixture|-contract|\.d)\.ts$|\/fake-[^/]*\.ts$|^src\/protocol\/call-(?:types|names)\.ts$/
  const product = globSync('src/*/**/*.ts', { cwd: root }).filter((path) => !others.test(path))
  const all = product.flatMap((path) => exportsOf(path, readFileSync(`${root}${path}`, 'utf8')).map((fact) => ({ path, ...fact })))
  const without = all.filter(({ hasContract }) => !hasContract)
  const share = 1 - without.length / all.length
  const modules = Map.groupBy(without, ({ path }) => path.split('/')[1]!)
  const most = [...modules].toSorted((a, b) => b[1].length - a[1].length).map(([name, { length }]) => `${name} ${length}`)
  assert.ok(
    share >= leastShare,
    `${(share * 100).toFixed(1)} % of ${all.length} exports say their contract; without one: ${most.join(', ')}`,
  )
})
