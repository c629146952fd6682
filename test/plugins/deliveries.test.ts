/** What reaches plugins outside of turns: events in order and bounded queues, tasks once for each due time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, type Fixture, inOrder, says, user } from '../../src/kernel/kernel-fixture.ts'
import { pluginEvents } from '../../src/services/plugins/event-names.ts'
import { createPluginEvents } from '../../src/services/plugins/plugin-events.ts'
import type { PluginWork } from '../../src/services/plugins/plugin-callers.ts'
import { createPluginTasks, type PluginTasks } from '../../src/services/plugins/plugin-tasks.ts'
import { openWorker, type Worker } from '../runs/job-workers.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import { type CallId, type Clock, systemClock } from '../../src/base/index.ts'
import type { CallOutcome, DescribedPlugin, RecordView } from '../../src/protocol/index.ts'
import { acted, anAction, createFakeHosts } from './fake-hosts.ts'
import { openPartsFixture, rightsOf } from './parts-fixture.ts'

const timeLimit = 15_000

void test(
  'a subscriber to all events learns of a turn, its calls and its end, and of what other plugins emit',
  { timeout: timeLimit },
  async () => {
    const seen: string[] = []
    const ended = Promise.withResolvers<void>()
    const hosts = createFakeHosts({
      watcher: {
        exports: { events: ['*'] },
        async event({ name, payload }) {
          seen.push(name)
          if (name === 'GREETED') assert.deepEqual(payload, { to: 'ada', source: 'plugin:greeter' })
          if (name === 'MESSAGE_RECEIVED') assert.equal((payload['message'] as { text: string }).text, 'Hi')
          if (name === 'RUN_ENDED') ended.resolve()
          return {}
        },
      },
      greeter: {
        exports: { actions: [anAction('GREET')], events: ['RUN_STARTED'] },
        async action(_, { call }) {
          const outcome = await call!('plugin.emit', { name: 'GREETED', payload: { to: 'ada' } })
          return acted(outcome.status)
        },
        event: async ({ name }) => {
          assert.equal(name, 'RUN_STARTED', 'nothing else was subscribed to')
          return {}
        },
      },
      stranger: { exports: { events: ['*'] }, event: () => assert.fail('the agent has no right to this plugin') },
    })
    await using fixture = await openPartsFixture(hosts, {
      config: rightsOf('plugin.watcher', 'plugin.greeter'),
      play: inOrder(asks(['greeter_greet', { city: 'x' }]), says('Hello.')),
    })
    await fixture.turn('Hi')
    await ended.promise
    const wanted = [
      'MESSAGE_RECEIVED',
      'RUN_STARTED',
      'MODEL_USED',
      'ACTION_STARTED',
      'GREETED',
      'ACTION_COMPLETED',
      'MODEL_USED',
      'MESSAGE_SENT',
      'RUN_ENDED',
    ]
    assert.deepEqual(
      seen.filter((name) => wanted.includes(name)),
      wanted,
    )
  },
)

void test('the texts of events are cut as all messages for plugins are', { timeout: timeLimit }, async () => {
  const texts = new Map<string, string>()
  const ended = Promise.withResolvers<void>()
  const hosts = createFakeHosts({
    watcher: {
      exports: { events: ['MESSAGE_RECEIVED', 'MESSAGE_SENT', 'RUN_ENDED'] },
      async event({ name, payload }) {
        texts.set(name, (payload['message'] as { text?: string } | undefined)?.text ?? '')
        if (name === 'RUN_ENDED') ended.resolve()
        return {}
      },
    },
  })
  await using fixture = await openPartsFixture(hosts, { config: rightsOf('plugin.watcher'), play: () => says('b'.repeat(33_000)) })
  await fixture.turn('a'.repeat(40_000))
  await ended.promise
  assert.deepEqual([texts.get('MESSAGE_RECEIVED')?.length, texts.get('MESSAGE_SENT')?.length], [32_000, 32_000])
})

const described = (name: string, more: Partial<DescribedPlugin['exports']>): DescribedPlugin => ({
  plugin: createFakeHosts({ [name]: {} }).plugins()[0]!,
  exports: { ...createFakeHosts({ [name]: {} }).known(name)!, ...more },
})

const recordOf = (name: string, phase: RecordView['phase'], body: object, call = 'c'): RecordView =>
  ({ seq: 1, at: 5, actor: 'agent:ox', session: 's', turn: 't', call, name, phase, body }) as unknown as RecordView

const fine: CallOutcome = { status: 'ok', output: {}, text: '', ok: true }

void test('a slow subscriber keeps a thousand events, and then learns how many it has lost', async () => {
  const names: string[] = []
  let lost: unknown
  const first = Promise.withResolvers<void>()
  const last = Promise.withResolvers<void>()
  const events = createPluginEvents(
    {
      async call(_, __, input) {
        const { name, payload } = input as unknown as { name: string; payload: { lost?: number } }
        names.push(name)
        if (names.length === 1) await first.promise
        if (name !== 'RESYNC') return fine
        lost = payload.lost
        last.resolve()
        return fine
      },
      stop: () => {},
    },
    immediately,
  )
  events.take([described('slow', { events: ['MODEL_USED'] })])
  for (let i = 0; i < 1_500; i++) events.observe(recordOf('model.generate', 'outcome', { status: 'ok' }))
  first.resolve()
  await last.promise
  assert.equal(names.length, 1_001, 'a thousand that waited, the notice')
  assert.equal(lost, 500)
  events.observe(recordOf('model.generate', 'outcome', { status: 'ok' }))
  await new Promise((resolve) => void setImmediate(resolve))
  assert.equal(names.at(-1), 'MODEL_USED', 'delivery goes on behind the notice')
})

void test('an event that limits hold back is delivered later, and what comes while no host runs is counted', async () => {
  const outcomes = ['limit_reached', 'ok', 'sandbox_failed', 'sandbox_failed', 'ok']
  const seen: string[] = []
  const events = createPluginEvents(
    {
      async call(_, __, input) {
        const { name, payload } = input as unknown as { name: string; payload: { lost?: number } }
        const code = outcomes.shift()!
        seen.push(`${code} ${name} ${payload.lost ?? ''}`)
        const failure = { code: code as 'limit_reached', message: '', hint: '' }
        return code === 'ok' ? fine : { status: 'failed', failure, text: '' }
      },
      stop: () => {},
    },
    immediately,
  )
  events.take([described('slow', { events: ['MODEL_USED'] })])
  for (let i = 0; i < 4; i++) {
    events.observe(recordOf('model.generate', 'outcome', { status: 'ok' }))
    for (let turns = 0; turns < 5; turns++) await immediately()
  }
  assert.deepEqual(seen, [
    'limit_reached MODEL_USED ',
    'ok MODEL_USED ',
    'sandbox_failed MODEL_USED ',
    'sandbox_failed RESYNC 2',
    'ok RESYNC 3',
  ])
})

void test('every event that the kernel causes has its name', () => {
  const cases: readonly [RecordView, readonly string[]][] = [
    [recordOf('turn.send', 'outcome', { status: 'limit', reply: 'x', failure: { code: 'timeout' } }), ['MESSAGE_SENT', 'RUN_TIMEOUT']],
    [recordOf('turn.send', 'outcome', { status: 'failed', reply: '' }), ['RUN_ENDED']],
    [recordOf('turn.cancel', 'outcome', { status: 'ok' }), ['CONTROL_MESSAGE']],
    [recordOf('session.create', 'outcome', { status: 'ok', id: 's' }), ['WORLD_JOINED', 'WORLD_CONNECTED', 'ROOM_JOINED', 'ENTITY_JOINED']],
    [recordOf('session.delete', 'outcome', { status: 'ok' }), ['CHANNEL_CLEARED', 'ENTITY_LEFT', 'ROOM_LEFT', 'WORLD_LEFT']],
    [recordOf('model.embed', 'intent', {}), ['EMBEDDING_GENERATION_REQUESTED']],
    [recordOf('model.embed', 'outcome', { status: 'failed' }), ['EMBEDDING_GENERATION_FAILED']],
    [recordOf('model.embed', 'outcome', { status: 'ok' }), ['EMBEDDING_GENERATION_COMPLETED', 'MODEL_USED']],
    [recordOf('plugin.evaluate', 'intent', {}), ['EVALUATOR_STARTED']],
    [
      recordOf('plugin.evaluate', 'outcome', { ran: ['a/E'], problems: [{ plugin: 'b', name: 'F', problem: 'x' }] }),
      ['EVALUATOR_COMPLETED', 'EVALUATOR_COMPLETED'],
    ],
    [recordOf('plugin.event', 'outcome', { status: 'ok' }), []],
    [recordOf('plugin.emit', 'intent', { input: 'hostile' }), []],
  ]
  for (const [record, names] of cases)
    assert.deepEqual(
      pluginEvents(record).map(({ name }) => name),
      names,
      `${record.name} ${record.phase}`,
    )
})

interface TaskBench extends Worker {
  readonly tasks: PluginTasks
}

/** The due times for which calls were made, over all guests. */
interface Made {
  readonly dues: number[]
  readonly ids: (CallId | undefined)[]
  /** What a call waits for. */
  readonly until?: Promise<void>
}

