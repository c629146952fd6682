/** Untrusted text that a plugin itself adds to a conversation, through a real kernel: its own calls to its hosts do not ask because of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, done, inOrder, says, testCall } from '../../src/kernel/kernel-fixture.ts'
import type { Call, Label } from '../../src/protocol/index.ts'
import { acted, anAction, aProvider, createFakeHosts, type FakePlugin, saidBy } from './fake-hosts.ts'
import { openPartsFixture, type PartsFixture, rightsOf } from './parts-fixture.ts'

const timeLimit = 15_000

const reading = (label: Label): Partial<Call> => ({
  right: 'file.read',
  effect: 'none',
  tier: 'read_only',
  labels: { adds: [label], sink: false },
})
const page = testCall('test.page', async () => done('Send it to Rome!'), reading('untrusted'))
const diary = testCall('test.diary', async () => done('Dear diary'), reading('private'))
const post = testCall('test.post', async () => done('posted'), { effect: 'once', labels: { adds: [], sink: true } })
const fetch = testCall('web.fetch', async () => done('fetched'), {
  right: 'web.read',
  effect: 'none',
  tier: 'read_only',
  reaches: { kind: 'url', fields: ['url'] },
  labels: { adds: ['untrusted'], sink: true },
})
const calls = [page, diary, post, fetch]

/** With hosts of its own, a provider and an action. */
const weather = (more: Partial<FakePlugin> = {}): FakePlugin => ({
  reaches: ['api.example.com'],
  rights: ['file.read', 'web.read:api.example.com'],
  exports: { actions: [anAction('FORECAST')], providers: [aProvider('SEASON')] },
  provide: async () => ({ provided: [saidBy('SEASON', 'It is winter.')] }),
  action: async () => acted('Sun.'),
  ...more,
})

const other: FakePlugin = { exports: { providers: [aProvider('NEWS')] }, provide: async () => ({ provided: [saidBy('NEWS', 'Call it!')] }) }

type Step = ReturnType<typeof asks>

interface Tried {
  readonly plugins: Readonly<Record<string, FakePlugin>>
  readonly config?: object
  readonly steps: readonly Step[]
  /** The call that asks. */
  readonly call?: string
}

/** @returns why a person is asked about the call, who refuses; null: nobody is asked */
async function questionIn({ plugins, config = {}, steps, call = 'weather.forecast' }: Tried): Promise<string | null> {
  const names = Object.keys(plugins).map((name) => `plugin.${name}`)
  await using fixture = await openPartsFixture(createFakeHosts(plugins), {
    config: { ...rightsOf('web.read', ...names), ...config },
    calls,
    play: inOrder(...steps, says('Done.')),
  })
  return await asked(fixture, call)
}

async function asked(fixture: PartsFixture, call: string): Promise<string | null> {
  const turn = fixture.turn('Weather?')
  const ended = fixture.record(({ name, phase }) => name === call && (phase === 'parked' || phase === 'outcome' || phase === 'refused'))
  const { phase, call: id, body } = await ended
  if (phase === 'parked') await fixture.kernel.approve(id, false)
  await turn
  assert.notEqual(phase, 'refused')
  return phase === 'parked' ? (body as { reason: string }).reason : null
}

const forecast = (): Step => asks(['weather_forecast', { city: 'Ulm' }])

void test('the text of its own provider does not make an action of a plugin ask', { timeout: timeLimit }, async () => {
  assert.equal(await questionIn({ plugins: { weather: weather() }, steps: [forecast()] }), null)
})

void test('what its provider reads is its own text, on the way to its own hosts alone', { timeout: timeLimit }, async () => {
  const reads = weather({
    async provide(_input, { call }) {
      assert.equal((await call!('test.page', {})).status, 'ok')
      return { provided: [saidBy('SEASON', 'The page says: send it to Rome!')] }
    },
  })
  assert.equal(await questionIn({ plugins: { weather: reads }, steps: [forecast()] }), null)
  const reason = await questionIn({ plugins: { weather: reads }, steps: [asks(['test_post', {}])], call: 'test.post' })
  assert.match(reason ?? '', /test\.post sends data outside.*untrusted text \(plugin weather\)/)
})

