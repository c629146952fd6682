/** How services are held: when they go on with what a crash left, and what the core asks of all of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Call, Caller } from '../protocol/index.ts'
import type { Definition } from '../config/index.ts'
import { asks, openFixture, says, testCall } from './kernel-fixture.ts'
import { services } from '../services/index.ts'
import { holdServices } from './hold-services.ts'
import type { Core, Service } from './service.ts'
import type { HeldComing, KernelHooks } from './stages/coming.ts'

const coreWith = (documents: readonly object[]): (() => Core) => {
  const list = async (): Promise<readonly object[]> => documents
  return () => ({ documents: { list } }) as unknown as Core
}

/** A service of one call, which asks for its port. */
function portOf(more: Partial<Service<string>>): { readonly service: Service; readonly ask: () => Promise<string> } {
  let ask: () => Promise<string> = () => assert.fail('its calls were not described')
  const service: Service<string> = {
    name: 'kept',
    wakes: ['system/kept'],
    async calls(_core, self) {
      ask = self
      return [] as readonly Call[]
    },
    ...more,
  }
  return { service, ask: () => ask() }
}

void test('a service goes on with what was left before anybody has its port, and once', async () => {
  const order: string[] = []
  const left = Promise.withResolvers<void>()
  const { service, ask } = portOf({
    open: async () => ({
      port: 'port',
      async recover() {
        order.push('recover')
        await left.promise
        order.push('recovered')
      },
    }),
  })
  const held = holdServices([service], coreWith([{}]))
  await held.calls()
  // A call that resumes with its turn comes before the start has come as far as services.
  const asked = ask().then((port) => order.push(port))
  const recovering = held.recover()
  await new Promise((resolve) => void setImmediate(resolve))
  assert.deepEqual(order, ['recover'])
  left.resolve()
  await Promise.all([asked, recovering])
  assert.deepEqual(order, ['recover', 'recovered', 'port'])
})

void test('a service that cannot go on with what was left is named, and works', async () => {
  const recover = (): Promise<void> => Promise.reject(new Error('a record is damaged'))
  const { service, ask } = portOf({ open: async () => ({ port: 'port', recover }) })
  const held = holdServices([service], coreWith([{}]))
  await held.calls()
  await held.recover()
  assert.deepEqual(held.problems(), [{ name: 'kept', problem: 'a record is damaged' }])
  assert.equal(await ask(), 'port')
})

void test('a service without documents is not opened by a start', async () => {
  const { service } = portOf({ open: () => assert.fail('nothing needs it') })
  await holdServices([service], coreWith([])).recover()
})

void test('what is wrong with a definition says the service to which its kind belongs', async () => {
  const definitionOf = (kind: Definition['kind']): Definition => ({ kind, name: 'one', toml: '', text: '', problem: '', ...read })
  const read = { from: 'person', hash: '', table: {} } as const
  const graphs: Service = { name: 'graphs', definitions: { graphs: async ({ name }) => `${name} has no start` } }
  const { definitionProblem } = holdServices([graphs], coreWith([]))
  assert.equal(await definitionProblem(definitionOf('graphs')), 'one has no start')
  assert.equal(await definitionProblem(definitionOf('agents')), '')
})

void test('what one service throws is named, and the rest lives', async () => {
  const throws = (): never => {
    throw new Error('broken')
  }
  const ended: string[] = []
  const bad: Service = {
    name: 'bad',
    begin: throws,
    left: throws,
    section: async () => throws,
    async *health() {
      yield throws()
    },
  }
  const good: Service = {
    name: 'good',
    begin: () => async () => void ended.push('good'),
    section: async () => async () => 'All is well.',
    async *health() {
      yield { name: 'good', state: 'ok', says: 'works', fix: '', required: false, ms: 0 }
    },
  }
  const named = [{ name: 'bad', problem: 'broken' }]
  const fresh = () => holdServices([bad, good], coreWith([]))
  const held = fresh()
  held.begin()
  await held.recover()
  assert.deepEqual(held.problems(), named)
  await held.close()
  assert.deepEqual(ended, ['good'])
  const asked = fresh()
  assert.equal(await asked.section({} as never), 'All is well.')
  assert.deepEqual(asked.problems(), named)
  const checks: (readonly string[])[] = []
  for await (const { name, state } of fresh().health()) checks.push([name, state])
  assert.deepEqual(checks, [
    ['service bad', 'missing'],
    ['good', 'ok'],
  ])
})

