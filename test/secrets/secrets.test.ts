/** Secrets through a real guest: a file keeps one that a model edits by its handle, and a server gets one that the model never sees. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import { makeWorkspace } from '../support/workspace.ts'

const value = 'vault-Value_7341xyz'
const password = 'p4ss-Word!99x'
const handle = '[secret:vault/api.txt]'

interface Web extends AsyncDisposable {
  readonly port: number
  readonly requests: readonly IncomingHttpHeaders[]
}

/** Repeats the header that it gets, as a page of errors would. */
async function startWeb(): Promise<Web> {
  const requests: IncomingHttpHeaders[] = []
  const server = createServer((request, response) => {
    requests.push(request.headers)
    response.end(
      `you sent ${String(request.headers['x-key'])}, in base64 ${Buffer.from(String(request.headers['x-key'])).toString('base64')}`,
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }
}

const step = (name: string, args: object) => ({ events: [{ tool_call: { name, arguments: args } }] })

void test('a secret stays in its file and reaches the server that a person named, and nobody else sees it', async () => {
  using workspace = makeWorkspace()
  await using web = await startWeb()
  const here = `127.0.0.1:${web.port}`
  writeFileSync(join(workspace.root, 'vault', 'api.txt'), `${value}\n`)
  writeFileSync(join(workspace.shared, 'app.env'), `API_KEY=${value}\nDB_PASSWORD=${password}\nPORT=8080\n`)
  const get = (header: string) => `curl -sS -H "x-key: ${header}" http://${here}/`
  await using model = await startModel([
    step('file_read', { path: '/shared/app.env' }),
    step('file_edit', { path: '/shared/app.env', find: `API_KEY=${handle}`, replace: `# for the API\nAPI_KEY=${handle}` }),
    step('shell_exec', { command: `test "${handle}" = "$(sed -n 's/^API_KEY=//p' app.env)" && echo same; cat app.env | base64` }),
    step('shell_online', { command: get(handle), hosts: [here] }),
    step('shell_online', { command: get('$THE_KEY') }),
    step('shell_online', { command: get(handle), hosts: ['example.org'] }),
    step('web_fetch', { url: `http://${here}/?key=${handle}` }),
    step('shell_online', { command: `env | grep -c THE_KEY; curl -s http://${here}/` }),
    { events: [{ text: 'Done.' }] },
  ])
  const config = {
    model: model.config,
    agent: { rights: ['file.read', 'file.write', 'shell.run', 'shell.network', 'web.read'] },
    approval: { privileged: 'allow' },
    flow: { both: 'allow', irreversible: 'allow' },
    egress: { allow: [here] },
    secrets: { 'vault/api.txt': { calls: ['shell.online'], hosts: [here], env: 'THE_KEY' } },
  }
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  assert.equal((await (await openConversation(terminal)).say(`The key is ${value}.`)).status, 'ok')

  const [read = '', edited = '', ran = '', sent = '', variable = '', elsewhere = '', fetched = '', without = ''] = model.results()
  assert.match(read, /API_KEY=\[secret:vault\/api\.txt\]\n.*DB_PASSWORD=\[secret:found\.password\.\w+\]/)
  assert.match(edited, /Replaced|Edited|replaced/)
  assert.match(ran, /same/)
  assert.equal(
    readFileSync(join(workspace.shared, 'app.env'), 'utf8'),
    `# for the API\nAPI_KEY=${value}\nDB_PASSWORD=${password}\nPORT=8080\n`,
  )
  assert.match(sent, /you sent \[secret:vault\/api\.txt\], in base64 \[secret:vault\/api\.txt\|base64\]/)
  assert.match(variable, /you sent \[secret:vault\/api\.txt\]/)
  assert.match(elsewhere, /shell\.online may not send the secret vault\/api\.txt there\. It would go to example\.org/)
  assert.match(fetched, /web\.fetch may not use the secret vault\/api\.txt/)
  assert.match(without, /stdout:\n0\nyou sent undefined/)
  assert.deepEqual(
    web.requests.map((headers) => headers['x-key']),
    [value, value, undefined],
  )

  const { stderr } = await guest.stop()
  const { entries } = await readLedger(workspace)
  for (const secret of [value, password])
    for (const form of [secret, Buffer.from(secret).toString('base64').slice(0, -4), Buffer.from(secret).toString('hex')]) {
      assert.ok(!JSON.stringify(model.requests).includes(form), 'a request has it')
      assert.ok(!JSON.stringify(entries).includes(form), 'the journal has it')
      assert.ok(!stderr.includes(form), 'the log has it')
    }
  assert.match(JSON.stringify(model.requests), /The key is \[secret:vault\/api\.txt\]\./)
})
