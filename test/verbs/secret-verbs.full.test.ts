/** `oxbow secret` from end to end: the real program with a real guest. */
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { errorTable } from '../../src/base/index.ts'
import { type Home, openHome } from '../support/program.ts'

const value = 'vault-Value_7341xyz'
const password = 'p4ss-Word!99x'

let home: Home
let workspace = ''

before(async () => {
  home = await openHome('[memory]\nembedder = "none"\n')
  const users = join(home.folder, 'users')
  workspace = join(users, readdirSync(users)[0] ?? '')
  writeFileSync(join(workspace, 'vault', 'api.txt'), `${value}\n`)
  writeFileSync(join(workspace, 'shared', 'app.env'), `API_KEY=${value}\nDB_PASSWORD=${password}\n`)
})

after(async () => {
  await home[Symbol.asyncDispose]()
})

void test('what was found is listed, revealed after a question, and released', async () => {
  const read = await home.oxbow(['call', 'file.read', '{"path": "/shared/app.env"}'])
  assert.match(read.out, /API_KEY=\[secret:vault\/api\.txt\]/)
  const [, name = ''] = /DB_PASSWORD=\[secret:(found\.password\.\w+)\]/.exec(read.out) ?? []
  const found = await home.oxbow(['secret', 'found'])
  assert.match(found.out, new RegExp(`^\\[secret:${name}\\] +•+ +file\\.read`), found.err)
  const asked = await home.oxbow(['secret', 'reveal', name])
  assert.equal(asked.exit, errorTable.denied.exit, 'nobody can be asked here')
  assert.equal((await home.oxbow(['secret', 'reveal', name, '--yes'])).out, `${password}\n`)
  assert.equal((await home.oxbow(['secret', 'release', name])).exit, 0)
  assert.match((await home.oxbow(['call', 'file.read', '{"path": "/shared/app.env"}'])).out, new RegExp(`DB_PASSWORD=${password}`))
  assert.match((await home.oxbow(['secret', 'found'])).out, /released/)
})

void test('a use is allowed, shown and withdrawn', async () => {
  const name = 'vault/api.txt'
  const none = await home.oxbow(['secret', 'allow', name])
  assert.equal(none.exit, errorTable.bad_input.exit)
  const allowed = await home.oxbow(['secret', 'allow', name, '--call', 'shell.online', '--host', 'api.test', '--env', 'API_KEY'])
  assert.match(allowed.out, /^vault\/api\.txt: may be used by shell\.online to api\.test as \$API_KEY/, allowed.err)
  const shown = await home.oxbow(['secret', 'show', name])
  assert.match(shown.out, /va•+yz \(19 characters\)/)
  assert.match(shown.out, /may be used by shell\.online/)
  assert.ok(!shown.out.includes(value))
  assert.match((await home.oxbow(['secret', 'withdraw', name])).out, /may be used for nothing/)
  const missing = await home.oxbow(['secret', 'show', 'nothing'])
  assert.equal(missing.exit, errorTable.not_found.exit)
  assert.match(missing.err, /There is no secret "nothing"/)
})
