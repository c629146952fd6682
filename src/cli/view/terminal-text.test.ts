import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { exactText, plainLine, plainText } from './terminal-text.ts'

const hostileText = fc.string({
  unit: fc.constantFrom('\u001b', '[', '2J', ']0;x', '\u0007', '\u009b', 'm', 'a', '\r', '\b', '\u202e', '\n', '\t', '\u0000'),
})

void test('no text keeps a character that a terminal acts on, but newline and tab', () => {
  fc.assert(
    fc.property(fc.oneof(hostileText, fc.string({ unit: 'binary' })), (text) => {
      // oxlint-disable-next-line no-control-regex -- the characters that must not be there
      const acts = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/
      assert.doesNotMatch(plainText(text), acts)
      assert.doesNotMatch(plainLine(text, 20), /[\n\t]/)
      assert.doesNotMatch(exactText(text), acts)
    }),
  )
})

void test('escape sequences go whole, plain text stays as it is', () => {
  assert.equal(plainText('\u001b[31mred\u001b[0m\u001b]0;title\u0007 – ünïcödé 🐂\n\tok'), 'red – ünïcödé 🐂\n\tok')
})

void test('what must be judged exactly shows its control characters', () => {
  assert.equal(exactText('rm\u202e -rf \u001b[1A'), 'rm\\u202e -rf \\u001b[1A')
})

void test('a line is cut by characters, never inside one', () => {
  assert.equal(plainLine('🐂🐂🐂🐂', 3), '🐂🐂…')
  assert.equal(plainLine('a\n  b', 10), 'a b')
})
