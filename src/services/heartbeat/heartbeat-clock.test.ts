/** The heartbeat of a guest that runs, by a clock that the test sets: no restart helps it to look. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type JsonObject, systemClock } from '../../base/index.ts'
import { type ModelEvent, type OutputOf, textOf } from '../../protocol/index.ts'
import type { Service } from '../../kernel/index.ts'
import { runs, type RunsPort } from '../../runs/index.ts'
import { services } from '../index.ts'
import { type FixtureOptions, openFixture, testCall } from '../../kernel/kernel-fixture.ts'

type View = OutputOf<'heartbeat.show'>

const minute = 60_000

/** Compares the clock with what is due, as the guest does by itself each minute. */
const probe: Service<RunsPort> = {
  name: 'probe',
  needs: { runs },
  calls: async (_core, self) => [
    testCall('probe.look', async () => {
      const port = await self()
      port.look()
      return { output: null, text: '' }
    }),
  ],
  open: async (_core, ports) => ({ port: (await ports['runs']!()) as RunsPort }),
}

async function* answers(text: string, tokens: number): AsyncGenerator<readonly ModelEvent[]> {
  yield [{ type: 'text', text }]
  yield [{ type: 'finish', reason: 'stop', usage: { inputTokens: tokens - 20, outputTokens: 20, estimated: false } }]
}