async function openTasks(store: Store, aheadMs: number, { dues, ids, until }: Made): Promise<TaskBench> {
  const worker = await openWorker(store, { aheadMs })
  const work: PluginWork = {
    async call(_, __, input, run) {
      dues.push((input as unknown as { due: number }).due)
      ids.push(run?.id)
      await until
      return fine
    },
    stop: () => {},
  }
  return { ...worker, tasks: createPluginTasks({ ...worker.core, ...worker, work, minIntervalS: 60 }) }
}

/** Lets everything happen that waits for nothing outside. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await immediately()
}
const refresh = [described('weather', { tasks: [{ name: 'refresh', every_s: 3_600, cron: null }] })]
const hourMs = 3_600_000

void test('a task runs once for each due time, and once for all that passed while no guest ran', async () => {
  const store = await openMemoryStore({ user })
  const made: Made = { dues: [], ids: [] }
  const openAt = async (aheadMs: number): Promise<void> => {
    await using bench = await openTasks(store, aheadMs, made)
    await bench.tasks.take(refresh)
    await settle()
  }
  await openAt(0)
  assert.equal(made.dues.length, 0, 'it is due an hour from now')
  await openAt(hourMs + 1_000)
  await openAt(hourMs + 2_000)
  assert.equal(made.dues.length, 1)
  await openAt(11 * hourMs + 3_000)
  assert.deepEqual(
    made.dues.map((due) => due - made.dues[0]!),
    [0, 10 * hourMs],
  )
  assert.notEqual(made.ids[0], made.ids[1])
  {
    await using bench = await openTasks(store, 11 * hourMs + 3_000, made)
    await bench.tasks.take(refresh)
    bench.pass(hourMs)
    await settle()
  }
  assert.equal(made.dues.length, 3, 'it goes on in a guest that runs')
  await store.close()
})

void test('a task that runs while the plugins change is not run again for the same time', async () => {
  const store = await openMemoryStore({ user })
  const ended = Promise.withResolvers<void>()
  const made: Made = { dues: [], ids: [], until: ended.promise }
  await using bench = await openTasks(store, 0, made)
  await bench.tasks.take(refresh)
  bench.pass(hourMs)
  await settle()
  for (const next of [[...refresh, described('other', {})], [], refresh]) {
    await bench.tasks.take(next)
    await settle()
  }
  ended.resolve()
  await settle()
  assert.equal(made.dues.length, 1)
  bench.pass(hourMs)
  await settle()
  assert.equal(made.dues.length, 2, 'it goes on at its next time')
})

void test('a task that a stop of the guest cut off is not run again for the same time', { timeout: timeLimit }, async () => {
  let ran = 0
  let offsetMs = 0
  const began = Promise.withResolvers<void>()
  const hosts = createFakeHosts({
    weather: {
      exports: { tasks: [{ name: 'refresh', every_s: 3_600, cron: null }] },
      task: (_, { signal }) => {
        ran++
        began.resolve()
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))))
      },
    },
  })
  const opened = await openMemoryStore({ user })
  const store: Store = { ...opened, close: async () => {} }
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + offsetMs }
  const open = (): Promise<Fixture> => openPartsFixture(hosts, { config: rightsOf('plugin.weather'), store, clock })
  const first = await open()
  assert.equal((await first.turn('Hello'))['status'], 'ok')
  while ((await store.documents({ category: 'system/plugin-tasks', after: '', limit: 9 })).length === 0) await immediately()
  await first[Symbol.asyncDispose]()
  offsetMs = 3_600_500
  const second = await open()
  await began.promise
  await second[Symbol.asyncDispose]()
  const third = await open()
  const last = async (): Promise<number> => {
    const [row] = await store.documents({ category: 'system/plugin-tasks', after: '', limit: 9 })
    const { from, last: at } = JSON.parse(row!.body) as { from: number; last: number }
    return at - from
  }
  while ((await last()) === 0) await immediately()
  assert.equal(await last(), 3_600_000)
  assert.equal(ran, 1)
  await third[Symbol.asyncDispose]()
  await opened.close()
})

const immediately = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

void test('a tool named like what every object inherits is an action, and ends nothing', () => {
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf'])
    assert.deepEqual(
      pluginEvents(recordOf(name, 'refused', { status: 'refused' }, 't.s1.c0')).map((event) => event.name).length <= 1,
      true,
      name,
    )
})
