import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxFiles } from './limits.ts'
import { leftOut } from './replies.ts'

test('an answer names the files that do not come along, and why', () => {
  const limits = { fileBytes: 700_000 }
  const file = (name: string, bytes: number) => ({ name, bytes })
  assert.deepEqual(leftOut([file('a.txt', 700_000)], limits), [])
  assert.deepEqual(leftOut([file('a.txt', 10), file('*b*`.zip', 700_001)], limits), [
    '(The file `*b* .zip` is too large for this channel, which takes 0.7 MB.)',
  ])
  const many = Array.from({ length: maxFiles + 2 }, (_, index) => file(`${index}.txt`, 10))
  assert.deepEqual(leftOut(many, limits), [`(2 more files were left out: an answer has at most ${maxFiles}.)`])
})
