import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { textWidth } from './text-width.ts'
import { wrapWords } from './wrap-words.ts'

void test('lines end between words, what goes on stands a little in, and no word is lost', () => {
  assert.equal(wrapWords('one two three four\nfive', 9), 'one two\n  three\n  four\nfive')
  const words = fc.array(fc.stringMatching(/^[a-z\u4e00-\u4e20]{1,4}$/), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(words, fc.integer({ min: 10, max: 40 }), (said, columns) => {
      const wrapped = wrapWords(said.join(' '), columns)
      assert.ok(wrapped.split('\n').every((line) => textWidth(line) <= columns))
      assert.deepEqual(wrapped.split(/\s+/), said)
    }),
  )
  assert.equal(wrapWords('as it is, also where it is long', Infinity), 'as it is, also where it is long')
})

void test('what goes on of a table stands under its last column, as long as that leaves half of the terminal', () => {
  assert.equal(wrapWords('limits  none but one', 16), 'limits  none but\n        one')
  assert.equal(wrapWords('/attach FILE  send a file', 20), '/attach FILE  send a\n  file')
  assert.equal(wrapWords('place  /a/long/path is here', 16), 'place  /a/long/path\n       is here')
  assert.equal(wrapWords('        processor time', 20), '        processor\n        time')
})
