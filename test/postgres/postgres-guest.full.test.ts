/** A guest whose store is a Postgres: as a process, with the address in the variable that its configuration names. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { statusRows } from '../../src/terminal/index.ts'
import { answer } from '../../src/guest/offline.ts'
import { openGuestStore } from '../../src/guest/guest-store.ts'
import { openStore } from '../../src/store/index.ts'
import { createDatabase, pgvectorSkip, postgresSkip, startPostgres, usePostgres } from '../../src/store/postgres/postgres-fixture.ts'
import { isOxbowError } from '../../src/base/index.ts'
import type { GuestStatus, SandboxStatus } from '../../src/protocol/index.ts'
import { openConversation } from '../support/conversation.ts'
import { envelopeFor, startGuest } from '../support/guest-process.ts'
import { openReady } from '../support/ready.ts'
import { makeWorkspace, user } from '../support/workspace.ts'

const postgres = usePostgres()
const skip = postgresSkip()

test('a guest on Postgres answers, continues after a kill, and its journal verifies; a second one is refused', { skip }, async () => {
  await using database = await postgres.database()
  using workspace = makeWorkspace()
  const keys = { OXBOW_STORE_URL: database.url }
  let session = ''
  {
    await using guest = startGuest({ workspace, keys })
    using terminal = await openReady(guest, workspace)
    const conversation = await openConversation(terminal)
    session = conversation.session
    assert.equal((await conversation.say('what time is it?')).status, 'ok')
    await using second = startGuest({ workspace, keys })
    const refused = await second.started
    assert(refused.type === 'fatal', JSON.stringify(refused))
    assert.equal(refused.code, 'workspace_busy')
    await guest.kill()
  }
  await using guest = startGuest({ workspace, keys })
  using terminal = await openReady(guest, workspace)
  await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
  await terminal.record(({ body }) => JSON.stringify(body).includes('what time is it'))
  assert.equal((await (await openConversation(terminal)).say('and now?')).status, 'ok')
  await guest.stop()
  assert.equal(existsSync(workspace.database), false, 'no file is made besides it')

  const envelope = { ...envelopeFor(workspace.root, {}, false, keys) }
  for await (const report of answer({ command: 'audit-verify', seal: null, host: null }, envelope))
    assert.equal((report as { ok: boolean }).ok, true)
  const store = await openStore({ config: envelope.config.store, environment: keys, path: workspace.database, user, readOnly: true })
  assert.deepEqual(await store.openIntents(), [])
  await store.close()
})

test(
  'an address that cannot be used ends the guest with advice, and an isolated guest says why it has no way there',
  { skip },
  async () => {
    using workspace = makeWorkspace()
    await using wrong = startGuest({ workspace, config: { store: { url: 'mysql://ann:of-ann@db/oxbow' } } })
    const told = await wrong.started
    assert(told.type === 'fatal', JSON.stringify(told))
    assert.equal(told.code, 'bad_config')
    assert.doesNotMatch(JSON.stringify(told) + (await wrong.ended()).stderr, /of-ann/)
    const isolation = {
      folder: '',
      webSocket: '',
      modelSocket: '',
      sandbox: {} as SandboxStatus,
      url: '',
      pid: 0,
      isVaultEmpty: true,
      proxyPort: 0,
    }
    const isolated = { ...envelopeFor(workspace.root, { store: { url: 'postgres://db/oxbow' } }), isolation }
    await assert.rejects(openGuestStore(isolated), (error) => isOxbowError(error, 'bad_config') && /isolate_guest/.test(error.hint))
  },
)

test(
  'a guest says once at its start, and in its status, that the database has no pgvector; with it there is nothing to say',
  { skip },
  async () => {
    await using database = await postgres.database()
    const told = async (): Promise<{ status: GuestStatus; stderr: string }> => {
      using workspace = makeWorkspace()
      await using guest = startGuest({ workspace, keys: { OXBOW_STORE_URL: database.url } })
      using terminal = await openReady(guest, workspace)
      assert.equal((await (await openConversation(terminal)).say('what time is it?')).status, 'ok')
      const { stderr } = await guest.stop()
      return { status: terminal.status, stderr: stderr + readFileSync(join(workspace.root, 'logs/guest.log'), 'utf8') }
    }
    const without = await told()
    assert.equal(without.stderr.match(/no pgvector in this database/g)?.length, 1, without.stderr)
    assert.match(without.status.store_warning ?? '', /^Warning: no pgvector[^]*install-pgvector/)
    assert.ok(statusRows(without.status, '').some(([mark, text]) => mark === '!' && text === without.status.store_warning))
    if (pgvectorSkip() !== false) return
    await database.sql('create extension vector')
    const withVectors = await told()
    assert.deepEqual([withVectors.status.store_warning, withVectors.stderr.includes('pgvector')], [undefined, false], withVectors.stderr)
  },
)

test('a restart of the server while a guest serves does not affect its terminals', { skip }, async () => {
  await using server = await startPostgres()
  const database = await createDatabase(server)
  using workspace = makeWorkspace()
  await using guest = startGuest({ workspace, keys: { OXBOW_STORE_URL: database.url } })
  using terminal = await openReady(guest, workspace)
  const conversation = await openConversation(terminal)
  assert.equal((await conversation.say('what time is it?')).status, 'ok')
  await server.stop('immediate')
  const saying = conversation.say('and now?')
  await server.start()
  assert.equal((await saying).status, 'ok')
  assert.equal((await conversation.say('and after it?')).status, 'ok')
  await guest.stop()
})
