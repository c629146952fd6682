/** What a search answers that nothing fits: over real sentences, the built-in table in its real thread, and the call as agents and people use it. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { searchText, type ShownHit } from '../../src/terminal/index.ts'
import { createMemory, type Memory } from '../../src/memory/index.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import { memoryCalls } from '../../src/tools/index.ts'
import { systemClock, type UserId } from '../../src/base/index.ts'
import type { CallContext } from '../../src/protocol/index.ts'
import { configSchema } from '../../src/services/index.ts'
import { patienceMs } from '../support/patience.ts'
import { watched } from './watched-store.ts'

const facts = [
  'My sister moved to Lisbon last spring and works in a bakery there.',
  'The boiler in the cellar was repaired by a man from the county.',
  'We adopted an old greyhound, and the dog sleeps all day.',
  'The meeting about the garden is on Tuesdays.',
  'The invoice of the carpenter is ORD-48213 and was paid in May.',
  '우리 고양이는 소파에서 잠을 잔다.',
]
const unanswered = ['Is 7919 a prime number?', 'Convert this CSV to JSON.', 'Which treaty ended the war of 1812?', 'zyxwvut']

describe('a search', () => {
  let [store, memory]: [Store?, Memory?] = []
  const context = {
    id: 'c',
    clock: systemClock,
    caller: { user: 'ada', actor: 'user:ada', rights: new Set<string>(), audience: 'terminal', session: '', turn: '', process: '' },
  } as unknown as CallContext
  const search = async (query: string): Promise<{ output: readonly ShownHit[]; text: string }> => {
    const call = memoryCalls(memory!).find(({ name }) => name === 'memory.search')!
    return (await call.run(call.input.parse({ query }), context)) as never
  }
  const fitting = (hits: readonly ShownHit[]): string[] => hits.filter(({ weak }) => !weak).map(({ text }) => text)

  before(async () => {
    const { store: seen, vectorsMade } = watched(await openMemoryStore({ user: 'ada' as UserId }))
    store = seen
    memory = createMemory({ store: seen, config: configSchema.parse({}).memory, clock: systemClock, questionMs: patienceMs })
    const notes = await memory.notes()
    for (const [i, content] of facts.entries()) await notes.save({ content, tags: [] }, { ...context, id: `note-${i}` } as never)
    await vectorsMade(facts.length)
  })
  after(async () => {
    await memory?.close()
    await store?.close()
  })

  it('with a match returns it first, as a strong match: by words, by meaning, by exact name, in another script', async () => {
    for (const [query, fact] of [
      ['Where does my sister live now?', 0],
      ['What kind of pet did we get?', 2],
      ['boiler', 1],
      ['which bill was ORD-48213', 4],
      ['고양이 이름이 뭐야?', 5],
    ] as const) {
      const { output } = await search(query)
      assert.deepEqual([output[0]?.text, output[0]?.weak], [facts[fact], false], query)
    }
  })

  it('without a match says so, to a model and to a person; weak matches are marked and come after', async () => {
    for (const query of unanswered) {
      const { output, text } = await search(query)
      assert.deepEqual(fitting(output), [], query)
      assert.match(text, /^No matches found\./, query)
      const shown = searchText(output, false)
      assert.match(shown, /^No matches found\./)
      if (output.length === 0) continue
      assert.ok(text.indexOf('perhaps about something else') < text.indexOf(output[0]!.text))
      assert.ok(shown.indexOf('Weak matches:') < shown.indexOf(output[0]!.text.slice(0, 20)))
    }
    const nearest = await Promise.all(unanswered.map(async (query) => (await search(query)).output.length))
    assert.ok(
      nearest.some((count) => count > 0),
      'some of these questions have something nearest',
    )
  })

  it('puts strong matches before weak ones, and distinguishes both', async () => {
    const { output, text } = await search('Where does my sister live now?')
    const weak = output.filter((hit) => hit.weak)
    assert.ok(weak.length > 0)
    assert.deepEqual(output.slice(-weak.length), weak)
    const border = text.indexOf('Weak matches, perhaps about something else')
    assert.ok(text.indexOf('Lisbon') < border && weak.every((hit) => text.indexOf(hit.text) > border), text)
    assert.match(searchText(output, false), /Lisbon[^]*Weak matches:\n\n/)
  })
  it('counts only strong matches as used: weak ones fade as before', async () => {
    await memory!.close()
    const entries = await store!.memory.list({}, 20)
    const used = entries.filter(({ accesses }) => accesses > 0).map(({ id }) => id)
    const texts = (await store!.memory.items(used)).map(({ passages }) => passages[0]!.text)
    assert.ok(texts.includes(facts[0]!))
    assert.ok(!texts.includes(facts[3]!), 'the meeting fitted nothing that was asked')
  })
})
