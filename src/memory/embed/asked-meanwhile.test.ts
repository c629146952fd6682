import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isOxbowError, OxbowError } from '../../types/index.ts'
import type { TextEngine } from '../text-engine.ts'
import { askedMeanwhile } from './asked-meanwhile.ts'

const vector = Float32Array.of(1, 0)
const embed = (answer: () => Promise<readonly Float32Array<ArrayBuffer>[]>): TextEngine =>
  ({ embed: answer }) as Partial<TextEngine> as TextEngine

void describe('the text engine as questions ask it', () => {
  void it('goes without a vector that does not come in time, waits for no other meanwhile, and asks again when it has come', async () => {
    const slow = Promise.withResolvers<readonly Float32Array<ArrayBuffer>[]>()
    let asked = 0
    const answers = [() => slow.promise, async () => [vector]]
    const engine = askedMeanwhile(
      embed(() => answers[asked++]!()),
      { meanwhile: () => null, monotonicMs: () => 0, patienceMs: 5 },
    )
    assert.equal((await engine.embed(['one'], 'query'))[0]?.length, 0)
    assert.ok(isOxbowError(engine.fault(), 'model_stalled'))
    assert.equal((await engine.embed(['two'], 'query'))[0]?.length, 0)
    assert.equal(asked, 1)
    slow.resolve([vector])
    await slow.promise
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(await engine.embed(['three'], 'query'), [vector])
    assert.equal(engine.fault(), null)
  })

  void it('asks no service in vain for half a minute after a failure', async () => {
    let now = 0
    let asked = 0
    const engine = askedMeanwhile(
      embed(async () => {
        asked += 1
        throw new OxbowError('model_overloaded', 'busy', { hint: '' })
      }),
      { meanwhile: () => null, monotonicMs: () => now },
    )
    for (const at of [0, 1, 29_999, 30_000]) {
      now = at
      assert.equal((await engine.embed(['one'], 'query'))[0]?.length, 0)
    }
    assert.equal(asked, 2)
    assert.ok(isOxbowError(engine.fault(), 'model_overloaded'))
  })

  void it('says a mistake of the configuration instead of hiding it', async () => {
    const engine = askedMeanwhile(
      embed(async () => {
        throw new OxbowError('bad_config', 'no such embedder', { hint: '' })
      }),
      { meanwhile: () => null, monotonicMs: () => 0 },
    )
    await assert.rejects(engine.embed(['one'], 'query'), (error) => isOxbowError(error, 'bad_config'))
  })
})
