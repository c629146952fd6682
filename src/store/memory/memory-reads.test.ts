import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runAsync, runSync, queryRows, type ReadQuery, prefetch, type QuerySteps } from './memory-reads.ts'

const [first, second, third]: readonly [ReadQuery, ReadQuery, ReadQuery] = [
  { text: 'first', args: {} },
  { text: 'second', args: {} },
  { text: 'third', args: {} },
]

function* three(): QuerySteps<readonly unknown[]> {
  yield* prefetch(second)
  const a = yield* queryRows<string>(first)
  yield* prefetch(third)
  const b = yield* queryRows<string>(second)
  return [...a, ...b, ...(yield* queryRows<string>(third))]
}

test('what is asked ahead is known before anything else is answered, and its answer is had when it is asked', async () => {
  const heard: string[] = []
  const open = Promise.withResolvers<readonly unknown[]>()
  const done = runAsync(
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
  const result = runSync(three(), ({ text }) => {
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
