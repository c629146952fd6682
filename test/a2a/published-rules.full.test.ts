/** What published agents refuse: strangers, replays, floods, addresses inside; and what of their answers waits for the owner. */
import assert from 'node:assert/strict'
import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { get } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { AgentCard, type StreamResponse, type Task, TaskState, verifyAgentCardSignature } from '@a2a-js/sdk'
import { asks, says as model, testCall } from '../../src/kernel/kernel-fixture.ts'
import { signCard } from '../../src/runner/heads/head-signing.ts'
import { openHome } from '../../src/runner/home.ts'
import { createEgressFetch } from '../../src/sandbox/egress/egress-fetch.ts'
import type { JsonObject } from '../../src/base/index.ts'
import { configSchema } from '../../src/services/index.ts'
import { type A2aBench, makeA2aBench, request, says } from './a2a-fixture.ts'
import { serveHttp } from './remote-fixture.ts'

const textOf = (task: Task): string => task.artifacts.flatMap(({ parts }) => parts.map(({ content }) => String(content?.value))).join('')
const rpc = (method: string, params: JsonObject): JsonObject => ({ jsonrpc: '2.0', id: 1, method, params })
const wire = (text: string, messageId: string): JsonObject => ({ message: { messageId, role: 'ROLE_USER', parts: [{ text }] } })

interface RpcAnswer {
  readonly result?: { readonly task?: { readonly id: string } }
  readonly error?: { readonly code: number; readonly message: string }
}

