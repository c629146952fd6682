import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLineSplitter } from './line-splitter.ts'

void test('lines come whole, however their bytes arrive, and one that is too long is reported', () => {
  const lines = createLineSplitter(10)
  assert.equal(lines.add(Buffer.from('one\ntw')), true)
  assert.deepEqual([lines.waiting(), lines.next(), lines.next()], [1, 'one', null])
  assert.equal(lines.add(Buffer.from('o\n\nä')), true)
  assert.deepEqual([lines.next(), lines.next(), lines.next()], ['two', '', null])
  assert.equal(lines.add(Buffer.from('12345678\n')), true)
  assert.equal(lines.next(), 'ä12345678')
  assert.equal(lines.add(Buffer.from('12345678901\n')), false)
  assert.equal(createLineSplitter(10).add(Buffer.from('12345678901')), false)
})
