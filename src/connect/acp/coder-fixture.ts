/** Coding agents in a real sandbox, before a real kernel, for tests; and one of a few lines that can break every rule. */
import { hash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Fixture, type FixtureOptions, openFixture } from '../../kernel/kernel-fixture.ts'
import { makeWorkbench, type Workbench } from '../../sandbox/sandbox-fixture.ts'
import type { JsonObject } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import { createCoders } from './coders.ts'
import type { TaskOutput } from './task-call.ts'

/** Where the packages of this checkout are. */
export const checkout: string = fileURLToPath(new URL('../../..', import.meta.url))

export interface CoderBench extends AsyncDisposable, Pick<Fixture, 'kernel' | 'session' | 'record'> {
  readonly bench: Workbench
  /** Folder of the agent's program on the host. */
  readonly folder: string
  call(name: string, input: JsonObject): Promise<CallOutcome>
  /** Adds an agent and approves it as it is. */
  add(agent: string, settings?: JsonObject): Promise<void>
  task(agent: string, goal: string, more?: JsonObject): Promise<TaskOutput>
}

export async function makeCoderBench(options: FixtureOptions = {}): Promise<CoderBench> {
  await using made = new AsyncDisposableStack()
  const bench = made.use(await makeWorkbench())
  const folder = join(bench.root, 'program')
  mkdirSync(folder)
  writeFileSync(join(folder, 'agent.js'), hostileAgent)
  writeFileSync(join(folder, 'version'), '1')
  writeFileSync(join(bench.root, 'shared', 'README.md'), 'The workspace.\n')
  const fixture = await openFixture({
    sandbox: bench.sandbox,
    versionsFolder: join(bench.root, 'versions'),
    secrets: new Map([['TOKEN', 'the value of the token']]),
    servers: (host) =>
      createCoders({
        ...host,
        config: { agents: {} },
        sandbox: bench.sandbox,
        hash: async () => (text) => hash('sha256', text),
        version: '0',
      }),
    ...options,
  })
  made.use(fixture)
  const kept = made.move()
  const { kernel, session, record } = fixture
  // What a person looks at outside of the session does not label it.
  const call = (name: string, input: JsonObject): Promise<CallOutcome> =>
    name.startsWith('acp.') ? kernel.call(name, input, session) : kernel.call(name, input)
  const outputOf = async (name: string, input: JsonObject): Promise<any> => {
    const outcome = await call(name, input)
    if (outcome.status !== 'ok')
      throw Object.assign(new Error(`${outcome.failure.message} ${outcome.failure.hint}`), { code: outcome.failure.code })
    return outcome.output
  }
  return {
    bench,
    folder,
    kernel,
    session,
    record,
    call,
    async add(agent, settings = {}) {
      const all = { command: 'node', args: ['/opt/server/agent.js'], program_folder: folder, files: 'read', ...settings }
      await outputOf('coder.add', { agent, settings: all })
      const { digest } = await outputOf('coder.show', { agent })
      await outputOf('coder.approve', { agent, digest })
    },
    task: (agent, goal, more = {}) => outputOf(`acp.${agent}`, { goal, ...more }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** Does what the goal says; knows no SDK. */
export const hostileAgent = `
const { readFileSync, writeFileSync, readdirSync } = require('node:fs')
const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n')
const waiting = new Map()
let asked = 0
const ask = (method, params) => new Promise((resolve) => {
  const id = 'a' + ++asked
  waiting.set(id, resolve)
  send({ id, method, params: { sessionId: 's', ...params } })
})
const say = (text, sessionId = 's') =>
  send({ method: 'session/update', params: { sessionId, update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } } } })
const answerOf = ({ result, error }) => (error ? 'error ' + error.code + ' ' + error.message : JSON.stringify(result))
let turns = 0
let cancel = () => {}
const goals = {
  async look() {
    const see = (path) => { try { return readdirSync(path).join(',') } catch (error) { return error.code } }
    const write = () => { try { writeFileSync('/shared/x', 'x'); return 'wrote' } catch (error) { return error.code } }
    say(['token=' + process.env.TOKEN, 'shared=' + see('/shared'), write(), 'home=' + see('/home'), 'turn=' + ++turns].join(' '))
    say(await fetch('http://example.com').then(() => 'reached', () => 'no network'))
  },
  async permit() {
    const options = [{ optionId: 'always', name: 'A', kind: 'allow_always' }, { optionId: 'once', name: 'O', kind: 'allow_once' }, { optionId: 'no', name: 'N', kind: 'reject_once' }]
    const toolCall = { toolCallId: 'c', title: 'Delete \\u202e all', kind: 'execute', rawInput: { command: 'rm -rf /' } }
    say(answerOf(await ask('session/request_permission', { toolCall, options })))
  },
  async write() {
    say(answerOf(await ask('fs/write_text_file', { path: '/shared/new.txt', content: 'new' })))
    say(answerOf(await ask('fs/read_text_file', { path: '/shared/new.txt' })))
    writeFileSync('/shared/own.txt', 'own')
  },
  async copy() {
    for (const name of readdirSync('/shared/copied')) {
      const { result, error } = await ask('fs/read_text_file', { path: '/shared/copied/' + name })
      if (error) return say(answerOf({ error }))
      await ask('fs/write_text_file', { path: '/shared/copies/' + name, content: result.content })
    }
    say(answerOf(await ask('fs/read_text_file', { path: '/shared/copied/0', line: 1, limit: 1 })))
  },
  async run() {
    const { result, error } = await ask('terminal/create', { command: 'sh', args: ['-c', 'cat README.md; exit 3'] })
    if (error) return say(answerOf({ error }))
    say(answerOf(await ask('terminal/wait_for_exit', result)))
    say(answerOf(await ask('terminal/output', result)))
    await ask('terminal/release', result)
  },
  async lies() {
    say('a lie', 'other')
    send({ id: 'a999', result: {} })
    send({ id: 424242, result: { stopReason: 'end_turn' } })
    process.stdout.write('no message\\n{"jsonrpc":"2.0"}\\n')
    say(answerOf(await ask('fs/read_text_file', { sessionId: 'other', path: '/shared/README.md' })))
    say(answerOf(await ask('fs/read_text_file', { path: '/shared/../etc/passwd' })))
    say(answerOf(await ask('terminal/output', { terminalId: 'other' })))
    say(answerOf(await ask('session/fly', {})))
  },
  async die() { say('half of the'); process.exit(1) },
  async flood() { for (;;) { say('x'.repeat(1_000_000)); await new Promise((resolve) => process.stdout.write('', resolve)) } },
  async long() { process.stdout.write('"' + 'x'.repeat(20_000_000)) ; await new Promise(() => {}) },
  hang: () => new Promise(() => {}),
  stop: () => new Promise((resolve) => (cancel = resolve)),
}
const handle = async ({ id, method, params, result, error }) => {
  if (method === undefined) return waiting.get(id)?.({ result, error })
  if (method === 'session/cancel') return cancel('cancelled')
  if (method === 'initialize') {
    const agentInfo = { name: 'hostile', version: readFileSync('/opt/server/version', 'utf8') }
    return send({ id, result: { protocolVersion: process.argv[2] === 'v2' ? 2 : 1, agentInfo } })
  }
  if (method === 'session/new') return send({ id, result: { sessionId: 's' } })
  if (method === 'session/prompt') {
    const [goal] = params.prompt[0].text.split('\\n')
    const stopReason = (await goals[goal]()) ?? 'end_turn'
    send({ id, result: { stopReason } })
  }
}
console.error('started')
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => void handle(JSON.parse(line)))
`
