import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isOxbowError } from '../base/index.ts'
import { jsonLines } from './guest-process.ts'

async function collect(values: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const value of values) all.push(value)
  return all
}

void test('values are read back unchanged, wherever chunks end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.jsonValue({ maxDepth: 2 })), fc.integer({ min: 1, max: 9 }), async (values, size) => {
      const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''))
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size))
      const read = await collect(jsonLines(Readable.from(chunks)))
      assert.deepEqual(JSON.stringify(read), JSON.stringify(values))
    }),
  )
})

void test('lines that are not JSON are skipped', async () => {
  assert.deepEqual(await collect(jsonLines(Readable.from([Buffer.from('hello\n\n{"a":1}\n{"torn"')]))), [{ a: 1 }])
})

void test('a line without end is refused', async () => {
  await assert.rejects(collect(jsonLines(Readable.from([Buffer.alloc(10, 97), Buffer.alloc(10, 97)]), 15)), (error) =>
    isOxbowError(error, 'limit_reached'),
  )
})
