/** `oxbow keys` and `oxbow roles` from end to end: a program with an API key at a real guest, over the real client. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from '../../src/client/index.ts'
import { errorTable } from '../../src/base/index.ts'
import { type Home, openHome } from '../support/program.ts'

let home: Home

before(async () => {
  home = await openHome('[memory]\nembedder = "none"\n')
})

after(async () => {
  await home[Symbol.asyncDispose]()
})

/** Where the guest of this home listens. */
function urlOf({ folder }: Home): string {
  return (JSON.parse(readFileSync(join(folder, 'users', 'default', 'ipc', 'gateway.json'), 'utf8')) as { url: string }).url
}

const keyIn = (out: string): string => out.split('\n')[0]!

void test('a key has the rights of its roles over a real connection, from the moment that they change until it is revoked', async () => {
  assert.equal((await home.oxbow(['roles', 'add', 'watcher', '--right', 'session.read', '--right', 'system.read'])).exit, 0)
  assert.equal((await home.oxbow(['roles', 'show', 'watcher'])).out, 'session.read\nsystem.read\n')
  const made = await home.oxbow(['keys', 'create', 'ci', '--right', 'watcher'])
  assert.match(keyIn(made.out), /^oxbow_\w/)
  const open = () => connect({ url: urlOf(home), token: keyIn(made.out), client: 'test', reconnect: false })
  let client = await open()
  try {
    assert.deepEqual(await client.listSessions(), [])
    const refused = await client.call('file.read', { path: '/shared/a' })
    assert.equal(refused.status, 'refused')
    assert.match(refused.text, /file\.read needs the right file\.read.*oxbow keys create NAME --right file\.read/)
    await assert.rejects(client.createSession(), { code: 'denied' })
    assert.equal((await client.call('key.create', { name: 'more', rights: ['*'] })).status, 'refused')

    assert.equal((await home.oxbow(['roles', 'add', 'watcher', '--right', 'user', '--right', '!shell.run'])).exit, 0)
    // What was opened with the earlier rights has ended.
    await assert.rejects(client.listSessions(), /rights of this API key were changed/)
    client = await open()
    const session = await client.createSession('mine')
    assert.equal((await client.listSessions())[0]!.id, session.id)
    assert.equal((await client.call('shell.exec', { command: 'id' }, session.id)).status, 'refused')

    assert.equal((await home.oxbow(['roles', 'remove', 'watcher'])).exit, errorTable.bad_input.exit)
    assert.equal((await home.oxbow(['keys', 'revoke', 'ci'])).exit, 0)
    await assert.rejects(client.listSessions(), /was revoked|unauthenticated|no longer/)
  } finally {
    await client.close()
  }
  await assert.rejects(connect({ url: urlOf(home), token: keyIn(made.out), client: 'test', reconnect: false }), { code: 'unauthenticated' })
  assert.equal((await home.oxbow(['roles', 'remove', 'watcher'])).exit, 0)
  assert.equal((await home.oxbow(['roles', 'show', 'watcher'])).exit, errorTable.not_found.exit)

  const [page] = await home.json<{ records: { actor: string; name: string; body: string }[] }>(
    'call',
    'audit.query',
    '{"phase": "refused", "limit": 100}',
  )
  const byKey = page!.records.filter(({ actor }) => actor === 'key:ci')
  for (const name of ['file.read', 'session.create', 'key.create', 'shell.exec']) {
    const record = byKey.find((each) => each.name === name)
    assert.ok(record !== undefined, name)
    const { message, hint } = JSON.parse(record.body) as { message: string; hint: string }
    assert.ok(message !== '' && hint !== '', name)
  }
})
