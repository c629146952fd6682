import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { FollowEvent } from '../../client/index.ts'
import { createReplyStream } from './reply-stream.ts'

const text = (call: string, said: string, turn = 't') => ({ type: 'text', turn, call, text: said }) as FollowEvent

function play(events: readonly (FollowEvent | 'break')[], reply: string): string {
  let out = ''
  const stream = createReplyStream((part) => (out += part))
  for (const event of events) {
    if (event === 'break') stream.breakLine()
    else stream.take(event, 't')
  }
  stream.finish(reply)
  return out
}

void test('text is printed as it arrives, each step on its own line, and the reply once', () => {
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

const cause = { model: 'b/two', why: 'The connection was lost.' }
const more = (said: string, call = 'a') => ({ type: 'text', turn: 't', call, text: said }) as FollowEvent
const restart = (said = '', call = 'a', by: typeof cause | null = cause) =>
  ({ type: 'restart', turn: 't', call, text: said, ...(by !== null && { cause: by }) }) as FollowEvent

void test('a restarted answer is marked with the model and the reason, and is shown completely if it differs', () => {
  assert.equal(
    play([more('It is Pa'), restart(), more('Par'), more('is')], 'Paris'),
    'It is Pa\n— the answer begins again, by b/two: The connection was lost —\nParis\n',
  )
})

void test('a repeated answer is not shown again, and the model is named after it', () => {
  assert.equal(
    play([more('It is Pa'), restart(), more('It '), more('is Paris'), more('.')], 'It is Paris.'),
    'It is Paris.\n— the answer was restarted, with the same words, by b/two: The connection was lost —\n',
  )
})

void test('identical lines stay, and the first different one follows the mark', () => {
  assert.equal(
    play([more('one\ntwo\nthree is'), restart(), more('one\ntw'), more('o\nthree was\nfour')], 'one\ntwo\nthree was\nfour'),
    'one\ntwo\nthree is\n— the answer begins again, by b/two: The connection was lost; its first 2 lines stay —\nthree was\nfour\n',
  )
})

void test('a shorter answer is marked when it ends, or when the next call begins', () => {
  const marked = 'Yes. But\n— the answer begins again, by b/two: The connection was lost —\nYes.\n'
  assert.equal(play([more('Yes. But'), restart(), more('Yes.')], 'Yes.'), marked)
  assert.equal(play([more('Yes. But'), restart(), more('Yes.'), 'break'], 'Yes.'), marked)
  assert.equal(play([more('Yes. But'), restart(), more('Yes.'), more('Done', 'b')], 'Done'), `${marked}Done\n`)
})

void test('a restarted answer without text is marked', () => {
  assert.equal(
    play([more('I look'), restart(), 'break', more('Done', 'b')], 'Done'),
    'I look\n— the answer begins again, by b/two: The connection was lost —\nDone\n',
  )
})

void test('the model is named even if nothing was shown yet', () => {
  assert.equal(play([restart(), more('Paris')], 'Paris'), '— the answer is from b/two: The connection was lost —\nParis\n')
})

void test('an answer that restarts twice is compared with the text on the screen', () => {
  const third = { model: 'c/three', why: 'Too slow.' }
  assert.equal(
    play([more('It is Pa'), restart(), more('It'), restart('', 'a', third), more('It is Rome')], 'It is Rome'),
    'It is Pa\n— the answer begins again, by c/three: Too slow —\nIt is Rome\n',
  )
})

void test('text that only this terminal had wrong is corrected without a reason', () => {
  assert.equal(
    play([more('key\nis abc'), restart('key\nis <key>', 'a', null)], 'key\nis <key>'),
    'key\nis abc\n— this was corrected; the answer is; its first line stays —\nis <key>\n',
  )
})

void test('model and reason are untrusted: they cannot control or fill the terminal', () => {
  const hostile = { model: 'b\u001b[2J', why: `no\n${'x'.repeat(1_000)}` }
  const out = play([more('a'), restart('', 'a', hostile), more('b')], 'b')
  assert.ok(!out.includes('\u001b'))
  assert.ok(out.length < 400)
  assert.match(out, /^a\n— the answer begins again, by b: no x+… —\nb\n$/)
})

void test('following the marks gives exactly the answer, whatever restarts and however it is chunked', () => {
  const words = fc.array(fc.constantFrom('a', 'b', '\n', 'a\n'), { maxLength: 8 })
  fc.assert(
    fc.property(fc.array(words, { minLength: 1, maxLength: 4 }), (tries) => {
      const events = tries.flatMap((said, at) => [...(at === 0 ? [] : [restart()]), ...said.map((part) => more(part))])
      const answer = tries.at(-1)?.join('') ?? ''
      assert.equal(readScreen(play(events, '')).trimEnd(), answer.trimEnd())
    }),
  )
})

function readScreen(screen: string): string {
  let lines: string[] = []
  for (const line of screen.split('\n')) {
    if (!line.startsWith('—')) lines.push(line)
    else if (line.includes('begins again'))
      lines = lines.slice(0, Number(/first (\d+) lines stay/.exec(line)?.[1] ?? (line.includes('stays') ? 1 : 0)))
  }
  return lines.join('\n')
}
