/** Every way in which a plugin is told private data, and in which it tells it to somebody else, through a real kernel. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, done, newCallId, says, testCall } from '../../src/kernel/kernel-fixture.ts'
import type { CallOutcome, Label, PluginHookResult } from '../../src/protocol/index.ts'
import { acted, anAction, aProvider, createFakeHosts, type FakeHosts, type FakePlugin, saidBy } from './fake-hosts.ts'
import { openPartsFixture, type PartsFixture, rightsOf } from './parts-fixture.ts'

const timeLimit = 15_000
const secret = 'Dear diary'

const diary = testCall('test.diary', async () => done(secret), {
  right: 'file.read',
  effect: 'none',
  tier: 'read_only',
  labels: { adds: ['private'], sink: false },
})
const post = testCall('test.post', async () => done('posted'), { effect: 'once', labels: { adds: [], sink: true } })

interface Tried extends PartsFixture {
  /** A new conversation in which the model makes these calls. @returns its labels */
  talk(...calls: readonly string[]): Promise<readonly Label[]>
}

const pass: PluginHookResult = { verdict: 'pass', value: null, reason: '' }
const labelled = ['private', 'untrusted']

async function open(hosts: FakeHosts, config: object = {}): Promise<Tried> {
  const names = hosts.plugins().map(({ name }) => `plugin.${name}`)
  const turns = new Map<string, string[]>()
  const fixture = await openPartsFixture(hosts, {
    config: { ...rightsOf(...names), flow: { both: 'allow' }, ...config },
    calls: [diary, post],
    play({ messages }) {
      const text = JSON.stringify(messages.findLast(({ role }) => role === 'user'))
      const [, key = ''] = /turn-(\d+)/.exec(text) ?? []
      const next = turns.get(key)?.shift()
      return next === undefined ? says('Done.') : asks([next, { city: 'x' }])
    },
  })
  let count = 0
  return {
    ...fixture,
    async talk(...calls) {
      const text = `turn-${++count}`
      turns.set(String(count), [...calls])
      const { id: session } = await fixture.kernel.createSession('talk')
      const ended = Promise.withResolvers<void>()
      await fixture.kernel.follow(session, 0, (event) => {
        if (event.type === 'record' && event.record.name === 'turn.send' && event.record.phase === 'outcome') ended.resolve()
      })
      await fixture.kernel.sendTurn({ session, clientId: newCallId(), text })
      await ended.promise
      const shown = await fixture.kernel.call('flow.show', { session })
      assert.ok(shown.status === 'ok', shown.text)
      return (shown.output as { labels: readonly Label[] }).labels
    },
  }
}

/** Tells in every conversation what it was told in the one before. */
const teller = (more: Partial<FakePlugin> = {}): FakePlugin => ({
  exports: { actions: [anAction('TELL')] },
  action: async () => acted('What I know.'),
  ...more,
})

void test('a hook that has seen a private result makes private what it refuses elsewhere', { timeout: timeLimit }, async () => {
  const steps: string[] = []
  const guard: FakePlugin = {
    exports: {
      hooks: [
        { step: 'call.before', fail: 'open' },
        { step: 'call.after', fail: 'open' },
      ],
    },
    async hook({ step, value }) {
      const { name } = value as { readonly name: string }
      steps.push(`${step} ${name}`)
      return step === 'call.before' && name === 'test.post' ? { verdict: 'refuse', value: null, reason: secret } : pass
    },
  }
  await using tried = await open(createFakeHosts({ guard }))
  assert.deepEqual(await tried.talk('test_post'), ['untrusted'])
  assert.deepEqual(await tried.talk('test_diary'), ['private'])
  assert.deepEqual(await tried.talk('test_post'), labelled)
  assert.ok(steps.includes('call.after test.diary'))
  const events = await tried.kernel.call('events.next', { after: 0, kinds: ['hook_*'] })
  assert.ok(events.text.includes(secret), events.text)
  assert.deepEqual(events.labels, labelled)
})

void test('a hook that reaches hosts sees no private result, not even the first of its conversation', { timeout: timeLimit }, async () => {
  const seen: string[] = []
  const guard: FakePlugin = {
    reaches: ['api.example.com'],
    exports: {
      hooks: [
        { step: 'call.after', fail: 'open' },
        { step: 'model.after', fail: 'open' },
      ],
    },
    async hook({ value }) {
      seen.push(JSON.stringify(value))
      return pass
    },
  }
  await using tried = await open(createFakeHosts({ guard }))
  await tried.talk('test_diary')
  assert.ok(seen.length > 0)
  assert.ok(
    seen.every((each) => !each.includes(secret)),
    seen.join('\n'),
  )
})

