/** Spans and metrics of real turns, as a collector gets them, decoded by the official definitions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, done, type Fixture, inOrder, openFixture, says, testCall } from '../../kernel/kernel-fixture.ts'
import { openMemoryStore } from '../../store/index.ts'
import { OxbowError, type UserId } from '../../base/index.ts'
import { spanId, traceId } from '../../protocol/index.ts'
import type { HostPort } from '../../config/index.ts'
import { exportTraces } from './export-traces.ts'
import { decoded, spansIn, startCollector, type TestCollector, type WireSpan } from './otlp-fixture.ts'

const tools = [
  testCall('test.looks', async (_input, { sandbox, signal }) => {
    const hands = await sandbox.hands('work')
    await hands.ask(
      'exec',
      { command: 'true', cwd: '/shared', stdin: '', timeoutMs: 1_000, maxOutputBytes: 100 },
      { signal, timeoutMs: 1_000 },
    )
    return done('seen')
  }),
  testCall('test.works', async () => done('fine')),
  testCall('test.breaks', async () => {
    throw new OxbowError('tool_failed', 'It broke.', { hint: '' })
  }),
]
const hostWith = (variables: Readonly<Record<string, string>> = {}): HostPort =>
  ({ collector: { version: '1.2.3', variables }, definitions: async () => [] }) as unknown as HostPort
const on = (url: string, more: object = {}): object => ({ telemetry: { enabled: true, endpoint: url, ...more } })
/** On a busy machine the end of a guest may be sooner than the answer of a collector. */
async function ended(fixture: Fixture, isThere: () => boolean): Promise<void> {
  while (!isThere()) await new Promise((resolve) => setTimeout(resolve, 20))
  await fixture[Symbol.asyncDispose]()
}
const hasRoot = (collector: TestCollector) => (): boolean => collector.spans().some(({ parentSpanId }) => parentSpanId === '')
const named = (spans: readonly WireSpan[], name: string): WireSpan => {
  const found = spans.find((span) => span.name === name)
  assert.ok(found !== undefined, `${name} is among ${spans.map((span) => span.name).join(', ')}`)
  return found
}

void test('a turn is one trace: its request to the model and its calls are below it, and no content is in it', async () => {
  await using collector = await startCollector()
  const play = inOrder(asks(['test_works', { secret_word: 'xyzzy' }], ['test_breaks'], ['test_looks']), says('plugh'))
  const fixture = await openFixture({ config: on(collector.url), play, calls: tools, host: hostWith() })
  await fixture.turn('hello xyzzy')
  await ended(fixture, hasRoot(collector))
  const spans = collector.spans()
  const root = named(spans, 'invoke_agent ox')
  const turn = String(root.attributes['oxbow.turn.id'])
  assert.deepEqual([root.traceId, root.spanId, root.parentSpanId], [traceId(turn), spanId(turn), ''])
  assert.equal(root.traceId, turn.replaceAll('-', ''))
  for (const span of spans) {
    assert.equal(span.traceId, root.traceId)
    if (span !== root && span.name !== 'hands') assert.equal(span.parentSpanId, root.spanId)
    assert.ok(span.start <= span.end && span.start >= root.start && span.end <= root.end + 1_000_000n, span.name)
  }
  assert.equal(new Set(spans.map((span) => span.spanId)).size, spans.length)
  const hands = named(spans, 'hands')
  assert.deepEqual([hands.parentSpanId, hands.attributes['oxbow.hands.requests']], [named(spans, 'execute_tool test.looks').spanId, '1'])
  const chat = spans.find(({ name }) => name.startsWith('chat '))!
  assert.equal(chat.kind, 3)
  assert.equal(chat.attributes['gen_ai.operation.name'], 'chat')
  assert.equal(Number(chat.attributes['gen_ai.usage.input_tokens']) > 0, true)
  assert.equal(named(spans, 'execute_tool test.works').error, null)
  const broken = named(spans, 'execute_tool test.breaks')
  assert.deepEqual([broken.error !== null, broken.attributes['error.type']], [true, 'tool_failed'])
  assert.doesNotMatch(collector.got.map(({ body }) => body).join(), /xyzzy|plugh|hello/)
})

void test('content is sent where it is asked for, with handles in the place of secrets', async () => {
  await using collector = await startCollector()
  const play = inOrder(asks(['test_works', { word: 'xyzzy' }]), says('plugh hunter2-hunter2-hunter2'))
  const secrets = new Map([['PASS', 'hunter2-hunter2-hunter2']])
  const fixture = await openFixture({ config: on(collector.url, { content: true }), play, calls: tools, host: hostWith(), secrets })
  await fixture.turn('hello hunter2-hunter2-hunter2')
  await ended(fixture, hasRoot(collector))
  const spans = collector.spans()
  const root = named(spans, 'invoke_agent ox')
  const messages = JSON.parse(String(root.attributes['gen_ai.input.messages'])) as unknown
  assert.deepEqual(messages, [{ role: 'user', parts: [{ type: 'text', content: 'hello [secret:PASS]' }] }])
  assert.match(String(root.attributes['gen_ai.output.messages']), /plugh \[secret:PASS\]/)
  assert.equal(named(spans, 'execute_tool test.works').attributes['gen_ai.tool.call.arguments'], '{"word":"xyzzy"}')
  assert.equal(named(spans, 'execute_tool test.works').attributes['gen_ai.tool.call.result'], 'fine')
  assert.doesNotMatch(collector.got.map(({ body }) => body).join(), /hunter2/)
})

