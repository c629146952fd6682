import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { describe, it } from 'node:test'
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base'
import { isOxbowError } from '../../types/index.ts'
import { createTokenCounter } from './token-counter.ts'

void describe('the token counter', () => {
  void it('counts as the tokenizer does, also special tokens, long texts and broken characters', async () => {
    const counter = createTokenCounter(60_000)
    const long = 'Grüße an den Ochsen, and hello to the ox. '.repeat(2_000)
    const [plain, special, empty, broken, many] = await counter.count(['hello world', '<|endoftext|>', '', '\ud83d', long])
    assert.deepEqual([plain, empty], [2, 0])
    assert.ok(special !== undefined && special > 1)
    assert.ok(broken !== undefined && broken > 0)
    // Cutting a long text into pieces may cost a token at each cut.
    assert.ok(many !== undefined && Math.abs(many - countTokens(long)) <= 5)
    await counter.close()
  })

  void it('answers questions asked at the same time, and after it was idle', async () => {
    const counter = createTokenCounter(1)
    const started = once(process, 'worker') as Promise<[Worker]>
    const asked = await Promise.all([counter.count(['a b c']), counter.count(['d e'])])
    assert.deepEqual(asked, [[3], [2]])
    const [worker] = await started
    await once(worker, 'exit')
    assert.deepEqual(await counter.count(['a b c']), [3])
    await counter.close()
  })

  void it('is not usable after its end, which also ends what is asked', async () => {
    const counter = createTokenCounter(60_000)
    const running = counter.count(['x'])
    const refused = assert.rejects(running, (error) => isOxbowError(error))
    await counter.close()
    await refused
    await assert.rejects(counter.count(['x']), (error) => isOxbowError(error, 'cancelled'))
  })
})
