import assert from 'node:assert/strict'
import { test } from 'node:test'
import { migrationFacts } from './migration-facts.ts'
import { checksumOf } from './migration-step.ts'
import { migrationSteps } from './migration-steps.ts'

test('a step that was released is what it was when it was released', () => {
  assert.deepEqual(
    migrationFacts.map(({ id }) => id),
    [...migrationSteps.keys()],
  )
  for (const { id, name, checksum } of migrationFacts) {
    const step = migrationSteps.get(id)
    assert.ok(step)
    assert.equal(
      checksumOf(step),
      checksum,
      `step ${id} (${name}): a step that nobody has run yet gets the new checksum in migration-facts.ts`,
    )
  }
})

test('steps are numbered upwards, and none is for programs older than those before it', () => {
  migrationFacts.forEach((fact, i) => {
    assert.ok(fact.id > (migrationFacts[i - 1]?.id ?? 0))
    assert.match(fact.name, /^[a-z-]+$/)
    assert.ok(fact.readsFrom <= fact.writesFrom && fact.writesFrom <= fact.id, fact.name)
  })
})
