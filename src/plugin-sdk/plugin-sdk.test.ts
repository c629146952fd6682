import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { importPlugin } from '../plugin-host/index.ts'
import { checkParameters, createFakeProcess, definePlugin } from './index.ts'

const notes = fileURLToPath(new URL('../../examples/plugins/notes', import.meta.url))

const weather = definePlugin({
  name: 'weather',
  init: (config) => void (place = JSON.stringify(config['place'])),
  actions: [
    {
      name: 'forecast',
      parameters: [
        { name: 'place', required: true },
        { name: 'unit', enumValues: ['c', 'f'], default: 'c' },
      ],
      async handler(runtime, _message, _state, { parameters }) {
        const { status, text, failure } = await runtime.call('web.fetch', { url: parameters['place'] ?? '' })
        return { success: status === 'ok', text: failure?.message ?? `${text} in ${place}`, values: { key: runtime.getSetting('KEY') } }
      },
    },
  ],
  providers: [{ name: 'season', get: async (_runtime, message) => ({ text: `winter, ${message.user}` }) }],
  evaluators: [{ name: 'mood', validate: (_runtime, message) => message.text !== '', handler: () => {} }],
  services: [{ serviceType: 'radar', start: async () => ({}) }],
  models: { TEXT_SMALL: async (_runtime, params) => `small ${JSON.stringify(params['prompt'])}` },
  routes: [{ type: 'get', path: '/now', handler: async () => ({ status: 201, body: { sun: true } }) }],
  tasks: [{ name: 'refresh', every_s: 60, run: (_runtime, due) => `due ${due}` }],
  events: { MESSAGE_RECEIVED: [(_runtime, payload) => void events.push(payload)] },
  tests: [{ name: 'weather', tests: [{ name: 'fails', fn: () => Promise.reject(new Error('rain')) }] }],
})
let place = ''
const events: unknown[] = []

test('a fake process runs every part of a plugin, and its calls are answered by the test', async () => {
  const calls = { 'web.fetch': () => ({ text: 'sun' }) }
  const fake = await createFakeProcess(weather, { calls, config: { place: 'Bonn' }, secrets: { KEY: 'k' } })
  assert.deepEqual(await fake.action('forecast', { place: 'x' }), { ok: true, text: 'sun in "Bonn"', data: {}, values: { key: 'k' } })
  assert.deepEqual(fake.made, [{ name: 'web.fetch', input: { url: 'x' } }])
  assert.equal((await fake.provide('season', { user: 'ann' })).text, 'winter, ann')
  assert.deepEqual([await fake.evaluate('mood', { text: 'hi' }), await fake.evaluate('mood', { text: '' })], [true, false])
  await fake.service('radar')
  assert.equal(await fake.model('TEXT_SMALL', { prompt: 'p' }), 'small "p"')
  const { status, body } = await fake.route('GET', '/now')
  assert.deepEqual([status, JSON.parse(body)], [201, { sun: true }])
  assert.equal(await fake.task('refresh', 7), 'due 7')
  await fake.event('MESSAGE_RECEIVED', { n: 1 })
  assert.deepEqual(events, [{ n: 1 }])
  assert.deepEqual(await fake.test(), [{ suite: 'weather', name: 'fails', ok: false, problem: 'rain' }])
  assert.deepEqual(
    fake.exports.actions.map(({ name, effect }) => `${name} ${effect}`),
    ['forecast once'],
  )
  await fake.close()
})

test('a call that the test does not answer is refused, and one that throws has failed', async () => {
  const fail = await createFakeProcess(weather, {
    calls: {
      'web.fetch': () => {
        throw new Error('no network')
      },
    },
  })
  assert.deepEqual((await fail.action('forecast', { place: 'x' })).text, 'no network')
  const none = await createFakeProcess(weather)
  assert.match((await none.action('forecast', { place: 'x' })).text, /may not call web\.fetch/)
})

test('a part that is wrong is named, and so is a parameter', () => {
  assert.throws(() => definePlugin({ name: 'x', actions: [{ name: 'a' } as never] }), /actions\[0\] of x needs handler/)
  const [forecast] = weather.actions
  assert.deepEqual(checkParameters(forecast, { place: 'x' }), { value: { place: 'x', unit: 'c' }, problems: [] })
  assert.deepEqual(checkParameters(forecast, { unit: 'k' }).problems, ['place is missing', 'unit must be one of "c", "f"'])
})

test('the example keeps and finds notes, and its own tests pass', async () => {
  const plugin = await importPlugin(notes, 'index.js')
  const kept: string[] = []
  const calls = {
    'memory.save': ({ content }: { readonly content?: unknown }) => ({ text: `saved ${kept.push(String(content))}` }),
    'memory.search': () => ({ text: kept.join('\n') }),
  }
  const fake = await createFakeProcess(plugin, { calls, config: { shown: 1 } })
  assert.equal((await fake.action('keep', { text: 'buy milk' })).text, 'Kept: buy milk')
  await fake.action('keep', { text: 'call Ann' })
  assert.equal((await fake.action('find', { about: 'milk' })).text, 'buy milk\ncall Ann')
  assert.equal((await fake.provide('notes', { text: 'milk' })).text, 'Notes:\nbuy milk')
  assert.deepEqual(
    (await fake.test()).map(({ ok, problem }) => ({ ok, problem })),
    [{ ok: true, problem: '' }],
  )
  assert.ok(fake.made.every(({ input }) => JSON.stringify(input['tags']) === '["plugin.notes"]'))
})

