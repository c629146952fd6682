/** What reaches plugins outside of turns: events in order and bounded queues, tasks once for each due time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, type Fixture, inOrder, says, user } from '../../src/kernel/kernel-fixture.ts'
import { pluginEvents } from '../../src/services/plugins/event-names.ts'
import { createPluginEvents } from '../../src/services/plugins/plugin-events.ts'
import { createPluginTasks, type PluginTaskDeps } from '../../src/services/plugins/plugin-tasks.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import { type CallId, type CallOutcome, type Clock, type DescribedPlugin, type RecordView, systemClock } from '../../src/types/index.ts'
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
    async () => {},
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
    async () => {},
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

interface TaskBench {
  readonly deps: PluginTaskDeps
  readonly calls: { readonly id: CallId | undefined; readonly due: number }[]
  at: number
}

function taskBench(): TaskBench {
  const kept = new Map<string, unknown>()
  const calls: TaskBench['calls'] = []
  const bench: TaskBench = {
    calls,
    at: 1_000_000_000_000,
    deps: {
      clock: { now: () => bench.at, monotonicMs: () => bench.at },
      minIntervalS: 60,
      noteEvent: () => {},
      newId: () => 'id',
      documents: {
        get: (async (_: string, name: string) => {
          const value = kept.get(name)
          return value === undefined ? null : { name, value, seq: 1, at: 1 }
        }) as PluginTaskDeps['documents']['get'],
        async put(_, changes) {
          for (const { name, value } of changes) kept.set(name, value)
        },
      },
      work: {
        async call(_, __, input, id) {
          calls.push({ id, due: (input as unknown as { due: number }).due })
          return fine
        },
        stop: () => {},
      },
    },
  }
  return bench
}

void test('a task runs once for each due time, and once for all that passed while no guest ran', async () => {
  const bench = taskBench()
  const plugins = [described('weather', { tasks: [{ name: 'refresh', every_s: 3_600, cron: null }] })]
  const open = async (): Promise<void> => {
    const tasks = createPluginTasks(bench.deps)
    await tasks.take(plugins)
    await immediately()
    tasks.stop()
  }
  await open()
  assert.equal(bench.calls.length, 0, 'it is due an hour from now')
  bench.at += 3_600_000
  await open()
  await open()
  assert.deepEqual(
    bench.calls.map(({ due }) => due),
    [1_000_003_600_000],
  )
  bench.at += 10 * 3_600_000 + 1
  await open()
  assert.deepEqual(
    bench.calls.map(({ due }) => due),
    [1_000_003_600_000, 1_000_039_600_000],
  )
  assert.notEqual(bench.calls[0]!.id, bench.calls[1]!.id)
})

void test('a task that runs while the plugins change is not run again for the same time', async () => {
  const bench = taskBench()
  const ended = Promise.withResolvers<void>()
  const slow = {
    ...bench.deps.work,
    call: (...asked: Parameters<typeof bench.deps.work.call>) => ended.promise.then(() => bench.deps.work.call(...asked)),
  }
  const began: unknown[] = []
  const work = { ...slow, call: (...asked: Parameters<typeof slow.call>) => (began.push(asked[3]), slow.call(...asked)) }
  const tasks = createPluginTasks({ ...bench.deps, work })
  const plugins = [described('weather', { tasks: [{ name: 'refresh', every_s: 3_600, cron: null }] })]
  await tasks.take(plugins)
  tasks.stop()
  bench.at += 3_600_000
  await tasks.take(plugins)
  for (const next of [[...plugins, described('other', {})], [], plugins]) {
    await tasks.take(next)
    await immediately()
  }
  ended.resolve()
  await immediately()
  await immediately()
  tasks.stop()
  assert.equal(began.length, 1)
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
