import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore } from '../../../store/index.ts'
import type { CallId, JsonObject } from '../../../base/index.ts'
import type { CallOutcome, GenerateRequest } from '../../../protocol/index.ts'
import type { DefinitionText, HostPort } from '../../../config/index.ts'
import { textOf } from '../../../protocol/index.ts'
import { asks, done, type Fixture, type FixtureOptions, openFixture, says, testCall } from '../../../kernel/kernel-fixture.ts'
import type { FanOutEnd } from './fan-out.ts'

type Play = NonNullable<FixtureOptions['play']>

const goalOf = ({ messages }: GenerateRequest): string => textOf(messages.find(({ role }) => role === 'user')!)
const hasResult = ({ messages }: GenerateRequest): boolean => messages.some(({ role }) => role === 'tool')

const worker: DefinitionText = {
  kind: 'agents',
  name: 'worker',
  toml: 'description = "works"\nrights = ["test.use"]',
  text: 'Work.',
  problem: '',
}
const host = { definitions: async () => [worker] } as unknown as HostPort

/** Blocks until it is released or cancelled. */
function blocking() {
  const released = Promise.withResolvers<void>()
  const seen = { entered: 0, most: 0, running: 0, cancelled: 0 }
  const call = testCall(
    'test.block',
    async (_, { signal }) => {
      seen.entered += 1
      seen.most = Math.max(seen.most, (seen.running += 1))
      const cancelled = new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          seen.cancelled += 1
          reject(signal.reason)
        })
      })
      await Promise.race([released.promise, cancelled]).finally(() => (seen.running -= 1))
      return done('went on')
    },
    { right: 'test.use' },
  )
  return { call, seen, release: () => released.resolve() }
}

const task = (id: string, goal: string, more: JsonObject = {}): JsonObject => ({ id, agent: 'worker', goal, ...more })

async function fan(guest: Fixture, input: JsonObject, id?: CallId): Promise<FanOutEnd> {
  const outcome = (await guest.kernel.call('agent.fan_out', input, guest.session, id)) as CallOutcome<FanOutEnd>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<FanOutEnd> & { status: 'ok' }).output
}

const ends = ({ tasks }: FanOutEnd): readonly string[] => tasks.map(({ task: id, status }) => `${id} ${status}`)

test('tasks run at once, as many as children may live, and one that needs others reads their results as data', async () => {
  const { call, seen, release } = blocking()
  const goals: string[] = []
  const play: Play = (request) => {
    const goal = goalOf(request)
    if (goal.startsWith('block') && !hasResult(request)) return asks(['test_block'])
    goals.push(goal)
    return says(`did ${goal.split('\n', 1)[0]}`)
  }
  await using guest = await openFixture({ play, host, calls: [call], config: { agents: { max_children: 3 } } })
  const five = ['a', 'b', 'c', 'd', 'e'].map((id) => task(id, `block ${id}`))
  const running = fan(guest, {
    tasks: [...five, task('last', 'join them', { needs: ['a', 'e'] })],
    synthesis: { agent: 'worker', goal: 'sum up' },
  })
  while (seen.entered < 3) await new Promise((resolve) => setImmediate(resolve))
  release()
  const end = await running
  assert.equal(seen.most, 3)
  assert.deepEqual([end.status, end.succeeded], ['success', 6])
  const joined = goals.find((goal) => goal.startsWith('join them'))!
  assert.match(joined, /\[a: success\]\n<<data \S+\ndid block a\n\S+>>\n\[e: success\]/)
  assert.match(goals.at(-1)!, /^sum up\n\nResults of other agents:\n\[a: success\]/)
  assert.equal(end.synthesis!.text, 'did sum up')
})

