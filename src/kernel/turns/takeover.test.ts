import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { openMemoryStore } from '../../store/index.ts'
import type { GenerateRequest, ModelEvent } from '../../protocol/index.ts'
import { asks, done, newCallId, openFixture, says, testCall, user } from '../kernel-fixture.ts'

void test('a session taken over by another worker is claimed again for the next turn when that worker is gone', async () => {
  const store = await openMemoryStore({ user })
  await using fixture = await openFixture({ store })
  const { session, kernel } = fixture
  assert.equal((await fixture.turn('one'))['reply'], 'hello')
  await kernel.listSessions(1)
  await store.claimLane(session, `guest:${user}`, 0)
  await assert.rejects(kernel.sendTurn({ session, clientId: newCallId(), text: 'two' }), { code: 'stale_epoch' })
  assert.equal((await fixture.turn('two again'))['reply'], 'hello')
})

void test('a turn whose session another worker takes over ends silently, and its lane is free', async () => {
  const store = await openMemoryStore({ user })
  const requests: GenerateRequest[] = []
  const act = async () => (await store.claimLane(fixture.session, `guest:${user}`, 0), done('acted'))
  const play = (request: GenerateRequest) => (
    requests.push(request),
    requests.length === 1 ? asks(['test_act'], ['test_act']) : says('next')
  )
  await using fixture = await openFixture({ store, play, calls: [testCall('test.act', act)] })
  const { session, kernel } = fixture
  const one = newCallId()
  await kernel.sendTurn({ session, clientId: one, text: 'one' })
  while ((await kernel.listSessions(1))[0]?.busy !== false) await new Promise(setImmediate)
  assert.equal((await fixture.turn('two'))['reply'], 'next')
  assert.equal(requests.length, 2)
  assert.deepEqual(
    (await store.openIntents()).filter(({ name }) => name === 'turn.send').map(({ call }) => call),
    [one],
  )
})

void test('two turns left open by a takeover and a stop each end separately', async () => {
  const store = await openMemoryStore({ user })
  const lasting = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
  let steps = 0
  const act = async () => (await store.claimLane(first.session, `guest:${user}`, 0), done('acted'))
  async function* silent(_: GenerateRequest, signal: AbortSignal): AsyncGenerator<readonly ModelEvent[]> {
    void first.kernel.close()
    await once(signal, 'abort')
    yield [
      {
        type: 'error',
        failure: { code: 'cancelled', message: 'stopped', hint: '' },
        usage: { inputTokens: 1, outputTokens: 1, estimated: true },
      },
    ]
  }
  const play = (request: GenerateRequest, signal: AbortSignal) =>
    steps++ === 0 ? asks(['test_act'], ['test_act']) : silent(request, signal)
  const first = await openFixture({ store: lasting, play, calls: [testCall('test.act', act)] })
  const { session, kernel } = first
  const [one, two] = [newCallId(), newCallId()]
  await kernel.sendTurn({ session, clientId: one, text: 'one' })
  while ((await kernel.listSessions(1))[0]?.busy !== false) await new Promise(setImmediate)
  await kernel.sendTurn({ session, clientId: two, text: 'two' })
  await kernel.close()

  const calls = [testCall('test.act', async () => done('acted'))]
  await using second = await openFixture({ store, play: () => says('done'), calls, session })
  const ends = [one, two].map((sent) => second.record(({ call, phase }) => call === sent && phase === 'outcome'))
  assert.deepEqual(
    (await Promise.all(ends)).map(({ body }) => (body as { status: string }).status),
    ['ok', 'ok'],
  )
})
