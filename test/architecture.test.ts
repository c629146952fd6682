/** The walls of the house, held against the real tree. The table is in `architecture/house.ts`; each kind of violation is planted in `architecture/violations.test.ts`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkTree } from './architecture/check-tree.ts'
import { house, waivers } from './architecture/house.ts'
import { readTree } from './architecture/source-tree.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

void test('the source tree keeps to the table of rooms, sizes, names and packages', () => {
  const violations = checkTree(readTree(root), house, waivers)
  assert.ok(violations.length === 0, violations.map(({ rule, path, what }) => `\n${rule}: ${path}: ${what}`).join(''))
})