test('with any, the first success ends the others, with their processes', async () => {
  const { call, seen } = blocking()
  const play: Play = (request) => (goalOf(request) === 'block' && !hasResult(request) ? asks(['test_block']) : says('quick'))
  await using guest = await openFixture({ play, host, calls: [call] })
  const end = await fan(guest, { tasks: [task('slow', 'block'), task('fast', 'go'), task('slower', 'block')], until: 'any' })
  assert.deepEqual(ends(end), ['slow cancelled', 'fast success', 'slower cancelled'])
  assert.equal(seen.running, 0)
  assert.equal(end.status, 'success')
})

test('a failure ends the others or not, and a task whose need has failed does not begin', async () => {
  const { call, seen } = blocking()
  const play: Play = (request) => {
    const goal = goalOf(request)
    return goal === 'block' && !hasResult(request) ? asks(['test_block']) : says(goal)
  }
  await using guest = await openFixture({ play, host, calls: [call] })
  const bad = { agent: 'nobody' }
  const stopped = await fan(guest, { tasks: [task('slow', 'block'), task('bad', 'x', bad)], on_failure: 'stop' })
  assert.deepEqual(ends(stopped), ['slow cancelled', 'bad refused'])
  assert.equal(seen.running, 0)
  const went = await fan(guest, { tasks: [task('bad', 'x', bad), task('next', 'y', { needs: ['bad'] }), task('good', 'z')], until: 1 })
  assert.deepEqual(ends(went), ['bad refused', 'next refused', 'good success'])
  assert.equal(went.status, 'success')
  const all = await fan(guest, { tasks: [task('bad', 'x', bad), task('good', 'z')] })
  assert.deepEqual([all.status, ...ends(all)], ['failure', 'bad refused', 'good success'])
})

test('tasks that need each other, or one that is not there, are refused', async () => {
  await using guest = await openFixture({ host })
  for (const [tasks, why] of [
    [[task('a', 'x', { needs: ['b'] }), task('b', 'x', { needs: ['a'] })], /a → b → a/],
    [[task('a', 'x', { needs: ['z'] })], /needs z, which is not a task/],
    [[task('a', 'x'), task('a', 'y')], /same id/],
  ] as const) {
    const outcome = await guest.kernel.call('agent.fan_out', { tasks: [...tasks] }, guest.session)
    assert.equal('failure' in outcome && outcome.failure.code, 'bad_input')
    assert.match(outcome.text, why)
  }
})

test('after a restart the same call finds its agents: none runs twice, and those that were left go on', async () => {
  const store = await openMemoryStore({ user: 'ada' as never })
  const first = blocking()
  const runs: string[] = []
  const play: Play = (request) => {
    const goal = goalOf(request)
    if (request.system.includes('You are ox')) {
      const result = request.messages.findLast((message) => message.role === 'tool')
      const tasks = [task('a', 'go a'), task('b', 'block b'), task('c', 'go c', { needs: ['b'] })]
      return result === undefined ? asks(['agent_fan_out', { tasks }]) : says(result.parts[0].text)
    }
    if (goal.startsWith('block') && !hasResult(request)) return asks(['test_block'])
    runs.push(goal.split('\n', 1)[0]!)
    return says(`did ${goal.split('\n', 1)[0]}`)
  }
  const config = { agent: { rights: ['agent.spawn', 'agent.use', 'test.use'] } }
  let session: Fixture['session']
  {
    const kept = Object.assign(Object.create(store), { close: async () => {} })
    await using guest = await openFixture({ store: kept, play, host, config, calls: [first.call] })
    session = guest.session
    void guest.turn('spread it').catch(() => {})
    while (first.seen.entered < 1 || runs.length < 1) await new Promise((resolve) => setImmediate(resolve))
  }
  const again = blocking()
  again.release()
  await using guest = await openFixture({ store, session, play, host, config, calls: [again.call] })
  const ended = await guest.record(({ name, phase }) => name === 'turn.send' && phase === 'outcome')
  assert.match(JSON.stringify(ended.body), /3 of 3 tasks succeeded/)
  assert.deepEqual(runs, ['go a', 'block b', 'go c'])
})
