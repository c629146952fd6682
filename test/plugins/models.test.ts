/** Models of plugins: the highest priority first, the next where one fails, and the model of the guest behind them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, inOrder, says } from '../../src/kernel/kernel-fixture.ts'
import type { CallOutcome, PluginExports } from '../../src/protocol/index.ts'
import { acted, anAction, createFakeHosts, type FakePlugin } from './fake-hosts.ts'
import { openPartsFixture, rightsOf } from './parts-fixture.ts'

const serves = (type: string, priority: number): PluginExports['models'] => [{ type, provider: 'p', priority }]

void test('a model is asked by its type, as far as the rights go', { timeout: 15_000 }, async () => {
  const outcomes: CallOutcome[] = []
  let broken = 0
  const hosts = createFakeHosts({
    low: { exports: { models: serves('TEXT_EMBEDDING', 1) }, model: async () => ({ result: [1, 2] }) },
    high: {
      exports: { models: serves('TEXT_EMBEDDING', 9) },
      model: () => {
        broken++
        return Promise.reject(new Error('no key'))
      },
    },
    hidden: { exports: { models: serves('IMAGE', 1) }, model: () => assert.fail('the asker has no right to it') },
    asker: {
      rights: ['plugin.low', 'plugin.high', 'model.use'],
      exports: { actions: [anAction('ASK')] },
      async action(_, { call }) {
        for (let i = 0; i < 8; i++) outcomes.push(await call!('plugin.model', { type: 'TEXT_EMBEDDING', params: { text: 'x' } }))
        outcomes.push(await call!('plugin.model', { type: 'IMAGE', params: {} }))
        outcomes.push(await call!('plugin.model', { type: 'TEXT_SMALL', params: { prompt: 'Say hello.' } }))
        return acted('')
      },
    },
    poor: {
      exports: { actions: [anAction('ASK')] },
      async action(_, { call }) {
        outcomes.push(await call!('plugin.model', { type: 'TEXT_SMALL', params: { prompt: 'Say hello.' } }))
        return acted('')
      },
    },
  })
  const turn = inOrder(asks(['asker_ask', { city: 'x' }], ['poor_ask', { city: 'x' }]), says('hello from the guest'), says('Done.'))
  await using fixture = await openPartsFixture(hosts, {
    config: rightsOf('plugin.low', 'plugin.high', 'plugin.hidden', 'plugin.asker', 'plugin.poor'),
    play: turn,
  })
  await fixture.turn('Ask')
  const results = outcomes.map((each) => (each.status === 'ok' ? (each.output as { result: unknown }).result : each.failure.code))
  assert.deepEqual(
    results.slice(0, 8),
    Array.from({ length: 8 }, () => [1, 2]),
  )
  assert.ok(broken < 8, `a handler that fails is not asked for a while: ${broken} times`)
  assert.deepEqual(results.slice(8), ['not_found', 'hello from the guest', 'denied'])
})

void test('what a plugin spends in a day is bounded by its manifest', { timeout: 15_000 }, async () => {
  const outcomes: CallOutcome[] = []
  const asking = (spendPerDay: number) => ({
    rights: ['model.use'],
    spendPerDay,
    exports: { actions: [anAction('ASK')] },
    async action(_: unknown, { call }: Parameters<NonNullable<FakePlugin['action']>>[1]) {
      outcomes.push(await call!('plugin.model', { type: 'TEXT_SMALL', params: { prompt: 'Say hello.' } }))
      return acted('')
    },
  })
  const hosts = createFakeHosts({ poor: asking(0), rich: asking(5) })
  const price = { input_price: 1_000_000, output_price: 1_000_000 }
  await using fixture = await openPartsFixture(hosts, {
    config: { ...rightsOf('plugin.poor', 'plugin.rich'), model: price },
    play: inOrder(asks(['poor_ask', { city: 'x' }]), asks(['rich_ask', { city: 'x' }]), says('hello'), says('Done.')),
  })
  await fixture.turn('Ask')
  assert.deepEqual(
    outcomes.map((each) => (each.status === 'ok' ? 'ok' : each.failure.code)),
    ['budget_exhausted', 'ok'],
  )
})
