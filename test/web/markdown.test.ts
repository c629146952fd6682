/** Markdown of an answer that grows: read in pieces, it is what it is as a whole. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { marked } from 'marked'
import { nothingRead, readMarkdown } from '../../web/src/ui/markdown-tokens.ts'

const pieces = [
  'word ',
  'word',
  '\n',
  '\n\n',
  '# Head\n',
  '- item\n',
  '  - inner\n',
  '1. first\n',
  '```ts\n',
  '```\n',
  '> quote\n',
  '| a | b |\n',
  '| - | - |\n',
  '---\n',
  '    four\n',
  '**bold** ',
  '<b>',
  '===\n',
  '- [x] done\n',
  '\r\n',
  '[link](https://example.org) ',
  '`code` ',
]

void test('Markdown that is read piece by piece has the blocks of the whole', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 30 }), fc.integer({ min: 1, max: 9 }), (parts, step) => {
      const text = parts.join('')
      let read = nothingRead
      for (let end = step; end < text.length + step; end += step) read = readMarkdown(read, text.slice(0, end))
      const whole = marked.lexer(text)
      assert.deepEqual(
        read.tokens.map(({ type, raw }) => [type, raw]),
        whole.map(({ type, raw }) => [type, raw]),
      )
    }),
    { numRuns: 500 },
  )
})

void test('a text that is replaced is read anew', () => {
  const before = readMarkdown(nothingRead, '# One\n\ntwo\n\nthree\n\nfour')
  assert.equal(readMarkdown(before, 'other').tokens.length, 1)
})
