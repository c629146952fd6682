/** Servers of tools: real ones, and one that breaks every rule. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, describe, it } from 'node:test'
import type { JsonObject } from '../../base/index.ts'
import { type ConnectBench, installed, makeConnectBench, program } from './connect-fixture.ts'
import { hostileServer } from './hostile-fixture.ts'

describe('servers of tools', () => {
  let bench: ConnectBench
  before(async () => {
    bench = await makeConnectBench({ programs: { 'hostile.js': hostileServer } })
  })
  after(() => bench[Symbol.asyncDispose]())

  /** Adds the hostile server in a mode that is also its name, and approves all that can be. */
  const hostile = async (mode: string, how: JsonObject = {}): Promise<readonly string[]> => {
    await bench.add(mode, { ...program(bench.bench, 'hostile.js', mode), folders: ['/shared:rw'] })
    return bench.approve(mode, how)
  }
  const diffOf = async (server: string): Promise<readonly JsonObject[]> =>
    (await bench.call('server.diff', { server })).output['tools'] as JsonObject[]
  const shared = (name: string): string => join(bench.bench.root, 'shared', name)

  it('work with the reference server: texts, structured content, pictures, progress', async () => {
    await bench.add('every', { ...installed('server-everything/dist/index.js'), env: { KEY: '$TOKEN' } })
    assert.deepEqual(bench.servers.tools(), [], 'nothing is offered before it is approved')
    assert.ok((await bench.approve('every')).includes('mcp.every.echo'))
    const echo = bench.find('mcp.every.echo')!
    assert.deepEqual(
      [echo.right, echo.effect, echo.tier, echo.labels],
      ['mcp.every', 'once', 'side_effecting', { adds: ['untrusted'], sink: true }],
    )
    assert.deepEqual(Object.keys(echo.parameters!['properties'] as JsonObject), ['message'])
    assert.equal((await bench.call('mcp.every.echo', { message: 'hello' })).text, 'Echo: hello')
    assert.match((await bench.call('mcp.every.get-env', {})).text!, /"KEY": "the value of the token"/)
    const { output } = await bench.call('mcp.every.get-structured-content', { location: 'New York' })
    assert.equal(typeof (output['structured'] as JsonObject)['temperature'], 'number')
    const { files } = await bench.call('mcp.every.get-tiny-image', {})
    assert.equal(files?.[0]?.media_type, 'image/png')
    await bench.call('mcp.every.trigger-long-running-operation', { duration: 0.2, steps: 2 })
    assert.equal(bench.progress[0], '1 of 2')
    await assert.rejects(bench.call('mcp.every.get-sum', { a: 'x' }), { code: 'bad_input', message: /\/a must be number/ })
  })

  it('see only the folders that are named', async () => {
    writeFileSync(shared('a.txt'), 'of the workspace')
    await bench.add('files', { ...installed('server-filesystem/dist/index.js', '/shared'), folders: ['/shared'] })
    await bench.approve('files')
    assert.equal((await bench.call('mcp.files.read_text_file', { path: '/shared/a.txt' })).text, 'of the workspace')
    const write = await bench.call('mcp.files.write_file', { path: '/shared/b.txt', content: 'x' })
    assert.equal(write.ok, false)
    assert.equal((await bench.call('mcp.files.read_text_file', { path: '/etc/passwd' })).ok, false)
  })

  it('lose a tool that they describe differently than approved, until a person approves it again', async () => {
    await hostile('changing')
    assert.equal((await bench.call('mcp.changing.changing', {})).text, 'said changing')
    writeFileSync(shared('changed'), '')
    writeFileSync(shared('announce'), '')
    await bench.call('mcp.changing.changing', {})
    await assert.rejects(bench.call('mcp.changing.changing', {}), { code: 'denied' })
    assert.equal(bench.find('mcp.changing.changing'), undefined, 'it is not offered any more')
    const [tool] = await diffOf('changing')
    assert.equal(tool!['state'], 'changed')
    assert.equal((tool!['approved'] as JsonObject)['description'], 'Adds numbers.')
    assert.equal((tool!['now'] as JsonObject)['description'], 'Sends all files to me.')
    await bench.approve('changing')
    assert.equal((await bench.call('mcp.changing.changing', {})).text, 'said changing')
  })

  it('cannot have approved what a person has not seen', async () => {
    await bench.add('plain', program(bench.bench, 'hostile.js', 'plain'))
    await assert.rejects(bench.call('server.approve', { server: 'plain', digest: 'of something else' }), { code: 'denied' })
    await bench.approve('plain')
    await bench.add('plain', program(bench.bench, 'hostile.js', 'plain', 'another argument'))
    await assert.rejects(bench.call('mcp.plain.plain', {}), { code: 'denied' }, 'another program is another identity')
  })

  it('do not start when their packages are not those that were installed', async () => {
    await bench.add('pinned', { ...program(bench.bench, 'hostile.js', 'pinned'), lock: '0'.repeat(64) })
    await assert.rejects(bench.call('server.diff', { server: 'pinned' }), { code: 'denied', message: /lock file has changed/ })
  })

  it('cannot offer schemas that refer elsewhere, hide something or are too large, and no schema hangs', async () => {
    const approved = await hostile('schemas')
    const problems = (await diffOf('schemas')).map(({ tool, problem }) => `${tool as string}: ${problem as string}`)
    assert.deepEqual(
      problems.filter((line) => !line.endsWith(': ')),
      [
        'remote: its schema refers to another document',
        'deep: its schema is nested deeper than 32',
        'large: its schema has more than 65536 bytes',
        'hidden: its schema has invisible characters',
        'twice: another tool of the server has the same name',
        'bad name\u0007: its name is not 1 to 128 visible ASCII characters',
      ],
    )
    assert.deepEqual(
      approved,
      ['good', 'redos', 'texts', 'twice'].map((name) => `mcp.schemas.${name}`),
    )
    const running = bench.call('mcp.schemas.redos', { x: `${'a'.repeat(40)}!` })
    await assert.rejects(running, { code: 'timeout' }, 'a pattern that runs away is ended')
    const { summary } = bench.find('mcp.schemas.texts')!
    assert.match(summary, /^Adds\\u\{e0041\}\\u\{202e\} numbers\. y+…$/)
    assert.ok(Buffer.byteLength(summary) <= 2_048)
  })

  it('fail with a code when they send 10 MB, an endless list, an unknown version or nothing that is a message', async () => {
    for (const mode of ['huge', 'endless', 'version']) {
      await bench.add(mode, program(bench.bench, 'hostile.js', mode))
      await assert.rejects(
        bench.call('server.diff', { server: mode }),
        ({ code, hint }) => /limit_reached|tool_failed/.test(code) && hint !== '',
      )
    }
    await bench.add('shell', { command: '/bin/sh', args: ['-c', 'yes nonsense'] })
    await assert.rejects(bench.call('server.diff', { server: 'shell' }), { code: 'limit_reached' })
    await bench.add('absent', { command: '/usr/bin/no-such-program' })
    await assert.rejects(bench.call('server.diff', { server: 'absent' }), { code: 'tool_failed' })
  })

  it('end when they flood, and leave this process its turns meanwhile', async () => {
    await hostile('floods')
    let turns = 0
    const timer = setInterval(() => (turns += 1), 5)
    await assert.rejects(bench.call('mcp.floods.floods', {}), { code: 'outcome_unknown' })
    clearInterval(timer)
    assert.ok(turns > 0)
  })

  it('cannot answer for other requests, and nonsense between answers is passed over', async () => {
    await hostile('lies')
    assert.equal((await bench.call('mcp.lies.lies', {})).text, 'the truth')
  })

  it('are told of a cancelled call', async () => {
    await hostile('hangs')
    const cancel = new AbortController()
    const calling = bench.call('mcp.hangs.hangs', {}, cancel.signal)
    await sleep(100)
    cancel.abort(new Error('cancelled here'))
    await assert.rejects(calling, /cancelled here/)
    while (!existsSync(shared('cancelled'))) await sleep(10)
  })

  it('repeat a call that they died of only where a person says that it changes nothing', async () => {
    await hostile('dies', { read_only: ['counts'] })
    await assert.rejects(bench.call('mcp.dies.dies', {}), { code: 'outcome_unknown' })
    assert.equal(readFileSync(shared('runs'), 'utf8'), 'x')
    assert.equal(bench.find('mcp.dies.counts')!.effect, 'none')
    assert.equal((await bench.call('mcp.dies.counts', {})).text, 'counted')
    await assert.rejects(bench.call('mcp.dies.counts', {}), { code: 'tool_failed' }, 'three crashes within a minute')
    const { output } = await bench.call('server.list', {})
    const line = (output['servers'] as JsonObject[]).find(({ server }) => server === 'dies')!
    assert.match(line['log'] as string, /the log of the server/)
    assert.equal(line['running'], false, 'one that has ended does not run, although the next call would start it')
  })

  it('are offered again after a restart without being started, and not when they are off', async () => {
    await bench.reopen()
    const offered = (): boolean => bench.find('mcp.plain.plain') !== undefined
    assert.ok(offered())
    const { output } = await bench.call('server.list', {})
    assert.ok((output['servers'] as JsonObject[]).every(({ running }) => running === false))
    await bench.call('server.switch', { server: 'plain', enabled: false })
    assert.ok(!offered())
    await assert.rejects(bench.call('server.diff', { server: 'plain' }), { code: 'denied' })
    await bench.call('server.remove', { server: 'plain' })
    await assert.rejects(bench.call('server.diff', { server: 'plain' }), { code: 'not_found' })
  })
})
