/** The text for Prometheus: what is counted, and what a strange answer of a call does to it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Kernel } from '../../kernel/index.ts'
import { isOxbowError, type Json } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import { createMetrics } from './metrics.ts'

/** A kernel whose calls return these outputs. */
function returning(outputs: Readonly<Record<string, Json>>, status: object = {}): Kernel {
  const call = async (name: string): Promise<CallOutcome> =>
    Object.hasOwn(outputs, name)
      ? ({ status: 'ok', output: outputs[name]!, text: '' } as CallOutcome)
      : ({ status: 'refused', failure: { code: 'denied', message: 'Not yours.', hint: 'Ask.' } } as CallOutcome)
  return { call, status: () => ({ version: '1.2', model: 'a/b', read_only: null, ...status }) } as unknown as Kernel
}

const quiet = { 'resources.show': {}, 'budget.show': {}, 'system.now': {}, 'telemetry.metrics': { text: '' } }

void test('requests are counted by status and by time, each bucket with all that are faster', async () => {
  const metrics = createMetrics()
  for (const [status, ms] of [
    [200, 4],
    [200, 40],
    [503, 40_000],
  ] as const)
    metrics.count(status, ms)
  const lines = (await metrics.text(returning(quiet), 3)).split('\n')
  for (const line of [
    'oxbow_http_requests_total{status="200"} 2',
    'oxbow_http_requests_total{status="503"} 1',
    'oxbow_http_request_seconds_bucket{le="0.005"} 1',
    'oxbow_http_request_seconds_bucket{le="0.05"} 2',
    'oxbow_http_request_seconds_bucket{le="30"} 2',
    'oxbow_http_request_seconds_bucket{le="+Inf"} 3',
    'oxbow_http_request_seconds_count 3',
    'oxbow_connections 3',
    'oxbow_ready 1',
  ])
    assert.ok(lines.includes(line), line)
  assert.equal(lines.at(-1), '', 'the text ends with a line feed')
})

void test('what runs and waits, and what is used of a budget, is shown by number', async () => {
  const now = {
    turns: [{ waiting: 2 }, { waiting: 1 }],
    calls: [{ name: 'file.read' }, { name: 'file.read' }, { name: 'shell.exec' }],
    approvals: [{}, {}, {}, {}],
    admission: { running: 5, queued: ['a', 'b'], isFull: true },
  }
  const outputs = {
    'resources.show': { now: { memory_used_mb: 7, loop_delay_ms: 250, unexplained: 1 }, overloads: ['memory'] },
    'budget.show': { user: { spent: { tokens: 8 } } },
    'system.now': now,
    'telemetry.metrics': { text: '# HELP own Of a service.\n# TYPE own gauge\nown 1\n' },
  }
  const lines = (await createMetrics().text(returning(outputs, { read_only: 'the disk is full' }), 0)).split('\n')
  for (const line of [
    'oxbow_turns_running 2',
    'oxbow_messages_waiting 3',
    'oxbow_calls_running{name="file.read"} 2',
    'oxbow_calls_running{name="shell.exec"} 1',
    'oxbow_approvals_waiting 4',
    'oxbow_agents_running 5',
    'oxbow_agents_queued 2',
    `oxbow_resources_memory_used_bytes ${7 * 1_048_576}`,
    'oxbow_resources_loop_delay_seconds 0.25',
    'oxbow_overloads 1',
    'oxbow_user_spent_tokens 8',
    'oxbow_ready 0',
    'own 1',
  ])
    assert.ok(lines.includes(line), line)
  for (const line of lines.filter((each) => each.startsWith('# HELP oxbow'))) assert.match(line, /^# HELP \w+ (?:\S+ ){3,}\S+\.$/)
  assert.ok(!lines.some((line) => line.includes('unexplained')))
})

void test('names with quotes and line feeds stay within their label, and values of another kind count as nothing', async () => {
  const now = { turns: 'many', calls: [{ name: 'a"b\nc\\d' }, { name: 3 }, null], approvals: 'some', admission: ['x'] }
  const text = await createMetrics().text(returning({ ...quiet, 'system.now': now }, { model: 'x"y' }), 0)
  assert.ok(text.includes('oxbow_calls_running{name="a\\"b\\nc\\\\d"} 1\n'))
  assert.ok(text.includes('model="x\\"y"'))
  assert.ok(text.includes('oxbow_turns_running 0\n') && text.includes('oxbow_approvals_waiting 0\n'))
  // Each line is a comment, or a name with labels and one number.
  for (const line of text.trimEnd().split('\n')) assert.match(line, /^(?:# (?:HELP|TYPE) |[a-z_]+(?:\{.*\})? [\d.e+-]+$)/)
})

void test('a key without the right gets the refusal, not half of the numbers', async () => {
  await assert.rejects(createMetrics().text(returning({ 'resources.show': {}, 'budget.show': {} }), 0), (error) =>
    isOxbowError(error, 'denied'),
  )
})
