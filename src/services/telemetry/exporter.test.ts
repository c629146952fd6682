/** Collectors that hang, refuse, fail and recover: nothing waits for them, and what is lost is counted. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { collectorOf, isSampled } from './collector.ts'
import { telemetryConfig, type TelemetryConfig } from './config.ts'
import { createExporter, type Exporter } from './exporter.ts'
import { maxWaitingSpans } from './limits.ts'
import { startCollector } from './otlp-fixture.ts'
import type { Span } from './trace-fold.ts'
import { configSchema } from '../index.ts'
import { sectionOf } from '../../config/index.ts'

const own = { user: 'ada', version: '1', instance: 'i', node: 'node-1' }
const settings = (more: Partial<TelemetryConfig> = {}): TelemetryConfig =>
  sectionOf(telemetryConfig, configSchema.parse({ telemetry: { enabled: true, ...more } }))
const exporterTo = (endpoint: string, variables: Readonly<Record<string, string>> = {}, read = async (): Promise<[]> => []): Exporter =>
  createExporter({ collector: collectorOf(settings({ endpoint }), variables, own), since: 0, now: Date.now, read })

const spansOf = (count: number): readonly Span[] =>
  Array.from({ length: count }, (_, at) => {
    const id = (at + 1).toString(16).padStart(16, '0')
    return {
      trace: '1'.repeat(32),
      id,
      parent: '',
      name: `s${at}`,
      kind: 'internal',
      start: 1,
      end: 2,
      attributes: {},
      events: [],
      error: null,
    }
  })

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
}

void test('a request is repeated after the pause that the collector asks for, and no span is lost or doubled', async () => {
  await using collector = await startCollector()
  collector.answers.push({ status: 503, headers: { 'retry-after': '0' } }, { status: 429, headers: { 'retry-after': '0' } })
  const exporter = exporterTo(collector.url)
  exporter.spans(spansOf(512))
  await until(() => exporter.state().sent === 512)
  assert.equal(collector.got.length, 3)
  assert.deepEqual(exporter.state(), { sent: 512, dropped: 0, waiting: 0, problem: '' })
  await exporter.close()
})

void test('what a collector refuses for good is dropped, as a whole or in part, and counted', async () => {
  await using collector = await startCollector()
  collector.answers.push(
    { status: 400, body: 'no' },
    { status: 200, body: '{"partialSuccess":{"rejectedSpans":"12","errorMessage":"too old"}}' },
    { status: 200, body: 'not json' },
  )
  const exporter = exporterTo(collector.url)
  exporter.spans(spansOf(512))
  await until(() => exporter.state().dropped === 512)
  assert.match(exporter.state().problem, /^http:\/\/127\.0\.0\.1:\d+ answered 400$/)
  exporter.spans(spansOf(512))
  await until(() => exporter.state().dropped === 524)
  assert.match(exporter.state().problem, /rejected 12/)
  exporter.spans(spansOf(512))
  await until(() => exporter.state().sent === 500 + 512)
  await exporter.close()
})

void test('a collector that hangs takes no time and no memory: the queue has an end, and so has the end', async () => {
  await using collector = await startCollector()
  collector.answers.push(...Array.from({ length: 50 }, () => null))
  let reads = 0
  const exporter = exporterTo(collector.url, {}, async () => ((reads += 1), []))
  const began = performance.now()
  for (let at = 0; at < 20; at += 1) exporter.spans(spansOf(512))
  exporter.metrics()
  exporter.metrics()
  await until(() => collector.got.length === 2)
  assert.equal(reads, 1, 'the collector still has the ones before')
  const { waiting, dropped } = exporter.state()
  assert.deepEqual([waiting, dropped], [maxWaitingSpans, 20 * 512 - maxWaitingSpans])
  await exporter.close()
  assert.ok(performance.now() - began < 30_000)
  assert.deepEqual([exporter.state().waiting, exporter.state().dropped], [0, 20 * 512])
})

void test('one that is gone is told once, without its headers, and tried again', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  const exporter = exporterTo(`http://127.0.0.1:${port}`, { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20very-secret' })
  exporter.spans(spansOf(512))
  await until(() => exporter.state().problem !== '')
  assert.equal(exporter.state().problem, `http://127.0.0.1:${port}: ECONNREFUSED`)
  assert.equal(exporter.state().waiting, 512)
  await exporter.close()
})

void test('a redirect is not followed, and a long answer not kept', async () => {
  await using collector = await startCollector()
  await using other = await startCollector()
  collector.answers.push({ status: 307, headers: { location: `${other.url}/v1/traces` } }, { status: 200, body: 'x'.repeat(1_000_000) })
  const exporter = exporterTo(collector.url, { OTEL_EXPORTER_OTLP_HEADERS: 'x-key=k' })
  exporter.spans(spansOf(512))
  await until(() => exporter.state().dropped === 512)
  exporter.spans(spansOf(512))
  await until(() => exporter.state().sent === 512)
  assert.equal(other.got.length, 0)
  await exporter.close()
})

void test('the variables of OpenTelemetry say where, how and what, and the configuration comes first', async () => {
  await using collector = await startCollector()
  const exporter = exporterTo('', {
    OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/base/`,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20b, broken, =x,x-other=1',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_SERVICE_NAME: 'mine',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.name=other',
  })
  exporter.spans(spansOf(1))
  await exporter.close()
  const [request] = collector.got
  assert.equal(request?.path, '/base/v1/traces')
  assert.deepEqual([request.headers['x-key'], request.headers['x-other'], request.headers['content-encoding']], ['a b', '1', 'gzip'])
  assert.match(request.body, /"service\.name","value":\{"stringValue":"mine"\}/)
  assert.match(request.body, /"deployment\.environment\.name","value":\{"stringValue":"test"\}/)
  const of = (variables: Readonly<Record<string, string>>, more: Partial<TelemetryConfig> = {}) =>
    collectorOf(settings(more), variables, own)
  assert.equal(of({}).traces?.url.href, 'http://localhost:4318/v1/traces')
  assert.equal(of({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://t/x' }).traces?.url.href, 'http://t/x')
  assert.equal(of({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://t/x' }, { endpoint: 'http://e' }).traces?.url.href, 'http://e/v1/traces')
  assert.equal(of({ OTEL_SDK_DISABLED: 'TRUE' }).traces, null)
  assert.deepEqual([of({ OTEL_METRICS_EXPORTER: 'none' }).metrics, of({ OTEL_METRICS_EXPORTER: 'none' }).traces === null], [null, false])
  assert.equal(of({ OTEL_EXPORTER_OTLP_TIMEOUT: '77' }).timeoutMs, 77)
  assert.match(of({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }).problems.join(), /grpc is asked for/)
  assert.match(of({ OTEL_EXPORTER_OTLP_ENDPOINT: 'file:///etc/passwd' }).problems.join(), /not an http or https URL/)
})

void test('a part of the traces is sent where that is asked for, the same one everywhere', () => {
  const ratio = (sampler: string, argument = ''): number =>
    collectorOf(settings(), { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument }, own).ratio
  assert.deepEqual(
    [ratio(''), ratio('always_off'), ratio('parentbased_traceidratio', '0.25'), ratio('traceidratio', 'much')],
    [1, 0, 0.25, 1],
  )
  const traces = Array.from({ length: 4_000 }, () => crypto.randomUUID().replaceAll('-', ''))
  const taken = traces.filter((trace) => isSampled(trace, 0.25)).length
  assert.ok(taken > 800 && taken < 1_200, `${taken}`)
  assert.equal(
    traces.some((trace) => isSampled(trace, 0)),
    false,
  )
})
