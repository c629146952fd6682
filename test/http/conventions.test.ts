/** What programs expect of any HTTP API: problem details for every refusal, methods, conditions, and the names that lists give. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { makeWorkspace } from '../support/workspace.ts'

const workspace = makeWorkspace()
const onDisk = (path: string): string => readFileSync(join(workspace.root, 'shared', path), 'utf8')
let guest: TestGuest
let port = ''
let token = ''

before(async () => {
  guest = startGuest({ workspace })
  const started = await guest.started
  assert.ok(started.type === 'ready')
  port = new URL(started.url).port
  token = readFileSync(join(workspace.root, 'ipc/token'), 'utf8').trim()
})
after(async () => {
  await guest.kill()
  workspace[Symbol.dispose]()
})

interface Answered {
  readonly status: number
  readonly type: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: any
}

type Headers = Readonly<Record<string, string>>

function ask(method: string, path: string, headers: Headers = {}, body = ''): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>()
  const sent = request({ host: '127.0.0.1', port, method, path, headers: { authorization: `Bearer ${token}`, ...headers } }, (response) => {
    let text = ''
    const { statusCode = 0, headers: got } = response
    const type = got['content-type'] ?? ''
    const end = (): void =>
      resolve({ status: statusCode, type, headers: got, body: /json/.test(type) && text !== '' ? JSON.parse(text) : text })
    response
      .setEncoding('utf8')
      .on('data', (piece: string) => void (text += piece))
      .on('end', end)
  })
  sent.on('error', reject).end(body)
  return promise
}

function assertProblem({ status, type, body }: Answered, wanted: number, what: string): void {
  assert.deepEqual([status, type, body.status], [wanted, 'application/problem+json', wanted], `${what}: ${JSON.stringify(body)}`)
  for (const field of ['type', 'title', 'detail', 'code', 'hint']) assert.equal(typeof body[field], 'string', `${what}: ${field}`)
}

const upgrade = { connection: 'upgrade', upgrade: 'websocket' }

describe('a refusal', () => {
  it('is a problem, whatever is refused and wherever: the key, the host, the page', async () => {
    const places: readonly (readonly [string, Headers])[] = [
      ...['/api/v1/status', '/api/v1', '/metrics', '/web/session', '/plugins/x/y'].map((path) => [path, {}] as const),
      ['/ws', upgrade],
    ]
    for (const [path, more] of places) {
      assertProblem(await ask('GET', path, { ...more, authorization: 'Bearer wrong' }), 401, path)
      assertProblem(await ask('GET', path, { ...more, host: 'evil.example' }), 403, path)
      assertProblem(await ask('GET', path, { ...more, origin: 'http://evil.example' }), 403, path)
    }
    for (const path of ['/', '/healthz', '/mcp', '/ws']) assertProblem(await ask('GET', path, { host: 'evil.example' }), 403, path)
  })

  it('has the form of the interface that is asked below /v1, and of its client where both have the address', async () => {
    const wrongKey = { authorization: 'Bearer wrong' }
    for (const [more, wanted] of [
      [{ host: 'evil.example' }, 403],
      [{ origin: 'http://evil.example' }, 403],
      [wrongKey, 401],
      [{}, 404],
    ] as const) {
      const what = JSON.stringify(more)
      const plain = await ask('GET', '/v1/models/nope', more)
      assert.deepEqual([plain.status, Object.keys(plain.body)], [wanted, ['error']], what)
      const anthropic = await ask('GET', '/v1/models/nope', { 'anthropic-version': '2023-06-01', ...more })
      assert.deepEqual([anthropic.status, anthropic.body.type], [wanted, 'error'], what)
      assert.equal(typeof anthropic.body.error.message, 'string', what)
      assert.equal((await ask('GET', '/v1/models/nope', { 'x-api-key': token, ...more })).body.type, 'error', what)
      assert.equal((await ask('POST', '/v1/messages', { host: 'evil.example' })).body.type, 'error')
    }
    assert.match(
      (await ask('GET', '/v1/models', wrongKey)).body.error.message,
      /^The API key is wrong\. .*`oxbow keys create NAME --right user`/,
    )
  })

  it('names the methods that an address takes', async () => {
    for (const [method, path, allow] of [
      ['PATCH', '/api/v1/sessions', 'GET, POST'],
      ['GET', '/api/v1/calls/file.read', 'POST'],
      ['DELETE', '/api/v1/status', 'GET, HEAD'],
      ['POST', '/api/v1/openapi.json', 'GET, HEAD'],
      ['POST', '/metrics', 'GET, HEAD'],
      ['DELETE', `/api/v1/media/${'a'.repeat(64)}`, 'GET, HEAD'],
      ['POST', '/', 'GET, HEAD'],
    ] as const) {
      const answered = await ask(method, path)
      assertProblem(answered, 405, `${method} ${path}`)
      assert.equal(answered.headers['allow'], allow, path)
    }
    for (const [method, path, allow] of [
      ['GET', '/v1/chat/completions', 'POST'],
      ['DELETE', '/v1/models', 'GET'],
      ['PUT', '/v1/responses', 'POST'],
    ] as const) {
      const { status, headers, body } = await ask(method, path)
      assert.deepEqual([status, headers['allow'], body.error.type], [405, allow, 'invalid_request_error'], path)
    }
  })

  it('is 404 for a model that nobody knows', async () => {
    for (const path of ['UNKNOWN', 'openai/UNKNOWN', 'UNKNOWN/x']) assertProblem(await ask('GET', `/api/v1/models/${path}`), 404, path)
    assert.equal((await ask('GET', '/v1/models/UNKNOWN')).status, 404)
  })
})

describe('a file', () => {
  const json = { 'content-type': 'application/json' }

  it('has the address that lists and answers name it by', async () => {
    const made = await ask('PUT', '/api/v1/files/shared/notes/a.txt', json, '{"text":"one\\n"}')
    assert.deepEqual([made.status, made.body.path, onDisk('notes/a.txt')], [200, '/shared/notes/a.txt', 'one\n'])
    assert.equal((await ask('PUT', '/api/v1/files/shared/notes/a.txt?raw=1', {}, 'two\n')).body.created, false)
    for (const path of ['shared/notes/a.txt', 'notes/a.txt', '%2Fshared%2Fnotes%2Fa.txt', 'shared%2Fnotes%2Fa.txt'])
      assert.equal((await ask('GET', `/api/v1/files/${path}?raw=1`)).body, 'two\n', path)
    assert.equal((await ask('GET', '/api/v1/files/shared/notes/a.txt')).body.path, '/shared/notes/a.txt')
    assert.equal((await ask('PATCH', '/api/v1/files/shared/notes/a.txt', json, '{"find":"two","replace":"three"}')).status, 200)
    assert.equal((await ask('DELETE', '/api/v1/files/shared/notes/a.txt')).body.deleted, 1)
    const below = await ask('PUT', '/api/v1/files/shared/shared/b.txt?raw=1', {}, 'below')
    assert.deepEqual([below.status, below.body.path], [201, '/shared/shared/b.txt'])
  })

  it('is not written where a condition does not hold', async () => {
    const once = { 'if-none-match': '*' }
    for (const [name, more, body] of [
      ['raw?raw=1', {}, 'old'],
      ['text', json, '{"text":"old"}'],
    ] as const) {
      const address = `/api/v1/files/shared/${name}`
      assert.ok((await ask('PUT', address, { ...more, ...once }, body)).status < 300, name)
      assertProblem(await ask('PUT', address, { ...more, ...once }, body.replace('old', 'new')), 412, name)
      assertProblem(await ask('PUT', address, { ...more, 'if-match': '"other"' }, body.replace('old', 'new')), 412, name)
      assert.equal(onDisk(name.replace('?raw=1', '')), 'old')
      const { headers } = await ask('GET', `/api/v1/files/shared/${name.replace('?raw=1', '')}?raw=1`)
      const changed = await ask('PUT', address, { ...more, 'if-match': String(headers['etag']) }, body.replace('old', 'new'))
      assert.equal(changed.status, 200, JSON.stringify(changed.body))
      assert.equal(onDisk(name.replace('?raw=1', '')), 'new')
    }
    assertProblem(await ask('PUT', '/api/v1/files/none?raw=1', { 'if-match': '*' }, 'x'), 412, 'no file')
  })
})
