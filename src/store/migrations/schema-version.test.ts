import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AppliedStep, asApplied, judgeSchema, type MigrationFacts } from './schema-version.ts'

const fact = (id: number, readsFrom = 1, writesFrom = readsFrom): MigrationFacts => ({
  id,
  name: `s${id}`,
  rewrites: false,
  readsFrom,
  writesFrom,
  checksum: `c${id}`,
})

const known = [fact(1), fact(2), fact(3)]
const ran = (...facts: readonly MigrationFacts[]): readonly AppliedStep[] => facts.map(asApplied)

test('a program judges a database by the steps that ran in it', () => {
  assert.deepEqual(judgeSchema([], known), { state: 'behind', version: 0 })
  assert.deepEqual(judgeSchema(ran(fact(1)), known), { state: 'behind', version: 1 })
  assert.deepEqual(judgeSchema(ran(...known), known), { state: 'current', version: 3 })
  assert.deepEqual(judgeSchema(ran(...known, fact(4, 2, 3)), known), { state: 'ahead', version: 4 })
  assert.deepEqual(judgeSchema(ran(...known, fact(4, 2, 4)), known), { state: 'read_only', version: 4 })
  assert.deepEqual(judgeSchema(ran(...known, fact(4, 4)), known), { state: 'too_new', version: 4 })
})

test('the strictest step decides, not the newest', () => {
  assert.equal(judgeSchema(ran(...known, fact(4, 4), fact(5, 1)), known).state, 'too_new')
  assert.equal(judgeSchema(ran(...known, fact(4, 1, 4), fact(5, 1)), known).state, 'read_only')
})

test('a step that is not what it was, or that nobody knows among those before, is named', () => {
  const [first, second] = ran(...known)
  assert.ok(first && second)
  assert.equal(judgeSchema([first, { ...second, checksum: 'x' }], known).about, '2 (s2)')
  assert.equal(judgeSchema(ran(fact(1), fact(2), fact(3)), [fact(1), fact(3)]).state, 'changed')
})
