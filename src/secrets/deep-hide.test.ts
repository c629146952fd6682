import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDeepHide } from './deep-hide.ts'

const secret = 'tr0ub4dor'
const hide = (text: string, onFound?: (name: string) => void): string => {
  if (text.includes(secret)) onFound?.('troubadour')
  return text.replaceAll(secret, '{{secret}}')
}

for (const joined of [false, true]) {
  const deep = createDeepHide(hide, joined)

  test(`secrets are replaced in all strings and names of a value, and only what changes is copied${joined ? ', joined' : ''}`, () => {
    const same = { kept: ['as it is'], bytes: Buffer.from(secret) }
    const value = { a: [`x ${secret}`, 1, null], [`${secret} name`]: { b: secret }, same }
    const seen: string[] = []
    const hidden = deep(value, (name) => seen.push(name)) as unknown as Record<string, unknown>
    assert.deepEqual(hidden, { a: ['x {{secret}}', 1, null], '{{secret}} name': { b: '{{secret}}' }, same })
    assert.equal(hidden['same'], same)
    assert.equal(value.a[0], `x ${secret}`, 'the value itself stays')
    assert.ok(seen.length > 0)
  })

  test(`a value without a secret is itself${joined ? ', joined' : ''}`, () => {
    const value = { a: ['nothing here', { long: 'a text without any' }], n: 3 }
    assert.equal(deep(value), value)
    assert.equal(deep('short'), 'short')
    assert.equal(deep(null), null)
  })

  test(`a key __proto__ is left out, and changes what no copy inherits${joined ? ', joined' : ''}`, () => {
    const value = JSON.parse(`{"__proto__": {"isAdmin": true}, "a": "${secret}"}`) as Record<string, unknown>
    const hidden = deep(value)
    assert.deepEqual(Object.keys(hidden), ['a'])
    assert.equal((hidden as { isAdmin?: boolean }).isAdmin, undefined)
    assert.equal(hidden['a'], '{{secret}}')
  })
}
