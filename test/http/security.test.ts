/**
 * What a stolen read-only key, a page of another origin and a host that was rebound can do: nothing that they should not. The requests
 * come from the registry of calls, so that nothing new is left out.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { WebSocket } from 'ws'
import { type Route, routesOf } from '../../src/gateway/http/routes.ts'
import type { CallRoute } from '../../src/protocol/index.ts'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { makeWorkspace } from '../support/workspace.ts'

const workspace = makeWorkspace()
let guest: TestGuest
let address = ''
let token = ''

interface CallFacts {
  readonly name: string
  readonly tier: string
  readonly right: string
  readonly effect: string
  readonly audience: readonly string[]
  readonly routes: readonly CallRoute[]
  readonly example: Readonly<Record<string, any>>
}

interface Answered {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: any
}

/** Sends exactly these headers, as no browser would. */
function ask(method: string, path: string, headers: Readonly<Record<string, string>>, body?: string): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${address}${path}`, { method, headers, agent: false }, (response) => {
      let text = ''
      response.on('data', (part: Buffer) => (text += part.toString()))
      response.on('end', () => {
        const isJson = /json/.test(response.headers['content-type'] ?? '') && text !== ''
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: isJson ? JSON.parse(text) : text })
      })
      // A stream of events does not end.
      if (response.headers['content-type'] === 'text/event-stream') sent.destroy()
      response.on('close', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
    })
    sent.once('error', reject)
    sent.end(body)
  })
}

const json = { 'content-type': 'application/json' }
const bearer = (key: string): Record<string, string> => ({ ...json, authorization: `Bearer ${key}` })
const owner = (method: string, path: string, body?: object): Promise<Answered> =>
  ask(method, path, bearer(token), body === undefined ? undefined : JSON.stringify(body))

let calls: readonly CallFacts[] = []
let routes: readonly Route[] = []
let readKey = ''

before(async () => {
  guest = startGuest({ workspace, config: { gateway: { requests_per_minute: 1_000_000 } } })
  const started = await guest.started
  assert.ok(started.type === 'ready')
  address = started.url.replace('ws:', 'http:').replace('/ws', '')
  token = readFileSync(join(workspace.root, 'ipc/token'), 'utf8').trim()
  calls = ((await owner('GET', '/api/v1/calls?limit=500')).body.items as readonly CallFacts[]).filter(({ audience }) =>
    audience.includes('terminal'),
  )
  routes = routesOf(calls)
  assert.ok(routes.length > 100)
  const isReading = ({ tier, effect }: CallFacts): boolean => tier === 'read_only' && effect === 'none'
  const changing = new Set(calls.filter((call) => !isReading(call)).map(({ right }) => right))
  const rights = [...new Set(calls.filter(isReading).map(({ right }) => right))].filter((right) => !changing.has(right))
  assert.ok(rights.length > 8, rights.join())
  readKey = (await owner('POST', '/api/v1/keys', { name: 'reader', rights })).body.key
})
after(async () => {
  await guest.kill()
  workspace[Symbol.dispose]()
})

/** A path of the route with values in place of its fields. */
const filled = (path: string): string =>
  path.replaceAll(/\{session\}/g, '01890a5d-ac96-774b-bcce-b302099a8057').replaceAll(/\{\w+\+?\}/g, 'x')

describe('a stolen read-only key', () => {
  it('makes no call that changes something, by any address', async () => {
    const changing = calls.filter(({ tier }) => tier !== 'read_only')
    assert.ok(changing.length > 40)
    for (const { name, example } of changing) {
      const made = await ask('POST', `/api/v1/calls/${name}`, bearer(readKey), JSON.stringify(example))
      assert.deepEqual([made.status, made.body.code], [403, 'denied'], name)
    }
    const isChanging = new Map(calls.map(({ name, tier }) => [name, tier !== 'read_only']))
    for (const { method, path, call } of routes) {
      if (isChanging.get(call) !== true) continue
      const { example } = calls.find(({ name }) => name === call)!
      const fields = [...path.matchAll(/\{(\w+)\+?\}/g)].map(([, field]) => field)
      const inBody = Object.fromEntries(Object.entries(example).filter(([field]) => !fields.includes(field)))
      const url = path.replaceAll(/\{(\w+)\+?\}/g, (_, field: string) => encodeURIComponent(String(example[field] ?? 'x')))
      const made = await ask(method, `/api/v1${url}`, bearer(readKey), method === 'DELETE' ? undefined : JSON.stringify(inBody))
      assert.ok(made.status === 403 || made.status === 400, `${method} ${path}: ${made.status} ${JSON.stringify(made.body)}`)
    }
    for (const [method, path, headers, body] of [
      ['PUT', '/api/v1/files/x.txt?raw=1', {}, 'x'],
      ['POST', '/v1/chat/completions', json, '{"model":"oxbow","messages":[{"role":"user","content":"x"}]}'],
      ['POST', '/v1/responses', json, '{"model":"oxbow","input":"x"}'],
      ['POST', '/v1/embeddings', json, '{"model":"x","input":"x"}'],
      ['POST', '/web/link', json, ''],
    ] as const) {
      const made = await ask(method, path, { ...headers, authorization: `Bearer ${readKey}` }, body)
      assert.ok(made.status === 403, `${method} ${path}: ${made.status} ${JSON.stringify(made.body)}`)
    }
  })

  it('changes nothing by the WebSocket', async () => {
    const socket = new WebSocket(`${address.replace('http:', 'ws:')}/ws`, ['oxbow', `bearer.${readKey}`])
    const answers = new Map<string, (frame: any) => void>()
    socket.on('message', (data: Buffer) => {
      const frame = JSON.parse(data.toString())
      answers.get(frame.payload.request_id)?.(frame)
    })
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    let count = 0
    const send = (type: string, payload: object): Promise<any> =>
      new Promise((resolve) => {
        const request_id = `r${count++}`
        answers.set(request_id, resolve)
        socket.send(JSON.stringify({ type, payload: { request_id, ...payload } }))
      })
    assert.equal((await send('hello', { protocol: 1, client: 'thief' })).type, 'hello_ack')
    const session = (await owner('POST', '/api/v1/sessions', { title: 'mine' })).body.id as string
    for (const [type, payload] of [
      ['create_session', { title: 'x' }],
      ['send_turn', { session, client_id: '01890a5d-ac96-774b-bcce-b302099a8057', text: 'x' }],
      ['cancel_turn', { session }],
      ['approve', { call: 'x', allow: true }],
    ] as const) {
      const { type: kind, payload: answer } = await send(type, payload)
      assert.deepEqual([kind, answer.code], ['error', 'denied'], type)
    }
    for (const { name, example, tier } of calls) {
      if (tier === 'read_only') continue
      const { payload } = await send('call', { name, input: example })
      assert.equal(payload.result?.status, 'refused', name)
      assert.equal(payload.result.failure.code, 'denied', name)
    }
    socket.terminate()
  })

  it('leaves no intent of anything but reading in the journal', async () => {
    const tiers = new Map(calls.map(({ name, tier }) => [name, tier]))
    const { items } = (await owner('GET', '/api/v1/audit?actor=key:reader&phase=intent&limit=200')).body as { items: { name: string }[] }
    assert.deepEqual(
      items.filter(({ name }) => tiers.get(name) !== 'read_only').map(({ name }) => name),
      [],
    )
  })
})

describe('a page of another origin, and a host that was rebound', () => {
  it('are refused at every address before anything runs, and never learn an answer', async () => {
    const seen = async (): Promise<number> => (await owner('GET', '/api/v1/audit?limit=1')).body.items[0].seq
    const paths = [
      ...routes.map(({ method, path }) => [method, `/api/v1${filled(path)}`] as const),
      ['GET', '/api/v1/status'],
      ['GET', '/api/v1/openapi.json'],
      ['GET', '/api/v1/events'],
      ['GET', '/api/v1/files/x?raw=1'],
      ['PUT', '/api/v1/files/x?raw=1'],
      ['GET', `/api/v1/media/${'0'.repeat(64)}`],
      ['POST', '/v1/chat/completions'],
      ['GET', '/v1/models'],
      ['GET', '/metrics'],
      ['GET', '/healthz'],
      ['POST', '/web/session'],
      ['POST', '/web/link'],
      ['GET', '/'],
    ] as const
    const first = await seen()
    const port = new URL(address).port
    const sources: readonly Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `http://localhost:${Number(port) + 1}` },
      { host: `evil.example:${port}` },
      { host: `127.0.0.1.evil.example:${port}`, origin: `http://127.0.0.1.evil.example:${port}` },
    ]
    for (const [method, path] of paths)
      for (const source of sources) {
        const answered = await ask(method, path, { ...bearer(token), ...source }, method === 'GET' ? undefined : '{}')
        assert.equal(answered.status, 403, `${method} ${path} ${JSON.stringify(source)}`)
        assert.ok(!Object.keys(answered.headers).some((name) => name.startsWith('access-control')))
      }
    for (const [, path] of paths.slice(0, 5)) {
      const preflight = await ask('OPTIONS', path, { origin: 'https://evil.example', 'access-control-request-method': 'POST' })
      assert.equal(preflight.status, 403)
    }
    assert.ok((await seen()) - first <= 4, 'nothing of it reached the gate')
  })

  it('open no WebSocket', async () => {
    for (const headers of [{ origin: 'https://evil.example' }, { host: 'evil.example' }, { origin: 'null' }]) {
      const socket = new WebSocket(`${address.replace('http:', 'ws:')}/ws`, ['oxbow', `bearer.${token}`], { headers })
      const status = await new Promise((resolve) => {
        socket.once('unexpected-response', (_, response) => resolve(response.statusCode))
        socket.once('open', () => resolve('open'))
        socket.once('error', () => {})
      })
      assert.equal(status, 403, JSON.stringify(headers))
      socket.terminate()
    }
  })
})

