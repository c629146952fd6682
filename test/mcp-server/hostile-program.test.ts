/** Programs that lie, flood, or should have gone: what they get is an answer with a code, and the guest goes on. */
import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { openRig, type Rig } from './mcp-rig.ts'

let rig: Rig
before(async () => {
  rig = await openRig({ gateway: { requests_per_minute: 10_000 } })
})
after(() => rig[Symbol.asyncDispose]())

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A request as no client would send it. */
function send(headers: Record<string, string>, body: string | object | null, method = 'POST'): Promise<Answer> {
  const text = body === null ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  const usual = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  return new Promise((resolve, reject) => {
    const asked = httpRequest(
      rig.url,
      { method, headers: { ...usual, ...headers, 'content-length': Buffer.byteLength(text) } },
      (response) => {
        let answer = ''
        response.on('data', (piece: Buffer) => (answer += piece.toString()))
        response.on('close', () =>
          resolve({ status: response.statusCode!, headers: response.headers as Record<string, string>, body: answer }),
        )
      },
    )
    asked.on('error', reject)
    asked.end(text)
  })
}

const hello = (version = '2025-11-25') => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: version, capabilities: {}, clientInfo: { name: 'x', version: '1' } },
})
const list = (id: unknown) => ({ jsonrpc: '2.0', id, method: 'tools/list' })

async function begin(key: string): Promise<Record<string, string>> {
  const headers = { authorization: `Bearer ${key}` }
  const { headers: answered } = await send(headers, hello())
  return { ...headers, 'mcp-session-id': answered['mcp-session-id']! }
}

describe('a request for /mcp', () => {
  it('needs an API key: neither the token of the guest nor a cookie nor nothing will do', async () => {
    const { key } = await rig.key('file.read')
    assert.equal((await send({}, hello())).status, 401)
    assert.equal((await send({ authorization: 'Bearer oxbow_0123456789abcdef' }, hello())).status, 401)
    const byToken = await send({ authorization: `Bearer ${rig.guest.token}` }, hello())
    assert.equal(byToken.status, 403)
    assert.match(byToken.body, /API key/)
    assert.equal((await send({ cookie: `oxbow-${rig.url.port}=${key}`, origin: rig.url.origin }, hello())).status, 401)
    assert.equal((await send({ authorization: `Bearer ${key}` }, hello())).status, 200)
  })

  it('is refused from a page elsewhere and under a rebound name, before its key is looked at', async () => {
    const { key } = await rig.key('file.read')
    const authorization = `Bearer ${key}`
    for (const headers of [
      { host: 'evil.example.com' },
      { origin: 'https://evil.example.com' },
      { origin: 'null' },
      { origin: 'http://127.0.0.1:1' },
    ])
      assert.equal((await send({ authorization, ...headers }, hello())).status, 403, JSON.stringify(headers))
    assert.equal((await send({ authorization, origin: rig.url.origin }, hello())).status, 200)
  })

  it('is answered with a JSON-RPC error where it is not JSON-RPC, too large, too deep, or of an unknown version', async () => {
    const { key } = await rig.key('file.read')
    const headers = await begin(key)
    for (const [body, status] of [
      ['not json', 400],
      [{ jsonrpc: '1.0', id: 1, method: 'tools/list' }, 400],
      [{ id: 1 }, 400],
      [`${'['.repeat(200)}${']'.repeat(200)}`, 400],
      [Array.from({ length: 500 }, (_, id) => list(id)), 400],
    ] as const) {
      const answer = await send(headers, body)
      assert.equal(answer.status, status, JSON.stringify(body).slice(0, 60))
      assert.ok('error' in (JSON.parse(answer.body) as object))
    }
    const large = await send(headers, { ...list(1), params: { x: 'x'.repeat(5 * 1024 * 1024) } })
    assert.ok(large.status >= 400, String(large.status))
    assert.equal((await send({ ...headers, 'mcp-protocol-version': '1999-01-01' }, list(1))).status, 400)
    assert.equal((await send({ ...headers, 'content-type': 'text/plain' }, list(1))).status, 415)
    assert.equal((await send(headers, null, 'PUT')).status, 405)
    // A version that is unknown at the beginning is answered with one that is known.
    const newer = await send({ authorization: `Bearer ${key}` }, hello('2099-01-01'))
    assert.match(newer.body, /"protocolVersion":"2025-11-25"/)
    assert.equal((await send(headers, list(2))).status, 200)
  })

  it('may repeat an id, answer what nobody asked, and cancel what is not there', async () => {
    const headers = await begin((await rig.key('file.read')).key)
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(headers, list(7))))
    assert.ok(answers.every(({ status }) => status === 200))
    assert.equal((await send(headers, { jsonrpc: '2.0', id: 99, result: { action: 'accept', content: { allow: true } } })).status, 202)
    const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 12_345 } }
    assert.equal((await send(headers, cancelled)).status, 202)
    assert.equal((await send(headers, list(8))).status, 200)
  })
})

describe('a session over MCP', () => {
  it('belongs to its key', async () => {
    const headers = await begin((await rig.key('file.read')).key)
    const other = await rig.key('*')
    assert.equal((await send({ ...headers, authorization: `Bearer ${other.key}` }, list(1))).status, 404)
    assert.equal((await send({ ...headers, authorization: `Bearer ${other.key}` }, null, 'DELETE')).status, 404)
    assert.equal((await send({ ...headers, 'mcp-session-id': 'made-up' }, list(1))).status, 404)
    assert.equal((await send(headers, list(1))).status, 200)
    assert.equal((await send(headers, null, 'DELETE')).status, 200)
    assert.equal((await send(headers, list(1))).status, 404)
  })

  it('ends when its key is revoked, also its open stream', async () => {
    const { key, name } = await rig.newKey('file.read')
    const headers = await begin(key)
    const stream = send({ ...headers, accept: 'text/event-stream' }, null, 'GET')
    await rig.output('key.revoke', { key: name })
    assert.equal((await send(headers, list(1))).status, 401)
    await stream
  })

  it('goes on from the last event that the program has', async () => {
    const headers = await begin((await rig.key('file.read')).key)
    const answer = await send({ ...headers, 'mcp-protocol-version': '2025-11-25' }, list(1))
    const [first = ''] = answer.body.match(/^id: (\S+)$/m) ?? []
    const again = new Promise<string>((resolve) => {
      const last = { ...headers, accept: 'text/event-stream', 'last-event-id': first.slice('id: '.length) }
      const asked = httpRequest(rig.url, { headers: last }, (response) =>
        response.on('data', (piece: Buffer) => {
          if (!piece.toString().includes('"tools"')) return
          asked.destroy()
          resolve(piece.toString())
        }),
      )
      asked.end()
    })
    assert.match(await again, /"id":1/)
  })

  it('leaves no session of Oxbow behind where it only lists what there is', async () => {
    const count = async (): Promise<number> => (await rig.output('session.list', { limit: 500 })).length
    const earlier = await count()
    const program = await rig.program((await rig.key('file.read')).key)
    await program.listTools()
    assert.equal(await count(), earlier)
    await program.callTool({ name: 'file_list', arguments: {} })
    const [newest] = await rig.output('session.list', { limit: 1 })
    assert.equal(newest.title, 'MCP: a program')
  })
})
