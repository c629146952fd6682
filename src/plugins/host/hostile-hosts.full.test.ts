/** Hosts that do what they must not: their requests fail, they end, and other plugins go on. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { fuzzLink } from './host-pipe-fixture.ts'
import { done, type HostBench, makeHostBench, usualPlugin } from './host-fixture.ts'

/** Writes a message as this program does, past it. */
const hostile = `
import { writeSync } from 'node:fs'
import { spawn } from 'node:child_process'
const frame = (id, message, kind = 2) => {
  const payload = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message))
  const head = Buffer.alloc(9)
  head.writeUInt32BE(payload.length + 5, 0)
  head.writeUInt8(kind, 4)
  head.writeUInt32BE(id, 5)
  writeSync(1, Buffer.concat([head, payload]))
}
const forever = () => new Promise(() => {})
const call = (id, of) => frame(id, { op: 'call', input: { for: of, name: 'file.read', input: {} } })
const acts = {
  spin: () => { for (;;) {} },
  leak: () => { const held = []; for (;;) held.push(new Array(1e6).fill(held.length)) },
  buffers: () => { const held = []; for (;;) held.push(Buffer.alloc(32e6, 1)) },
  flood: () => { for (let i = 0; ; i += 1) frame(2 * i + 1, 'x'.repeat(1000)) },
  fork: () => { for (let i = 0; i < 200; i += 1) spawn('sleep', ['100']).on('error', () => {}); return forever() },
  exit: () => process.exit(3),
  strangeCaller: () => { call(1, 4_000_000_000 - 4_000_000_000 % 2); return forever() },
  oddCaller: () => { call(1, 1); return forever() },
  reply: () => { frame(400, { ok: {} }); return forever() },
  twice: () => { frame(4, { ok: { ok: true, text: 'first', data: {}, values: {} } }); return { success: true, text: 'second' } },
  garbage: () => { writeSync(1, 'not a frame at all'); return forever() },
  json: () => { frame(4, '{"ok":'); return forever() },
  shape: () => { frame(4, { ok: { ok: 'yes' } }); return forever() },
  greet: () => { frame(0, {}); return forever() },
  cancel: () => { frame(4, '', 3); return forever() },
  code: () => { frame(4, { failure: { code: 'store_full', message: '', hint: '' } }); return forever() },
  calls: () => { for (let i = 0; i < 300; i += 1) call(2 * i + 1, 4); return forever() },
}
const services = [{ serviceType: 'never', start: forever }]
acts.service = async (runtime) => { await runtime.getService('never'); return { success: true } }
export default { name: 'hostile', services, actions: Object.entries(acts).map(([name, handler]) => ({ name, handler })) }
`

const cases: readonly (readonly [action: string, problem: RegExp])[] = [
  ['spin', /did not end action when it was cancelled|does not answer/],
  ['exit', /it ended/],
  ['strangeCaller', /a call for a request that was never made/],
  ['oddCaller', /a call for a request that was never made/],
  ['reply', /replied to no request/],
  ['garbage', /invalid frames/],
  ['json', /neither a result nor a failure/],
  ['shape', /wrong form/],
  ['greet', /greeted twice/],
  ['cancel', /only the guest may send/],
  ['code', /neither a result nor a failure/],
  ['calls', /calls at once/],
  ['flood', /neither a reply nor a call/],
]

it('ten thousand series of messages of a host end it or are answered', { timeout: 120_000 }, () => fuzzLink(10_000))

describe('a hostile host', () => {
  let bench: HostBench
  before(async () => {
    const plugins = { usual: usualPlugin, hostile }
    bench = await makeHostBench({ plugins, deps: { checkMs: 2_000, restartMs: 1, maxCrashes: Infinity } })
    await bench.act('usual', 'echo', { text: 'x' })
  })
  after(() => bench[Symbol.asyncDispose]())
  beforeEach(() => waitUntil(() => bench.hosts.state('hostile').phase !== 'waiting'))

  for (const [action, problem] of cases) {
    it(`that does ${action} ends, and its request fails as one that may have had an effect`, async () => {
      const call = () => new Promise<never>(() => {})
      await assert.rejects(bench.act('hostile', action, {}, { call }), (error: { code: string; message: string; data: object }) => {
        assert.match(error.message, problem)
        assert.deepEqual([error.code, error.data], ['sandbox_failed', { lost: true }])
        return true
      })
      assert.equal((await bench.act('usual', 'echo', { text: 'still here' })).data['inits'], 1)
    })
  }

  it('that answers twice ends after the first answer', async () => {
    const { text } = await bench.act('hostile', 'twice')
    assert.equal(text, 'first')
    await waitUntil(() => /replied to no request/.test(bench.hosts.state('hostile').problem))
  })

  it('that takes all memory ends, and that starts many processes ends with all of them', { timeout: 60_000 }, async () => {
    await assert.rejects(bench.act('hostile', 'leak', {}, { timeoutMs: 20_000 }))
    await waitUntil(() => bench.hosts.state('hostile').phase === 'running')
    await assert.rejects(bench.act('hostile', 'fork', {}, { timeoutMs: 200 }), { code: 'timeout' })
    await bench.hosts.reload('hostile')
    assert.equal((await bench.act('usual', 'echo', { text: 'still here' })).data['inits'], 1)
  })

  it('is not started when a byte of its package has changed', async () => {
    const plugin = await bench.plugin('changed', usualPlugin)
    writeFileSync(join(plugin.folder, 'index.mjs'), usualPlugin.replace('Repeats', 'repeats'))
    const problems = await bench.hosts.replace([...bench.hosts.plugins(), plugin])
    assert.match(problems['changed']!, /are not those that were approved/)
    await assert.rejects(bench.act('changed', 'echo'), /are not those that were approved/)
  })

  it('whose service never starts says so after 30 s, and answers meanwhile', { timeout: 60_000 }, async () => {
    const waiting = assert.rejects(bench.act('hostile', 'service', {}, { timeoutMs: 50_000 }), {
      code: 'timeout',
      message: 'The service never did not start within 30 s.',
    })
    const asked = bench.hosts.ask('hostile', 'service', { type: 'never' }, { signal: new AbortController().signal, timeoutMs: 500 })
    await assert.rejects(asked, { code: 'timeout' })
    assert.deepEqual((await bench.hosts.exports('hostile', new AbortController().signal)).services, [{ type: 'never', description: '' }])
    await waiting
    assert.equal(bench.hosts.state('hostile').phase, 'running')
  })

  it('gets refusals for calls of a request that has ended, and is not taken for broken', async () => {
    const late = await bench.act('usual', 'echo', { text: 'x' })
    assert.equal(late.ok, true)
    const again = await bench.act('usual', 'call', { name: 'a.b', input: {} }, { call: async () => done('ok') })
    assert.equal(again.text, 'ok')
  })
})

async function waitUntil(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 10))
}
