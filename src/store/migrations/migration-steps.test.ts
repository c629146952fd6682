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

test('memories are found by their own numbers, and an older program has them all by its keys', async () => {
  await using files = storeFolder()
  const store = await files.open()
  const texts = ['apples', 'pears', 'plums']
  await store.memory.change([...texts.map((text, i) => put(`e${i}`, text)), { change: 'model', model: 'm', dims: 2, state: 'active' }])
  await embedAll(store.memory, 'm', () => Float32Array.of(1, 2))
  await store.memory.change([{ change: 'erase', id: 'e1' }])
  await store.close()
  const database = openDatabase({ path: files.path, readOnly: false })
  const driver = sqliteMigrationDriver(database)
  const rows = (table: string): unknown => database.query(`select * from ${table} order by 2`)
  const before = ['memory_entry', 'memory_passage'].map(rows)
  const found = `select p.body, e.id from memory_passage p join memory_entry e on e."user" = p."user" and e.key = p.entry where p."user" = 'ann' and p.id in (1, 3)`
  const plan = (): readonly string[] => database.query<{ detail: string }>(`explain query plan ${found}`).map(({ detail }) => detail)
  const byRow = (): number => plan().filter((step) => step.includes('USING INTEGER PRIMARY KEY')).length
  assert.equal(byRow(), 2)
  await migrate(driver, { to: 17, now: Date.now })
  assert.deepEqual([byRow(), plan().filter((step) => step.includes('USING INDEX sqlite_autoindex')).length], [0, 2])
  assert.deepEqual(['memory_entry', 'memory_passage'].map(rows), before)
  await migrate(driver, { now: Date.now })
  assert.deepEqual([byRow(), ['memory_entry', 'memory_passage'].map(rows)], [2, before])
  database.close()
  const again = await files.open()
  assert.deepEqual(
    (await again.memory.items(['e0', 'e1', 'e2'])).map(({ passages }) => passages[0]?.text),
    ['apples', 'plums'],
  )
})
