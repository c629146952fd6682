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

void it('of more secrets in one output than are remembered, each is replaced, and those that are not remembered cannot be written', () => {
  const secrets = knowing()
  const values = Array.from({ length: 2_100 }, (_, i) => `Abc${i}!x${(i * 7_919) % 10_007}Z`)
  const text = secrets.learn(values.map((value) => `PASSWORD=${value}`).join('\n'), outputOf('test.output'))
  assert.deepEqual(
    values.filter((value) => text.includes(value)),
    [],
  )
  const names = [...text.matchAll(/\[secret:([^\]]+)\]/g)].map(([, name = '']) => name)
  assert.equal(names.length, values.length)
  const lost = names.filter((name) => !secrets.has(name))
  assert.ok(lost.length > 0 && lost.every((name) => secrets.isFoundName(name)))
})