test('memory of a plugin has its tag, and rejects what is refused', async () => {
  const plugin = definePlugin({
    name: 'keeper',
    actions: [
      { name: 'keep', handler: async ({ memory }) => ({ success: true, text: (await memory.save('a fact', { tags: ['more'] })).text }) },
      { name: 'look', handler: async ({ memory }) => ({ success: true, text: (await memory.search('fact')).text }) },
      { name: 'lookAtAll', handler: async ({ memory }) => ({ success: true, text: (await memory.search('fact', { tags: [] })).text }) },
      { name: 'emit', handler: async ({ emit }) => ({ success: true, text: (await emit('E')).text }) },
    ],
  })
  const asked = await createFakeProcess(plugin, {
    calls: { 'memory.save': () => ({ text: 'saved' }), 'memory.search': () => ({ text: 'found' }) },
  })
  for (const name of ['keep', 'look', 'lookAtAll']) assert.equal((await asked.action(name)).ok, true)
  assert.deepEqual(
    asked.made.map(({ input }) => input['tags']),
    [['plugin.keeper', 'more'], ['plugin.keeper'], undefined],
  )
  const refused = await createFakeProcess(plugin)
  for (const name of ['keep', 'look', 'emit']) await assert.rejects(refused.action(name), /may not call/, name)
})

test('a misspelt part is refused, by its types and when it is defined or imported', () => {
  assert.throws(
    // @ts-expect-error -- no part of a plugin
    () => definePlugin({ name: 'weather', actionz: [] }),
    /weather has actionz, which is no part of a plugin: is it actions\./,
  )
  // @ts-expect-error -- neither
  assert.throws(() => definePlugin({ name: 'weather', zzzzzzzzzzzz: 1 }), /has zzzzzzzzzzzz, which is no part of a plugin\.$/)
})

test('a misspelt field of a part is refused, with the name that was meant', () => {
  const handler = (): string => ''
  const refused = (parts: object, problem: RegExp): void => assert.throws(() => definePlugin({ name: 'x', ...parts }), problem)
  refused(
    { actions: [{ name: 'a', handler, paramters: [] }] },
    /actions\[0\] of x has paramters, which is no field of it: is it parameters\.$/,
  )
  refused({ actions: [{ name: 'a', handlr: handler }] }, /actions\[0\] of x needs handler, a function\. Is handlr misspelt\?$/)
  refused({ providers: [{ name: 'p', get: handler, deadline: 5 }] }, /has deadline, which is no field of it: is it deadline_ms\.$/)
  refused({ tasks: [{ name: 't', run: handler, every: 5 }] }, /tasks\[0\] of x has every, .* is it every_s\.$/)
  refused({ hooks: [{ step: 'call.before', run: handler, when: 1 }] }, /hooks\[0\] of x has when, .*: it may have step, fail, run\.$/)
  refused({ models: { TEXT_SMALL: { handler, priorty: 1 } } }, /models\.TEXT_SMALL of x has priorty, .* is it priority\.$/)
  // Fields of elizaOS and of classes are fine.
  const prototype = { start: (): object => ({}) }
  const radar = Object.assign(Object.create(prototype) as typeof prototype, { serviceType: 'radar', range: 40 })
  definePlugin({ name: 'x', actions: [{ name: 'a', handler, examples: [] } as never], services: [radar] })
})

test('a value that a field of a part does not take is refused, with those that it takes', () => {
  const refused = (more: object, message: string | RegExp): void =>
    assert.throws(() => definePlugin({ name: 'x', ...more } as never), { message })
  const [handler, run] = [() => {}, () => {}]
  refused({ hooks: [{ step: 'call.before', fail: 'close', run }] }, 'hooks[0] of x has fail "close", which must be one of open, closed.')
  refused(
    { hooks: [{ on: 'call.before', run }] },
    /^hooks\[0\] of x needs step, one of message\.received, .*, call\.before, .*, turn_end\.$/,
  )
  refused({ hooks: [{ step: 'call.befor', run }] }, /^hooks\[0\] of x has step "call\.befor", which must be one of message\.received, /)
  refused(
    { actions: [{ name: 'a', handler, effect: 'nothing' }] },
    'actions[0] of x has effect "nothing", which must be one of none, idempotent, once.',
  )
  refused({ actions: [{ name: 'a', handler, tier: 'safe' }] }, /which must be one of read_only, side_effecting, privileged\.$/)
  refused(
    { providers: [{ name: 'p', get: handler, deadline_ms: '2s' }] },
    'providers[0] of x has deadline_ms "2s", which must be a number.',
  )
  refused({ tasks: [{ name: 't', run }] }, 'tasks[0] of x needs every_s or cron.')
  refused({ tasks: { name: 't', run } }, 'tasks of x must be a list.')
  refused({ models: { TEXT_LARGE: { priority: 1 } } }, 'models.TEXT_LARGE of x needs handler, a function.')
  refused({ events: { MESSAGE_RECEIVED: handler } }, 'events.MESSAGE_RECEIVED of x must be a list of functions.')
  refused({ init: 1 }, 'init of x must be a function.')
})
