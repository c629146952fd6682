import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { asks, inOrder, says, user } from '../../src/kernel/kernel-fixture.ts'
import { openSqliteStore, type Store } from '../../src/store/index.ts'
import { erasedText, type RecordView, textOf } from '../../src/protocol/index.ts'
import { type MemoryFixture, openMemoryFixture } from './memory-fixture.ts'

const secret = 'The safe opens with 4711-Quetzal'
const lets = { approval: { calls: { 'memory.forget': 'allow' } } }

/** Whether anything in the journal or in memory says it. */
async function saysIt(store: Store, word: RegExp): Promise<string[]> {
  const records = await store.records({ order: 'oldest_first', limit: 1_000, hydrate: true })
  const entries = await store.memory.items((await store.memory.list({}, 500)).map(({ id }) => id))
  return [
    ...records.filter(({ body }) => word.test(body)).map(({ seq, name, phase }) => `${seq} ${name} ${phase}`),
    ...entries.filter(({ passages }) => passages.some(({ text }) => word.test(text))).map(({ entry }) => entry.id),
  ]
}

const isForget = ({ name, phase }: RecordView): boolean => name === 'memory.forget' && phase === 'outcome'

async function settled(guest: MemoryFixture, word: RegExp): Promise<void> {
  await guest.memory.caughtUp()
  assert.deepEqual(await saysIt(guest.store, word), [])
}

describe('a turn that was asked to forget', () => {
  it('leaves no reply that repeats it, in the same or in other words, and no message that asked', async () => {
    const play = inOrder(
      asks(['memory_forget', { text: secret }]),
      says('Done. I will not tell anybody that your safe was opened by 4711-Quetzal.'),
      says('The weather is fine.'),
    )
    await using guest = await openMemoryFixture({ play, config: lets })
    await guest.ask('memory.save', { content: `${secret}.` })
    const { reply } = await guest.turn('Please forget what opens the safe (4711-Quetzal, you know).')
    assert.match(String(reply), /Quetzal/, 'the person was told so')
    await settled(guest, /quetzal/i)
    await guest.turn('How is the weather?')
    const shown = guest.asked.at(-1)!.messages.map(textOf)
    assert.ok(!shown.join('\n').includes('uetzal'))
    assert.ok(shown.includes(erasedText), 'that something was said there stays')
    assert.match(shown.at(-1)!, /weather/)
  })

  it('leaves no note in which the agent kept it', async () => {
    const play = inOrder(
      asks(['memory_forget', { text: secret }]),
      asks(['memory_save', { content: `Was told to forget: ${secret}` }]),
      says('Good.'),
    )
    await using guest = await openMemoryFixture({ play, config: lets })
    await guest.ask('memory.save', { content: `${secret}.` })
    await guest.turn('Forget how the safe opens!')
    await settled(guest, /quetzal/i)
  })

  it('forgets also by the id of a memory, whose words only the turn knew', async () => {
    await using guest = await openMemoryFixture({ config: lets, play: () => replies.shift()! })
    const { note_id: id } = await guest.ask<{ note_id: string }>('memory.save', { content: secret })
    const replies = [asks(['memory_forget', { ids: [id] }]), says('Gone: how the safe opens, 4711-Quetzal.')]
    await guest.turn('Forget that note about the safe.')
    await settled(guest, /quetzal/i)
  })

  it('keeps unrelated text', async () => {
    const play = inOrder(asks(['memory_forget', { text: secret }]), says('Done. The garden was watered.'))
    await using guest = await openMemoryFixture({ play, config: lets })
    await guest.ask('memory.save', { content: `${secret}.` })
    await guest.turn('Forget how I get into the strongbox, and tell me about the garden.')
    await settled(guest, /quetzal/i)
    const [item] = await guest.store.memory.items(
      (await guest.store.memory.list({ kinds: ['message'] }, 10)).filter(({ author }) => author === 'agent').map(({ id }) => id),
    )
    assert.equal(item?.passages[0]?.text, 'Done. The garden was watered.')
  })

  for (const [how, input] of [
    ['by its words, which stand in the question of the agent', { text: secret }],
    ['by an id, whose words nobody knows any more: all that the agent said after it goes', { ids: ['ID'] }],
  ] as const) {
    it(`continues forgetting in the next guest ${how}`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'oxbow-forgotten-turn-'))
      const open = async (): Promise<Store> => {
        const store = await openSqliteStore({ path: join(folder, 'oxbow.db'), user, durability: 'normal' })
        await store.opened()
        return store
      }
      try {
        const first = await openMemoryFixture({ store: await open(), config: lets, lastIndexMs: 0, play: () => replies.shift()! })
        const { note_id: id } = await first.ask<{ note_id: string }>('memory.save', { content: `${secret}.` })
        const asked = 'ids' in input ? { ids: [id] } : input
        const replies = [asks(['memory_forget', asked]), says('Gone is that the safe opens with 4711-Quetzal.')]
        await first.turn('Forget how the safe opens.')
        assert.ok(first.events.some((event) => event.type === 'record' && isForget(event.record)))
        await first.kernel.close()
        await using next = await openMemoryFixture({ store: await open(), config: lets })
        assert.notDeepEqual(await saysIt(next.store, /quetzal/i), [], 'the first guest ended before it could')
        await settled(next, /quetzal/i)
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    })
  }

  it('in a session from which a person forgets something meanwhile does not repeat it later', async () => {
    const asked = Promise.withResolvers<void>()
    const forgotten = Promise.withResolvers<void>()
    async function* slowly(): ReturnType<typeof says> {
      asked.resolve()
      await forgotten.promise
      yield* says('As you said, your safe was opened with 4711-Quetzal.')
    }
    await using guest = await openMemoryFixture({ play: inOrder(says('I see.'), slowly()) })
    await guest.turn(`Listen: ${secret}.`)
    const ending = guest.turn('What did I just say?')
    await asked.promise
    const { left } = await guest.ask<{ left: number }>('memory.forget', { text: secret })
    assert.equal(left, 0)
    forgotten.resolve()
    await ending
    await settled(guest, /quetzal/i)
  })

  it('is completed also if conversations are not indexed', async () => {
    const play = inOrder(asks(['memory_forget', { text: secret }]), says(`Never again: ${secret}.`))
    await using guest = await openMemoryFixture({ play, config: { ...lets, memory: { index_messages: false } } })
    await guest.ask('memory.save', { content: `${secret}.` })
    await guest.turn('Forget it.')
    await settled(guest, /quetzal/i)
    assert.deepEqual(await guest.store.memory.list({ kinds: ['message'] }, 10), [])
  })
})
