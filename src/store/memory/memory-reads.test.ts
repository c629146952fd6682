import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerLater, answerNow, ask, type Ask, askAhead, type Asking } from './memory-reads.ts'

const [first, second, third]: readonly [Ask, Ask, Ask] = [
  { text: 'first', args: {} },
  { text: 'second', args: {} },
  { text: 'third', args: {} },
]

function* three(): Asking<readonly unknown[]> {
  yield* askAhead(second)
  const a = yield* ask<string>(first)
  yield* askAhead(third)
  const b = yield* ask<string>(second)
  return [...a, ...b, ...(yield* ask<string>(third))]
}

test('what is asked ahead is known before anything else is answered, and its answer is had when it is asked', async () => {
  const heard: string[] = []
  const open = Promise.withResolvers<readonly unknown[]>()
  const done = answerLater(
    three(),
    ({ text }) => {
      heard.push(`asked ${text}`)
      return text === 'first' ? open.promise : Promise.resolve([text])
    },
    ({ text }) => void heard.push(`ahead ${text}`),
  )
  assert.deepEqual(heard, ['ahead second', 'asked first'])
  open.resolve(['first'])
  assert.deepEqual(await done, ['first', 'second', 'third'])
  assert.deepEqual(heard, ['ahead second', 'asked first', 'ahead third', 'asked second', 'asked third'])
})

test('where answers come at once nothing is asked ahead', () => {
  const heard: string[] = []
  const result = answerNow(three(), ({ text }) => {
    heard.push(text)
    return [text]
  })
  assert.deepEqual(
    [result, heard],
    [
      ['first', 'second', 'third'],
      ['first', 'second', 'third'],
    ],
  )
})
