/** A kernel that is to end lets the calls of its turns end first, begins no other, and its successor goes on from there. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore } from '../../store/index.ts'
import type { GenerateRequest } from '../../protocol/index.ts'
import { asks, done, inOrder, newCallId, openFixture, says, testCall, user } from '../kernel-fixture.ts'

test('a call under way ends before the kernel does, the next one is made by its successor, and none twice', async () => {
  const store = await openMemoryStore({ user })
  const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
  const [began, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const ran: string[] = []
  const act = async () => {
    began.resolve()
    await goOn.promise
    ran.push('acted')
    return done('acted')
  }
  const calls = [testCall('test.act', act, { effect: 'once' })]
  const asked: GenerateRequest[] = []
  const steps = inOrder(asks(['test_act']), says('too early'))
  const play = (request: GenerateRequest, signal: AbortSignal) => (asked.push(request), steps(request, signal))
  const first = await openFixture({ play, calls, store: keepOpen })
  void first.turn('act')
  await began.promise
  let isSettled = false
  const settled = first.kernel.settle().then(() => (isSettled = true))
  const clientId = newCallId()
  // Messages are accepted meanwhile.
  await first.kernel.sendTurn({ session: first.session, clientId, text: 'and this' })
  assert.equal(isSettled, false)
  goOn.resolve()
  await settled
  await first.kernel.close()
  assert.deepEqual([ran, asked.length], [['acted'], 1])

  const later: GenerateRequest[] = []
  const answer = (request: GenerateRequest) => (later.push(request), says('both'))
  await using second = await openFixture({ play: answer, calls, store, session: first.session })
  await second.record(({ call, phase }) => call === clientId && phase === 'outcome')
  await second.record(({ call, name, phase }) => call !== clientId && name === 'turn.send' && phase === 'outcome')
  assert.deepEqual(ran, ['acted'], 'it is not repeated')
  assert.ok(
    later[0]!.messages.some(({ role }) => role === 'tool'),
    'the successor knows what came out',
  )
})

test('a turn that waits for its next call can be cancelled, and one that waits for a person keeps nobody', async () => {
  const [began, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const act = async () => (began.resolve(), goOn.promise.then(() => done('acted')))
  await using fixture = await openFixture({ play: inOrder(asks(['test_act']), says('never')), calls: [testCall('test.act', act)] })
  const turn = fixture.turn('act')
  await began.promise
  const settled = fixture.kernel.settle()
  goOn.resolve()
  await settled
  assert.equal(await fixture.kernel.cancelTurn(fixture.session), true)
  assert.equal((await turn)['status'], 'cancelled')

  const config = { approval: { calls: { 'test.act': 'ask' } } }
  await using asking = await openFixture({ play: inOrder(asks(['test_act']), says('never')), calls: [testCall('test.act', act)], config })
  void asking.turn('act').catch(() => {})
  await asking.record(({ phase }) => phase === 'parked')
  await asking.kernel.settle()
})
