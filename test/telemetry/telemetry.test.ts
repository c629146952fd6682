/** Logs, traces and metrics as a person gets them: the program, a guest that serves, a model over HTTP, and a collector. */
import { type LogLine } from '../../src/base/index.ts'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { startScriptedServer, type Scenario } from '../../src/engine/index.ts'
import { spanId, traceId } from '../../src/protocol/index.ts'
import { decoded, spansIn, startCollector } from '../../src/services/telemetry/otlp-fixture.ts'
import { newId } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { withoutProgram } from '../support/needed-program.ts'
import { openHome } from '../support/program.ts'
import { openReady, outputOf } from '../support/ready.ts'
import { emptied, makeWorkspace } from '../support/workspace.ts'

const scenario: Scenario = {
  turns: [
    {
      steps: [
        { events: [{ tool_call: { name: 'file_list', arguments: { path: '/shared' } } }], usage: { input: 120, output: 7 } },
        { events: [{ text: 'The folder is empty.' }], usage: { input: 150, output: 9 } },
      ],
    },
  ],
}

const key = 'sk-test-0123456789-abcdefghij'

test('a turn is in the log, in a trace that the provider was told of, and in the metrics', async (t) => {
  const parents: string[] = []
  const server = await startScriptedServer(scenario, { onRequest: (_, headers) => parents.push(String(headers['traceparent'])) })
  await using collector = await startCollector()
  await using home = await openHome(
    `[telemetry]\nenabled = true\nendpoint = "${collector.url}"\n[model]\nprovider = "openai"\nname = "gpt-5-mini"\nbase_url = "${server.url}"\n`,
  )
  const ran = await home.oxbow(['run', `list it, with ${key}`])
  assert.match(ran.out, /The folder is empty/, ran.err)

  const read = async (): Promise<readonly LogLine[]> =>
    (await home.oxbow(['logs', '--format', 'json', '--lines', '1000'])).out
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as LogLine]))
  // What writes them is loaded a second after the start.
  let lines = await read()
  while (!lines.some(({ msg }) => msg === 'a turn ended')) lines = await read()
  const turn = lines.find(({ msg }) => msg === 'a turn ended')?.turn ?? ''
  assert.notEqual(turn, '')
  const ofTurn = (await home.oxbow(['logs', '--turn', turn.slice(0, 13)])).out
  for (const said of ['a turn began', 'a model answered', 'a call ended  ', 'name=file.list', 'a turn ended'])
    assert.ok(ofTurn.includes(said), `${said} in ${ofTurn}`)
  assert.doesNotMatch(readFileSync(join(home.folder, 'users/default/logs/guest.log'), 'utf8'), /sk-test|folder is empty/)
  assert.match((await home.oxbow(['logs', '--since', '0s', '--role', 'plugins'])).err, /No lines fit/)
  assert.equal((await home.oxbow(['logs', '--role', 'nobody'])).exit, 2)
  assert.equal((await home.oxbow(['logs', '--since', 'yesterday'])).exit, 2)

  const { out } = await home.oxbow(['audit', 'export', '--otlp'])
  const spans = out.split('\n').flatMap((line) => (line === '' ? [] : spansIn(line)))
  assert.deepEqual(new Set(spans.map(({ traceId: trace }) => trace)), new Set([traceId(turn)]))
  const chats = spans.filter(({ name }) => name === 'chat gpt-5-mini')
  assert.deepEqual(
    parents.slice(0, 2),
    chats.map((span) => `00-${traceId(turn)}-${span.spanId}-01`),
  )

  while (!collector.spans().some((span) => span.spanId === spanId(turn))) await new Promise((resolve) => setTimeout(resolve, 50))
  const token = readFileSync(join(home.folder, 'users/default/ipc/token'), 'utf8')
  const { url } = JSON.parse(readFileSync(join(home.folder, 'users/default/ipc/gateway.json'), 'utf8')) as { url: string }
  const metrics = await (
    await fetch(url.replace(/^ws/, 'http').replace(/\/ws$/, '/metrics'), { headers: { authorization: `Bearer ${token}` } })
  ).text()
  assert.match(
    metrics,
    /^gen_ai_client_token_usage_sum\{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt-5-mini",gen_ai_token_type="input"\} 270$/m,
  )
  assert.match(metrics, /^oxbow_tool_executions_total\{tool="file\.list",status="ok"\} 1$/m)
  await server.close()
  assertLinted(metrics, t)
  // What is left is sent when it stops.
  await home.oxbow(['stop'])
  const bodies = collector.got.filter(({ path }) => path.endsWith('/v1/metrics')).map(({ body }) => body)
  assert.ok(bodies.length > 0)
  for (const body of bodies) decoded('metrics', body)
  assert.match(bodies.at(-1)!, /"gen_ai\.client\.token\.usage"/)
})

/** The program of Prometheus that reads the text, and says what it finds unusual in it. */
function assertLinted(metrics: string, t: TestContext): void {
  const missing = withoutProgram('promtool', 'prometheus')
  if (missing !== false) return t.diagnostic(`the metrics were not given to promtool: ${missing}`)
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: metrics, encoding: 'utf8' })
  assert.deepEqual([stdout + stderr, status], ['', 0])
}

test('a turn that goes on after its guest was killed is one trace, whole in what the next guest sends', async () => {
  const server = await startScriptedServer({
    turns: [
      {
        steps: [
          { events: [{ tool_call: { name: 'scratchpad_write', arguments: { items: ['x'] } } }] },
          { events: [{ delay_ms: 1_500 }, { text: 'Done.' }] },
        ],
      },
    ],
  })
  await using collector = await startCollector()
  using workspace = makeWorkspace()
  const config = {
    model: { provider: 'openai', name: 'gpt-5-mini', base_url: server.url },
    telemetry: { enabled: true, endpoint: collector.url },
  }
  const turn = newId()
  let session = ''
  {
    await using guest = startGuest({ workspace, config, insecure: true })
    using terminal = await openReady(guest, workspace)
    session = (await outputOf<{ id: string }>(terminal, 'session.create', {})).id
    await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
    await terminal.expect('ack', 'send_turn', { session, client_id: turn, text: 'go' })
    await terminal.record(({ call, phase }) => call.endsWith('.0') && phase === 'outcome')
    await guest.kill()
  }
  await emptied(workspace)
  await using guest = startGuest({ workspace, config, insecure: true })
  using terminal = await openReady(guest, workspace)
  await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
  await terminal.record(({ call, phase }) => (call as string) === turn && phase === 'outcome')
  await guest.stop()
  const spans = collector.spans()
  assert.deepEqual([...new Set(spans.map(({ traceId: trace }) => trace))], [traceId(turn)])
  const roots = spans.filter((span) => span.parentSpanId === '')
  assert.deepEqual(
    roots.map((span) => span.spanId),
    [spanId(turn)],
  )
  const again = spans.filter(({ name }) => name.startsWith('chat '))
  assert.ok(again.length > 0 && again.every((span) => span.start >= roots[0]!.start), 'the turn begins where it began before the crash')
  await server.close()
})
