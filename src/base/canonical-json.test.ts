import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalJson } from './canonical-json.ts'

test('canonical JSON sorts keys at every depth and tells values apart', () => {
  assert.equal(canonicalJson({ b: [{ d: 1, c: null }], a: 'x' }), '{"a":"x","b":[{"c":null,"d":1}]}')
  assert.notEqual(canonicalJson(['1']), canonicalJson([1]))
  assert.equal(canonicalJson(JSON.parse('{"__proto__":{"a":1}}')), '{"__proto__":{"a":1}}')
  assert.equal(canonicalJson({ 10: 1, 9: 2, b: undefined } as never), '{"10":1,"9":2}')
  assert.equal(canonicalJson(undefined), 'null')
})
