/** The thread that recalls, over a file: many questions at once, a save among them, and another process that writes meanwhile. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { configSchema } from '../../src/config/index.ts'
import { createMemory, createTextEngine, type Memory, type TextEngine } from '../../src/memory/index.ts'
import { putOf } from '../../src/memory/recall/recall-fixture.ts'
import type { Store } from '../../src/store/index.ts'
import { storeFolder } from '../../src/store/store-fixture.ts'
import { systemClock } from '../../src/base/index.ts'

const subjects = ['Clara', 'the boiler', 'my greyhound', 'the garden', 'Lisbon', 'the piano', 'our neighbour', 'the old bridge']
const sentence = (i: number): string => `Number ${i}: ${subjects[i % subjects.length]} was repaired in week ${i % 52}.`

function memoryOver(store: Store, text: TextEngine): Memory {
  return createMemory({ store, config: configSchema.parse({}).memory, clock: systemClock, text: async () => text })
}

async function keep(store: Store, text: TextEngine, texts: readonly string[], from: number): Promise<void> {
  const changes = await Promise.all(texts.map((each, i) => putOf(text, { text: each }, from + i, undefined)))
  await store.memory.change(changes)
}

const ask = async (memory: Memory, text: string): Promise<readonly string[]> =>
  (await (await memory.recall()).recall({ text, filter: {}, limit: 5, tokens: 500, warmsUp: true })).map(({ id }) => id)

test(
  '64 questions at once are answered as one after the other, a save among them does not wait for them',
  { timeout: 120_000 },
  async () => {
    await using files = storeFolder()
    const store = await files.open()
    const text = createTextEngine({ embedder: 'words-50k' })
    const memory = memoryOver(store, text)
    await keep(
      store,
      text,
      Array.from({ length: 800 }, (_, i) => sentence(i)),
      0,
    )
    const questions = Array.from({ length: 64 }, (_, i) => `What happened to ${subjects[i % subjects.length]} in week ${i % 52}?`)
    await ask(memory, questions[0] ?? '')
    // Vectors of what was saved change what is found.
    for (let made = 0; made < 800; made = (await store.memory.models())[0]?.vectors ?? 0)
      await new Promise((resolve) => setTimeout(resolve, 20))
    let answered = 0
    let before = -1
    const asked = questions.map(async (question) => {
      const found = await ask(memory, question)
      answered++
      return found
    })
    const saved = text.storedTerms('The lighthouse keeper is Barnaby.').then(() => (before = answered))
    const together = await Promise.all(asked)
    await saved
    assert(before < questions.length / 2, `a text was read behind ${before} questions`)
    for (const [i, question] of questions.entries()) assert.deepEqual(await ask(memory, question), together[i])
    await memory.close()
    assert.equal(readdirSync(files.folder).filter((name) => name.includes('.recall-')).length, 1)
  },
)

test('two processes at once find what the other wrote, and neither finds what the other erased', { timeout: 120_000 }, async () => {
  await using files = storeFolder()
  const [one, two] = [await files.open(), await files.open()]
  const [oneText, twoText] = [createTextEngine({ embedder: 'words-50k' }), createTextEngine({ embedder: 'words-50k' })]
  const [guest, oneShot] = [memoryOver(one, oneText), memoryOver(two, twoText)]
  await keep(
    one,
    oneText,
    Array.from({ length: 700 }, (_, i) => sentence(i)),
    0,
  )
  assert.notEqual((await ask(guest, 'What was repaired?')).length, 0)
  await keep(two, twoText, ['The lighthouse keeper is Barnaby.'], 900)
  assert.deepEqual((await ask(guest, 'Who is the lighthouse keeper?'))[0], 'e900')
  assert.deepEqual((await ask(oneShot, 'Who is the lighthouse keeper?'))[0], 'e900')
  await guest.close()
  await two.memory.change([{ change: 'erase', id: 'e900' }])
  assert(!existsSync(`${files.path}.recall-616e6e`))
  assert(!(await ask(oneShot, 'Who is the lighthouse keeper?')).includes('e900'))
  await oneShot.close()
})
