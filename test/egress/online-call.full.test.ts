/** An agent runs commands with a way out in a real guest: who may, what the model is told, and what the journal keeps of it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { Scenario } from '../../src/engine/index.ts'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { assertNothingOpen, readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import { makeWorkspace } from '../support/workspace.ts'

const rights = ['shell.run', 'shell.network']

/** What these tests read of a record. */
interface Body {
  readonly labels?: readonly string[]
  readonly hosts?: readonly { host: string; port: number; decision: string; connections: number; bytes_in: number }[]
}

const running = (...commands: readonly string[]): Scenario => ({
  turns: [
    {
      steps: [
        ...commands.map((command) => ({ events: [{ tool_call: { name: 'shell_online', arguments: { command } } }] })),
        { events: [{ text: 'Done.' }] },
      ],
    },
  ],
})

async function startWeb(): Promise<{ port: number; asked: string[] } & AsyncDisposable> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end('oxen pull')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }
}

test('an agent that may only run commands is refused the ones with a way out', async () => {
  using workspace = makeWorkspace()
  await using web = await startWeb()
  await using model = await startModel(running(`curl -s http://127.0.0.1:${web.port}/`))
  const config = { model: model.config, approval: { privileged: 'allow' }, egress: { allow: [`127.0.0.1:${web.port}`] } }
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  assert.equal((await (await openConversation(terminal)).say('Go.')).status, 'ok')
  assert.match(model.results()[0] ?? '', /^Error \(denied\): shell\.online needs the right shell\.network/)
  assert.deepEqual(web.asked, [])
})

test('an agent that may reaches what the egress lets it, and both it and the journal are told which hosts that were', async () => {
  using workspace = makeWorkspace()
  await using web = await startWeb()
  const reach = `curl -sS http://127.0.0.1:${web.port}/page`
  const beyond = 'curl -sS http://169.254.169.254/ http://10.0.0.1:8080/; exit 3'
  await using model = await startModel(running(reach, beyond, 'echo offline'))
  const config = {
    model: model.config,
    agent: { rights },
    approval: { privileged: 'allow' },
    flow: { irreversible: 'allow' },
    egress: { allow: [`127.0.0.1:${web.port}`] },
  }
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  assert.equal((await (await openConversation(terminal)).say('Go.')).status, 'ok')

  const [reached = '', refused = '', offline = ''] = model.results()
  assert.match(
    reached,
    new RegExp(`exit code 0\nnetwork:\n  reached 127\\.0\\.0\\.1:${web.port}: \\d+ bytes out, \\d+ bytes in\nstdout:\noxen pull`),
  )
  assert.match(refused, /exit code 3\nnetwork:\n {2}refused 169\.254\.169\.254:80: it leads to a reserved/)
  assert.match(refused, /\n {2}refused 10\.0\.0\.1:8080: port 8080 is not among egress\.ports/)
  assert.doesNotMatch(offline, /network:/)
  assert.deepEqual(web.asked, ['/page'])

  await guest.stop()
  const ledger = await readLedger(workspace)
  assertNothingOpen(ledger)
  const bodies = (phase: string): readonly Body[] =>
    ledger.entries.filter((entry) => entry.name === 'shell.online' && entry.phase === phase).map(({ body }) => body as Body)
  assert.deepEqual(
    bodies('outcome').map(({ hosts }) => hosts?.map(({ host, port, decision, connections }) => [host, port, decision, connections])),
    [
      [['127.0.0.1', web.port, 'reached', 1]],
      [
        ['169.254.169.254', 80, 'refused', 1],
        ['10.0.0.1', 8080, 'refused', 1],
      ],
      [],
    ],
  )
  assert.deepEqual(bodies('intent')[1]?.labels, ['untrusted'], 'what came from there marks all that follows')
})