void test('an export of the journal has the same spans, whenever it is made', async () => {
  await using collector = await startCollector()
  const store = await openMemoryStore({ user: 'ada' as UserId })
  const kept = Object.assign(Object.create(store) as typeof store, { close: async () => {} })
  const play = inOrder(asks(['test_works']), says('done'))
  const fixture = await openFixture({ config: on(collector.url), play, calls: tools, host: hostWith(), store: kept })
  await fixture.turn('hello')
  await ended(fixture, hasRoot(collector))
  const exported: WireSpan[] = []
  for await (const request of exportTraces(store, { after: 0, content: false, version: '1.2.3' }))
    exported.push(...spansIn(JSON.stringify(request)))
  const sent = collector.spans()
  assert.ok(sent.length >= 4)
  const byId = (spans: readonly WireSpan[]): readonly WireSpan[] => [...spans].sort((one, other) => (one.spanId < other.spanId ? -1 : 1))
  assert.deepEqual(byId(exported), byId(sent))
  for await (const _ of exportTraces(store, { after: 10_000, content: false, version: '' }))
    assert.fail('nothing ended behind the last record')
  await store.close()
})

void test('metrics are sent as the conventions have them', async () => {
  await using collector = await startCollector()
  const fixture = await openFixture({
    config: on(collector.url, { metrics_interval_s: 1 }),
    play: inOrder(asks(['test_works'], ['test_breaks']), says('ok')),
    calls: tools,
    host: hostWith(),
  })
  await fixture.turn('hello')
  await ended(fixture, () => collector.got.some(({ path, body }) => path === '/v1/metrics' && body.includes('oxbow.turn.duration')))
  const last = collector.got.findLast(({ path }) => path === '/v1/metrics')
  const { resourceMetrics } = decoded('metrics', last!.body) as {
    resourceMetrics: readonly { scopeMetrics: readonly { metrics: readonly Record<string, any>[] }[] }[]
  }
  const metrics = new Map(resourceMetrics[0]!.scopeMetrics[0]!.metrics.map((metric) => [metric['name'] as string, metric]))
  const usage = metrics.get('gen_ai.client.token.usage')
  assert.deepEqual([usage?.['unit'], usage?.['histogram'].aggregationTemporality], ['{token}', 2])
  assert.equal(usage?.['histogram'].dataPoints.length, 2)
  assert.equal(metrics.get('gen_ai.client.operation.duration')?.['histogram'].dataPoints[0].count, '2')
  assert.equal(metrics.get('oxbow.tool.executions')?.['sum'].isMonotonic, true)
  assert.equal(metrics.get('oxbow.turn.duration')?.['histogram'].dataPoints[0].count, '1')
})

void test('what a node of a cluster sends and shows names the node, and nothing else does', async () => {
  for (const node of ['node-1', '']) {
    await using collector = await startCollector()
    const fixture = await openFixture({
      config: on(collector.url, { metrics_interval_s: 1 }),
      play: inOrder(asks(['test_works']), says('ok')),
      calls: tools,
      host: Object.assign(hostWith(), { node }),
    })
    await fixture.turn('hello')
    const outcome = await fixture.kernel.call('telemetry.metrics', {})
    const { text } = (outcome as unknown as { output: { text: string } }).output
    assert.equal(text.includes('oxbow_cluster_node{node="node-1"} 1\n'), node !== '', text)
    assert.equal(text.includes('oxbow_cluster_node'), node !== '')
    await ended(fixture, () => ['/v1/traces', '/v1/metrics'].every((path) => collector.got.some((request) => request.path === path)))
    for (const [path, kind] of [
      ['/v1/traces', 'trace'],
      ['/v1/metrics', 'metrics'],
    ] as const) {
      const sent = JSON.stringify(decoded(kind, collector.got.find((request) => request.path === path)!.body))
      assert.equal(/"oxbow\.node","value":\{"stringValue":"node-1"/.test(sent), node !== '', sent)
    }
  }
})

void test('off, nothing is sent and nobody watches the journal for it', async () => {
  await using collector = await startCollector()
  await using fixture = await openFixture({
    config: { telemetry: { endpoint: collector.url } },
    host: hostWith({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }),
    play: inOrder(says('ok')),
  })
  await fixture.turn('hello')
  assert.equal(collector.got.length, 0)
})

void test('metrics are counted back to the start for the first who asks, and go on from there', async () => {
  await using fixture = await openFixture({ play: inOrder(asks(['test_works']), says('ok'), says('again')), calls: tools })
  await fixture.turn('hello')
  const read = async (): Promise<string> => {
    const outcome = await fixture.kernel.call('telemetry.metrics', {})
    assert.equal(outcome.status, 'ok')
    return (outcome as unknown as { output: { text: string } }).output.text
  }
  const first = await read()
  assert.match(first, /^oxbow_tool_executions_total\{tool="test\.works",status="ok"\} 1$/m)
  assert.match(first, /^oxbow_turn_duration_seconds_count\{status="ok"\} 1$/m)
  await fixture.turn('and more')
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.match(await read(), /^oxbow_turn_duration_seconds_count\{status="ok"\} 2$/m)
})