/** A guest whose clock runs, and is set by the test; its model answers with what the list says. */
async function openHeart(start: string) {
  let ahead = Date.parse(start) - Date.now()
  const state = { list: '', asked: [] as string[], tokens: 120 }
  const play: NonNullable<FixtureOptions['play']> = ({ messages }) => {
    const said = textOf(messages.find(({ role }) => role === 'user')!)
    state.asked.push(said)
    return answers(JSON.stringify({ message: `Due: ${/due (\w+)/.exec(said)?.[1] ?? 'nothing'}` }), state.tokens)
  }
  const read = testCall('file.read', async () => ({ output: { text: state.list }, text: state.list }), {
    right: 'file.read',
    tier: 'read_only',
    effect: 'none',
  })
  const clock = { ...systemClock, now: () => Date.now() + ahead }
  const guest = await openFixture({ play, clock, calls: [read], services: [...services, probe], config: { approval: { mode: 'auto' } } })
  const ask = async (name: string, input: JsonObject = {}): Promise<View> => {
    const outcome = await guest.kernel.call(name, input)
    assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
    return (outcome as unknown as { output: View }).output
  }
  const probeName: string = probe.name
  const look = (): Promise<unknown> => guest.kernel.call(`${probeName}.look`, {})
  const lastLook = async (): Promise<number> => (await ask('heartbeat.show')).last?.at ?? 0
  return {
    state,
    ask,
    now: clock.now,
    pass: (ms: number): void => void (ahead += ms),
    set: (at: string): void => void (ahead += Date.parse(at) - clock.now()),
    /** @returns what it is after the look that is due now */
    async looked(): Promise<View> {
      const seen = await lastLook()
      await look()
      for (let left = 3_000; left > 0; left--) {
        const view = await ask('heartbeat.show')
        if ((view.last?.at ?? 0) !== seen) return view
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      throw new Error(`it does not look: ${JSON.stringify(await ask('heartbeat.show'))}`)
    },
    /** Nothing is due now: the guest compares its clock, and does not look. */
    async rests(): Promise<void> {
      const seen = await lastLook()
      await look()
      await new Promise((resolve) => setTimeout(resolve, 100))
      assert.equal(await lastLook(), seen)
    },
    [Symbol.asyncDispose]: () => guest[Symbol.asyncDispose](),
  }
}

const berlin = { from: '22:00', to: '07:00', time_zone: 'Europe/Berlin' }

test('it looks at each interval, and as long as nothing changes it asks no model and takes no token', async () => {
  await using heart = await openHeart('2027-03-01T12:00:00+01:00')
  heart.state.list = 'due mail'
  await heart.ask('heartbeat.on', {})
  heart.pass(29 * minute)
  await heart.rests()
  heart.pass(2 * minute)
  const first = await heart.looked()
  assert.deepEqual([first.last!.came_to, first.messages.at(-1)!.text, heart.state.asked.length], ['message', 'Due: mail', 1])
  for (let look = 0; look < 12; look++) {
    heart.pass(31 * minute)
    const { last, tokens_today: tokens } = await heart.looked()
    assert.deepEqual([last!.came_to, tokens], ['unchanged', first.tokens_today])
  }
  assert.equal(heart.state.asked.length, 1)
  // A machine that slept for a day and a half has missed 72 looks: they are one.
  heart.state.list = 'due news'
  heart.pass(36 * 60 * minute)
  assert.equal((await heart.looked()).messages.length, 2)
  await heart.rests()
  assert.equal(heart.state.asked.length, 2)
})

test('snoozed it rests, and what fell due meanwhile is one message', async () => {
  await using heart = await openHeart('2027-03-01T12:00:00+01:00')
  await heart.ask('heartbeat.on', {})
  await heart.ask('heartbeat.snooze', { seconds: 7_200 })
  for (const due of ['one', 'two', 'three']) {
    heart.state.list = `due ${due}`
    heart.pass(39 * minute)
    await heart.rests()
  }
  heart.pass(4 * minute)
  const { messages } = await heart.looked()
  assert.deepEqual([messages.map(({ text }) => text), heart.state.asked.length], [['Due: three'], 1])
})

test('quiet hours hold over jumps of the clock, both changes of the hour and a change of the zone', async () => {
  await using heart = await openHeart('2027-03-27T21:31:00+01:00')
  await heart.ask('heartbeat.on', { quiet: berlin })
  heart.state.list = 'due one'
  heart.pass(31 * minute)
  const spring = await heart.looked()
  assert.deepEqual([spring.last!.came_to, spring.next_at], ['quiet', Date.parse('2027-03-28T07:00:00+02:00')])
  // Over the hour that there is not, back before it, and again.
  for (const at of ['2027-03-28T03:30:00+02:00', '2027-03-28T01:30:00+01:00', '2027-03-28T06:59:00+02:00']) {
    heart.set(at)
    heart.state.list += ' more'
    await heart.rests()
  }
  heart.set('2027-03-28T07:00:01+02:00')
  assert.equal((await heart.looked()).messages.length, 1)
  assert.equal(heart.state.asked.length, 1)
  // Half a year at once, into the night in which an hour is there twice.
  heart.set('2027-10-30T23:00:00+02:00')
  heart.state.list = 'due two'
  const autumn = await heart.looked()
  assert.deepEqual([autumn.last!.came_to, autumn.next_at], ['quiet', Date.parse('2027-10-31T07:00:00+01:00')])
  for (const at of ['2027-10-31T02:30:00+02:00', '2027-10-31T02:30:00+01:00']) {
    heart.set(at)
    await heart.rests()
  }
  heart.set('2027-10-31T07:00:01+01:00')
  assert.equal((await heart.looked()).messages.length, 2)
  // Whoever travels says so: it is night there.
  await heart.ask('heartbeat.on', { quiet: { ...berlin, time_zone: 'America/New_York' } })
  heart.state.list = 'due three'
  heart.pass(31 * minute)
  const away = await heart.looked()
  assert.deepEqual([away.last!.came_to, away.next_at], ['quiet', Date.parse('2027-10-31T07:00:00-04:00')])
  assert.equal(heart.state.asked.length, 2)
})

test('tokens and messages of a day end with it, and the rest comes with the next day’s first', async () => {
  await using heart = await openHeart('2027-03-01T12:00:00Z')
  // One look is enough for the day: the next would begin with less than 1 000.
  heart.state.tokens = 29_500
  await heart.ask('heartbeat.on', { tokens_a_day: 30_000 })
  heart.state.list = 'due one'
  heart.pass(31 * minute)
  assert.equal((await heart.looked()).tokens_today, 29_500)
  heart.state.list = 'due two'
  heart.pass(31 * minute)
  const poor = await heart.looked()
  assert.deepEqual([poor.last!.came_to, heart.state.asked.length], ['failed', 1])
  assert.match(poor.last!.why, /tokens of this day are used up/)
  heart.set('2027-03-02T00:40:00Z')
  assert.deepEqual([(await heart.looked()).messages.at(-1)!.text, heart.state.asked.length], ['Due: two', 2])
  await heart.ask('heartbeat.on', { messages_a_day: 1 })
  for (const due of ['three', 'four']) {
    heart.state.list = `due ${due}`
    heart.pass(31 * minute)
    assert.equal((await heart.looked()).last!.came_to, 'kept')
  }
  heart.set('2027-03-03T00:40:00Z')
  heart.state.list = 'due five'
  assert.equal((await heart.looked()).messages.at(-1)!.text, 'Due: three\n\nDue: four\n\nDue: five')
})