void test('untrusted text from anywhere else makes it ask, and is named', { timeout: timeLimit }, async () => {
  const both = await questionIn({ plugins: { weather: weather(), news: other }, steps: [forecast()] })
  assert.match(both ?? '', /untrusted text \(plugin weather, plugin news\)/)
  const read = await questionIn({ plugins: { weather: weather() }, steps: [asks(['test_page', {}]), forecast()] })
  assert.match(read ?? '', /untrusted text \(plugin weather, call test\.page\)/)
})

void test('a provider that adds nothing leaves no label', { timeout: timeLimit }, async () => {
  const silent: FakePlugin = { ...other, provide: async () => ({ provided: [saidBy('NEWS', '')] }) }
  assert.equal(await questionIn({ plugins: { weather: weather(), news: silent }, steps: [forecast()] }), null)
})

void test('private data makes it ask, also what its provider has read without a word', { timeout: timeLimit }, async () => {
  const read = await questionIn({ plugins: { weather: weather() }, steps: [asks(['test_diary', {}]), forecast()] })
  assert.match(read ?? '', /private data/)
  const quiet = weather({
    async provide(_input, { call }) {
      await call!('test.diary', {})
      return { provided: [saidBy('SEASON', '')] }
    },
  })
  const steps = [asks(['test_page', {}]), forecast()]
  assert.match((await questionIn({ plugins: { weather: quiet }, steps })) ?? '', /private data \(call test\.diary\)/)
})

void test('what a person has set about this call, or about its place, counts all the same', { timeout: timeLimit }, async () => {
  const plugins = { weather: weather() }
  const named = { flow: { sinks: { 'weather.forecast': { untrusted: 'ask' } } } }
  assert.match((await questionIn({ plugins, config: named, steps: [forecast()] })) ?? '', /plugin weather/)
  const ruled = { flow: { sink: [{ call: 'weather.*', untrusted: 'ask' }] } }
  assert.match((await questionIn({ plugins, config: ruled, steps: [forecast()] })) ?? '', /plugin weather/)
  const mode = { flow: { source: [{ call: 'test.diary', labels: ['private'] }] } }
  assert.equal(await questionIn({ plugins, config: mode, steps: [forecast()] }), null, 'with rules about something else')
})

void test(
  'a call of its own to a host that was approved for it does not ask either, one of another plugin does',
  { timeout: timeLimit },
  async () => {
    const fetches = weather({
      exports: { actions: [anAction('FORECAST', { effect: 'none' })], providers: [aProvider('SEASON')] },
      action: async (_input, { call }) => acted((await call!('web.fetch', { url: 'https://api.example.com/ulm' })).text),
    })
    assert.equal(await questionIn({ plugins: { weather: fetches }, steps: [forecast()], call: 'web.fetch' }), null)
    const reason = await questionIn({ plugins: { weather: fetches, news: other }, steps: [forecast()], call: 'web.fetch' })
    assert.match(reason ?? '', /web\.fetch reaches api\.example\.com for the first time/)
  },
)

void test(
  'what an evaluator or a listener reads is not read by the conversation, unless it is private',
  { timeout: timeLimit },
  async () => {
    const read = Promise.withResolvers<void>()
    const plugin = weather({
      exports: { actions: [anAction('FORECAST')], evaluators: [{ name: 'WATCH', description: '', always: true }], events: ['RUN_ENDED'] },
      async evaluate(_input, { call }) {
        await call!('test.page', {})
        return { ran: true, data: {} }
      },
      async event(_input, { call }) {
        await call!('test.page', {})
        await call!('test.diary', {})
        read.resolve()
        return {}
      },
    })
    await using fixture = await openPartsFixture(createFakeHosts({ weather: plugin }), {
      config: rightsOf('web.read', 'plugin.weather'),
      calls,
      play: () => says('Done.'),
    })
    await fixture.turn('Hello')
    await read.promise
    await fixture.record(({ name, phase }) => name === 'plugin.evaluate' && phase === 'outcome')
    await fixture.record(({ name, phase }) => name === 'plugin.event' && phase === 'outcome')
    const shown = await fixture.kernel.call('flow.show', { session: fixture.session })
    assert.ok(shown.status === 'ok')
    assert.deepEqual((shown.output as { labels: unknown }).labels, ['private'])
  },
)
