import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { isOxbowError } from '../types/index.ts'
import { readPiped } from './piped-input.ts'

function piped(...chunks: readonly (string | Buffer)[]): NodeJS.ReadStream {
  const stream = new PassThrough()
  for (const chunk of chunks) stream.write(chunk)
  stream.end()
  return stream as unknown as NodeJS.ReadStream
}

void test('piped text is read to its end', async () => {
  assert.equal(await readPiped(piped('one\n', 'two\n'), false), 'one\ntwo')
  assert.equal(await readPiped(piped(), true), '')
})

void test('a terminal is not read', async () => {
  assert.equal(await readPiped({ isTTY: true } as NodeJS.ReadStream, false), '')
})

void test('an inherited pipe that says nothing does not hold up a prompt', async () => {
  assert.equal(await readPiped(new PassThrough() as unknown as NodeJS.ReadStream, true, 1), '')
})

void test('what is no UTF-8 text, or more than a message can hold, is refused', async () => {
  await assert.rejects(readPiped(piped(Buffer.from([0xff, 0xfe, 0xff])), true), (error) => isOxbowError(error, 'bad_input'))
  await assert.rejects(readPiped(piped(Buffer.alloc(1024 * 1024 + 1, 97)), true), (error) => isOxbowError(error, 'limit_reached'))
})
