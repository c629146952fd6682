import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { reservedNames } from '../../src/plugins/index.ts'

test('no plugin can have the name of a family of our calls', () => {
  const page = readFileSync(new URL('../../docs/calls.md', import.meta.url), 'utf8')
  const families = new Set(Array.from(page.matchAll(/^## `([a-z]+)\./gm), ([, family = '']) => family))
  assert.ok(families.size > 30)
  assert.deepEqual(
    [...families].filter((family) => !reservedNames.has(family)),
    [],
  )
})
