/**
 * Every effect that can be seen from outside has its record: files that change in the workspace, processes that start in the sandbox,
 * and requests that reach a server, watched by this process and compared with the journal of a real guest. An intent is older than its effect.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readFileSync, watch, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { configSchema } from '../../src/services/index.ts'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { assertNothingOpen, type Entry, readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import type { Terminal } from '../support/terminal.ts'
import { emptied, makeWorkspace, processesInside, type TestWorkspace } from '../support/workspace.ts'

interface Effect {
  readonly kind: 'file' | 'process' | 'request'
  /** Path below /shared, command line, or path of the request. */
  readonly name: string
  readonly at: number
}

const tool = (name: string, input: object) => ({ events: [{ tool_call: { name, arguments: input as never } }] })
const answer = { events: [{ text: 'Done.' }] }
const diff = '--- a/patched.txt\n+++ b/patched.txt\n@@ -1 +1 @@\n-old\n+new\n--- /dev/null\n+++ b/fresh.txt\n@@ -0,0 +1 @@\n+x\n'

const scenario = (site: string) => ({
  turns: [
    {
      match: 'Work',
      steps: [
        tool('file_write', { path: 'made/written.txt', text: 'one\n' }),
        tool('file_edit', { path: 'made/written.txt', find: 'one', replace: 'two' }),
        tool('file_move', { from: 'made/written.txt', to: 'moved.txt' }),
        tool('file_delete', { path: 'old.txt' }),
        tool('file_patch', { diff }),
        tool('shell_exec', { command: 'echo x > shelled.txt; sleep 0.311' }),
        tool('shell_background', { command: 'sleep 0.312; echo x > behind.txt; sleep 0.313', wait_s: 5 }),
        tool('shell_session_open', {}),
        tool('exec_run', { binary: 'sleep', args: ['0.314'] }),
        tool('exec_run', { binary: 'touch', args: ['run.txt'] }),
        tool('agent_spawn', { task: 'Help.', name: 'helper' }),
        tool('agent_wait', {}),
        tool('web_fetch', { url: `${site}/page` }),
        tool('web_fetch', { url: `${site}/old` }),
        answer,
      ],
    },
    { match: 'Help', steps: [tool('shell_exec', { command: 'sleep 0.315; echo x > helped.txt' }), answer] },
    { match: 'Tick', steps: [tool('file_write', { path: 'ticked.txt', text: 'x' }), answer] },
  ],
})

interface Web extends AsyncDisposable {
  readonly host: string
  readonly requests: readonly Effect[]
}