describe('a stranger', () => {
  let bench: A2aBench
  let key = ''
  const send = async (body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<{ status: number; body: RpcAnswer }> => {
    const answer = await bench.post('/a2a/helper', body, { authorization: `Bearer ${key}`, 'a2a-version': '1.0', ...headers })
    return { status: answer.status, body: (await answer.json()) as RpcAnswer }
  }
  before(async () => {
    bench = await makeA2aBench({
      play: () => model('hello'),
      agents: { helper: { description: 'Answers.' }, other: { description: 'Another.' } },
    })
    key = await bench.key('partner')
  })
  after(() => bench[Symbol.asyncDispose]())

  it('reads cards without a key, and nothing else', async () => {
    assert.equal((await fetch(bench.card)).status, 200)
    assert.equal((await fetch(`${bench.http}/a2a/other/.well-known/agent-card.json`)).status, 200)
    assert.equal((await fetch(`${bench.http}/a2a/absent/.well-known/agent-card.json`)).status, 404)
    assert.equal((await send(rpc('SendMessage', wire('hi', 'a')), { authorization: 'Bearer oxbow_wrong' })).status, 401)
    assert.equal((await bench.post('/a2a/helper', rpc('SendMessage', wire('hi', 'a')))).status, 401)
    assert.equal((await fetch(`${bench.http}/a2a/helper/rest/tasks`)).status, 401)
  })

  it('is refused without the right for tasks', async () => {
    const reader = await bench.key('reader', ['session.read'])
    const { status, body } = await send(rpc('SendMessage', wire('hi', 'a')), { authorization: `Bearer ${reader}` })
    assert.equal(status, 403)
    assert.match(body.error!.message, /task\.send/)
  })

  it('gets one task for a message that is sent twice, and is refused the same id for another text', async () => {
    const first = await send(rpc('SendMessage', wire('hi', 'twice')))
    const second = await send(rpc('SendMessage', wire('hi', 'twice')))
    assert.equal(first.body.result!.task!.id, second.body.result!.task!.id)
    const forged = await send(rpc('SendMessage', wire('another text', 'twice')))
    assert.equal(forged.body.error!.code, -32_602)
    const sessions = (await bench.fixture.kernel.listSessions(100)).filter(({ title }) => title.includes('key:partner'))
    assert.equal(sessions.length, 1)
    assert.equal(sessions[0]!.turns, 1)
  })

  it('does not see the tasks and contexts of another key', async () => {
    const { body } = await send(rpc('SendMessage', wire('hi', 'mine')))
    const id = body.result!.task!.id
    const thief = { authorization: `Bearer ${await bench.key('thief')}` }
    for (const method of ['GetTask', 'CancelTask', 'SubscribeToTask'])
      assert.equal((await send(rpc(method, { id }), thief)).body.error!.code, -32_001)
    const context = (await send(rpc('GetTask', { id }))).body as { result: { contextId: string } }
    const stolen = await send(
      rpc('SendMessage', { message: { messageId: 'm', contextId: context.result.contextId, role: 'ROLE_USER', parts: [{ text: 'x' }] } }),
      thief,
    )
    assert.equal(stolen.body.error!.code, -32_602)
    const elsewhere = await bench.post('/a2a/other', rpc('GetTask', { id }), { authorization: `Bearer ${key}`, 'a2a-version': '1.0' })
    assert.equal(((await elsewhere.json()) as RpcAnswer).error!.code, -32_001)
  })

  it('is refused what is no request, with an error of the protocol', async () => {
    assert.equal((await send(rpc('SendMessage', wire('hi', 'v')), { 'a2a-version': '2.0' })).body.error!.code, -32_009)
    assert.equal((await send('{')).body.error!.code, -32_700)
    assert.equal((await send([rpc('GetTask', { id: 'x' })])).body.error!.code, -32_700)
    assert.equal((await send(rpc('Nonsense', {}))).body.error!.code, -32_601)
    assert.equal((await send({ id: 1, method: 'GetTask', params: { id: 'x' } })).body.error!.code, -32_602)
    assert.equal((await send(rpc('GetTask', { id: '../../etc' }))).body.error!.code, -32_602)
    let deep: JsonObject = {}
    for (let i = 0; i < 200; i += 1) deep = { deep }
    assert.equal((await send(rpc('SendMessage', deep))).body.error!.code, -32_700)
    const link = { message: { messageId: 'u', role: 'ROLE_USER', parts: [{ url: 'http://169.254.169.254/' }] } }
    assert.equal((await send(rpc('SendMessage', link))).body.error!.code, -32_005)
    assert.equal((await bench.post('/a2a/helper', 'x'.repeat(5_000_000), { authorization: `Bearer ${key}` })).status, 413)
    assert.deepEqual(bench.bugs, [])
  })

  it('harms nobody by leaving in the middle of a request', async () => {
    const { body } = await send(rpc('SendMessage', wire('hi', 'leaving')))
    const unhandled: unknown[] = []
    const note = (error: unknown): void => void unhandled.push(error)
    process.on('unhandledRejection', note)
    for (let ms = 0; ms < 20; ms += 1) {
      const signal = AbortSignal.timeout(ms)
      const headers = { authorization: `Bearer ${key}`, 'a2a-version': '1.0', 'content-type': 'application/json' }
      const asked = JSON.stringify(rpc('GetTask', { id: body.result!.task!.id }))
      await fetch(`${bench.http}/a2a/helper`, { method: 'POST', headers, body: asked, signal }).catch(() => {})
    }
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', note)
    assert.deepEqual(unhandled, [])
    assert.deepEqual(bench.bugs, [])
  })
})

describe('an answer', () => {
  const secret = () =>
    testCall('test.secret', async () => ({ output: null, text: 'the secret' }), {
      right: 'file.read',
      labels: { adds: ['private'], sink: false },
    })
  const start = () => {
    const steps = [() => asks(['test_secret']), () => model('the secret is 42')]
    return makeA2aBench({
      play: () => steps.shift()!(),
      calls: [secret()],
      agents: { helper: { description: 'Reads.', rights: ['file.read'] } },
    })
  }

  for (const allow of [true, false])
    it(`that may hold private data waits for the owner, who ${allow ? 'lets it leave' : 'keeps it'}`, async () => {
      await using bench = await start()
      const { kernel } = bench.fixture
      const client = await bench.client(await bench.key('partner'))
      const waiting = (await client.sendMessage(request(says('tell me')))) as Task
      assert.equal(waiting.status?.state, TaskState.TASK_STATE_INPUT_REQUIRED)
      assert.deepEqual(waiting.artifacts, [])
      const events: StreamResponse[] = []
      const streamed = (async () => {
        for await (const event of client.resubscribeTask({ tenant: '', id: waiting.id })) events.push(event)
      })()
      const { output } = (await kernel.call('approval.list', {})) as { output: readonly { call: string; name: string }[] }
      assert.equal(output[0]!.name, 'task.answer')
      await kernel.approve(output[0]!.call as never, allow)
      await streamed
      const ended = await client.getTask({ tenant: '', id: waiting.id })
      assert.equal(ended.status?.state, allow ? TaskState.TASK_STATE_COMPLETED : TaskState.TASK_STATE_REJECTED)
      assert.equal(textOf(ended), allow ? 'the secret is 42' : '')
      assert.equal(JSON.stringify(events).includes('secret is 42'), allow)
    })

  it('can be cancelled, and its task is then over', async () => {
    const stuck = Promise.withResolvers<void>()
    await using bench = await makeA2aBench({
      async *play(_, signal) {
        yield [{ type: 'text', text: 'beginning' }]
        await Promise.race([stuck.promise, new Promise((resolve) => signal.addEventListener('abort', resolve))])
        signal.throwIfAborted()
        yield* model(' end')
      },
    })
    const client = await bench.client(await bench.key('partner'))
    const task = (await client.sendMessage(request(says('go'), true))) as Task
    const cancelled = await client.cancelTask({ tenant: '', id: task.id, metadata: undefined })
    assert.equal(cancelled.status?.state, TaskState.TASK_STATE_CANCELED)
    await assert.rejects(client.cancelTask({ tenant: '', id: task.id, metadata: undefined }), { name: 'TaskNotCancelableError' })
    await assert.rejects(client.resubscribeTask({ tenant: '', id: task.id }).next(), { name: 'UnsupportedOperationError' })
    stuck.resolve()
  })
})

describe('a flood', () => {
  it('of tasks is refused, and each refusal says when to come again', async () => {
    const stuck = Promise.withResolvers<void>()
    await using bench = await makeA2aBench({
      async *play(_, signal) {
        await Promise.race([stuck.promise, new Promise((resolve) => signal.addEventListener('abort', resolve))])
        signal.throwIfAborted()
        yield* model('late')
      },
      requestsPerMinute: 200,
    })
    const headers = { authorization: `Bearer ${await bench.key('partner')}`, 'a2a-version': '1.0' }
    const sent = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const params = { ...wire('go', `m${i}`), configuration: { returnImmediately: true } }
        return bench.post('/a2a/helper', rpc('SendMessage', params), headers)
      }),
    )
    assert.equal(sent.filter(({ status }) => status === 200).length, 16)
    assert.ok(sent.filter(({ status }) => status !== 200).every(({ status }) => status === 429))
    const rest = await Promise.all(
      Array.from({ length: 60 }, () => bench.post('/a2a/helper', rpc('GetTask', { id: crypto.randomUUID() }), headers)),
    )
    const late = rest.find(({ status }) => status === 429)
    assert.ok(Number(late?.headers.get('retry-after')) >= 1)
    stuck.resolve()
  })
})

