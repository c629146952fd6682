/** What passes between a guest and a plugin in a real sandbox: too much of it, too often, or of the wrong form is refused in words that help. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, inOrder, says } from '../../src/kernel/kernel-fixture.ts'
import { makeHostBench } from '../../src/plugins/host/host-fixture.ts'
import { openPartsFixture, rightsOf } from './parts-fixture.ts'

const source = `
let seen = 0
export default {
  name: 'scales',
  actions: [
    { name: 'WEIGH', parameters: [{ name: 'grams', type: 'integer', required: true }, { name: 'unit', type: 'string', enumValues: ['g', 'kg'] }],
      handler: (runtime, message, state, { parameters }) => ({ success: true, text: parameters.grams + ' of ' + message.text.length }) },
    { name: 'BULKY', handler: () => ({ success: true, text: 'x'.repeat(9_000_000) }) },
    { name: 'LONG', handler: () => ({ success: true, text: 'x'.repeat(50_000) }) },
    { name: 'ODD', handler: () => ({ success: 'maybe', text: 42, data: () => {}, values: [1] }) },
    { name: 'THROWS', handler: () => { throw new Error('the pan is broken') } },
    { name: 'SHOUT', handler: async (runtime) => {
      const outcomes = await Promise.allSettled([runtime.emit('A'.repeat(200)), runtime.emit('RESYNC', { lost: 1 }), runtime.emit('BIG', { x: 'x'.repeat(40_000) })])
      return { success: true, text: outcomes.map(({ reason: { code, message } }) => code + ': ' + message).join(' | ') } } },
    { name: 'MODEL', handler: async (runtime) => ({ success: true, text: await runtime.useModel('TEXT_EMBEDDING', { text: 'x' }, 'scales').then(String, (error) => error.message) }) },
  ],
  models: { TEXT_EMBEDDING: () => ['a'] },
}`

void test('each refusal at the boundary of a plugin is on record and reads well', { timeout: 60_000 }, async (t) => {
  await using bench = await makeHostBench({ plugins: { scales: source } })
  await bench.hosts.exports('scales', new AbortController().signal)
  const cases: readonly (readonly [action: string, input: object, text: RegExp])[] = [
    ['weigh', { grams: 3 }, /^3 of 32000$/],
    ['weigh', {}, /bad_input.*do not fit the parameters of scales\.weigh:\n.*grams/s],
    ['weigh', { grams: 'much', unit: 't' }, /bad_input.*grams.*unit/s],
    ['weigh', { grams: 1, more: 2 }, /bad_input.*more/s],
    ['bulky', {}, /limit_reached.*The answer is larger than 8 MiB/],
    ['long', {}, /^x{3000}x*\n… cut here: 32002 bytes in all/],
    ['odd', {}, /^Done\.$/],
    ['throws', {}, /tool_failed.*the pan is broken/],
    ['shout', {}, /bad_input.*letters, digits.*\|.*RESYNC is an event that only Oxbow emits.*\|.*must be shorter than 32000 characters/s],
    ['model', {}, /No model answered\. scales: TEXT_EMBEDDING of the plugin scales answered with no list of numbers/],
  ]
  const steps = cases.map(([action, input]) => asks([`scales_${action}`, input]))
  await using fixture = await openPartsFixture(bench.hosts, {
    config: { ...rightsOf('plugin.scales'), plugins: { tier: 'unlimited' } },
    play: inOrder(...steps, says('Done.')),
  })
  const reply = await fixture.turn('y'.repeat(40_000))
  assert.equal(reply['reply'], 'Done.', JSON.stringify(reply))
  const ends = fixture.events.flatMap((event) =>
    event.type === 'record' && event.record.name.startsWith('scales.') && /^(outcome|refused)$/.test(event.record.phase)
      ? [event.record]
      : [],
  )
  assert.equal(ends.length, cases.length)
  for (const [place, [action, , text]] of cases.entries()) {
    const body = ends[place]!.body as { text: string }
    await t.test(action, () => assert.match(body.text, text))
  }
})

void test('a plugin that works too often is refused until its window has passed, each user apart', { timeout: 60_000 }, async () => {
  await using bench = await makeHostBench({ plugins: { scales: source } })
  await bench.hosts.exports('scales', new AbortController().signal)
  let offsetMs = 0
  const clock = { now: () => Date.now() + offsetMs, monotonicMs: () => performance.now() + offsetMs }
  const weigh = asks(...Array.from({ length: 4 }, () => ['scales_weigh', { grams: 1 }] as const))
  await using fixture = await openPartsFixture(bench.hosts, {
    config: { ...rightsOf('plugin.scales'), plugins: { tiers: { scales: 'free' } } },
    play: inOrder(weigh, says('Done.'), asks(['scales_weigh', { grams: 2 }]), says('Done.')),
    clock,
  })
  await fixture.turn('Weigh it')
  offsetMs = 2_000
  await fixture.turn('Weigh it again')
  const texts = fixture.events.flatMap((event) =>
    event.type === 'record' && event.record.name === 'scales.weigh' && event.record.phase === 'outcome'
      ? [(event.record.body as { text: string }).text]
      : [],
  )
  assert.deepEqual(texts.filter((text) => text.startsWith('1 of')).length, 2)
  const refused = texts.filter((text) => text.startsWith('Error'))
  assert.equal(refused.length, 2)
  for (const text of refused)
    assert.match(
      text,
      /^Error \(limit_reached\): The plugin scales has reached the limits of its tier, free\. Try again (in 1 s|when another of its requests has ended)\. plugins\.tiers in config\.toml sets its tier\./,
    )
  assert.match(texts.at(-1)!, /^2 of/)
})
