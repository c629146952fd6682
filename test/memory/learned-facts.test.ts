import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { says, user } from '../../src/kernel/kernel-fixture.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import { type GenerateRequest, learnCall, type ModelEvent, textOf } from '../../src/protocol/index.ts'
import { type MemoryFixture, type MemoryFixtureOptions, openMemoryFixture } from './memory-fixture.ts'

const isLearning = ({ system }: GenerateRequest): boolean => system.startsWith('List lasting facts')

/** A turn that costs as much as real ones, with their tools, do. */
async function* costly(text: string): AsyncGenerator<readonly ModelEvent[]> {
  yield [{ type: 'text', text }]
  yield [{ type: 'finish', reason: 'stop', usage: { inputTokens: 12_000, outputTokens: 50, estimated: false } }]
}

const fact = (more: object): string => JSON.stringify({ n: 0, type: 'fact', attribute: 'plays', single: false, ...more })

/** @param answer what a model says of the messages that it is to read */
function openLearner(answer: (request: GenerateRequest) => string = () => '', more: MemoryFixtureOptions = {}): Promise<MemoryFixture> {
  return openMemoryFixture({ play: (request) => (isLearning(request) ? says(answer(request)) : costly('I see.')), ...more })
}

interface Listed {
  readonly note_id: string
  readonly text: string
}

const facts = async (guest: MemoryFixture, query: string): Promise<readonly Listed[]> =>
  (await guest.ask<(Listed & { readonly source: string })[]>('memory.search', { query, include_conversation: false })).filter(
    ({ note_id: id }) => id.startsWith('fact-'),
  )

