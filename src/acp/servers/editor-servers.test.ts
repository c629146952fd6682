/** Servers of tools that an editor names, before a real kernel, in a real sandbox. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type McpServer, type McpServerStdio, methods, type RequestPermissionRequest } from '@agentclientprotocol/sdk'
import { type ConnectBench, makeConnectBench } from '../../connect/mcp/connect-fixture.ts'
import { hostileServer } from '../../connect/mcp/hostile-fixture.ts'
import { asks, says } from '../../kernel/kernel-fixture.ts'
import { plainText } from '../../terminal/index.ts'
import type { JsonObject } from '../../base/index.ts'
import { choose, type EditorOptions, openEditor, type TestEditor, testServers } from '../acp-fixture.ts'
import { placeOf, readServer, settingsOf } from './wanted-server.ts'

const folder = '/home/ada/project'

/** Says what it was started with, and what its variables are. */
const greeter = `
const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n')
const mode = process.argv[2]
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line)
  if (mode === 'silent') return
  if (mode === 'flood') for (;;) send({ method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(1000) } })
  if (mode === 'dies') { process.stderr.write('no such module\\u001b[2J'); process.exit(1) }
  if (method === 'initialize') {
    const serverInfo = { name: 'greeter', version: '1' }
    return send({ id, result: { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo } })
  }
  if (method === 'tools/list') {
    const description = 'Greets.\\u001b[2J\\u202e ' + 'long '.repeat(2_000)
    const inputSchema = { type: 'object' }
    const tools = mode === 'many' ? Array.from({ length: 200 }, (_, at) => ({ name: 'tool' + at, description, inputSchema })) : [{ name: 'greet', description, inputSchema }]
    return send({ id, result: { tools } })
  }
  const text = [process.argv.slice(2).join(' '), process.env.TOKEN, process.env.NODE_ENV].join('|')
  if (method === 'tools/call') return send({ id, result: { content: [{ type: 'text', text }] } })
  if (id !== undefined) send({ id, error: { code: -32601, message: 'none' } })
})
`

