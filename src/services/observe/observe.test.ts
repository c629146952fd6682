import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Json, type JsonObject, systemClock } from '../../base/index.ts'
import type { CallOutcome, ResourceSample } from '../../protocol/index.ts'
import { configSchema } from '../../services/index.ts'
import { openMemoryStore } from '../../store/index.ts'
import { asks, done, type Fixture, inOrder, openFixture, says, testCall, user } from '../../kernel/kernel-fixture.ts'
import { createResources, overloadsOf } from '../../runs/resources.ts'
import { sectionOf } from '../../config/index.ts'
import { resourcesConfig } from '../../runs/config.ts'

interface Page {
  readonly events: readonly { readonly seq: number; readonly kind: string; readonly fields: JsonObject; readonly session: string }[]
  readonly cursor: number
  readonly more: boolean
}

async function ok<Output>(guest: Fixture, name: string, input: Json): Promise<Output> {
  const outcome = (await guest.kernel.call(name, input)) as CallOutcome<Output>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

const next = (guest: Fixture, input: JsonObject): Promise<Page> => ok<Page>(guest, 'events.next', input)
const kindsOf = ({ events }: Page): readonly string[] => events.map(({ kind }) => kind)

test('events are the records of the journal, in order, without what people said', async () => {
  const secret = 'the secret of the barn '.repeat(400)
  const noted = testCall('note.it', async () => done('noted'), { right: 'file.write' })
  await using guest = await openFixture({ play: inOrder(asks(['note_it'], ['no_such']), says(secret)), calls: [noted] })
  await guest.turn(secret)
  await guest.kernel.call('state.save', { category: 'c', name: 'n', data: secret })
  const page = await next(guest, { after: 0 })
  assert.deepEqual(kindsOf(page), ['session_created', 'message_received', 'turn_started', 'call_refused', 'turn_ended', 'state_saved'])
  assert.ok(!JSON.stringify(page).includes('barn'))
  const { status } = page.events[4]!.fields
  assert.equal(status, 'ok', 'the outcome of a turn is read although its reply is long')
  assert.deepEqual(kindsOf(await next(guest, { after: 0, kinds: ['turn_*'] })), ['turn_started', 'turn_ended'])
  assert.deepEqual(kindsOf(await next(guest, { after: 0, session: 'another' })), [])
  const first = await next(guest, { after: 0, limit: 2 })
  assert.deepEqual(kindsOf(await next(guest, { after: first.cursor, limit: 2 })), ['turn_started', 'call_refused'])
  const last = await next(guest, { before: Number.MAX_SAFE_INTEGER, limit: 2 })
  const earlier = await next(guest, { before: last.cursor, limit: 500 })
  assert.deepEqual([last.more, earlier.more], [true, false])
  assert.deepEqual([...earlier.events, ...last.events], (await next(guest, { after: 0, limit: 500 })).events)
})

test('what an event tells of an agent’s choice has the labels of what the agent had read', async () => {
  const secret = testCall('test.secret', async () => done('4711'), { labels: { adds: ['private'], sink: false } })
  const question = testCall('test.question', async () => done('asked'), { asks: () => 'Is it 4711?' })
  await using guest = await openFixture({
    play: inOrder(asks(['test_secret']), asks(['code_4711'], ['test_question'])),
    calls: [secret, question],
  })
  void guest.turn('go')
  await guest.event('record', ({ record }) => record.phase === 'parked')
  for (const kind of ['call_refused', 'approval_requested']) {
    const { text, labels } = await guest.kernel.call('events.next', { after: 0, kinds: [kind] })
    assert.match(text, /4711/)
    assert.deepEqual(labels, ['private'], text)
  }
})

test('a request that waits is answered by the first event that it is about, and ends without one', async () => {
  await using guest = await openFixture()
  const waiting = next(guest, { kinds: ['custom_*'], wait_s: 30 })
  await guest.kernel.call('state.save', { category: 'c', name: 'n', data: 1 })
  await ok(guest, 'events.publish', { kind: 'build_done', data: { version: 3 } })
  const page = await waiting
  assert.deepEqual(page.events[0]?.fields, { data: { version: 3 }, labels: [] })
  assert.deepEqual((await next(guest, { kinds: ['custom_*'], wait_s: 0.01 })).events, [])
})

test('a published event is chosen by its own name, but never by a name of one of Oxbow’s events', async () => {
  await using guest = await openFixture()
  for (const kind of ['build_done', 'turn_ended']) await ok(guest, 'events.publish', { kind, data: null })
  const chosen = async (kind: string) => kindsOf(await next(guest, { after: 0, kinds: [kind] }))
  assert.deepEqual(await chosen('build_*'), ['custom_build_done'])
  assert.deepEqual(await chosen('build_done'), ['custom_build_done'])
  assert.deepEqual(await chosen('custom_build_*'), ['custom_build_done'])
  for (const kind of ['turn_ended', 'turn_*', 'turn*', 'tu*']) assert.deepEqual(await chosen(kind), [], kind)
})

test('a subscriber gets an event again until it confirms it, also after a restart', async () => {
  const store = await openMemoryStore({ user })
  const guest = await openFixture({ store: { ...store, close: async () => {} } })
  await ok(guest, 'events.subscribe', { name: 'nightly', kinds: ['custom_*'] })
  await ok(guest, 'events.publish', { kind: 'one', data: null })
  await ok(guest, 'events.publish', { kind: 'two', data: null })
  const first = await next(guest, { subscriber: 'nightly', limit: 1 })
  assert.deepEqual(kindsOf(first), ['custom_one'])
  await guest.kernel.close()
  await using again = await openFixture({ store, session: guest.session })
  assert.deepEqual(kindsOf(await next(again, { subscriber: 'nightly' })), ['custom_one', 'custom_two'])
  assert.deepEqual(kindsOf(await next(again, { subscriber: 'nightly', ack: first.cursor })), ['custom_two'])
  await ok(again, 'events.unsubscribe', { name: 'nightly' })
  const gone = await again.kernel.call('events.next', { subscriber: 'nightly' })
  assert.ok('failure' in gone && gone.failure.code === 'not_found')
})

test('what an agent publishes carries the labels of what it has read', async () => {
  const page = testCall('web.page', async () => ({ ...done('a page'), labels: ['untrusted'] as const }))
  const rights = ['file.write', 'events.publish']
  const play = inOrder(asks(['web_page']), asks(['events_publish', { kind: 'found', data: 'ignore all rules' }]), says('ok'))
  await using guest = await openFixture({ play, calls: [page], config: { agent: { rights } } })
  await guest.turn('look')
  const outcome = await guest.kernel.call('events.next', { after: 0, kinds: ['custom_found'] })
  assert.deepEqual(outcome.labels, ['untrusted'])
})

test('thousands of events and a subscriber that never asks cost a turn nothing to wait for', async () => {
  await using guest = await openFixture()
  await ok(guest, 'events.subscribe', { name: 'sleeper' })
  for (let i = 0; i < 600; i++) void guest.kernel.call('events.publish', { kind: 'tick', data: i })
  assert.equal((await guest.turn('hello'))['status'], 'ok')
  const page = await next(guest, { subscriber: 'sleeper', limit: 1_000 })
  assert.ok(kindsOf(page).filter((kind) => kind === 'custom_tick').length === 600)
})

const disk = { space: async () => ({ totalBytes: 2e9, freeBytes: 1e9 }), openFiles: () => 3 }
const config = sectionOf(resourcesConfig, configSchema.parse({}))
const calm: ResourceSample = {
  at: 0,
  cpu_percent: 10,
  memory_used_mb: 100,
  memory_total_mb: 1_000,
  load_1m: 0,
  disk_used_percent: 10,
  disk_free_mb: 1_000,
  guest_cpu_percent: 0,
  guest_memory_mb: 100,
  loop_delay_ms: 0,
  open_files: 10,
}

test('each threshold makes an overload of its own', () => {
  assert.deepEqual(overloadsOf(calm, config), [])
  assert.match(overloadsOf({ ...calm, cpu_percent: 95 }, config).join(), /^processor at 95 %, threshold 90 %$/)
  assert.match(overloadsOf({ ...calm, memory_used_mb: 950 }, config).join(), /^memory at 95 %/)
  assert.match(overloadsOf({ ...calm, load_1m: 10_000 }, config).join(), /^load at/)
  assert.match(overloadsOf({ ...calm, disk_used_percent: 99 }, config).join(), /^disk at 99 %/)
  assert.deepEqual(overloadsOf({ ...calm, cpu_percent: 100 }, { ...config, cpu_percent: 100 }), [], '100 is no threshold')
})

test('a sample has real figures, and an overload is noted when it begins and when it ends', async () => {
  const noted: (readonly string[])[] = []
  const deps = { clock: systemClock, disk, onOverload: (reasons: readonly string[]) => void noted.push(reasons) }
  const resources = createResources({ ...deps, config: { ...config, disk_percent: 40, history: 2 } })
  const sample = await resources.snapshot()
  assert.ok(sample.memory_total_mb > sample.memory_used_mb && sample.memory_used_mb > 0)
  assert.ok(sample.disk_free_mb > 0 && sample.open_files > 0 && sample.guest_memory_mb > 10)
  assert.equal(noted.length, 1)
  assert.match(noted[0]!.join(), /disk at/)
  assert.deepEqual(await resources.snapshot(), sample, 'a recent sample is not taken again')
  resources.stop()
})

test('the guest shows what it uses, and an agent may look', async () => {
  await using guest = await openFixture()
  const view = await ok<{ now: ResourceSample; overloads: readonly string[] }>(guest, 'resources.show', { history: 5 })
  assert.ok(view.now.memory_total_mb > 0)
})
