import assert from 'node:assert/strict'
import { it } from 'node:test'
import { randomTokens } from '../secrets/output-fixture.ts'
import { knowing, outputOf } from './kernel-fixture.ts'
import { assertAllUnchanged, assertNoneSeen } from './planted-secrets-fixture.ts'

void it('of 500 outputs with secrets in all shapes and encodings, none reaches a model, the journal or an event', async () => {
  assert.ok((await assertNoneSeen(17, 500)) > 1_000)
})

void it('of 500 ordinary outputs with ids, hashes, lock files and code, none is changed', () => assertAllUnchanged(17, 500))

void it('of tokens without a label or a known shape, 95 % are found', () => {
  const tokens = randomTokens(17, 1_000)
  const secrets = knowing()
  const left = tokens.filter((token) => secrets.learn(`value "${token}"`, outputOf('test.output')).includes(token))
  assert.ok(left.length < 50, `${left.length} are left`)
})