void describe('a server of tools that an editor names', () => {
  let bench: ConnectBench
  before(async () => {
    bench = await makeConnectBench({ programs: { 'greeter.js': greeter, 'hostile.js': hostileServer } })
  })
  after(() => bench[Symbol.asyncDispose]())

  const server = (name: string, mode: string, env: Readonly<Record<string, string>> = {}): McpServer => ({
    name,
    command: 'node',
    args: [join(bench.bench.root, 'program', 'greeter.js'), mode],
    env: Object.entries(env).map(([variable, value]) => ({ name: variable, value })),
  })
  const portsOver = () => {
    const ports = testServers()
    return {
      ...ports,
      placeProgram: (path: string) =>
        path.endsWith('.js') ? { folder: join(bench.bench.root, 'program'), path: path.replace(/^.*\/program/, '/opt/server') } : null,
      async storeSecret(name: string, value: string) {
        const isChanged = bench.secrets.get(name) !== value
        bench.secrets.set(name, value)
        return isChanged
      },
      removeSecret: async (name: string) => void bench.secrets.delete(name),
    }
  }
  const open = (options: EditorOptions & { readonly servers?: never } = {}, ports = portsOver()): Promise<TestEditor> =>
    openEditor({
      ...options,
      servers: async () => ({ calls: bench.servers.calls, tools: bench.servers.tools, close: async () => {} }),
      ports: {
        guestPath: (path) => (path.startsWith(folder) ? path.replace(folder, '/shared') : undefined),
        ownPath: (path) => (path.startsWith('/shared') ? path.replace('/shared', folder) : undefined),
        servers: ports,
        ...options.ports,
      },
    })
  const begin = async (editor: TestEditor, ...mcpServers: readonly McpServer[]): Promise<string> =>
    (await editor.agent.request(methods.agent.session.new, { cwd: folder, mcpServers: [...mcpServers] })).sessionId
  const isTools = ({ toolCall }: RequestPermissionRequest): boolean => toolCall.title!.startsWith('Offer ')
  const textOf = (request: RequestPermissionRequest): string =>
    request.toolCall.content!.map((part) => (part.type === 'content' && part.content.type === 'text' ? part.content.text : '')).join('')
  const aboutServers = ({ asked }: TestEditor) => asked.filter(({ toolCall }) => toolCall.toolCallId.startsWith('server:'))
  const isPlain = (text: string): void => assert.equal(plainText(text), text)
  const names = (): readonly string[] => [...bench.kept.keys()]
  /** The end of each call that was shown, by what it says. */
  const ends = (editor: TestEditor): string =>
    JSON.stringify(editor.of('tool_call_update').filter(({ status }) => status !== 'in_progress'))

  void it('is used after two yeses, with its secret, and by later sessions and editors without a question', async () => {
    const results: string[] = []
    const play: EditorOptions['play'] = ({ messages }) => {
      const last = messages.at(-1)!
      if (last.role !== 'tool') return asks(['mcp_my-files_greet'])
      results.push(JSON.stringify(last))
      return says('Greeted.')
    }
    const ports = portsOver()
    const named = server('My Files!', 'plain', { TOKEN: 'a-very-secret-value', NODE_ENV: 'production' })
    const program = { ...named, args: [...(named as { args: string[] }).args, `${folder}/src`, `--root=${folder}`] }
    const config = { agent: { rights: ['worker', 'mcp.my-files'] } }
    await using editor = await open({ play, config }, ports)
    const id = await begin(editor, program)
    assert.equal(await editor.say(id, 'Greet.'), 'end_turn')
    const [run, tools] = aboutServers(editor)
    assert.equal(aboutServers(editor).length, 2)
    assert.match(
      run!.toolCall.title!,
      /My Files! in the sandbox, without network, seeing \/home\/ada\/project .*node \/opt\/server\/greeter\.js plain/,
    )
    assert.match(textOf(run!), /\/shared\/src --root=\/shared/)
    assert.deepEqual(
      run!.options.map(({ kind }) => kind),
      ['allow_always', 'reject_once', 'reject_always'],
    )
    assert.match(textOf(tools!), /right mcp\.my-files in all their sessions[^]*greet: Greets/)
    isPlain(textOf(tools!))
    assert.match(results[0]!, /plain \/shared\/src --root=\/shared\|.*\|production/)
    const kept = JSON.stringify([...bench.kept])
    assert.match(kept, /"TOKEN":"\$MCP_MY_FILES__TOKEN"/)
    assert.doesNotMatch(kept, /a-very-secret-value/)
    assert.equal(bench.secrets.get('MCP_MY_FILES__TOKEN'), 'a-very-secret-value')
    assert.deepEqual([...ports.rights], ['mcp.my-files'])
    assert.equal(ports.restarts(), 2, 'once for the secret, once for the right')

    await editor.say(await begin(editor, program), 'Greet.')
    await using other = await open({ over: editor, config }, { ...portsOver(), hasRight: ports.hasRight })
    assert.equal(await other.say(await begin(other, program), 'Greet.'), 'end_turn')
    assert.deepEqual([aboutServers(editor).length, aboutServers(other).length, ports.restarts()], [2, 0, 2])
    bench.kept.clear()
  })

  void it('is not used after a no, is removed again after a no to its tools, and stays off after a never', async () => {
    const fresh = server('files', 'plain')
    {
      await using editor = await open({ permit: () => choose('reject') })
      assert.equal(await editor.say(await begin(editor, fresh), 'Hello'), 'end_turn')
      await editor.say(await begin(editor, fresh), 'Hello')
      assert.equal(editor.asked.length, 1, 'a no holds until the editor starts again')
      assert.deepEqual(names(), [])
    }
    {
      const ports = portsOver()
      await using editor = await open({ permit: (asked) => choose(isTools(asked) ? 'reject' : 'allow') }, ports)
      await editor.say(await begin(editor, server('files', 'plain', { TOKEN: 'a-very-secret-value' })), 'Hello')
      assert.equal(editor.asked.length, 2)
      assert.deepEqual([names(), [...ports.rights], bench.secrets.has('MCP_FILES__TOKEN')], [[], [], false])
    }
    for (const never of [1, 2]) {
      const permit = (asked: RequestPermissionRequest) => choose(isTools(asked) === (never === 2) ? 'never' : 'allow')
      await using editor = await open({ permit })
      await editor.say(await begin(editor, fresh), 'Hello')
      assert.equal(bench.kept.get('files')?.disabled, true)
      await using other = await open({ over: editor })
      await other.say(await begin(other, fresh), 'Hello')
      assert.equal(other.asked.length, 0)
      await editor.kernel.call('server.remove', { server: 'files' })
    }
  })

  void it('is not used by an answer that was not offered, or a question that is closed or cannot be asked', async () => {
    const refuse = () => Promise.reject(new Error('no questions here'))
    const answers = [() => choose('__proto__'), () => choose('yes'), () => ({ outcome: { outcome: 'cancelled' } }) as const, refuse]
    for (const permit of answers) {
      await using editor = await open({ permit })
      assert.equal(await editor.say(await begin(editor, server('files', 'plain')), 'Hello'), 'end_turn')
      assert.deepEqual(names(), [])
    }
  })

  void it('gets another name where its own is taken by another program', async () => {
    await using editor = await open()
    const id = await begin(editor, server('files', 'plain'), server('Files', 'other'))
    await editor.say(id, 'Hello')
    assert.equal(editor.asked.length, 4)
    assert.equal(names().length, 2)
    assert.match(names()[1]!, /^files-[0-9a-f]{6}$/)
    bench.kept.clear()
  })

  void it('says why it does not start, and the message is sent without it', async () => {
    for (const [mode, why] of [
      ['dies', /It wrote:.*no such module/],
      ['flood', /without|flood|limit|messages/i],
    ] as const) {
      await using editor = await open()
      assert.equal(await editor.say(await begin(editor, server('bad', mode)), 'Hello'), 'end_turn')
      assert.match(ends(editor), why)
      assert.match(ends(editor), /oxbow servers install bad PACKAGE@VERSION/)
      assert.doesNotMatch(ends(editor), /\\u001b/)
      assert.deepEqual(names(), [])
      await editor.say(await begin(editor, server('bad', mode)), 'Hello')
      assert.equal(editor.asked.length, 1)
    }
  })

  void it('is removed again where the prompt is cancelled while it starts, and asked about again', async () => {
    await using editor = await open()
    const id = await begin(editor, server('silent', 'silent'))
    const saying = editor.say(id, 'Hello')
    while (names().length === 0) await editor.until(() => editor.asked.length === 1).then(() => editor.kernel.call('server.list', {}))
    await editor.agent.notify(methods.agent.session.cancel, { sessionId: id })
    assert.equal(await saying, 'cancelled')
    while (names().length > 0) await editor.kernel.call('server.list', {})
    const again = editor.say(id, 'Hello')
    await editor.until(() => editor.asked.length === 2)
    await editor.agent.notify(methods.agent.session.cancel, { sessionId: id })
    assert.equal(await again, 'cancelled')
    while (names().length > 0) await editor.kernel.call('server.list', {})
  })

  void it('is asked about once by two sessions at the same time, and not at all after the prompt was cancelled', async () => {
    const answer = Promise.withResolvers<void>()
    await using editor = await open({ permit: async () => (await answer.promise, choose('allow')) })
    const [one, two] = [await begin(editor, server('files', 'plain')), await begin(editor, server('files', 'plain'))]
    const first = editor.say(one, 'Hello')
    await editor.until(() => editor.asked.length === 1)
    assert.equal(await editor.say(two, 'Hello'), 'end_turn')
    assert.match(editor.text(), /asked about the servers of the editor in another thread/)
    answer.resolve()
    assert.equal(await first, 'end_turn')
    assert.equal(await editor.say(two, 'Again'), 'end_turn')
    assert.equal(editor.asked.length, 2)
    bench.kept.clear()

    await using other = await open({ permit: () => new Promise(() => {}) })
    const id = await begin(other, server('files', 'plain'))
    const saying = other.say(id, 'Hello')
    await other.until(() => other.asked.length === 1)
    await other.agent.notify(methods.agent.session.cancel, { sessionId: id })
    assert.equal(await saying, 'cancelled')
    assert.deepEqual(names(), [])
  })

  void it('is not kept by an editor that leaves amid the question', async () => {
    await using editor = await open({ permit: () => new Promise(() => {}) })
    const id = await begin(editor, server('files', 'plain'))
    const saying = editor.say(id, 'Hello').catch(() => 'gone')
    await editor.until(() => editor.asked.length === 1)
    await editor.leave()
    assert.equal(await saying, 'gone')
    assert.deepEqual(names(), [])
  })

  void it('cannot hide among fifty, behind its name, in its command line or behind its tools', async () => {
    const fifty = Array.from({ length: 60 }, (_, at) => server(`s${at}`, `m${at}`))
    await using editor = await open({ permit: () => choose('reject') })
    await editor.say(await begin(editor, ...fifty), 'Hello')
    assert.equal(editor.asked.length, 10)
    assert.match(editor.text(), /Not connected: s10, s11, .*s49, 10 more\. A thread asks about 10/)

    await using odd = await open({ permit: () => choose('reject') })
    const odds = [
      { ...server('__proto__', 'a'), args: ['\u001b[2J\u202egnp.exe', 'a b', "it's"] },
      server('x'.repeat(10_000), 'b'),
      { ...server('long', 'c'), args: ['x'.repeat(10_000)] },
      { ...server('nul', 'd'), args: ['a\0b'] },
      server('env', 'e', { 'A B': 'x' }),
      { ...server('proto', 'f'), env: [{ name: '__proto__', value: 'x' }] },
      { ...server('none', 'g'), command: ' ' },
      { ...server('npx', 'h'), command: '/usr/bin/npx', args: ['-y', '@scope/files@1.2.3', folder, "'; rm -rf ~"] },
    ]
    await odd.say(await begin(odd, ...odds), 'Hello')
    assert.equal(odd.asked.length, 2)
    const [first, second] = odd.asked
    isPlain(textOf(first!) + first!.toolCall.title!)
    assert.match(textOf(first!), /\\u202egnp\.exe' 'a b' 'it'\\''s'/)
    assert.ok(second!.toolCall.title!.length <= 300)
    for (const why of ['too long', 'NUL', 'no usable name', 'names no program'])
      assert.match(odd.text(), new RegExp(`Not connected: .*${why}`))
    assert.match(odd.text(), /oxbow servers install npx @scope\/files@1\.2\.3 --folder \/shared:rw -- \/shared ''\\''; rm -rf ~'/)

    await using many = await open()
    await many.say(await begin(many, server('many', 'many')), 'Hello')
    assert.match(textOf(many.asked[1]!), /more tools would not fit/)
    const shown = [...textOf(many.asked[1]!).matchAll(/^tool\d+:/gm)].length
    assert.equal(bench.kept.get('many')?.tools.length, shown, 'only what was shown is approved')
    bench.kept.clear()
  })

  void it('keeps each variable as a secret, but for what says how it behaves, stands in its command line, or is a path of the folder', () => {
    const ports = { guestPath: () => '/shared/project', ownPath: () => undefined, servers: testServers() }
    const place = placeOf(folder, ports)
    const env = { TOKEN: 'a-very-secret-value', TZ: '$TOKEN', LANG: 'de', ROOT: `${folder}/data`, PORT: '8080-8090', EMPTY: ' ' }
    const wanted = readServer({ ...(server('a', 'plain', env) as McpServerStdio), args: ['--ports=8080-8090'] }, place, ports)
    assert.ok(typeof wanted !== 'string')
    assert.deepEqual(settingsOf(wanted, 'my-files').env, {
      LANG: 'de',
      ROOT: '/shared/project/data',
      PORT: '8080-8090',
      EMPTY: '',
      TOKEN: '$MCP_MY_FILES__TOKEN',
      TZ: '$MCP_MY_FILES__TZ',
    })
  })

  void it('that is approved already may be given another folder and the right, by one question', async () => {
    const settings: JsonObject = {
      command: 'node',
      args: ['/opt/server/greeter.js', 'plain'],
      program_folder: join(bench.bench.root, 'program'),
    }
    await bench.add('mine', settings)
    await bench.approve('mine')
    const ports = portsOver()
    await using editor = await open({}, ports)
    await editor.say(await begin(editor, server('files', 'plain')), 'Hello')
    assert.equal(editor.asked.length, 1)
    assert.match(
      editor.asked[0]!.toolCall.title!,
      /Server mine: let it also read and change \/home\/ada\/project \(\/shared\), and give the agent the right mcp\.mine/,
    )
    assert.deepEqual(bench.kept.get('mine')?.settings?.folders, ['/shared:rw'])
    assert.equal(bench.kept.get('mine')?.tools.length, 1)
    assert.deepEqual([...ports.rights], ['mcp.mine'])
    bench.kept.clear()
  })
})
