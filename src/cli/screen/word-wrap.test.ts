import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createWordFlow, textWidth, wrapWords } from './word-wrap.ts'

function flowed(pieces: readonly string[], columns: number): string {
  const flow = createWordFlow(() => columns)
  return pieces.map((piece) => flow.take(piece)).join('') + flow.end()
}

void test('rows wrap between words, also when a word arrives in pieces', () => {
  assert.equal(flowed(['rules that turn plain requests into to', 'ol calls'], 40), 'rules that turn plain requests into tool\ncalls')
  assert.equal(flowed(['rules that turn plain requests into a to', 'ol'], 40), 'rules that turn plain requests into a\ntool')
})

void test('a tab moves to the next multiple of eight cells', () => {
  assert.equal(flowed([' 187\tone two three four'], 24), ' 187\tone two three\nfour')
  assert.equal(flowed(['one\ttwo three\tfour five'], 24), 'one\ttwo three\nfour five')
})

void test('text far from the edge is written at once, a word near it is held back until complete', () => {
  const flow = createWordFlow(() => 40)
  assert.equal(flow.take('Hel'), 'Hel')
  assert.equal(flow.take('lo, this is the '), 'lo, this is the')
  assert.equal(flow.take('edg'), '')
  assert.equal(flow.take('e '), ' edge')
  assert.equal(flow.end(), '')
})

void test('rows are the same however the text is split into pieces', () => {
  const words = fc.array(fc.stringMatching(/^[a-zé\u4e00-\u4e20]{1,9}$/), { maxLength: 40 })
  const breaks = fc.infiniteStream(fc.constantFrom(' ', ' ', ' ', '\n'))
  fc.assert(
    fc.property(words, breaks, fc.integer({ min: 20, max: 90 }), fc.integer({ min: 1, max: 9 }), (said, between, columns, size) => {
      const text = said.map((word) => `${word}${between.next().value}`).join('')
      const chars = Array.from(text)
      const pieces = Array.from({ length: Math.ceil(chars.length / size) }, (_, at) => chars.slice(at * size, (at + 1) * size).join(''))
      const shown = flowed(pieces, columns)
      assert.ok(shown.split('\n').every((row) => textWidth(row) <= columns))
      assert.equal(shown.replace(/\s/g, ''), text.replace(/\s/g, ''))
      assert.equal(shown.trimEnd(), flowed([text], columns).trimEnd())
    }),
  )
})

void test('a row of wide characters breaks anywhere except before closing punctuation', () => {
  assert.equal(flowed(['日本語の文章は空白なしで書く'], 10), '日本語の文\n章は空白な\nしで書く')
  assert.equal(flowed(['日本語の文。続く'], 10), '日本語の\n文。続く')
  assert.equal(flowed(['abc 한국어 단어'], 10), 'abc 한국어\n단어')
})

void test('code and tables are not wrapped, the text after them is', () => {
  const code = '```sh\necho one two three four\n```'
  const table = '| one | two | three | four |'
  assert.equal(flowed([code], 10), code)
  assert.equal(flowed([`${code}\none two three`], 10), `${code}\none two\nthree`)
  assert.equal(flowed([`${table}\n    set in as code it stays`], 10), `${table}\n    set in as code it stays`)
  const flow = createWordFlow(() => 10)
  flow.take('```\n')
  flow.end()
  flow.forget()
  assert.equal(flow.take('one two three ') + flow.end(), 'one two\nthree')
})

void test('a new terminal width applies from the next word', () => {
  let columns = 40
  const flow = createWordFlow(() => columns)
  const first = flow.take('one two three four ')
  columns = 20
  assert.equal(first + flow.take('five six seven ') + flow.end(), 'one two three four\nfive six seven')
})

void test('lines wrap between words, continuation rows are indented, and no word is lost', () => {
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

void test('continuation rows of a table are indented to its last column, if that leaves half of the terminal', () => {
  assert.equal(wrapWords('limits  none but one', 16), 'limits  none but\n        one')
  assert.equal(wrapWords('/attach FILE  send a file', 20), '/attach FILE  send a\n  file')
  assert.equal(wrapWords('place  /a/long/path is here', 16), 'place  /a/long/path\n       is here')
  assert.equal(wrapWords('        processor time', 20), '        processor\n        time')
})
