import assert from 'node:assert/strict'
import { test } from 'node:test'
import { migrationFacts } from './schema-version.ts'
import { checksumOf } from './migration-step.ts'
import { migrationSteps } from './migration-steps.ts'
import { embedAll, put } from '../contract/memory-fixture.ts'
import { storeFolder } from '../store-fixture.ts'
import { openDatabase } from '../sqlite/sqlite-database.ts'
import { sqliteMigrationDriver } from '../sqlite/database-file.ts'
import { migrate } from './migration-runner.ts'

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
      `step ${id} (${name}): a step that nobody has run yet gets the new checksum in schema-version.ts`,
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

test('an older program is left no vectors that it cannot read, keeps those that it can, and all texts', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await store.memory.change([
    put('a', 'apples'),
    { change: 'model', model: 'short', dims: 2, state: 'building' },
    { change: 'model', model: 'long', dims: 64, state: 'active' },
  ])
  await embedAll(store.memory, 'short', () => Float32Array.of(1, 2))
  await embedAll(store.memory, 'long', () => new Float32Array(64).fill(0.5))
  await store.close()
  const database = openDatabase({ path: files.path, readOnly: false })
  const driver = sqliteMigrationDriver(database)
  const models = (): unknown => database.query('select model, vectors from memory_model order by model')
  const rows = (): unknown => database.query('select model, length(bytes) as bytes from memory_vectors order by model')
  assert.deepEqual(rows(), [
    { model: 'long', bytes: 1 + 4 + 64 * 2 },
    { model: 'short', bytes: 8 },
  ])
  await migrate(driver, { to: 6, now: Date.now })
  assert.deepEqual(models(), [{ model: 'short', vectors: 1 }])
  assert.deepEqual(rows(), [{ model: 'short', bytes: 8 }])
  await migrate(driver, { now: Date.now })
  database.close()
  const again = await files.open()
  assert.deepEqual((await again.memory.items(['a']))[0]?.passages[0]?.text, 'apples')
  assert.equal((await again.memory.withoutVector('long', 5)).length, 1)
})
