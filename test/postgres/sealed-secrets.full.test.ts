/** Sealed secrets in Postgres are read as the role of `store.role`, which holds the rows of one user only. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { UserId } from '../../src/base/index.ts'
import type { GuestEnvelope } from '../../src/config/index.ts'
import { answerKeyQuestion, openGuestStore, withStoredSecrets } from '../../src/guest/guest-store.ts'
import { configSchema } from '../../src/services/index.ts'
import { postgresSkip, usePostgres } from '../../src/store/postgres/postgres-fixture.ts'

const postgres = usePostgres()

test(
  'the owner of the tables reads secrets at the first start with a role, and the role ever after',
  { skip: postgresSkip() },
  async (t) => {
    await using database = await postgres.database()
    const workspaceRoot = mkdtempSync(join(tmpdir(), 'oxbow-sealed-'))
    t.after(() => rmSync(workspaceRoot, { recursive: true, force: true }))
    mkdirSync(join(workspaceRoot, 'internal'))
    const role = `guest_${database.name.slice(-12)}`
    await database.sql(`create role ${role} nologin`)
    await database.sql(`grant ${role} to oxbow`)
    const envelope = (withRole: string): GuestEnvelope => ({
      user: 'ada' as UserId,
      workspaceRoot,
      config: configSchema.parse({ store: { url: database.url, role: withRole } }),
      insecure: true,
      version: '0.0.0',
      keys: {},
      wantedKeys: ['OPENAI_API_KEY'],
      masterKeys: ['ab'.repeat(32)],
    })
    const start = async (withRole: string): Promise<GuestEnvelope['keys']> => {
      const { keys } = await withStoredSecrets(envelope(withRole))
      const store = await openGuestStore(envelope(withRole))
      await store.opened()
      await store.close()
      return { ...keys }
    }
    await start('')
    await answerKeyQuestion({ ask: 'set', name: 'OPENAI_API_KEY', value: 'sk-1' }, envelope(''))
    assert.deepEqual(await start(role), { OPENAI_API_KEY: 'sk-1' }, 'before the role has rights')
    // The owner of the tables has its rights on them, and the ones of the role, taken away.
    await database.sql('alter role oxbow noinherit')
    for (const table of ['secret', 'wrapped_key']) await database.sql(`revoke all on ${table} from oxbow`)
    assert.deepEqual({ ...(await withStoredSecrets(envelope(role))).keys }, { OPENAI_API_KEY: 'sk-1' })
    assert.deepEqual({ ...(await withStoredSecrets(envelope(''))).keys }, {}, 'the owner has none any more')
  },
)
