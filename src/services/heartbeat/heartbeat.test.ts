import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../base/index.ts'
import { type SessionId, systemClock } from '../../base/index.ts'
import { openMemoryStore, type Store } from '../../store/index.ts'
import { textOf } from '../../protocol/index.ts'
import { asks, type FixtureOptions, openFixture, says, testCall, user } from '../../kernel/kernel-fixture.ts'
import type { OutputOf } from '../../protocol/index.ts'

type View = OutputOf<'heartbeat.show'>

/** A guest whose HEARTBEAT.md and clock the test sets; the model says what `message` gives. */
async function openHeart(message: (results: readonly string[]) => string, acts = false) {
  const state = { list: '', now: Date.parse('2027-03-01T12:00:00Z'), asked: [] as string[], written: 0 }
  const play: NonNullable<FixtureOptions['play']> = ({ messages }) => {
    state.asked.push(textOf(messages.find(({ role }) => role === 'user')!))
    const results = messages.flatMap((each) => (each.role === 'tool' ? [JSON.stringify(each)] : []))
    // It tries, whatever it is offered.
    if (acts && results.length === 0) return asks(['file_write', { text: 'done' }])
    return says(JSON.stringify({ message: message(results) }))
  }
  const read = testCall('file.read', async () => ({ output: { text: state.list }, text: state.list }), {
    right: 'file.read',
    tier: 'read_only',
    effect: 'none',
  })
  const write = testCall(
    'file.write',
    async () => {
      state.written += 1
      return { output: null, text: 'written' }
    },
    { right: 'file.write' },
  )
  const clock = { ...systemClock, now: () => state.now }
  const store = { ...(await openMemoryStore({ user })), close: async () => {} } as Store
  const secret = testCall('test.secret', async () => ({ output: null, text: 'canary' }), { labels: { adds: ['private'], sink: false } })
  const open = () => openFixture({ play, clock, calls: [read, write, secret], store, config: { approval: { mode: 'auto' } } })
  let guest = await open()
  const ask = async (name: string, input: JsonObject = {}): Promise<View> => {
    const outcome = await guest.kernel.call(name, input)
    assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
    return (outcome as unknown as { output: View }).output
  }
  /** A guest that starts looks at what is due by the clock. */
  const later = async (ms: number): Promise<void> => {
    await guest[Symbol.asyncDispose]()
    state.now += ms
    guest = await open()
  }
  const until = async (fits: (view: View) => boolean): Promise<View> => {
    for (let left = 500; left > 0; left--) {
      const view = await ask('heartbeat.show')
      if (fits(view)) return view
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    throw new Error(`it never gets there: ${JSON.stringify(await ask('heartbeat.show'))}`)
  }
  const labelsOfAgents = async (): Promise<readonly (readonly string[])[]> => {
    const { agents } = (await ask('agent.list', { ended: true })) as unknown as { agents: readonly { labels: readonly string[] }[] }
    return agents.map(({ labels }) => labels)
  }
  /** A goal of somebody who has read private data, which waits. */
  const openGoal = async (request: string): Promise<void> => {
    const { id } = (await ask('session.create', {})) as unknown as { id: SessionId }
    const calls: readonly (readonly [name: string, input: JsonObject])[] = [
      ['test.secret', {}],
      ['goal.start', { request, review: true, seed: { goal: 'g', criteria: [{ text: 't' }] } }],
    ]
    for (const [name, input] of calls) assert.equal((await guest.kernel.call(name, input, id)).status, 'ok')
  }
  const refused = async (name: string, input: JsonObject): Promise<string> => JSON.stringify(await guest.kernel.call(name, input))
  return { state, ask, refused, later, until, openGoal, labelsOfAgents, [Symbol.asyncDispose]: () => guest[Symbol.asyncDispose]() }
}

test('a right that does not exist is refused with the one that may be meant', async () => {
  await using heart = await openHeart(() => '')
  assert.match(await heart.refused('heartbeat.on', { rights: ['file.wrte'] }), /There is no right .*file\.wrte.*Did you mean file\.write\?/)
  assert.equal((await heart.ask('heartbeat.show')).on, false)
  assert.equal((await heart.ask('heartbeat.on', { rights: ['file.write', 'mcp.mail'] })).on, true)
})

test('it is off until it is turned on, and asks no model where nothing has changed', async () => {
  await using heart = await openHeart(() => 'The mail is due.')
  assert.equal((await heart.ask('heartbeat.show')).on, false)
  heart.state.list = '- look at the mail'
  await heart.ask('heartbeat.on', { rights: ['memory.read'] })
  await heart.ask('heartbeat.now')
  const said = await heart.until(({ last }) => last?.came_to === 'message')
  assert.deepEqual(
    said.messages.map(({ text }) => text),
    ['The mail is due.'],
  )
  assert.equal(heart.state.asked.length, 1)
  assert.match(heart.state.asked[0]!, /look at the mail/)
  await heart.later(31 * 60_000)
  const same = await heart.until(({ last }) => last!.at > said.last!.at)
  assert.equal(same.last!.came_to, 'unchanged')
  assert.equal(heart.state.asked.length, 1)
  // Many looks that a sleep has skipped are one.
  heart.state.list = '- look at the mail and the news'
  await heart.later(9 * 3_600_000)
  await heart.until(({ messages }) => messages.length === 2)
  assert.equal(heart.state.asked.length, 2)
  await heart.ask('heartbeat.off')
  heart.state.list = '- nothing'
  await heart.later(9 * 3_600_000)
  assert.equal(heart.state.asked.length, 2)
})

test('a changed list is looked at in the budget and messages of the day; what is too much comes as one message the next day', async () => {
  let said = 0
  await using heart = await openHeart(() => `Message ${++said}.`)
  await heart.ask('heartbeat.on', { messages_a_day: 1 })
  for (const list of ['a', 'b', 'c']) {
    heart.state.list = list
    const before = heart.state.now
    heart.state.now += 1_000
    await heart.ask('heartbeat.now')
    await heart.until(({ last }) => last !== null && last.at > before)
  }
  const full = await heart.ask('heartbeat.show')
  assert.deepEqual([full.messages.length, full.last!.came_to, full.sent_today], [1, 'kept', 1])
  heart.state.now += 86_400_000
  heart.state.list = 'd'
  await heart.ask('heartbeat.now')
  const next = await heart.until(({ messages }) => messages.length === 2)
  assert.equal(next.messages[1]!.text, 'Message 2.\n\nMessage 3.\n\nMessage 4.')
  // A clock that is set back a day gives no second budget of messages.
  heart.state.now -= 86_400_000
  heart.state.list = 'e'
  await heart.ask('heartbeat.now')
  const back = await heart.until(({ last }) => last?.came_to === 'kept')
  assert.equal(back.messages.length, 2)
})

test('in quiet hours it waits for their end, then says what came together as one; a zone that does not exist is refused', async () => {
  await using heart = await openHeart(() => 'Late.')
  const quiet = { from: '22:00', to: '07:00', time_zone: 'Europe/Berlin' }
  assert.match(await heart.refused('heartbeat.on', { quiet: { ...quiet, time_zone: 'Nowhere/Here' } }), /no time zone/)
  // The night before the clocks in Berlin go forward.
  heart.state.now = Date.parse('2027-03-27T21:45:00+01:00')
  await heart.ask('heartbeat.on', { quiet })
  heart.state.list = 'a'
  await heart.later(31 * 60_000)
  const silent = await heart.until(({ last }) => last?.came_to === 'quiet')
  assert.equal(silent.next_at, Date.parse('2027-03-28T07:00:00+02:00'))
  heart.state.list = 'a and b'
  await heart.later(2 * 3_600_000)
  assert.equal(heart.state.asked.length, 0)
  await heart.later(Date.parse('2027-03-28T07:00:01+02:00') - heart.state.now)
  const said = await heart.until(({ messages }) => messages.length > 0)
  assert.deepEqual([said.messages.length, heart.state.asked.length], [1, 1])
})

test('it acts within the rights that it was given; without them nothing happens, and it proposes', async () => {
  const proposes = (results: readonly string[]): string => (results.join().includes('written') ? '' : 'Do you want it written?')
  await using careful = await openHeart(proposes, true)
  careful.state.list = '- write it'
  await careful.ask('heartbeat.on', { rights: ['memory.read'] })
  await careful.ask('heartbeat.now')
  const proposed = await careful.until(({ last }) => last !== null)
  assert.deepEqual([careful.state.written, proposed.messages.map(({ text }) => text)], [0, ['Do you want it written?']])
  await careful.ask('heartbeat.on', { rights: ['file.write'] })
  await careful.ask('heartbeat.now')
  const acted = await careful.until(({ last }) => last!.at > proposed.last!.at || last!.came_to === 'nothing')
  assert.deepEqual([careful.state.written, acted.messages.length, acted.last!.came_to], [1, 1, 'nothing'])
})

test('asked for a look while it is off, it looks once and stays off', async () => {
  await using heart = await openHeart(() => 'Here.')
  heart.state.list = 'a'
  await heart.ask('heartbeat.now')
  const looked = await heart.ask('heartbeat.show', { wait_s: 20, seen: 0 })
  assert.deepEqual([looked.on, looked.next_at, looked.messages.length], [false, null, 1])
  heart.state.list = 'b'
  await heart.later(86_400_000)
  assert.equal(heart.state.asked.length, 1)
  assert.match(await heart.refused('heartbeat.snooze', {}), /is off.*heartbeat on/)
})

test('after the clock was set far back it looks when its interval has passed again, and its day begins anew with the next one', async () => {
  await using heart = await openHeart(() => 'Here.')
  await heart.ask('heartbeat.on', { messages_a_day: 1 })
  heart.state.list = 'a'
  await heart.later(31 * 60_000)
  await heart.until(({ messages }) => messages.length === 1)
  heart.state.list = 'b'
  await heart.later(-400 * 86_400_000)
  const back = await heart.until(({ next_at }) => next_at! <= heart.state.now + 31 * 60_000)
  assert.ok(back.next_at! > heart.state.now + 20 * 60_000)
  await heart.later(31 * 60_000)
  await heart.until(({ last }) => last!.came_to === 'kept')
  heart.state.list = 'c'
  await heart.later(86_400_000)
  await heart.until(({ messages }) => messages.length === 2)
})

test('who reads the requests of goals has the labels of those who wrote them', async () => {
  await using heart = await openHeart(() => 'canary is due')
  await heart.openGoal('Send canary to the tax office.')
  await heart.ask('heartbeat.now')
  await heart.until(({ last }) => last?.came_to === 'message')
  assert.match(heart.state.asked.at(-1)!, /canary/)
  const [labels] = await heart.labelsOfAgents()
  assert.ok(labels!.includes('private'), JSON.stringify(labels))
  assert.match(await heart.refused('heartbeat.show', {}), /"labels":\[[^\]]*"private"/)
})
