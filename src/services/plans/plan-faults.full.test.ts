import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seed } from '../../../test/support/scale.ts'
import { applyBrokenPlans } from './broken-plans-fixture.ts'

test('10 000 broken plans are refused with a reason, and nothing of them is done', async () => {
  assert.equal(await applyBrokenPlans(10_000, seed), 10_000)
})
