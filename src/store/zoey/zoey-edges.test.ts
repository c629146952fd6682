import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as nextRound } from 'node:timers/promises'
import { systemClock } from '../../base/index.ts'
import { migrate } from '../migrations/migration-runner.ts'
import { ann, assertRejects } from '../store-fixture.ts'
import { connectSqlite } from '../upkeep/connection.ts'
import { openZoeyAdapter, type ZoeyAdapter } from './zoey-adapter.ts'
import type { ZoeyMemory } from './zoey-types.ts'

const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
const said = (n: number, text: string, more: Partial<ZoeyMemory> = {}): ZoeyMemory => ({
  id: id(100 + n),
  entityId: id(1),
  roomId: id(2),
  content: { text },
  ...more,
})
const textsOf = (found: readonly ZoeyMemory[]): readonly (string | undefined)[] => found.map(({ content }) => content.text)

describe('the ZoeyOS adapter at its edges', () => {
  const holds = async (check: (zoey: ZoeyAdapter) => Promise<void>): Promise<void> => {
    const db = connectSqlite(':memory:', 'write')
    try {
      await migrate(db.migration, { now: Date.now, withoutCopy: true })
      await check(openZoeyAdapter({ db, user: ann, clock: systemClock }))
    } finally {
      await db.close()
    }
  }

  it('does not count work that outlives its transaction as part of the next', () =>
    holds(async (zoey) => {
      const [ended, begun, written] = [1, 2, 3].map(() => Promise.withResolvers<void>())
      let late: Promise<unknown> = Promise.resolve()
      await zoey.withTransaction(async (inside) => {
        late = ended!.promise.then(() => inside.setCache('late', 1))
      })
      const failing = zoey.withTransaction(async () => {
        begun!.resolve()
        await written!.promise
        throw new Error('no')
      })
      await begun!.promise
      ended!.resolve()
      await nextRound()
      written!.resolve()
      await assert.rejects(failing, /no/)
      await late
      assert.equal(await zoey.getCache('late'), 1)
    }))

  it('takes any number of ids', () =>
    holds(async (zoey) => {
      const ids = Array.from({ length: 40_000 }, (_, n) => id(1_000 + n))
      const last = ids.at(-1)!
      await zoey.createMemory(said(1, 'kept'), 'messages')
      await zoey.createMemory(said(1, 'last', { id: last }), 'messages')
      assert.deepEqual(textsOf(await zoey.getMemoriesByIds(ids)), ['last'])
      await zoey.deleteManyMemories(ids)
      assert.deepEqual(textsOf(await zoey.getMemories({ tableName: 'messages' })), ['kept'])
    }))

  it('refuses an embedding whose numbers are too large to store or compare', () =>
    holds(async (zoey) => {
      await assertRejects(zoey.createMemory(said(1, 'x', { embedding: [1e39, 1] }), 'messages'), 'bad_input')
      await zoey.createMemory(said(1, 'x', { embedding: [1, 1] }), 'messages')
      await assertRejects(zoey.searchMemories({ tableName: 'messages', embedding: [1e200, 1] }), 'bad_input')
    }))
})
