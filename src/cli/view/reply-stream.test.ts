import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FollowEvent } from '../../client/index.ts'
import { createReplyStream } from './reply-stream.ts'

const text = (call: string, said: string, turn = 't') => ({ type: 'text', turn, call, text: said }) as FollowEvent

function play(events: readonly FollowEvent[], reply: string): string {
  let out = ''
  const stream = createReplyStream((part) => (out += part))
  for (const event of events) stream.take(event, 't')
  stream.finish(reply)
  return out
}

void test('text is printed as it comes, each step on a line of its own, and the reply once', () => {
  assert.equal(play([text('a', 'loo'), text('a', 'king'), text('b', 'done')], 'done'), 'looking\ndone\n')
})

void test('a reply that was never streamed is printed at the end', () => {
  assert.equal(play([text('a', 'partly')], 'A limit was reached.'), 'partly\nA limit was reached.\n')
  assert.equal(play([], 'all'), 'all\n')
})

void test('text of other turns is not printed', () => {
  assert.equal(play([text('a', 'right'), text('x', 'other', 'u')], 'right'), 'right\n')
})

void test('control characters of a model do not reach the terminal', () => {
  assert.equal(play([text('a', 'a\u001b[2Jb\rc')], ''), 'abc\n')
})
