/** Our names against the package of the conventions, and the text for Prometheus against promtool. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import * as conventions from '@opentelemetry/semantic-conventions/incubating'
import * as stable from '@opentelemetry/semantic-conventions'
import { withoutProgram } from '../../../test/support/needed-program.ts'
import type { RecordView } from '../../protocol/index.ts'
import { createMeters, prometheusText } from './meters.ts'
import { genAi, general, metricNames, operations, providerNames } from './names.ts'

const known: ReadonlySet<unknown> = new Set<unknown>([conventions, stable].flatMap((names: object) => Object.values(names) as unknown[]))

void test('names of attributes, metrics, operations and providers are as in the conventions', () => {
  const own = Object.values(metricNames).filter((name) => name.startsWith('oxbow.'))
  const named = [
    ...Object.values(genAi),
    ...Object.values(general),
    ...Object.values(operations),
    ...providerNames.values(),
    ...Object.values(metricNames),
  ]
  assert.deepEqual(
    named.filter((name) => !known.has(name)),
    own,
  )
})

let seq = 0
const record = (name: string, phase: string, body: object, call = `c${(seq += 1)}`): RecordView =>
  ({ seq, at: 0, actor: 'agent:ox', session: 's', turn: 't', call, name, phase, body }) as unknown as RecordView

function filled(): string {
  const meters = createMeters()
  const take = (...args: Parameters<typeof record>): void => meters.take(record(...args), () => 1_000)
  take('model.generate', 'intent', { input: { model: 'google/gem"ini\n\\x' } }, 'g1')
  take(
    'model.generate',
    'outcome',
    { status: 'ok', ms: 1_500, usage: { inputTokens: 250, outputTokens: 9 }, spent: { microDollars: 1_234, tokens: 259 } },
    'g1',
  )
  take('model.generate', 'outcome', { status: 'failed', code: 'model_stalled', ms: 3, model: 'a/b' }, 'g2')
  for (let at = 0; at < 700; at += 1) take(`made.up${at}`, 'refused', { code: 'unknown_call' }, `g2.${at}`)
  take('file.read', 'outcome', { status: 'ok', ms: 12 }, 'g1.0')
  take('turn.send', 'outcome', { status: 'ok', ms: 2_000 }, 't')
  return prometheusText(meters.read({ activeSessions: 2, passages: 17 }))
}

void test('the list of metrics is whole, with the numbers of the records, and has an end', () => {
  const lines = filled().split('\n')
  for (const line of [
    'gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_provider_name="gcp.gemini",gen_ai_request_model="gem\\"ini\\n\\\\x",gen_ai_token_type="input"} 250',
    'oxbow_provider_tokens_total{provider="gcp.gemini",model="gem\\"ini\\n\\\\x",type="output"} 9',
    'oxbow_provider_cost_usd_total{provider="gcp.gemini",model="gem\\"ini\\n\\\\x"} 0.001234',
    'oxbow_context_utilization_ratio{provider="gcp.gemini",model="gem\\"ini\\n\\\\x"} 0.25',
    'oxbow_tool_executions_total{tool="made.up0",status="unknown_call"} 1',
    'oxbow_tool_executions_total{otel_metric_overflow="true"} 201',
    'oxbow_tool_duration_seconds_bucket{tool="file.read",le="0.01"} 0',
    'oxbow_tool_duration_seconds_bucket{tool="file.read",le="0.025"} 1',
    'oxbow_turn_duration_seconds_sum{status="ok"} 2',
    'oxbow_active_sessions 2',
    'oxbow_memory_chunks 17',
  ])
    assert.ok(lines.includes(line), line)
  assert.ok(
    lines.some((line) => line.startsWith('gen_ai_client_operation_duration_seconds_count{') && line.includes('error_type="model_stalled"')),
  )
})

void test('promtool has nothing to say of them', { skip: withoutProgram('promtool', 'prometheus') }, () => {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: filled(), encoding: 'utf8' })
  assert.deepEqual([status, stdout + stderr], [0, ''])
})
