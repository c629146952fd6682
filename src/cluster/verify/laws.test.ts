import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JournalRecord } from '../../protocol/index.ts'
import { createLaws, type Told } from './laws.ts'

type Line = readonly [call: string, name: string, phase: string, body: object]

const findings = (lines: readonly Line[], told: Told = {}): readonly string[] => {
  const laws = createLaws('ann', 'what')
  for (const [call, name, phase, body] of lines)
    laws.take({ call, name, phase, body: JSON.stringify(body), actor: 'user:ann', session: '', turn: '' } as unknown as JournalRecord)
  return laws.findings(told).map(({ law, detail }) => `${law}: ${detail}`)
}
const message = (call: string, text: string, end = 'ok'): readonly Line[] => [
  [call, 'turn.send', 'intent', { input: { text }, effect: 'idempotent' }],
  [call, 'turn.send', 'outcome', { status: end }],
]
const payment = (call: string, what: string, end: object): readonly Line[] => [
  [call, 'mcp.outside.pay', 'intent', { input: { what }, effect: 'once' }],
  [call, 'mcp.outside.pay', 'outcome', end],
]
const effects = (...arrived: readonly (readonly [string, number])[]): Told => ({
  effects: { call: 'mcp.outside.pay', field: 'what', arrived: new Map(arrived) },
})

test('each acknowledged message is one turn, which has ended well or was taken into another', () => {
  const sound = [...message('1', 'a'), ...message('2', 'b', 'merged')]
  assert.deepEqual(findings(sound, { acknowledged: ['a', 'b'] }), [])
  assert.deepEqual(findings([...sound, ...message('3', 'a'), ...message('4', 'c', 'failed')], { acknowledged: ['a', 'b', 'c', 'd'] }), [
    'message: 2 turns of the acknowledged message “a”',
    'message: the turn of “c” ended with failed',
    'message: 0 turns of the acknowledged message “d”',
  ])
})

test('an effect arrives once where it is said to be done, at most once where nobody knows, and never without a record', () => {
  const unknown = { status: 'failed', code: 'outcome_unknown' }
  const lines = [...payment('1', 'x', { status: 'ok' }), ...payment('2', 'y', unknown), ...payment('3', 'z', unknown)]
  assert.deepEqual(findings(lines, effects(['x', 1], ['y', 1])), [])
  assert.deepEqual(findings([...lines, ...payment('4', 'x', { status: 'ok' })], effects(['y', 2], ['v', 1])), [
    'effect: “y” arrived 2 times',
    'effect: “v” arrived without a record of it',
    'effect: “x” is said to be done and never arrived',
    'effect: “x” was asked for 2 times',
  ])
})

test('a call begins and ends once, a schedule fires once for each due time, and a limit holds', () => {
  const run = (turn: string, due: number): Line => [
    turn,
    'schedule.run',
    'exchange',
    { documents: [{ category: 'system/schedule_runs', name: 'n', value: { schedule: 's', due_at: due, attempt: 1, turn } }] },
  ]
  const spent = (tokens: number): Line => ['m', 'model.generate', 'outcome', { status: 'ok', spent: { microDollars: 0, tokens } }]
  assert.deepEqual(findings([run('t1', 0), run('t1', 0), run('t2', 5_000), spent(9)], { maxTokens: 9 }), [])
  assert.deepEqual(
    findings([run('t1', 0), run('t2', 0), ...message('1', 'a'), ...message('1', 'a'), spent(9), spent(1)], { maxTokens: 9 }),
    [
      'call: a call of turn.send (a) began 2 times',
      'call: a call of turn.send (a) ended 2 times: ok, ok',
      'call: a call of model.generate ended 2 times: ok, ok',
      'schedule: the run "s" of 1970-01-01T00:00:00.000Z, attempt 1 began as 2 turns',
      'budget: models used 10 tokens, and 9 were allowed',
    ],
  )
})