describe('push notifications', () => {
  const config = (url: string) => ({ tenant: '', id: '', taskId: '', url, token: 'for me', authentication: undefined })

  it('are sent to the end of a task, with the token of the program', async () => {
    const got: { token: unknown; body: JsonObject }[] = []
    const ended = Promise.withResolvers<void>()
    await using receiver = await serveHttp(async ({ method, headers }, body) => {
      if (method !== 'POST') return { body: {} }
      got.push({ token: headers['x-a2a-notification-token'], body: JSON.parse(body) as JsonObject })
      if (body.includes('TASK_STATE_COMPLETED')) ended.resolve()
      return { body: {} }
    })
    await using bench = await makeA2aBench({ play: () => model('hello'), openFetch: async () => fetch })
    const client = await bench.client(await bench.key('partner'))
    const sent = request(says('hi'), true)
    await client.sendMessage({ ...sent, configuration: { ...sent.configuration!, taskPushNotificationConfig: config(receiver.url) } })
    await ended.promise
    assert.ok(got.every(({ token }) => token === 'for me'))
    assert.match(JSON.stringify(got), /hello/)
  })

  it('are not sent to addresses inside', async () => {
    await using inside = await serveHttp(async () => ({ body: {} }))
    const egress = configSchema.parse({}).egress
    await using bench = await makeA2aBench({
      play: () => model('hello'),
      openFetch: async (host, allow) => createEgressFetch(egress, host, allow),
    })
    const client = await bench.client(await bench.key('partner'))
    for (const url of [
      inside.url,
      'http://169.254.169.254/latest',
      'http://[::1]:80/',
      'file:///etc/passwd',
      'http://user:pass@example.com/',
    ]) {
      const sent = request(says('hi'), true)
      const send = client.sendMessage({ ...sent, configuration: { ...sent.configuration!, taskPushNotificationConfig: config(url) } })
      await assert.rejects(send, { name: 'RequestMalformedError' }, url)
    }
    assert.equal(inside.requests.length, 0)
  })
})

describe('a card', () => {
  it('is signed by the runner, and what is changed in it is noticed', async () => {
    const root = mkdtempSync(join(tmpdir(), 'oxbow-a2a-'))
    const home = openHome({ HOME: root, OXBOW_HOME: root })
    await using bench = await makeA2aBench({ sign: async (card, address) => signCard(home, card, address) })
    const card = (await (await fetch(bench.card)).json()) as JsonObject
    const verify = verifyAgentCardSignature(async (kid, jku) => {
      const { keys } = (await (await fetch(jku!)).json()) as { keys: (JsonWebKey & { kid: string })[] }
      return createPublicKey({ key: keys.find((each) => each.kid === kid)!, format: 'jwk' })
    })
    await verify(AgentCard.fromJSON(card))
    await assert.rejects(verify(AgentCard.fromJSON({ ...card, description: 'Does everything.' })))
    // Nobody gets a card signed for an address that is not this gateway's.
    const { port } = new URL(bench.http)
    const made = await new Promise<string>((resolve) => {
      get(bench.card, { headers: { host: '127.0.0.1:9' } }, (answer) => answer.on('data', (bytes: Buffer) => resolve(bytes.toString())))
    })
    assert.ok(made.includes(`http://127.0.0.1:${port}/a2a/helper`), made)
    assert.ok(!made.includes('127.0.0.1:9/'))
    rmSync(root, { recursive: true })
  })
})
