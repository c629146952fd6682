import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openFixture, newCallId, says, type FixtureOptions } from '../../kernel/kernel-fixture.ts'
import type { GenerateRequest, TurnDecision, TurnSource } from '../../protocol/index.ts'
import { openMemoryStore } from '../../store/index.ts'
import { user } from '../../kernel/kernel-fixture.ts'

const isDeciding = ({ system }: GenerateRequest): boolean => system.startsWith('You decide whether')

async function talking(respond: object = {}, answer = 'ignore: small talk', more: FixtureOptions = {}) {
  const asked: GenerateRequest[] = []
  const play = (request: GenerateRequest) => {
    asked.push(request)
    return says(isDeciding(request) ? answer : 'hello')
  }
  const fixture = await openFixture({ play, config: { respond }, ...more })
  const { kernel, session } = fixture
  return {
    fixture,
    asked,
    async send(text: string, source?: TurnSource) {
      const clientId = newCallId()
      await kernel.sendTurn({ session, clientId, text, source })
      const { body } = await fixture.record(({ call, phase }) => call === clientId && phase === 'outcome')
      const { reply, decision } = body as { reply: string; decision?: TurnDecision }
      return { reply, decision }
    },
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  }
}

test('a message of a group that is not addressed to the agent asks no model, and the turn says why', async () => {
  await using run = await talking()
  const silent = await run.send('lunch?', { kind: 'group', channel: 'telegram', chat: '1' })
  assert.equal(silent.reply, '')
  assert.deepEqual([silent.decision?.action, silent.decision?.by], ['ignore', 'rule'])
  assert.equal(run.asked.length, 0)
  assert.deepEqual(await run.send('@ox lunch?', { kind: 'group', mention: true }), {
    reply: 'hello',
    decision: { action: 'respond', by: 'rule', reason: 'mention' },
  })
  // What nobody calls a message of a channel costs no call.
  assert.deepEqual(await run.send('hi'), { reply: 'hello', decision: undefined })
  assert.equal(run.fixture.events.filter((event) => event.type === 'record' && event.record.name === 'turn.decide').length, 4)
})

test('a model decides where the configuration says so, and what it stops stays silent until it is addressed', async () => {
  await using run = await talking({ group: 'model' }, 'Stop - they asked for silence')
  const group: TurnSource = { kind: 'group' }
  const stopped = await run.send('ox, be quiet', group)
  assert.deepEqual(stopped, { reply: '', decision: { action: 'stop', by: 'model', reason: 'they asked for silence' } })
  const next = await run.send('anyway', group)
  assert.match(String(next.decision?.reason), /stays out of this chat/)
  assert.equal(run.asked.length, 1)
  assert.match(JSON.stringify(run.asked[0]?.messages), /ox, be quiet/)
  assert.equal((await run.send('ox?', { ...group, mention: true })).reply, 'hello')
  assert.deepEqual((await run.send('hm', group)).decision, stopped.decision)
})

test('an answer of the model that says nothing, and a budget that is used up, are no answer', async () => {
  await using run = await talking({ group: 'model', budget: { tokens: 1 } }, 'Well, perhaps')
  assert.match(String((await run.send('a', { kind: 'group' })).decision?.reason), /did not say/)
  assert.match(String((await run.send('b', { kind: 'group' })).decision?.reason), /budget for deciding is used up/)
})

test('two bots that answer each other are cut after the limit, also over a restart, until a person writes', async () => {
  const store = await openMemoryStore({ user })
  const bot: TurnSource = { kind: 'direct', bot: true }
  const session = await (async () => {
    await using run = await talking({ max_bot_turns: 2 }, '', { store: keepOpen(store) })
    assert.equal((await run.send('beep', bot)).reply, 'hello')
    return run.fixture.session
  })()
  await using run = await talking({ max_bot_turns: 2 }, '', { store, session })
  assert.equal((await run.send('beep', bot)).reply, 'hello')
  assert.match(String((await run.send('beep', bot)).decision?.reason), /loop of bots: 2 messages/)
  assert.equal((await run.send('I am a person', { kind: 'direct' })).reply, 'hello')
  assert.equal((await run.send('beep', bot)).reply, 'hello')
  assert.equal((await run.send('at a terminal')).reply, 'hello')
  assert.equal((await run.send('beep', bot)).reply, 'hello')
  assert.equal((await run.send('beep', bot)).reply, 'hello')
  assert.equal((await run.send('beep', bot)).reply, '')
})

test('a message of a group does not slip into a turn that runs', async () => {
  const begun = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  await using run = await talking({}, '', {
    async *play() {
      begun.resolve()
      await goOn.promise
      yield* says('hello')
    },
  })
  const first = run.send('work', { kind: 'direct' })
  await begun.promise
  const second = run.send('chatter', { kind: 'group' })
  goOn.resolve()
  assert.equal((await first).reply, 'hello')
  assert.equal((await second).decision?.action, 'ignore')
})

test('a source with an unknown field is refused, and a zone that does not exist is named', async () => {
  await using run = await talking()
  const source = { kind: 'group', mentioned: true } as unknown as TurnSource
  await assert.rejects(run.fixture.kernel.sendTurn({ session: run.fixture.session, clientId: newCallId(), text: 'x', source }), /mentioned/)
})

/** The fixture closes its store with the kernel; here a second kernel opens it again. */
function keepOpen<Store extends { close(): Promise<void> }>(store: Store): Store {
  return new Proxy(store, { get: (of, key) => (key === 'close' ? async () => {} : Reflect.get(of, key)) })
}