/** A page, and a redirect to it. */
async function startWeb(): Promise<Web> {
  const requests: Effect[] = []
  const server = createServer(({ url = '' }, response) => {
    requests.push({ kind: 'request', name: url, at: Date.now() })
    if (url === '/old') response.writeHead(301, { location: '/page?from=old' }).end()
    else response.writeHead(200, { 'content-type': 'text/plain' }).end('A page.')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }
}

/** Watches the workspace's files and the processes inside of it. */
function watchFrom(workspace: TestWorkspace): Disposable & { readonly seen: Effect[] } {
  const seen: Effect[] = []
  const files = watch(workspace.shared, { recursive: true }, (_, name) => {
    // Drafts, which are renamed at once, and the folder of uploads.
    if (name !== null && !name.includes('.oxbow-')) seen.push({ kind: 'file', name, at: Date.now() })
  })
  const known = new Set<string>()
  const look = setInterval(() => {
    for (const pid of processesInside(workspace)) {
      const name = commandOf(pid)
      // Hands and what starts them; a process that is just being made has the name of its parent for a moment.
      if (name === '' || /hands|bwrap|node/.test(name) || known.has(`${pid} ${name}`)) continue
      known.add(`${pid} ${name}`)
      seen.push({ kind: 'process', name, at: Date.now() })
    }
  }, 20)
  return {
    seen,
    [Symbol.dispose]() {
      files.close()
      clearInterval(look)
    },
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return ''
  }
}

/** Which calls can have had an effect. */
const causes: Readonly<Record<Effect['kind'], RegExp>> = {
  file: /^(file|shell|exec|version)\./,
  process: /^(shell|exec)\./,
  request: /^web\./,
}

/** @returns the effects that no call explains: none names what was seen, or its intent is younger. */
function unexplained(effects: readonly Effect[], entries: readonly Entry[]): readonly Effect[] {
  const intents = entries.filter(({ phase }) => phase === 'intent')
  const isCause = (intent: Entry, { kind, name }: Effect): boolean => {
    if (kind === 'process') return startsIt(intent, name)
    if (kind === 'file') return JSON.stringify(intent.body).includes(name.split('/').at(-1)!)
    // The outcome names where redirects led to.
    return entries.some(({ call, body }) => call === intent.call && JSON.stringify(body).includes(name))
  }
  return effects.filter(
    (effect) => !intents.some((intent) => causes[effect.kind].test(intent.name) && intent.at <= effect.at && isCause(intent, effect)),
  )
}

/** Whether a process's command line is the shell with the command, a program in it, or the program that was named. */
function startsIt({ name, body }: Entry, line: string): boolean {
  const { input = {} } = body as { input?: { command?: string; binary?: string; args?: readonly string[] } }
  if (name === 'exec.run') return line.includes([input.binary, ...(input.args ?? [])].join(' '))
  if (name.startsWith('shell.session')) return /\bbash\b/.test(line)
  const { command = '\0' } = input
  return line.includes(command) || command.includes(line) || (line.split(' ')[0] ?? '').endsWith('bash')
}

async function ask<Output>(terminal: Terminal, name: string, input: object): Promise<Output> {
  const { result } = await terminal.expect('result', 'call', { name, input: input as never })
  const outcome = result as unknown as { readonly status: string; readonly output: Output; readonly text: string }
  assert.equal(outcome.status, 'ok', outcome.text)
  return outcome.output
}

test('every file that changes, process that starts and request that is sent has its record, and a change by others has none', async () => {
  using workspace = makeWorkspace()
  for (const name of ['old.txt', 'patched.txt']) writeFileSync(join(workspace.shared, name), 'old\n', { mode: 0o666 })
  await using web = await startWeb()
  const { requests, host } = web
  await using model = await startModel(scenario(`http://${host}`))
  const { rights } = configSchema.parse({}).agent
  const config = {
    model: model.config,
    approval: { privileged: 'allow' },
    agent: { rights: [...rights, 'web.read', 'schedule.write'] },
    egress: { allow: [host] },
    exec: { allow: ['sleep', 'touch'] },
    memory: { embedder: 'none' },
  }
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  // Starts hands, which get the files that were there.
  await ask(terminal, 'file.list', {})
  using outside = watchFrom(workspace)
  assert.equal((await (await openConversation(terminal)).say('Work.')).status, 'ok')
  for (const result of model.results()) assert.doesNotMatch(result, /^(<<data \S+\n)?Error/)
  await ask(terminal, 'version.commit', { message: 'Before' })
  const later = { type: 'interval', every_s: 86_400 }
  const { id } = await ask<{ id: string }>(terminal, 'schedule.create', { name: 'tick', goal: 'Tick.', cadence: later })
  const { turn } = await ask<{ turn: string }>(terminal, 'schedule.trigger', { id })
  await ask(terminal, 'events.next', { after: 0, kinds: ['schedule_ended'], wait_s: 30 })
  await ask(terminal, 'version.restore', { path: 'moved.txt', at: 'HEAD', apply: true })
  await guest.stop()
  await emptied(workspace)
  // What nobody asked the guest for: the comparison must find it.
  mkdirSync(join(workspace.shared, 'strange'))
  writeFileSync(join(workspace.shared, 'strange/intruder.txt'), 'x')
  while (!outside.seen.some(({ name }) => name === 'strange/intruder.txt')) await new Promise((resolve) => setTimeout(resolve, 20))

  const ledger = await readLedger(workspace)
  assertNothingOpen(ledger)
  assert.ok(ledger.entries.some((entry) => entry.turn === turn && entry.name === 'file.write'))
  const names = (kind: Effect['kind']) => new Set(outside.seen.filter((effect) => effect.kind === kind).map(({ name }) => name))
  for (const file of ['made/written.txt', 'moved.txt', 'old.txt', 'patched.txt', 'fresh.txt', 'shelled.txt', 'behind.txt', 'run.txt'])
    assert.ok(names('file').has(file), `${file} was seen to change: ${[...names('file')].join()}`)
  for (const file of ['helped.txt', 'ticked.txt']) assert.ok(names('file').has(file), `${file} was seen to change`)
  for (const seconds of ['0.311', '0.312', '0.314', '0.315'])
    assert.ok(
      [...names('process')].some((line) => line.includes(seconds)),
      `a process of ${seconds} s was seen: ${[...names('process')].join('\n')}`,
    )

  const strange = unexplained([...outside.seen, ...requests], ledger.entries).map(({ kind, name }) => `${kind} ${name}`)
  assert.deepEqual([...new Set(strange)].toSorted(), ['file strange', 'file strange/intruder.txt'])
  assert.equal(requests.length, 3)
  const models = ledger.entries.filter(({ name, phase }) => name === 'model.generate' && phase === 'intent')
  assert.equal(models.length, model.requests.length, 'each request to a model has its record')
})
