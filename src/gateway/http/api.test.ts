import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createReplays } from './api.ts'

void test('answers to repeated requests are kept by their bytes; older ones are asked of the journal', async () => {
  const replay = createReplays()
  const made: string[] = []
  const ask = (key: string, bytes: number, content = '') =>
    replay({ client: 'c', key, content, keeps: () => true }, async (id) => {
      made.push(key)
      return { status: 200, body: { id, text: 'y'.repeat(bytes) } }
    })
  const small = await Promise.all(Array.from({ length: 500 }, (_, at) => ask(`small-${at}`, 1_024)))
  assert.deepEqual(await ask('small-0', 1_024), small[0])
  await assert.rejects(async () => ask('small-0', 1_024, 'something else'), { code: 'bad_input' })
  assert.equal(made.length, 500)

  const large = await ask('large-0', 1024 * 1024)
  for (let at = 1; at < 20; at += 1) await ask(`large-${at}`, 1024 * 1024)
  await ask('large-19', 1024 * 1024)
  assert.equal(made.length, 520, 'the newest is kept')
  assert.deepEqual(await ask('large-0', 1024 * 1024), large, 'by the same id')
  assert.equal(made.length, 521)
})
