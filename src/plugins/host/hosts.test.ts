/** Hosts of plugins in a real sandbox: what they answer, what they see, and how they live. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { execFile } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isOxbowError } from '../../base/index.ts'
import type { PluginMessage } from '../../protocol/index.ts'
import { done, type HostBench, makeHostBench, usualPlugin } from './host-fixture.ts'

const message: PluginMessage = { id: 'm1', session: 's1', turn: 't1', text: 'hello', user: 'u', agent: 'ox', at: 0 }
const request = { signal: new AbortController().signal, timeoutMs: 10_000 }

/** Node removes no path of more than 4 096 characters. */
async function removeDeep(folder: string): Promise<void> {
  await promisify(execFile)('rm', ['-rf', folder])
}

describe('a host of a plugin', () => {
  let bench: HostBench
  before(async () => {
    bench = await makeHostBench({ deps: { maxDataBytes: 8 * 1024 * 1024 } })
  })
  after(() => bench[Symbol.asyncDispose]())

  it('is not started before it is needed, and once for many that need it', async () => {
    assert.deepEqual([bench.hosts.state('usual').phase, bench.hosts.known('usual')], ['stopped', null])
    const answers = await Promise.all(['a', 'b', 'c'].map((text) => bench.act('usual', 'echo', { text })))
    assert.deepEqual(
      answers.map(({ text, data }) => [text, data['inits']]),
      [
        ['a', 1],
        ['b', 1],
        ['c', 1],
      ],
    )
    assert.equal(bench.hosts.state('usual').phase, 'running')
  })

  it('says what the plugin has, which is kept beyond the guest', async () => {
    const found = await bench.hosts.exports('usual', request.signal)
    assert.deepEqual(found.actions[0], {
      name: 'echo',
      description: 'Repeats its input.',
      similes: [],
      parameters: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'], additionalProperties: false },
      effect: 'none',
      tier: 'read_only',
    })
    assert.deepEqual(found.routes, [{ method: 'GET', path: '/hello', public: true }])
    const [plugin] = bench.hosts.plugins()
    assert.deepEqual(JSON.parse(readFileSync(join(bench.bench.root, `internal/plugins/.exports/${plugin!.tree_hash}.json`), 'utf8')), found)
  })

  it('runs every kind of part', async () => {
    const { ask } = bench.hosts
    const { provided } = await ask('usual', 'provide', { names: ['NOW', 'SLOW', 'WRONG'], message, state: {} }, request)
    assert.deepEqual(
      provided.map(({ text, problem }) => [text, problem]),
      [
        ['now', ''],
        ['', 'It did not answer within 50 ms.'],
        ['', 'no luck'],
      ],
    )
    const evaluated = await ask('usual', 'evaluate', { name: 'count', message, did_respond: true, responses: [], state: {} }, request)
    assert.deepEqual(evaluated, { ran: true, data: { didRespond: true } })
    assert.deepEqual(await ask('usual', 'task', { name: 'tidy', due: 5 }, request), { text: 'tidied 5' })
    assert.deepEqual(await ask('usual', 'event', { name: 'MESSAGE_RECEIVED', payload: {} }, request), {})
    assert.equal((await ask('usual', 'hook', { step: 'call.before', value: { name: 'x' } }, request)).reason, 'no x')
    assert.deepEqual(await ask('usual', 'model', { type: 'TEXT_SMALL', params: { prompt: 'p' } }, request), { result: 'answer to p' })
    const route = { method: 'GET', path: '/hello', route: '/hello', params: {}, query: {}, headers: {}, body: '' }
    const { status, body } = await ask('usual', 'route', route, request)
    assert.deepEqual([status, Buffer.from(body, 'base64').toString()], [201, '{"hello":"world"}'])
    await ask('usual', 'service', { type: 'clock' }, request)
    await assert.rejects(ask('usual', 'service', { type: 'broken' }, request), { code: 'tool_failed', message: 'broken' })
    assert.deepEqual((await ask('usual', 'health', {}, request)).services, ['clock'])
    await assert.rejects(bench.act('usual', 'missing'), { code: 'not_found' })
  })

  it('makes calls for the request that it works on, and none later', async () => {
    const calls: unknown[] = []
    const call = async (name: string, input: unknown) => (calls.push([name, input]), done('read'))
    const answer = await bench.act('usual', 'call', { name: 'file.read', input: { path: '/shared/a' } }, { call })
    assert.deepEqual([answer.text, calls], ['read', [['file.read', { path: '/shared/a' }]]])
    const without = await bench.act('usual', 'call', { name: 'file.read', input: {} })
    assert.match(without.text, /can make no calls in this request/)
    await bench.act('usual', 'later', {}, { call })
    while (!bench.hosts.state('usual').log.includes('later:')) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.match(bench.hosts.state('usual').log, /later: .*only while it works on a request/)
    assert.equal(calls.length, 1)
  })

  it('sees its package read-only and a folder of its own, and no workspace, environment or network', async () => {
    const code = `(() => {
      const tried = (work) => { try { return String(work()) } catch (error) { return error.code } }
      return { success: true, data: {
        own: tried(() => (writeFileSync('/data/kept', 'x'), readFileSync('/data/kept', 'utf8'))),
        package: tried(() => writeFileSync('/opt/server/index.mjs', '')),
        shared: tried(() => existsSync('/shared')), vault: tried(() => existsSync('/vault')),
        environment: Object.keys(process.env).sort().join(),
        network: tried(() => readFileSync('/proc/net/route', 'utf8').trim().split('\\n').length),
      } }
    })()`
    const { data } = await bench.act('usual', 'run', { code })
    assert.deepEqual(data, { own: 'x', package: 'EROFS', shared: 'false', vault: 'false', environment: 'HOME,PATH,PWD', network: '1' })
    assert.equal(readFileSync(join(bench.bench.root, 'internal/plugins/usual/kept'), 'utf8'), 'x')
  })

  it('ends a request that is cancelled, and goes on', async () => {
    const controller = new AbortController()
    const slow = bench.act('usual', 'run', { code: 'new Promise(() => {})' }, { signal: controller.signal })
    setTimeout(() => controller.abort(), 20)
    await assert.rejects(slow, { code: 'cancelled' })
    await assert.rejects(bench.act('usual', 'run', { code: 'new Promise(() => {})' }, { timeoutMs: 20 }), { code: 'timeout' })
    assert.equal((await bench.act('usual', 'echo', { text: 'still here' })).data['inits'], 1)
  })

  it('is replaced while requests go on: the old one ends what it does, and each of them is answered', async () => {
    const waits = `new Promise((resolve) => setTimeout(() => resolve({ success: true, data: { pid: process.pid } }), 150))`
    const { data: first } = await bench.act('usual', 'echo', { text: 'x' })
    const slow = bench.act('usual', 'run', { code: waits })
    await bench.hosts.reload('usual')
    const { data: now } = await bench.act('usual', 'echo', { text: 'x' })
    assert.equal((await slow).data['pid'], first['pid'])
    assert.equal(now['inits'], 1)
    assert.equal(bench.hosts.state('usual').phase, 'running')
  })

  it('stays when the new one dies at its start, or does not start', async () => {
    const list = bench.hosts.plugins()
    const broken = {
      'it ended': usualPlugin.replace('init() {', 'init() { process.exit(1);'),
      'no luck today': usualPlugin.replace('init() {', "init() { console.log('why'); throw new Error('no luck today');"),
    }
    for (const [problem, source] of Object.entries(broken)) {
      const next = { ...(await bench.plugin(`usual-${problem.length}`, source)), name: 'usual', version: '2.0.0' }
      const problems = await bench.hosts.replace([next])
      assert.ok(problems['usual']!.includes(problem), problems['usual'])
      assert.deepEqual(bench.hosts.plugins(), list)
      assert.equal((await bench.act('usual', 'echo', { text: 'still here' })).text, 'still here')
    }
    assert.match(bench.hosts.state('usual').log, /why\nError: no luck today\n +at Object\.init/)
  })

  it('is there when it never started, with the same reason wherever it is asked, and starts when it can', async () => {
    const list = bench.hosts.plugins()
    const late = await bench.plugin(
      'late',
      "import { existsSync } from 'node:fs'\nif (!existsSync('/data/key')) throw new Error('no key')\nexport default { name: 'late' }\n",
    )
    const problems = await bench.hosts.replace([...list, late])
    assert.deepEqual(problems, { late: 'index.mjs:2: Error: no key' })
    assert.equal(bench.hosts.plugins().at(-1), late)
    const { problem, crashes } = bench.hosts.state('late')
    assert.deepEqual([problem, crashes], [problems['late'], 1])
    assert.match(await bench.hosts.log('late'), /Error: no key/)
    const again = await bench.hosts.replace([...list, late])
    assert.match(again['late']!, /no key/)
    writeFileSync(join(bench.bench.root, 'internal/plugins/late/key'), '')
    await bench.hosts.reload('late')
    assert.deepEqual([await bench.hosts.replace([...list, late]), bench.hosts.state('late').phase], [{}, 'running'])
    await bench.hosts.replace(list)
  })

  it('is ended when it fills its folder, and does not start before there is room', async () => {
    const { hosts, act } = bench
    const fails = (code: string, about: RegExp) => (error: unknown) =>
      isOxbowError(error) && error.code === code && about.test(error.message + error.hint)
    // Alone a file of just the limit is not too much.
    rmSync(join(bench.bench.root, 'internal/plugins/usual/kept'), { force: true })
    const large = `(() => { const fs = process.getBuiltinModule('node:fs')
      try { writeFileSync('/data/large', Buffer.alloc(9 * 1024 * 1024, 1)) } catch (error) { fs.rmSync('/data/large'); return { text: error.code } } })()`
    assert.equal((await act('usual', 'run', { code: large })).text, 'EFBIG')
    const many = `(() => { for (const name of ['a', 'b']) writeFileSync('/data/' + name, Buffer.alloc(5 * 1024 * 1024, 1))
      return new Promise((resolve) => setTimeout(resolve, 9_000)) })()`
    await assert.rejects(act('usual', 'run', { code: many }), fails('sandbox_failed', /8 MB that plugins\.data_max_mb allows/))
    await assert.rejects(hosts.reload('usual'), fails('limit_reached', /more than 8 MB in its folder \/data\..*data_max_mb/))
    const { bytes, max_bytes: most } = await hosts.data('usual')
    assert.ok(bytes > most && most === 8 * 1024 * 1024)
    for (const name of ['a', 'b']) rmSync(join(bench.bench.root, 'internal/plugins/usual', name))
    // Names so deep that nobody can count what is there.
    const deep = `(() => { const fs = process.getBuiltinModule('node:fs'); process.chdir('/data')
      for (let i = 0; i < 30; i += 1) { fs.mkdirSync('d'.repeat(200)); process.chdir('d'.repeat(200)) }
      return new Promise((resolve) => setTimeout(resolve, 9_000)) })()`
    await hosts.reload('usual')
    await assert.rejects(act('usual', 'run', { code: deep }), fails('sandbox_failed', /8 MB that plugins\.data_max_mb allows/))
    await removeDeep(join(bench.bench.root, 'internal/plugins/usual', 'd'.repeat(200)))
    await hosts.reload('usual')
    assert.equal((await act('usual', 'echo', { text: 'again' })).text, 'again')
  })
})
