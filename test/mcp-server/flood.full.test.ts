/** Programs that flood: sessions, requests and calls have limits, and what is beyond them gets an answer that says so. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { metaOf, openRig, type Rig, textOf } from './mcp-rig.ts'

const hello = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
}
const send = ({ url }: Rig, key: string, body: object, session = ''): Promise<Response> => {
  const types = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const headers = { ...types, authorization: `Bearer ${key}`, ...(session !== '' && { 'mcp-session-id': session }) }
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
}

describe('a flood over MCP', () => {
  it('is answered with 429 beyond the rate of the key', async () => {
    await using slow = await openRig({ gateway: { requests_per_minute: 50 } })
    const { key } = await slow.key('file.read')
    const asked = Array.from({ length: 30 }, () => send(slow, key, hello))
    const statuses = (await Promise.all(asked)).map(({ status }) => status)
    assert.equal(statuses.filter((status) => status === 200).length, 10)
    assert.equal(statuses.filter((status) => status === 429).length, 20)
  })

  it('of calls that wait ends at the limit of the key, and cancelling frees its place', async () => {
    await using asking = await openRig({ approval: { calls: { 'state.save': 'ask' } } })
    const { key } = await asking.key('state.write')
    const program = await asking.program(key)
    const save = (n: number): Promise<unknown> =>
      program.callTool({ name: 'state_save', arguments: { category: 'notes', name: `n${n}`, data: { n } } })
    const waiting = await Promise.all(Array.from({ length: 64 }, (_, n) => save(n)))
    assert.ok(waiting.every((result) => metaOf(result)['oxbow/status'] === 'waiting'))
    await assert.rejects(save(64), /64 calls of this key/)
    await asking.guest.kernel.approve(metaOf(waiting[0])['oxbow/call'] as never, false)
    const refused = await program.callTool({ name: 'call_result', arguments: { call: metaOf(waiting[0])['oxbow/call']! } })
    assert.match(textOf(refused), /refused/)
    assert.equal(metaOf(await save(65))['oxbow/status'], 'waiting')
  })

  it('of sessions takes the place of the oldest idle ones', async () => {
    await using rig = await openRig({ gateway: { requests_per_minute: 10_000 } })
    const { key } = await rig.key('file.read')
    const begin = async (): Promise<string> => {
      const answer = await send(rig, key, hello)
      await answer.text()
      return answer.headers.get('mcp-session-id')!
    }
    const list = { jsonrpc: '2.0', id: 2, method: 'tools/list' }
    const first = await begin()
    let last = ''
    for (let n = 0; n < 32; n++) last = await begin()
    assert.equal((await send(rig, key, list, first)).status, 404)
    assert.equal((await send(rig, key, list, last)).status, 200)
  })
})
