import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it, mock } from 'node:test'
import type { OxbowError, UserId } from '../base/index.ts'
import type { GuestEnvelope } from '../config/index.ts'
import { configSchema } from '../services/index.ts'
import { answerKeyQuestion, openGuestStore, openSecretKeeper, withStoredSecrets } from './guest-store.ts'

void it('secrets that a guest finds are sealed while it runs, and the next guest has them', async () => {
  const workspaceRoot = mkdtempSync(join(tmpdir(), 'oxbow-keeper-'))
  try {
    mkdirSync(join(workspaceRoot, 'internal'))
    const plain: GuestEnvelope = {
      user: 'ada' as UserId,
      workspaceRoot,
      config: configSchema.parse({}),
      insecure: true,
      version: '0.0.0',
      keys: {},
      wantedKeys: ['OPENAI_API_KEY'],
    }
    assert.equal(openSecretKeeper(plain), undefined, 'nothing can be sealed without a key')
    const envelope = { ...plain, masterKeys: ['ab'.repeat(32)] }
    const store = await openGuestStore(envelope)
    await store.opened()
    const keeper = openSecretKeeper(envelope) ?? assert.fail('there is a key')
    await Promise.all([keeper.keep('found.password.0000000001', 'value-of-1'), keeper.keep('found.password.0000000002', 'value-of-2')])
    await Promise.all([keeper.remove('found.password.0000000001'), keeper.keep('OPENAI_API_KEY', 'sk-value-3')])
    await store.close()
    const { keys, unusedSecrets } = await withStoredSecrets(envelope)
    assert.deepEqual({ ...keys }, { OPENAI_API_KEY: 'sk-value-3' })
    assert.deepEqual({ ...unusedSecrets }, { 'found.password.0000000002': 'value-of-2' })
    assert.deepEqual(openSecretKeeper(envelope)?.tagKey, keeper.tagKey, 'the same value has the same name')

    // A person's page and a program, while the guest finds some by itself.
    const question = (at: number) => ({ ask: 'set', name: `SET_${at}`, value: `value-${at}` }) as const
    const found = Array.from({ length: 12 }, (_, at) => [
      answerKeyQuestion(question(at), envelope),
      keeper.keep(`found.token.${at}`, `found-${at}`),
    ]).flat()
    await Promise.all(found)
    const all = Object.keys((await withStoredSecrets(envelope)).unusedSecrets ?? {})
    assert.equal(
      all.filter((name) => /^SET_|^found.token/.test(name)).length,
      24,
      'those that are set at once do not wait for each other for ever',
    )

    // Another node of a cluster has made a key of its own.
    const elsewhere = { ...envelope, masterKeys: ['cd'.repeat(32)] }
    const said = mock.method(console, 'error', () => {})
    assert.deepEqual((await withStoredSecrets({ ...elsewhere, wantedKeys: [] })).unusedSecrets, {})
    assert.match(
      String(said.mock.calls[0]?.arguments[0]),
      /^26 of the stored secrets cannot be opened here.*Copy runner\/keys\/ada\.json from the home/,
    )
    said.mock.restore()
    await assert.rejects(withStoredSecrets(elsewhere), (error: OxbowError) => {
      assert.equal(error.code, 'denied')
      assert.match(error.hint, /Copy runner\/keys\/ada\.json/)
      return true
    })
  } finally {
    rmSync(workspaceRoot, { recursive: true })
  }
})