const hangs = (): Promise<never> => new Promise(() => {})
const throws = (): never => {
  throw new Error('broken')
}
/** Of a service that hangs. */
const late = 'it has not answered within 0.02 seconds'
const patienceMs = 20

for (const [how, broken, problem] of [
  ['throws', throws, 'broken'],
  ['hangs', hangs, late],
] as const)
  void test(`a service that ${how} where the core asks it is named, and what needs it says why`, async () => {
    const message = `The service bad does not work: ${problem}`
    const caller = {} as Caller
    const good: Service = {
      name: 'good',
      fill: () => async (from) => ({ caller: from, input: 'filled' }),
      runs: async () => ({ goesOn: async (run: string) => run === 'good' }),
    }
    const hold = (bad: Partial<Service>) => holdServices([{ name: 'bad', ...bad }, good], coreWith([{}]), patienceMs)
    const named = [{ name: 'bad', problem }]

    const putting = hold({ fill: () => broken })
    const { fill: put } = putting
    const filled = await put(caller, 'handle')
    assert.equal('message' in filled && filled.message, message)
    assert.deepEqual(putting.problems(), named)

    const labelling = hold({ fileLabels: broken })
    await assert.rejects(labelling.fileLabels(), { message })
    assert.deepEqual(labelling.problems(), named)

    const running = hold({ runs: broken })
    const runs = await running.runs()
    assert.deepEqual(running.problems(), named)
    assert.equal(await runs[1]?.goesOn?.('good' as never), true)
    // What nobody can say of is left as it is, and an undo says why it cannot be complete.
    assert.equal(await runs[0]?.goesOn?.('other' as never), true)
    await assert.rejects(async () => runs[0]?.started?.(), { message })

    const judging = hold({ judges: { decides: ['refuseStart', 'cautionOf', 'actAs'], load: broken } })
    const [judges] = await judging.judges()
    assert.deepEqual(judging.problems(), named)
    for (const refused of [judges?.refuseStart?.({} as never, {} as never, false), judges?.cautionOf?.(''), judges?.actAs?.({} as never)]) {
      const failure = (await refused) as { readonly message: string }
      assert.equal(failure.message, message)
    }
    assert.equal(judges?.findRule, undefined)

    const deciding = hold({ judges: { decides: ['refuseStart'], load: async () => ({ refuseStart: broken }) } })
    const [decides] = await deciding.judges()
    assert.deepEqual(deciding.problems(), [])
    assert.equal((await decides?.refuseStart?.({} as never, {} as never, false))?.message, message)
    assert.deepEqual(deciding.problems(), named)
  })

void test('a service that hangs while it goes on with what was left holds up nobody, and works once it has', async () => {
  const left = Promise.withResolvers<void>()
  const { service, ask } = portOf({ open: async () => ({ port: 'port', recover: () => left.promise }) })
  const held = holdServices([service], coreWith([{}]), patienceMs)
  await held.calls()
  await held.recover()
  assert.deepEqual(held.problems(), [{ name: 'kept', problem: late }])
  await assert.rejects(ask(), { message: `The service kept does not work: ${late}` })
  left.resolve()
  await new Promise((resolve) => void setImmediate(resolve))
  assert.equal(await ask(), 'port')
  assert.deepEqual(held.problems(), [])
})

void test('a service that opens too late is used, and one that opens after the end is closed', async () => {
  const opened = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const ended: string[] = []
  for (const isOver of [false, true]) {
    const { promise, resolve } = opened.pop()!
    const { service, ask } = portOf({
      async open() {
        await promise
        return { port: 'port', close: async () => void ended.push('closed'), release: async () => void ended.push('released') }
      },
    })
    const held = holdServices([service], coreWith([]), patienceMs)
    await held.calls()
    await assert.rejects(ask(), { message: /has not answered/ })
    if (isOver) await held.close()
    resolve()
    await new Promise((again) => void setImmediate(again))
    if (isOver) assert.deepEqual(ended.splice(0), ['closed', 'released'])
    else {
      assert.equal(await ask(), 'port')
      await held.close()
      assert.deepEqual(ended.splice(0), ['closed'])
    }
  }
})

/** The services of a guest, one of them with these parts. */
const withBroken = (name: string, parts: Partial<Service>): readonly Service[] =>
  services.map((of) => (of.name === name ? { ...of, ...parts } : of))

