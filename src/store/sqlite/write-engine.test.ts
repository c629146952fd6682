import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionId } from '../../base/index.ts'
import { recordOf } from '../store-contract.ts'
import { storeFault } from '../store-fault.ts'
import { ann } from '../store-fixture.ts'
import { encodeBatch, type Write } from '../store-message.ts'
import { type Database, openDatabase } from './sqlite-database.ts'
import { createReadEngine } from './read-engine.ts'
import { createWriteEngine } from './write-engine.ts'

const appending = (call: string, message = 0): Write => ({
  kind: 'append',
  append: { records: [recordOf(call, 'intent')], projections: [{ kind: 'message', record: message }] },
})

test('when the disk fills while a bad write is looked for, what is stored is acknowledged and the rest is refused', async () => {
  const database = openDatabase({ path: ':memory:', readOnly: false })
  let room = Infinity
  const filling: Database = {
    ...database,
    transaction(work) {
      if (room-- <= 0) throw storeFault('store_full', 'The disk is full.')
      return database.transaction(work)
    },
  }
  const write = await createWriteEngine(filling, { user: ann, durability: 'normal', now: () => 0 })
  // The whole batch, then two of its writes alone; a projection of a record that is not there makes the batch fail.
  room = 3
  const results = write(encodeBatch([appending('a'), appending('bad', 9), appending('c'), appending('d')]))
  assert.deepEqual(
    results.map((result) => (typeof result === 'object' && result !== null ? result.code : result)),
    [1, 'bad_input', 'store_full', 'store_full'],
  )
  assert.equal((createReadEngine(database, ann)({ kind: 'head' }) as { seq: number }).seq, 1)
  database.close()
})

test('a lane that is claimed in a batch fences what follows in it, and a scope that is charged twice in it has the sum', async () => {
  const database = openDatabase({ path: ':memory:', readOnly: false })
  const write = await createWriteEngine(database, { user: ann, durability: 'normal', now: () => 0 })
  const session = recordOf('a', 'intent').session as SessionId
  const claim: Write = { kind: 'claim', session, owner: 'worker', leaseMs: 1_000 }
  const charged = (call: string, epoch: number): Write => ({
    kind: 'append',
    append: {
      records: [recordOf(call, 'intent')],
      fence: { session, epoch },
      projections: [{ kind: 'spend', scope: 'all', spend: { microDollars: 2, tokens: 5 } }],
    },
  })
  const results = write(
    encodeBatch([charged('early', 1), claim, charged('a', 1), charged('b', 1), claim, charged('late', 1), charged('c', 2)]),
  )
  assert.deepEqual(results, [0, 1, 1, 2, 2, 0, 3])
  assert.deepEqual(createReadEngine(database, ann)({ kind: 'spent', scope: 'all' }), { microDollars: 6, tokens: 15 })
  database.close()
})
