/** The HTTP API of a real guest, as programs use it: with keys, over loopback. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { makeWorkspace } from '../support/workspace.ts'

const workspace = makeWorkspace()
const start = (): TestGuest => startGuest({ workspace })
let guest: TestGuest
let address = ''
let token = ''

interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly body: any
}

interface Ask {
  readonly key?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

async function ask(method: string, path: string, { key = token, body, headers = {} }: Ask = {}): Promise<Answered> {
  const response = await fetch(`${address}${path}`, {
    method,
    headers: {
      ...(key !== '' && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, headers: response.headers, body: isJson && text !== '' ? JSON.parse(text) : text }
}

async function serve(): Promise<void> {
  guest = start()
  const started = await guest.started
  assert.equal(started.type, 'ready')
  address = started.type === 'ready' ? started.url.replace('ws:', 'http:').replace('/ws', '') : ''
  token = readFileSync(join(workspace.root, 'ipc/token'), 'utf8').trim()
}

async function makeKey(name: string, ...rights: readonly string[]): Promise<string> {
  const { body, status } = await ask('POST', '/api/v1/keys', { body: { name, rights } })
  assert.equal(status, 201)
  return body.key as string
}

before(serve)
after(async () => {
  await guest.kill()
  workspace[Symbol.dispose]()
})

describe('the HTTP API', () => {
  it('answers a message with the reply of its turn, in a new session or a given one', async () => {
    const first = await ask('POST', '/api/v1/messages', { body: { text: 'remember that I use metric units' } })
    assert.deepEqual([first.status, first.body.status], [200, 'ok'])
    const { session } = first.body
    const second = await ask('POST', `/api/v1/sessions/${session}/messages`, { body: { text: '2+2' } })
    assert.match(second.body.reply, /^2\+2 = 4$/)
    const unwaited = await ask('POST', `/api/v1/sessions/${session}/messages`, {
      body: { text: '3+3' },
      headers: { prefer: 'respond-async' },
    })
    assert.deepEqual([unwaited.status, unwaited.body.status], [202, 'running'])
    const listed = await ask('GET', '/api/v1/sessions')
    assert.deepEqual([listed.body.total, listed.body.page, listed.body.limit], [1, 1, 50])
    assert.equal(listed.body.items[0].id, session)
  })

  it('pages lists, types the query by the schema of the call, and answers an unchanged read with 304', async () => {
    for (const name of ['a', 'b', 'c']) await ask('PUT', `/api/v1/state/plans/deep/${name}`, { body: { data: { name } } })
    const page = await ask('GET', '/api/v1/state?category=plans/deep&page=2&limit=2')
    assert.deepEqual([page.body.items.map((item: any) => item.name), page.body.total], [['c'], 3])
    const read = await ask('GET', '/api/v1/state/plans/deep/a')
    assert.deepEqual(read.body.data, { name: 'a' })
    const again = await ask('GET', '/api/v1/state/plans/deep/a', { headers: { 'if-none-match': read.headers.get('etag')! } })
    assert.equal(again.status, 304)
    assert.equal((await ask('GET', '/api/v1/resources?history=0')).status, 200)
    assert.equal((await ask('DELETE', '/api/v1/state/plans/deep/a')).body.existed, true)
  })

  it('reads, writes and restores files', async () => {
    assert.equal((await ask('PUT', '/api/v1/files/notes/a%20b.txt', { body: { text: 'one' } })).status, 200)
    const bytes = await ask('GET', '/api/v1/files/notes/a%20b.txt')
    assert.equal(Buffer.from(bytes.body.base64, 'base64').toString(), 'one')
    assert.equal((await ask('GET', '/api/v1/files/..%2F..%2Finternal%2Foxbow.db')).body.code, 'path_refused')
    assert.equal((await ask('POST', '/api/v1/versions', { body: { message: 'First' } })).status, 201)
    await ask('DELETE', '/api/v1/files/notes/a%20b.txt')
    const restored = await ask('POST', '/api/v1/versions/HEAD~1/restore', { body: { path: 'notes', apply: true } })
    assert.equal(restored.body.total, 1)
  })

  it('runs a request with an Idempotency-Key once, and refuses the key for another request', async () => {
    const once = { body: { title: 'Once' }, headers: { 'idempotency-key': 'k-1' } }
    const [first, second] = await Promise.all([ask('POST', '/api/v1/sessions', once), ask('POST', '/api/v1/sessions', once)])
    assert.deepEqual([first.status, first.body], [201, second.body])
    const other = await ask('POST', '/api/v1/sessions', { ...once, body: { title: 'Twice' } })
    assert.deepEqual([other.status, other.body.code], [400, 'bad_input'])
    await guest.stop()
    await serve()
    assert.equal((await ask('POST', '/api/v1/sessions', once)).body.id, first.body.id, 'also after a restart')
  })

  it('takes a message without a session once by its Idempotency-Key, also after a restart: in the session that it began', async () => {
    const once = { body: { text: '2+2' }, headers: { 'idempotency-key': 'message-1' } }
    const first = await ask('POST', '/api/v1/messages', once)
    assert.equal(first.status, 200)
    const sessions = async () => (await ask('GET', '/api/v1/sessions?limit=500')).body.items.length as number
    const count = await sessions()
    await guest.stop()
    await serve()
    const again = await ask('POST', '/api/v1/messages', once)
    assert.deepEqual([again.status, again.body], [200, first.body])
    assert.equal(await sessions(), count)
  })

  it('describes itself completely and validly: every call of terminals, every address, every reference', async () => {
    const { body: document } = await ask('GET', '/api/v1/openapi.json')
    const { valid, errors } = await new Validator().validate(structuredClone(document))
    assert.ok(valid, JSON.stringify(errors ?? [], null, 1).slice(0, 3_000))
    const calls = (await ask('GET', '/api/v1/calls?limit=500')).body.items as readonly { name: string; audience: readonly string[] }[]
    const open = calls.filter(({ audience }) => audience.includes('terminal'))
    assert.ok(open.length > 50)
    for (const { name } of open) assert.ok(document.paths[`/api/v1/calls/${name}`]?.post, name)
    for (const path of ['status', 'events', 'messages', 'media/{pieces}']
      .map((name) => `/api/v1/${name}`)
      .concat('/metrics', '/readyz', '/v1/responses'))
      assert.ok(document.paths[path], path)
    const operations = Object.entries(document.paths as Record<string, Record<string, any>>).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    )
    const ids = operations.map(({ operation }) => operation.operationId)
    assert.ok(ids.every((id) => typeof id === 'string'))
    assert.equal(new Set(ids).size, ids.length)
    for (const { path, method, operation } of operations) {
      const inPath = (operation.parameters ?? []).filter((each: any) => each.in === 'path').map(({ name }: any) => `{${name}}`)
      assert.deepEqual(inPath.sort(), (path.match(/\{\w+\}/g) ?? []).sort(), `${method} ${path}`)
      assert.ok(operation.summary.length > 0 && Object.keys(operation.responses).length > 0, path)
    }
    const references = new Set([...JSON.stringify(document).matchAll(/"\$ref":"(#[^"]+)"/g)].map(([, to]) => to!))
    assert.ok(references.size > 10)
    for (const to of references) {
      const found = to
        .slice(2)
        .split('/')
        .reduce<any>((at, name) => at?.[name.replaceAll('~1', '/').replaceAll('~0', '~')], document)
      assert.ok(found, to)
    }
  })

  it('answers a message with files, and a message that joined a running turn with the reply of that turn', async () => {
    const session = (await ask('POST', '/api/v1/sessions', { body: {} })).body.id as string
    const file = { name: 'a.txt', media_type: 'text/plain', data: Buffer.from('hello').toString('base64') }
    const answers = await Promise.all(
      ['2+2', '3+3', '4+4'].map((text) => ask('POST', `/api/v1/sessions/${session}/messages`, { body: { text, attachments: [file] } })),
    )
    for (const { status, body } of answers) assert.ok(status === 200 && body.reply.length > 0, JSON.stringify(body))
    const wrong = await ask('POST', '/api/v1/messages', { body: { text: 'x', attachments: [{ ...file, data: '?' }] } })
    assert.deepEqual([wrong.status, wrong.body.code], [400, 'bad_input'])
  })

  it('streams events from a cursor, and a session with its answers', async () => {
    const streamed = async (path: string, headers: Record<string, string>, until: RegExp): Promise<string> => {
      const leaving = new AbortController()
      const response = await fetch(`${address}${path}`, {
        headers: { authorization: `Bearer ${token}`, ...headers },
        signal: leaving.signal,
      })
      assert.equal(response.headers.get('content-type'), 'text/event-stream')
      let text = ''
      for await (const part of response.body!.pipeThrough(new TextDecoderStream())) if (until.test((text += part))) break
      leaving.abort()
      return text
    }
    const all = await streamed('/api/v1/events', { 'last-event-id': '0' }, /event: turn_ended[^]*?\n\n/)
    const [, id] = /id: (\d+)\nevent: turn_ended/.exec(all)!
    const rest = await streamed('/api/v1/events', { 'last-event-id': id! }, /\n\n/)
    assert.ok(Number(/id: (\d+)/.exec(rest)![1]) > Number(id))
    const session =
      (await ask('GET', '/api/v1/sessions?search=metric')).body.items[0]?.id ?? (await ask('GET', '/api/v1/sessions')).body.items.at(-1).id
    assert.match(await streamed(`/api/v1/events?session=${session}`, {}, /event: snapshot[^]*\n\n/), /event: record\ndata: .*turn\.send/)
  })

  it('answers errors as problem details with our codes', async () => {
    for (const [method, path, options, status, code] of [
      ['GET', '/api/v1/nothing', {}, 404, 'not_found'],
      ['POST', '/api/v1/calls/no.call', { body: {} }, 404, 'unknown_call'],
      ['POST', '/api/v1/sessions', { body: '{' }, 400, 'bad_input'],
      ['POST', '/api/v1/sessions', { body: '[1]' }, 400, 'bad_input'],
      ['POST', '/api/v1/sessions', { body: '{}', headers: { 'content-type': 'text/plain' } }, 400, 'bad_input'],
      ['POST', '/api/v1/sessions', { body: `{"title":${'['.repeat(500)}${']'.repeat(500)}}` }, 400, 'bad_input'],
      ['POST', '/api/v1/sessions', { body: `{"title":"${'x'.repeat(5_000_000)}"}` }, 413, 'limit_reached'],
      ['GET', '/api/v1/sessions?limit=x', {}, 400, 'bad_input'],
      ['GET', '/api/v1/sessions?token=secret', {}, 400, 'bad_input'],
      ['GET', '/api/v1/files/%E0%A4%A', {}, 400, 'bad_input'],
      ['GET', '/api/v1/status', { key: 'wrong' }, 401, 'unauthenticated'],
      ['GET', '/api/v1/openapi.json', { key: '' }, 401, 'unauthenticated'],
      ['GET', '/api/v1/events?session=x', {}, 400, 'bad_input'],
      ['GET', '/metrics', { key: '' }, 401, 'unauthenticated'],
    ] as const) {
      const answered = await ask(method, path, options)
      assert.equal(answered.status, status, path)
      assert.equal(answered.headers.get('content-type'), 'application/problem+json', path)
      assert.deepEqual([answered.body.status, answered.body.code, answered.body.type], [status, code, `urn:oxbow:error:${code}`], path)
      assert.ok(answered.body.hint.length > 0, path)
    }
    const wrong = await ask('DELETE', '/api/v1/roles')
    assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'GET'])
  })

  it('gives a key its rights and no more, ends it when it is revoked, and limits its requests', async () => {
    const key = await makeKey('reader', 'session.read')
    assert.equal((await ask('GET', '/api/v1/sessions', { key })).status, 200)
    for (const [method, path, body] of [
      ['POST', '/api/v1/sessions', { title: 'x' }],
      ['POST', '/api/v1/messages', { text: 'x' }],
      ['PUT', '/api/v1/files/x.txt', { text: 'x' }],
      ['GET', '/api/v1/keys', undefined],
      ['GET', '/metrics', undefined],
      ['GET', '/api/v1/events', undefined],
    ] as const)
      assert.deepEqual((await ask(method, path, { key, body })).body.code, 'denied', path)
    // A minute's worth at once; a machine that needs long for them is given more while it makes them.
    let limited: Answered | undefined
    for (let round = 0; limited === undefined && round < 10; round++) {
      const many = await Promise.all(Array.from({ length: 130 }, () => ask('GET', '/api/v1/sessions', { key })))
      limited = many.find(({ status }) => status === 429)
    }
    assert.ok(limited !== undefined)
    assert.match(limited.headers.get('retry-after')!, /^\d+$/)
    const other = await makeKey('other', 'session.read')
    assert.equal((await ask('GET', '/api/v1/sessions', { key: other })).status, 200, 'another key is not limited')
    await ask('DELETE', '/api/v1/keys/other')
    assert.equal((await ask('GET', '/api/v1/sessions', { key: other })).status, 401)
  })

  it('refuses other hosts and pages of other origins, and never sends what lets them read an answer', async () => {
    const raw = (headers: Record<string, string>): Promise<{ readonly status: number; readonly headers: object }> =>
      new Promise((resolve, reject) => {
        const sent = httpRequest(`${address}/api/v1/status`, { headers: { authorization: `Bearer ${token}`, ...headers } }, (response) => {
          response.resume()
          resolve({ status: response.statusCode ?? 0, headers: response.headers })
        })
        sent.once('error', reject).end()
      })
    for (const headers of [{ host: 'evil.example' }, { origin: 'https://evil.example' }, { origin: 'null' }])
      assert.equal((await raw(headers)).status, 403, JSON.stringify(headers))
    const own = await raw({ origin: address })
    assert.equal(own.status, 200)
    assert.ok(!Object.keys(own.headers).some((name) => name.startsWith('access-control')))
    assert.equal((await ask('OPTIONS', '/api/v1/sessions')).status, 405)
  })

  it('tells monitors whether the guest runs and can write, and shows figures for Prometheus', async () => {
    for (const path of ['/healthz', '/readyz']) assert.deepEqual((await ask('GET', path, { key: '' })).body, { ok: true })
    const { body } = await ask('GET', '/metrics')
    for (const line of String(body).split('\n').filter(Boolean))
      assert.match(line, /^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{[^}]*\})? -?[\d.e+-]+)$/)
    assert.match(String(body), /oxbow_http_requests_total\{status="200"\} \d+/)
    for (const name of ['turns_running', 'messages_waiting', 'approvals_waiting', 'info', 'user_spent_tokens'])
      assert.match(String(body), new RegExp(`^oxbow_${name}(?:\\{.*\\})? \\d+$`, 'm'), name)
  })
})
