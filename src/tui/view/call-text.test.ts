import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeOf, fieldsOf } from './call-text.ts'

const change = (input: object) => changeOf({ input: JSON.stringify(input) })

test('fields of an input are shown by name; what is not an object is shown whole', () => {
  assert.deepEqual(fieldsOf('{"path":"a.txt","lines":"one\\ntwo","deep":{"a":1}}'), [
    { name: 'path', lines: ['a.txt'] },
    { name: 'lines', lines: ['one', 'two'] },
    { name: 'deep', lines: ['{"a":1}'] },
  ])
  assert.deepEqual(fieldsOf('broken\n{'), [{ name: 'input', lines: ['broken', '{'] }])
  assert.deepEqual([fieldsOf(''), fieldsOf('{}')], [[], []])
})

test('a call that changes text is shown as that change, whoever brings it', () => {
  assert.deepEqual(change({ path: 'x', find: 'a', replace: 'b' }), { before: 'a', after: 'b', lines: null })
  assert.deepEqual(change({ path: 'x', text: 'one\ntwo\n' })?.lines, [
    { kind: 'added', text: 'one' },
    { kind: 'added', text: 'two' },
  ])
  assert.deepEqual(change({ diff: '--- a\n+++ b\n@@ -1 +1 @@\n same\n-old\n+new\n' })?.lines, [
    { kind: 'same', text: '--- a' },
    { kind: 'same', text: '+++ b' },
    { kind: 'same', text: '@@ -1 +1 @@' },
    { kind: 'same', text: 'same' },
    { kind: 'removed', text: 'old' },
    { kind: 'added', text: 'new' },
  ])
})

test('a call that changes no text, or whose input is not what it should be, has no change', () => {
  assert.equal(change({ path: 'a' }), null)
  assert.equal(change({ path: 'a', text: 3, diff: null, find: [] }), null)
  assert.equal(changeOf({ input: '{' }), null)
})
