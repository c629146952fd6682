/** The schedules of a move, between two guests. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { finishSchedules, movableSchedule, placeSchedule } from '../../src/cli/spaces/move-schedules.ts'
import { allSchedules } from '../../src/cli/spaces/space-asks.ts'
import type { GatewayPort } from '../../src/cli/guest-connection.ts'
import type { JsonObject, SessionId } from '../../src/base/index.ts'
import { type Fixture, openFixture } from '../../src/kernel/kernel-fixture.ts'

type Gateway = Pick<GatewayPort, 'call'>

/** A terminal of the person, outside of any session. */
const gatewayOf = ({ kernel }: Fixture): Gateway =>
  ({ call: (name: string, input: JsonObject) => kernel.call(name, input, '' as SessionId) }) as unknown as Gateway

test('a moved schedule keeps the labels of whoever wrote it, and stays paused; all are found, and none that runs as an agent goes along', async () => {
  await using here = await openFixture()
  await using there = await openFixture()
  const [from, to] = [gatewayOf(here), gatewayOf(there)]
  const add = async (name: string, more: JsonObject = {}): Promise<void> => {
    const input = { name, goal: `does ${name}`, cadence: { type: 'interval', every_s: 3_600 }, ...more }
    assert.equal((await here.kernel.call('schedule.create', input, '' as SessionId)).status, 'ok')
  }
  for (let n = 0; n < 21; n++) await add(`n${n}`)
  await add('private', { labels: ['private'] })
  await add('paused')
  const all = await allSchedules(from)
  assert.equal(all.length, 23)
  const paused = all.find(({ name }) => name === 'paused')!
  await here.kernel.call('schedule.edit', { id: paused.id, status: 'paused' }, '' as SessionId)
  const mark = '[moving 01a21ab4-59cd-712d]'
  const placed = []
  for (const item of all.map(movableSchedule)) placed.push({ ...item, placed: await placeSchedule(all, to, item, mark) })
  for (const { placed: id } of placed) await there.kernel.call('schedule.edit', { id, status: 'paused' }, '' as SessionId)
  await finishSchedules(from, to, placed, mark)
  // A move that was cut off here is finished once more.
  await finishSchedules(from, to, placed, mark)
  assert.deepEqual(await allSchedules(from), [])
  const moved = new Map((await allSchedules(to)).map((one) => [one.name, one]))
  assert.equal(moved.size, 23)
  assert.deepEqual([moved.get('private')!.labels, moved.get('private')!.status], [['private'], 'active'])
  assert.deepEqual([moved.get('paused')!.labels, moved.get('paused')!.status], [[], 'paused'])
  assert.throws(() => movableSchedule({ ...paused, as: 'dev' }), /runs as dev, with rights that it was given in this space/)
})
