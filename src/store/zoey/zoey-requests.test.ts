import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../base/index.ts'
import { migrate } from '../migrations/migration-runner.ts'
import { ann } from '../store-fixture.ts'
import { connectSqlite } from '../upkeep/connection.ts'
import { openZoeyAdapter } from './zoey-adapter.ts'
import { answerZoey, type ZoeyRequest } from './zoey-requests.ts'

test('a plugin sees what it has kept and nothing of another, and a creation leaves alone what is there', async () => {
  const db = connectSqlite(':memory:', 'write')
  await migrate(db.migration, { now: Date.now })
  const ask = (scope: string, method: ZoeyRequest['method'], ...args: ZoeyRequest['args']) =>
    answerZoey(openZoeyAdapter({ db, user: ann, clock: systemClock, scope }), { scope, method, args })
  const world = { id: 'w', agentId: 'a', name: 'first' }
  assert.equal(await ask('plugin:one', 'createWorld', world), 'w')
  assert.equal(await ask('plugin:one', 'createWorld', { ...world, name: 'second' }), 'w')
  assert.equal(((await ask('plugin:one', 'getWorld', 'w')) as { name: string }).name, 'first')
  assert.equal(await ask('plugin:two', 'getWorld', 'w'), null)
  assert.deepEqual(await ask('plugin:two', 'getAllWorlds'), [])
  await ask('plugin:two', 'removeWorld', 'w')
  assert.equal(((await ask('plugin:one', 'getAllWorlds')) as object[]).length, 1)
  await assert.rejects(ask('plugin:one', 'getMemories'), { code: 'bad_input' })
  await db.close()
})