/** Resolves when nothing is left to be learned from the turns so far. */
async function learned(store: Store, times = 1): Promise<readonly Record<string, number>[]> {
  for (;;) {
    const records = await store.records({ phases: ['outcome'], order: 'oldest_first', limit: 10_000, hydrate: true })
    const ends = records.filter(({ name }) => name === learnCall).map(({ body }) => JSON.parse(body) as Record<string, number>)
    if (ends.length >= times) return ends
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('what is learned after a turn', () => {
  it('is a fact with the message that it comes from, and ends the fact that it contradicts', async () => {
    await using guest = await openLearner()
    await guest.say('Good morning. I live in Leeds, near the canal.')
    await learned(guest.store)
    const [before] = await facts(guest, 'lives in Leeds')
    assert.equal(before?.text, 'I live in Leeds, near the canal.')
    await guest.say('We moved last week: I live in York now.')
    await learned(guest.store, 2)
    const why = await guest.ask<{ superseded_by: { text: string }; record: { name: string }; by: { author: string }; learned_by: string }>(
      'memory.why',
      {
        note_id: before.note_id,
      },
    )
    assert.match(why.superseded_by.text, /York/)
    assert.deepEqual([why.record.name, why.by.author, why.learned_by], ['turn.send', 'user', 'rule'])
  })

  it('costs no call and no request after small talk, a question or a request', async () => {
    await using guest = await openLearner()
    for (const text of ['Thanks!', 'How are you?', "I'm fine, thank you.", 'Summarise the files here.', 'I think so.'])
      await guest.turn(text)
    const records = await guest.store.records({ order: 'oldest_first', limit: 10_000, hydrate: false })
    assert.deepEqual(
      records.filter(({ name }) => name === learnCall),
      [],
    )
    assert.equal(guest.asked.filter(isLearning).length, 0)
  })

  it('has what a model reads where no rule does, once, and nothing that was not said', async () => {
    const answer = () =>
      [
        fact({ subject: 'Clara', value: 'the cello', text: 'Clara plays the cello in Lisbon since 2019.' }),
        fact({ subject: 'Clara', value: 'the violin', text: 'Clara plays the violin.' }),
        fact({ subject: 'Rafael', value: 'cello', text: 'Rafael plays the cello.' }),
      ].join('\n')
    await using guest = await openLearner(answer)
    await guest.say('My sister Clara plays the cello in Lisbon.')
    await learned(guest.store, 2)
    assert.deepEqual(
      (await facts(guest, 'Clara cello violin Rafael')).map(({ text }) => text),
      ['My sister Clara plays the cello in Lisbon.'],
    )
    await guest.say('Thanks, that is all.')
    assert.equal(guest.asked.filter(isLearning).length, 1)
  })

  it('asks no model while the session has spent too little, and then what has waited', async () => {
    let cost = 200
    await using guest = await openLearner(undefined, {
      async *play(request) {
        if (isLearning(request)) yield* says('')
        else {
          yield [{ type: 'text', text: 'I see.' }]
          yield [{ type: 'finish', reason: 'stop', usage: { inputTokens: cost, outputTokens: 1, estimated: false } }]
        }
      },
    })
    await guest.turn('My sister Clara plays the cello in Lisbon.')
    assert.equal((await learned(guest.store, 2)).at(-1)?.['waiting'], 1)
    assert.equal(guest.asked.filter(isLearning).length, 0)
    cost = 40_000
    await guest.turn('Our project Heron runs on three boards.')
    assert.equal((await learned(guest.store, 4)).at(-1)?.['waiting'], 0)
    const [question] = guest.asked.filter(isLearning)
    assert.match(question?.messages.map((message) => (message.role === 'tool' ? '' : textOf(message))).join('') ?? '', /Clara[\s\S]*Heron/)
  })

  it('is nothing where it is off, and rules only where a model may cost nothing', async () => {
    await using off = await openLearner(undefined, { config: { memory: { learn: { enabled: false } } } })
    await off.say('I live in Leeds.')
    await off.memory.caughtUp()
    assert.deepEqual(await facts(off, 'Leeds'), [])
    await using rules = await openLearner(undefined, { config: { memory: { learn: { share: 0 } } } })
    await rules.say('I live in Leeds. My sister Clara plays the cello.')
    assert.equal((await learned(rules.store)).at(-1)?.['waiting'], 0)
    assert.equal((await facts(rules, 'Leeds')).length, 1)
  })

  it('goes on with the next guest, and asks once', async () => {
    const store = await openMemoryStore({ user })
    const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
    const begun = Promise.withResolvers<void>()
    const first = await openMemoryFixture({
      store: keepOpen,
      async *play(request, signal) {
        if (isLearning(request)) {
          begun.resolve()
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
        } else yield* costly('I see.')
      },
    })
    await first.say('My sister Clara plays the cello in Lisbon.')
    await begun.promise
    await first.kernel.close()
    await using second = await openLearner(() => fact({ subject: 'Clara', value: 'the cello', text: 'Clara plays the cello.' }), { store })
    await learned(store, 3)
    assert.deepEqual(
      (await facts(second, 'Clara')).map(({ text }) => text),
      ['Clara plays the cello.'],
    )
    assert.equal(second.asked.filter(isLearning).length, 1)
  })

  it('goes with what is forgotten, from the journal as well', async () => {
    await using guest = await openLearner(() => fact({ subject: 'Clara', value: 'the cello', text: 'Clara plays the cello.' }))
    await guest.say('My sister Clara plays the cello in Lisbon. I live in Lisbon, with Clara.')
    await learned(guest.store, 2)
    assert.equal((await facts(guest, 'Clara cello Lisbon')).length, 2)
    await guest.ask('memory.forget', { text: 'Clara' })
    assert.deepEqual(await facts(guest, 'cello Lisbon'), [])
    const records = await guest.store.records({ order: 'oldest_first', limit: 10_000, hydrate: true })
    assert.deepEqual(
      records.filter(({ name, body }) => /Clara/.test(body) && name !== 'memory.forget').map(({ name, phase }) => `${name} ${phase}`),
      [],
    )
  })

  it('can be taken back by the call that learned it', async () => {
    await using guest = await openLearner()
    await guest.say('I live in Leeds.')
    await learned(guest.store)
    const [step] = (await guest.store.records({ phases: ['exchange'], order: 'newest_first', limit: 100, hydrate: true })).filter(
      ({ name, body }) => name === learnCall && body.includes('"learn"'),
    )
    assert.equal((await guest.ask<{ undone: number }>('memory.undo', { report: step!.call })).undone, 1)
    assert.deepEqual(await facts(guest, 'Leeds'), [])
  })

  it('arrives in the request of a session ten sessions later', async () => {
    await using guest = await openLearner()
    await guest.say('By the way, our project Heron is written in Zig, and my favourite tea is Assam.')
    await learned(guest.store)
    for (let i = 0; i < 9; i++) await guest.say(`What is ${i} times ${i + 7}?`)
    await guest.say('Which tea do I like best?')
    const request = guest.asked.findLast((each) => !isLearning(each))
    assert.match(JSON.stringify(request?.messages), /Assam/)
  })
})
