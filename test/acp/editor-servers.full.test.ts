/** An editor with a server of tools, by the SDK of the protocol: `oxbow acp` runs it in the sandbox once the person has said yes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { client, type McpServer, methods, ndJsonStream, type RequestPermissionRequest } from '@agentclientprotocol/sdk'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { inTime } from '../support/patience.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'oxbow-editor-'))
after(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))
const home = join(root, '.oxbow')
const project = join(root, 'project')
for (const folder of [home, project]) mkdirSync(folder)
// Where this runs as root, agents have an account of their own.
chmodSync(project, 0o777)
shareCompileCache(home)

const secret = 'sesame-4711-abracadabra'
const everything: McpServer = {
  name: 'Everything',
  command: process.execPath,
  args: [join(checkout, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js')],
  env: [{ name: 'DOOR_KEY', value: secret }],
}
const calls = { tool_call: { name: 'mcp_everything_get-env', arguments: {} } }
const scenario = { turns: [{ steps: [{ events: [calls] }, { events: [{ text: 'It has answered.' }] }] }] }
writeFileSync(join(home, 'scenario.json'), JSON.stringify(scenario))
writeFileSync(join(home, 'config.toml'), `[model]\nprovider = "scripted"\nscenario = "${join(home, 'scenario.json')}"\n`)

interface OpenEditor extends AsyncDisposable {
  readonly asked: readonly RequestPermissionRequest[]
  /** Everything that was shown. */
  shown(): string
  begin(): Promise<string>
  say(session: string, text: string): Promise<string>
}

async function openEditor(): Promise<OpenEditor> {
  const child = spawn(process.execPath, [program, 'acp'], { env: { PATH: process.env['PATH'], HOME: root, OXBOW_HOME: home }, cwd: root })
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  const asked: RequestPermissionRequest[] = []
  const updates: unknown[] = []
  const app = client({ name: 'editor' })
    .onNotification(methods.client.session.update, ({ params }) => void updates.push(params.update))
    .onRequest(methods.client.session.requestPermission, ({ params }) => {
      asked.push(params)
      return { outcome: { outcome: 'selected' as const, optionId: 'allow' } }
    })
  const input = Writable.toWeb(child.stdin) as WritableStream<Uint8Array>
  const connection = app.connect(ndJsonStream(input, Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>))
  const { agent } = connection
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const done = <Value>(work: Promise<Value>): Promise<Value> => inTime(work, () => `${errors}\n${JSON.stringify(updates.slice(-10))}`)
  const { agentCapabilities } = await done(agent.request(methods.agent.initialize, { protocolVersion: 1, clientCapabilities: {} }))
  assert.deepEqual(agentCapabilities?.mcpCapabilities, { http: false, sse: false })
  return {
    asked,
    shown: () => JSON.stringify(updates),
    async begin() {
      return (await done(agent.request(methods.agent.session.new, { cwd: project, mcpServers: [everything] }))).sessionId
    },
    async say(sessionId, text) {
      return (await done(agent.request(methods.agent.session.prompt, { sessionId, prompt: [{ type: 'text', text }] }))).stopReason
    },
    async [Symbol.asyncDispose]() {
      connection.close()
      child.stdin.end()
      await inTime(ended, () => `oxbow acp did not end: ${errors}`)
    },
  }
}

const questionsOf = ({ asked }: OpenEditor): readonly string[] =>
  asked.flatMap(({ toolCall }) => (toolCall.toolCallId.startsWith('server:') ? [toolCall.title ?? ''] : []))

/** @returns the files of the home that hold the text as it is */
function filesWith(text: string, folder = home): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesWith(text, path)
    return entry.isFile() && readFileSync(path).includes(text) ? [path] : []
  })
}

test('the tool of an editor’s server is called after two yeses, with its secret, and later sessions are not asked', async () => {
  {
    await using editor = await openEditor()
    const id = await editor.begin()
    assert.equal(await editor.say(id, 'Look at your variables.'), 'end_turn')
    const [run, tools, ...others] = questionsOf(editor)
    assert.deepEqual(others, [], editor.shown())
    assert.match(
      run!,
      /Everything in the sandbox, without network, seeing .*project .*node \/opt\/server\/node_modules\/@modelcontextprotocol/,
    )
    assert.match(tools!, /^Offer \d+ tools of the server Everything/)
    assert.match(editor.shown(), /It has answered/)
    // It has the value; what comes back shows the handle in its place.
    assert.match(editor.shown(), /DOOR_KEY[^A-Za-z]*[^,]*MCP_EVERYTHING__DOOR_KEY/)
    assert.doesNotMatch(editor.shown(), new RegExp(secret))
    assert.match(readFileSync(join(home, 'config.toml'), 'utf8'), /rights = .*"mcp\.everything"/)

    assert.equal(await editor.say(await editor.begin(), 'Once more.'), 'end_turn')
    assert.equal(questionsOf(editor).length, 2)
  }
  await using later = await openEditor()
  assert.equal(await later.say(await later.begin(), 'And again.'), 'end_turn')
  assert.deepEqual(questionsOf(later), [])
  assert.match(later.shown(), /MCP_EVERYTHING__DOOR_KEY/)
  assert.doesNotMatch(later.shown(), /another value/, 'an unchanged value is not stored again')
  assert.deepEqual(filesWith(secret), [], 'no record, document or log holds the value')
})
