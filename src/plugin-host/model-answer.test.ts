/** Answers of models of plugins that come in pieces. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gatherAnswer } from './model-answer.ts'

const never = new AbortController().signal

test('a piece that comes shortly after another is sent although the handler yields nothing more for long', async () => {
  const sent: string[] = []
  const bothCame = Promise.withResolvers<void>()
  async function* answer(): AsyncGenerator<string> {
    yield 'one '
    yield 'two '
    // It waits for its service until what it has is shown.
    await bothCame.promise
    yield 'three'
  }
  const send = async ({ text }: { readonly text: string }): Promise<void> => {
    sent.push(text)
    if (sent.join('') === 'one two ') bothCame.resolve()
  }
  const whole = await gatherAnswer(answer(), send, never)
  assert.deepEqual(whole, { text: 'one two three', reasoning: '', toolCalls: [] })
  assert.deepEqual(sent.slice(0, 2), ['one ', 'two '])
})

test('a cancelled answer ends at once, and its generator at its next piece; nothing of it is sent any more', async () => {
  const controller = new AbortController()
  const sent: string[] = []
  const goOn = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  let asked = 0
  async function* answer(): AsyncGenerator<string> {
    try {
      yield 'first'
      await goOn.promise
      for (;;) {
        asked += 1
        yield 'more'
      }
    } finally {
      closed.resolve()
    }
  }
  const gathered = gatherAnswer(answer(), async ({ text }) => void sent.push(text), controller.signal)
  controller.abort(new Error('The request was cancelled.'))
  await assert.rejects(gathered, { message: 'The request was cancelled.' })
  goOn.resolve()
  await closed.promise
  assert.ok(asked <= 1, `${asked}`)
  assert.ok(sent.length <= 1)
})

test('one that fails rejects with its error, and one that is a value is returned as it is', async () => {
  async function* failing(): AsyncGenerator<string> {
    yield 'some'
    throw new Error('no luck')
  }
  await assert.rejects(gatherAnswer(failing(), null, never), { message: 'no luck' })
  assert.equal(await gatherAnswer('text', null, never), 'text')
  assert.equal(await gatherAnswer(undefined, null, never), null)
})
