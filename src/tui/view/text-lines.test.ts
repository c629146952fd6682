/** Lines of a width: nothing but our own styles leaves, and marking a match breaks no character. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { visibleWidth } from '@earendil-works/pi-tui'
import fc from 'fast-check'
import { clip, clipPlain, filled, marked, onlyStyles, spread, wrapPlain } from './text-lines.ts'

const mark = (text: string): string => `\u001b[7m${text}\u001b[27m`
const bare = stripVTControlCharacters

test('a match is marked, whatever its case, and styles around and within it go on', () => {
  assert.equal(bare(marked('Say hello, Hello', 'hello', mark)), 'Say hello, Hello')
  assert.equal(marked('no such word', 'hello', mark), 'no such word')
  assert.equal(marked('a\u001b[1mb\u001b[0mc', 'bc', mark), `a\u001b[1m${mark('b')}\u001b[0m${mark('c')}`)
  assert.equal(marked('aaa', 'aa', mark), `${mark('aa')}a`)
})

test('a marked emoji stays one character', () => {
  const line = marked('one 😀 two', '😀', mark)
  assert.equal(line, `one ${mark('😀')} two`)
  assert.ok(line.isWellFormed())
})

test('a letter that is longer in lower case moves no mark', () => {
  assert.equal(marked('İx y', 'y', mark), `İx ${mark('y')}`)
})

test('marking changes no text, whatever the line and the query are', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'B', 'İ', 'ß', '😀', '\u0301', ' ', '字'), maxLength: 20 })
  const query = fc.string({ unit: fc.constantFrom('a', 'b', 'i', 'ß', '😀', '字'), maxLength: 3 })
  fc.assert(
    fc.property(text, query, (line, wanted) => {
      const shown = marked(line, wanted, mark)
      assert.equal(bare(shown), line)
      assert.ok(shown.isWellFormed())
    }),
  )
})

test('only styles are left of control characters', () => {
  assert.equal(onlyStyles('a\u001b[1mb\u001b[2Jc\u001b]0;title\u0007\u009bd\r\n'), 'a\u001b[1mb[2Jc]0;titled')
})

test('hostile text has no line wider than the width, and no half of a character at the end of a long one', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.integer({ min: 2, max: 40 }), (text, width) => {
      for (const line of [...wrapPlain(text, width), ...clipPlain(text, width)])
        assert.ok(visibleWidth(line) <= width, JSON.stringify(line))
    }),
    { numRuns: 25 },
  )
  for (const line of clipPlain(`${'a'.repeat(999)}😀`, 2_000)) assert.ok(line.isWellFormed())
})

test('left and right share a line; the left is truncated, and a right without room is left out', () => {
  assert.equal(spread('left', 'right', 20), 'left           right')
  assert.equal(bare(spread('a long left side', 'right', 16)), 'a long l…  right')
  assert.equal(bare(spread('left side', 'right', 10)), 'left side')
  assert.equal(visibleWidth(clip('😀😀😀', 5)), 5)
  assert.equal(
    filled('ab', 4, (text) => `<${text}>`),
    '<ab  >',
  )
})