describe('a key in an address', () => {
  it('is refused with a hint, by HTTP and by the WebSocket, however good it is', async () => {
    for (const path of [
      `/api/v1/status?token=${token}`,
      `/api/v1/status?key=${readKey}`,
      `/v1/models?api_key=${readKey}`,
      `/metrics?access_token=x`,
    ]) {
      for (const headers of [{}, bearer(token)]) {
        const answered = await ask('GET', path, headers)
        assert.equal(answered.status, 400, path)
        assert.match(JSON.stringify(answered.body), /Authorization: Bearer/)
      }
    }
    const socket = new WebSocket(`${address.replace('http:', 'ws:')}/ws?token=${token}`)
    const status = await new Promise((resolve) => {
      socket.once('unexpected-response', (_, response) => resolve(response.statusCode))
      socket.once('error', () => {})
    })
    assert.equal(status, 400)
    socket.terminate()
  })
})

describe('whoever has no key', () => {
  it('is answered with 429 after many tries, and keeps nobody else out', async () => {
    const tries: Answered[] = []
    for (let i = 0; i < 60; i += 1) tries.push(await ask('GET', '/api/v1/status', bearer('wrong')))
    assert.equal(tries[0]!.status, 401)
    const limited = tries.find(({ status }) => status === 429)!
    assert.match(String(limited.headers['retry-after']), /^\d+$/)
    assert.equal((await ask('GET', '/api/v1/status', bearer(readKey))).status, 200)
    assert.equal((await owner('GET', '/api/v1/status')).status, 200)
  })
})
