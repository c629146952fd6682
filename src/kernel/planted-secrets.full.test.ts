import { it } from 'node:test'
import { assertAllUnchanged, assertNoneSeen } from './planted-secrets-fixture.ts'

void it('of 10 000 outputs with secrets in all shapes and encodings, none reaches a model, the journal or an event', async () => {
  await assertNoneSeen(4_711, 10_000)
})

void it('of 10 000 ordinary outputs with ids, hashes, lock files and code, none is changed', () => assertAllUnchanged(4_711, 10_000))