void test('an event brings the labels of the plugin that emits it', { timeout: timeLimit }, async () => {
  const heard = Promise.withResolvers<void>()
  const sender = teller({
    async action(_input, { call }) {
      assert.equal((await call!('plugin.emit', { name: 'NEWS', payload: { text: secret } })).status, 'ok')
      return acted('')
    },
  })
  const listener = teller({
    exports: { actions: [anAction('TELL')], events: ['NEWS'] },
    async event() {
      heard.resolve()
      return {}
    },
  })
  const reader = teller({
    rights: ['file.read'],
    async action(_input, { call }) {
      await call!('test.diary', {})
      return acted('Read.')
    },
  })
  await using tried = await open(createFakeHosts({ sender, listener, reader }))
  await tried.talk('test_diary', 'sender_tell')
  await heard.promise
  assert.deepEqual(await tried.talk('listener_tell'), labelled)
  await tried.talk('reader_tell')
  assert.deepEqual(await tried.talk('reader_tell'), labelled)
})

void test('an evaluator and a provider tell what they were told of', { timeout: timeLimit }, async () => {
  const evaluated = Promise.withResolvers<void>()
  let count = 0
  const plugin: FakePlugin = {
    exports: { evaluators: [{ name: 'WATCH', description: '', always: true }], providers: [aProvider('KEPT')] },
    async evaluate() {
      if (++count === 2) evaluated.resolve()
      return { ran: true, data: {} }
    },
    provide: async () => ({ provided: [saidBy('KEPT', 'What I know.')] }),
  }
  await using tried = await open(createFakeHosts({ plugin }))
  assert.deepEqual(await tried.talk(), ['untrusted'])
  await tried.talk('test_diary')
  await evaluated.promise
  assert.deepEqual(await tried.talk(), labelled)
})

void test('a plugin that answers as a model tells what it was asked', { timeout: timeLimit }, async () => {
  const answers: CallOutcome[] = []
  const oracle: FakePlugin = {
    exports: { models: [{ type: 'TEXT_SMALL', provider: 'oracle', priority: 9 }] },
    model: async () => ({ result: 'What I know.' }),
  }
  const asker = teller({
    rights: ['plugin.oracle'],
    async action(_input, { call }) {
      answers.push(await call!('plugin.model', { type: 'TEXT_SMALL', params: { prompt: 'Say it.' } }))
      return acted('Asked.')
    },
  })
  const other = { ...asker }
  await using tried = await open(createFakeHosts({ oracle, asker, other }))
  assert.deepEqual(await tried.talk('asker_tell'), ['untrusted'])
  await tried.talk('test_diary', 'asker_tell')
  assert.deepEqual(await tried.talk('other_tell'), labelled)
  assert.deepEqual(answers.at(-1)?.labels, labelled)
})

void test('what it does by itself for a conversation without private data is judged as private', { timeout: timeLimit }, async () => {
  const outcomes: CallOutcome[] = []
  const poster = teller({
    rights: ['file.write'],
    async action(_input, { call }) {
      outcomes.push(await call!('test.post', { city: secret }))
      return acted('Posted.')
    },
  })
  await using tried = await open(createFakeHosts({ poster }), { flow: { private: 'deny', both: 'deny', irreversible: 'allow' } })
  await tried.talk('poster_tell')
  await tried.talk('test_diary', 'poster_tell')
  await tried.talk('poster_tell')
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['ok', 'refused', 'refused'],
    outcomes.map(({ text }) => text).join('\n'),
  )
})

void test('one of two plugins gives its labels to nobody else, and loses them when it is emptied', { timeout: timeLimit }, async () => {
  await using tried = await open(createFakeHosts({ told: teller(), other: teller() }))
  await tried.talk('test_diary', 'told_tell')
  assert.deepEqual(await tried.talk('other_tell'), ['untrusted'])
  assert.deepEqual(await tried.talk('told_tell'), labelled)
  const listed = await tried.kernel.call('flow.show', {})
  assert.match(listed.text, /plugin told {2}private data \(call test\.diary\)/)
})

void test('a plugin that is emptied while it is told something has kept it', { timeout: timeLimit }, async () => {
  const plugin = teller({ action: async () => (await tried.told().clear('plugin:plugin'), acted('Kept.')) })
  await using tried = await open(createFakeHosts({ plugin }))
  await tried.talk('test_diary', 'plugin_tell')
  assert.deepEqual(await tried.told().list(), [
    { program: 'plugin:plugin', labels: ['private'], from: [{ label: 'private', from: 'call:test.diary' }] },
  ])
})