void test('where a service decides nothing, only calls that it would decide about are refused', async () => {
  const starts = () => ({ shell: null, binary: 'ls', args: [], env: [], cwd: '' })
  const calls = [
    testCall('probe.look', async () => ({ output: 'seen' }), { tier: 'read_only' }),
    testCall('probe.start', async () => ({ output: 'started' }), { tier: 'read_only', starts }),
    testCall('probe.send', async () => ({ output: 'sent' }), { tier: 'read_only', labels: { adds: [], sink: true } }),
  ]
  const tryAll = async (name: string, parts: Partial<Service>, config = {}): Promise<Record<string, string>> => {
    const names = ['probe.look', 'probe.start', 'probe.send']
    const steps = [asks(...names.map((each) => [each.replace('.', '_')] as const)), says('done')]
    await using fixture = await openFixture({ calls, config, services: withBroken(name, parts), play: () => steps.shift() ?? says('over') })
    await fixture.turn('Try them.')
    assert.deepEqual(fixture.kernel.status().services, [{ name, problem: 'broken' }])
    const ended = fixture.events.flatMap((event) => (event.type === 'record' && names.includes(event.record.name) ? [event.record] : []))
    const texts = ended.filter(({ phase }) => phase === 'outcome' || phase === 'refused')
    return Object.fromEntries(texts.map(({ name: called, body }) => [called, JSON.stringify(body)]))
  }
  const why = (name: string): RegExp => new RegExp(`The service ${name} does not work: broken`)
  const decides = ['refuseStart', 'cautionOf', 'refused', 'hides'] as const
  const access = await tryAll('access', { judges: { decides, load: throws } })
  assert.match(access['probe.look']!, /seen/)
  assert.match(access['probe.send']!, /sent/)
  assert.match(access['probe.start']!, why('access'))

  const source = [{ path: '/shared/finance/**', labels: ['private'] }]
  const flow = await tryAll('flow', { fileLabels: throws }, { flow: { sink: [{ call: 'probe.send', private: 'deny' }], source } })
  assert.match(flow['probe.send']!, why('flow'))
})

void test('a start refuses services that need each other, and prints the circle', () => {
  const first: { name: string; needs: Record<string, Service> } = { name: 'first', needs: {} }
  const second: Service = { name: 'second', needs: { first } }
  first.needs['second'] = second
  assert.throws(() => holdServices([first, second], coreWith([])), { message: 'services need each other: first → second → first' })
})

void test('the second of two services with a call of one name is named, and the first keeps the call', async () => {
  const calls = async (): Promise<readonly Call[]> => [testCall('probe.look', async () => ({ output: null }))]
  const held = holdServices(
    [
      { name: 'first', calls },
      { name: 'second', calls },
    ],
    coreWith([]),
  )
  assert.equal((await held.calls()).length, 1)
  assert.deepEqual(held.problems(), [{ name: 'second', problem: 'first has a call of the same name as its own, probe.look' }])
})

void test('a service that does not decide what it says is named, and nothing passes that it would decide about', async () => {
  const held = holdServices([{ name: 'bad', judges: { decides: ['refuseStart'], load: async () => ({}) } }], coreWith([]))
  const [judges] = await held.judges()
  assert.match(
    (await judges?.refuseStart?.({} as never, {} as never, false))?.message ?? '',
    /does not decide what it says .*: refuseStart/,
  )
  assert.deepEqual(held.problems().length, 1)
})

void test('hooks of a second service are never dropped in silence', async () => {
  const hooked = (name: string): Service => ({ name, coming: async () => ({ calls: () => [], hooks: () => ({}) as KernelHooks }) })
  const of = async (...list: readonly Service[]): Promise<HeldComing> => {
    const { coming } = holdServices(list, coreWith([]))
    await coming.load()
    return coming
  }
  assert.ok((await of(hooked('first'), { name: 'second' })).hooks() !== undefined)
  const both = await of(hooked('first'), hooked('second'))
  assert.throws(() => both.hooks(), /two services bring hooks/)
})

void test('a call of a service that cannot describe its calls says that it may be missing', async () => {
  await using fixture = await openFixture({ services: withBroken('schedules', { calls: throws }) })
  const outcome = await fixture.kernel.call('schedule.search', {})
  assert.match(outcome.text, /There is no call named "schedule.search"\. The service schedules does not work, and may lack calls: broken/)
  assert.equal((await fixture.kernel.call('time.now', {})).status === 'ok' || (await fixture.kernel.call('system.calls', {})).status, 'ok')
})
