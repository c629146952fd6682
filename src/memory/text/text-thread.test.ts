import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { isOxbowError } from '../../base/index.ts'
import { maxAskedUnits } from './text-limits.ts'
import { createLocalTextEngine, createTextEngine } from './text-thread.ts'

const startedThread = async (): Promise<Worker> => ((await once(process, 'worker')) as [Worker])[0]

void describe('the text engine', () => {
  void it('answers the same in a thread and in process', async () => {
    const thread = createTextEngine({ embedder: 'hash' })
    const local = createLocalTextEngine({ embedder: 'hash' })
    const text = '# Oxen\n\nAda bought two oxen. 我的猫在图书馆。\n'.repeat(40)
    for (const ask of [
      (engine: typeof local) => engine.cut([{ text, format: 'markdown', before: text }]),
      (engine: typeof local) => engine.terms(text),
      (engine: typeof local) => engine.read('Who bought "two oxen" and where is src/main.ts?'),
      (engine: typeof local) => engine.embedder(),
      (engine: typeof local) => engine.embed([text, 'two oxen', '']),
    ]) {
      assert.deepEqual(await ask(thread), await ask(local))
    }
    await Promise.all([thread.close(), local.close()])
  })

  void it('has no embedder when it is to have none, and says so when it is asked for vectors', async () => {
    const engine = createTextEngine({ embedder: 'none' })
    assert.equal(await engine.embedder(), null)
    assert.equal(await engine.closeness({ question: 'Which doctor?', terms: ['doctor'] }, [{ terms: 'nurse', context: '' }]), null)
    await assert.rejects(engine.embed(['x']), (error) => isOxbowError(error, 'bad_config'))
    await engine.close()
  })

  void it('starts no thread before it is asked, ends it when idle, and starts it again', async () => {
    const engine = createTextEngine({ embedder: 'none', idleMs: 1 })
    const starting = startedThread()
    assert.equal(await engine.terms('Two oxen'), 'two oxen')
    await once(await starting, 'exit')
    const again = startedThread()
    assert.equal(await engine.terms('Red ox'), 'red ox')
    await engine.close()
    assert.equal((await again).threadId, -1)
  })

  void it('fails what a thread was asked when it dies, and asks another one after that', async () => {
    const engine = createTextEngine({ embedder: 'none' })
    const starting = startedThread()
    const asked = [engine.cut([{ text: 'word '.repeat(1_000_000), format: 'text', before: '' }]), engine.terms('ox')].map((each) =>
      assert.rejects(each, (error) => isOxbowError(error, 'tool_failed') && error.hint !== ''),
    )
    await (await starting).terminate()
    await Promise.all(asked)
    assert.equal(await engine.terms('Oxen'), 'oxen')
    await engine.close()
  })

  void it('fails what is under way when it is closed, and whatever is asked later', async () => {
    const engine = createTextEngine({ embedder: 'none' })
    const asked = assert.rejects(engine.terms('x'), (error) => isOxbowError(error, 'cancelled'))
    await engine.close()
    await asked
    await assert.rejects(engine.terms('x'), (error) => isOxbowError(error, 'cancelled'))
    await engine.close()
  })

  void it('refuses more than it can read, and is well after it', async () => {
    const engine = createTextEngine({ embedder: 'none' })
    await assert.rejects(engine.cut([{ text: 'x'.repeat(maxAskedUnits + 1), format: 'text', before: '' }]), (error) =>
      isOxbowError(error, 'limit_reached'),
    )
    assert.equal(await engine.terms('Ox'), 'ox')
    await engine.close()
  })

  void it('says what is wrong with the name of an embedder, and still reads texts', async () => {
    const engine = createTextEngine({ embedder: 'nonsense' })
    await assert.rejects(engine.embedder(), (error) => isOxbowError(error, 'bad_config') && error.hint.includes('words-50k'))
    assert.equal(await engine.terms('Ox'), 'ox')
    await engine.close()
  })

  void it('asks a service from the main side, and gives its vectors the length of one', async () => {
    const asked: unknown[] = []
    const engine = createTextEngine({
      embedder: 'acme/embed-1',
      service: {
        async embed(model, texts, options) {
          asked.push([model, texts, options.purpose])
          const vectors = texts.map(() => Float32Array.of(3, 4))
          return { vectors, model, dimensions: 2, usage: { inputTokens: 1, outputTokens: 0, estimated: false } }
        },
      },
    })
    assert.deepEqual(await engine.embed(['a', ' '], 'query'), [Float32Array.of(0.6, 0.8), Float32Array.of(0.6, 0.8)])
    assert.equal((await engine.embedder())?.id, 'acme/embed-1@2')
    assert.deepEqual(asked, [['acme/embed-1', ['a', '-'], 'query']])
    // Single words are no matter of a service: they stay on the machine.
    const words = { question: 'Which doctor?', terms: ['doctor'] }
    const passages = ['nurse', 'fence'].map((terms) => ({ terms, context: '' }))
    const [near = 0, far = 1] = (await engine.closeness(words, passages)) ?? []
    assert.ok(near > far, `${near} ${far}`)
    assert.equal(asked.length, 1)
    await engine.close()
  })
})
