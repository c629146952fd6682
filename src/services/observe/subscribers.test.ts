/** Whose subscribers are whose: names of one actor tell no other which ones are taken. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, done, type Fixture, inOrder, openFixture, says, testCall } from '../../kernel/kernel-fixture.ts'
import type { JsonObject } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'

const rights = ['events.read', 'events.publish', 'file.write']
const subscribe = (name: string) => ['events_subscribe', { name, kinds: ['custom_*'], session: '' }] as const

const call = (guest: Fixture, name: string, input: JsonObject): Promise<CallOutcome> => guest.kernel.call(name, input)

/** What the calls of the agent have on record, in order. */
async function agentCalls(guest: Fixture, name: string): Promise<readonly JsonObject[]> {
  const records = await guest.store.records({ phases: ['outcome'], order: 'oldest_first', limit: 1_000, hydrate: true })
  return records.filter((each) => each.name === name && each.actor.startsWith('agent:')).map(({ body }) => JSON.parse(body) as JsonObject)
}

const documentNames = async (guest: Fixture): Promise<readonly string[]> =>
  (await guest.store.documents({ category: 'system/subscribers', after: '', limit: 100 })).map(({ name }) => name)

test('an agent that takes the name of a person’s subscriber gets one of its own, and learns nothing', async () => {
  const play = inOrder(
    asks(['events_next', { subscriber: 'nightly' }]),
    asks(subscribe('nightly')),
    asks(['events_unsubscribe', { name: 'nightly' }]),
    says('ok'),
  )
  await using guest = await openFixture({ play, config: { agent: { rights } } })
  assert.equal((await call(guest, 'events.subscribe', { name: 'nightly' })).status, 'ok')
  assert.equal((await call(guest, 'events.publish', { kind: 'one', data: null })).status, 'ok')
  await guest.turn('look')
  const [next] = await agentCalls(guest, 'events.next')
  assert.equal(next?.['code'], 'not_found', JSON.stringify(next))
  const [made] = await agentCalls(guest, 'events.subscribe')
  assert.equal(made?.['status'], 'ok', JSON.stringify(made))
  const kept = await call(guest, 'events.next', { subscriber: 'nightly', kinds: [] })
  assert.ok(kept.status === 'ok')
  assert.match(kept.text, /custom_one/, 'the person’s subscriber is unchanged')
  assert.deepEqual(
    (await documentNames(guest)).map((name) => name.split('/')[1]),
    ['nightly'],
    'the agent removed its own',
  )
})

test('a person finds the subscriber of an agent by its name', async () => {
  await using guest = await openFixture({ play: inOrder(asks(subscribe('mine')), says('ok')), config: { agent: { rights } } })
  await guest.turn('subscribe')
  assert.equal((await call(guest, 'events.next', { subscriber: 'mine' })).status, 'ok')
  const removed = await call(guest, 'events.unsubscribe', { name: 'mine' })
  assert.deepEqual(removed.status === 'ok' && removed.output, { existed: true })
  assert.deepEqual(await documentNames(guest), [])
})

test('who finds a subscriber again has the labels of the conversation that made it', async () => {
  const page = testCall('web.page', async () => ({ ...done('a page'), labels: ['private'] as const }))
  const play = inOrder(asks(['web_page']), asks(subscribe('bit')), says('ok'))
  await using guest = await openFixture({ play, calls: [page], config: { agent: { rights } } })
  await guest.turn('look')
  for (const [name, input] of [
    ['events.next', { subscriber: 'bit' }],
    ['events.unsubscribe', { name: 'bit' }],
  ] as const)
    assert.deepEqual((await call(guest, name, input)).labels, ['private'], name)
  assert.deepEqual((await call(guest, 'events.unsubscribe', { name: 'bit' })).labels ?? [], [])
})
