import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { verifyJournal } from '../../src/services/index.ts'
import { asks, inOrder, says, user } from '../../src/kernel/kernel-fixture.ts'
import { createFakeSandbox } from '../../src/sandbox/fake/fake-sandbox.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { type Call, textOf } from '../../src/protocol/index.ts'
import { openMemoryFixture } from './memory-fixture.ts'

interface Forgotten {
  dry_run: boolean
  entries: { id: string; kind: string }[]
  records: { seq: number }[]
  bodies: number
  later: number[]
  left: number
  marks: { text: string; entries: number }[]
}

const secret = 'The safe opens with 4711-Quetzal'

async function openFile() {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-forget-'))
  const store = await openSqliteStore({ path: join(folder, 'oxbow.db'), user, durability: 'normal' })
  await store.opened()
  return { folder, store, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

/** Files of the database in which these bytes stand. */
function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder).filter((name) => readFileSync(join(folder, name)).includes(text))
}

describe('forgotten text', () => {
  it('is gone from notes, messages, the warm conversation, the journal and the bytes of the file; the chain holds', async () => {
    await using file = await openFile()
    const guest = await openMemoryFixture({ store: file.store })
    await guest.turn(`Remember this: ${secret}, and the cat is called Miro.`)
    await guest.ask('memory.save', { content: `${secret}.` })
    await guest.memory.caughtUp()
    assert.ok(filesWith(file.folder, 'Quetzal').length > 0, 'it was there')

    const dry = await guest.ask<Forgotten>('memory.forget', { text: secret, dry_run: true })
    assert.ok(dry.dry_run && dry.entries.length >= 2 && dry.records.length >= 3)
    assert.equal((await guest.ask<unknown[]>('memory.search', { query: 'safe quetzal' })).length > 0, true, 'a dry run changes nothing')

    const done = await guest.ask<Forgotten>('memory.forget', { text: secret.toUpperCase() })
    assert.deepEqual([done.left, done.later], [0, []])
    assert.deepEqual(await guest.ask('memory.search', { query: 'safe quetzal', include_conversation: true }), [])
    await guest.turn('What did I tell you?')
    assert.ok(!JSON.stringify(guest.asked.at(-1)).includes('Quetzal'), 'the next turn does not see it')
    await guest.memory.caughtUp()
    const report = await verifyJournal(file.store, { seal: null })
    assert.equal(report.ok, true)
    await guest.kernel.close()
    assert.deepEqual(filesWith(file.folder, 'Quetzal'), [])
  })

  it('is not written back by a search for it: the journal has a hash of the query', async () => {
    await using file = await openFile()
    const guest = await openMemoryFixture({ store: file.store })
    await guest.turn(`Remember this: ${secret}.`)
    await guest.memory.caughtUp()
    await guest.ask('memory.forget', { text: secret })
    await guest.ask('memory.search', { query: 'Quetzal' })
    await guest.call('memory.search', { query: secret, include_conversation: true, as_of: '2026-02-31' })
    await guest.kernel.close()
    assert.deepEqual(filesWith(file.folder, 'Quetzal'), [])
  })

  it("is erased from queries that an older version kept, and from an agent's queries", async () => {
    await using file = await openFile()
    const steps = [asks(['memory_search', { query: `what is it: ${secret}?` }]), says('nothing')]
    const older = (call: Call): Call => {
      const { recordInput: _, ...rest } = call
      return call.name === 'memory.search' ? rest : call
    }
    const guest = await openMemoryFixture({ store: file.store, changeCall: older, play: () => steps.shift() ?? says('ok') })
    await guest.ask('memory.search', { query: 'quetzal safe' })
    await guest.ask('memory.search', { query: 'cats' })
    await guest.turn('look it up')
    await guest.memory.caughtUp()
    const done = await guest.ask<Forgotten>('memory.forget', { text: secret })
    assert.equal(done.left, 0)
    await guest.kernel.close()
    assert.deepEqual([filesWith(file.folder, 'uetzal'), filesWith(file.folder, 'cats').length > 0], [[], true])
  })

  it('is suggested with --text when a person gives a word instead of an id', async () => {
    await using guest = await openMemoryFixture()
    const refused = await guest.call('memory.forget', { ids: ['colour'] })
    assert.ok(!refused.text.includes('colour'), 'the record of the failure does not say it')
    assert.match(refused.status === 'failed' ? refused.failure.hint : '', /oxbow memory forget --text/)
  })

  it('by the id of a note includes other places with the same text, and nothing else', async () => {
    await using guest = await openMemoryFixture()
    await guest.say('The cat is called Miro.')
    await guest.say('For the record: my pin is 9182.')
    const { note_id: id } = await guest.ask<{ note_id: string }>('memory.save', { content: 'my pin is 9182' })
    const done = await guest.ask<Forgotten>('memory.forget', { ids: [id] })
    assert.deepEqual([done.entries.length, done.left], [2, 0])
    assert.deepEqual(await guest.ask('memory.search', { query: 'pin 9182', include_conversation: true }), [])
    const [cat] = await guest.ask<{ text: string }[]>('memory.search', { query: 'cat Miro', include_conversation: true })
    assert.match(cat?.text ?? '', /Miro/)
  })

  it('is removed from tags of other memories', async () => {
    await using file = await openFile()
    const guest = await openMemoryFixture({ store: file.store })
    const { note_id: id } = await guest.ask<{ note_id: string }>('memory.save', {
      content: 'We meet on Fridays.',
      tags: ['operation quetzal', 'meetings'],
    })
    const dry = await guest.ask<Forgotten>('memory.forget', { text: 'Operation Quetzal', dry_run: true })
    assert.deepEqual(dry.marks, [{ text: 'operation quetzal', entries: 1 }])
    const done = await guest.ask<Forgotten>('memory.forget', { text: 'Operation Quetzal' })
    assert.deepEqual([done.entries.length, done.left], [0, 0])
    assert.deepEqual((await file.store.memory.items([id]))[0]?.entry.tags, ['meetings'])
    await guest.kernel.close()
    assert.deepEqual(filesWith(file.folder, 'uetzal'), [])
  })

  it('is removed from tags of memories that are imported meanwhile', async () => {
    await using guest = await openMemoryFixture()
    await guest.turn('Operation Quetzal begins.')
    const { note_id: id } = await guest.ask<{ note_id: string }>('memory.save', { content: 'We meet on Fridays.' })
    const { lines } = await guest.ask<{ lines: string[] }>('memory.export', {})
    const tagged = lines
      .filter((line) => line.includes(id))
      .map((line) => line.replace('"tags":[]', '"tags":["meetings","operation quetzal"]'))
    const erase: typeof guest.store.erase = async (...asked) => {
      await guest.ask('memory.import', { lines: tagged, overwrite: true })
      return guest.store.erase(...asked)
    }
    const by = {
      id: 'call-1',
      caller: { turn: '', actor: 'user:ann', audience: 'terminal' },
      signal: AbortSignal.timeout(60_000),
      erase,
    } as never
    const done = await (await guest.memory.forgetting()).forget({ ids: [], text: 'operation quetzal' }, by)
    assert.deepEqual((await guest.store.memory.items([id]))[0]?.entry.tags, ['meetings'])
    assert.equal(done.left, 0)
  })

  it('is erased across two sections of a document, with both, and the others stay', async () => {
    const sections = ['a', 'b', 'c', 'd'].map((letter) => `${letter} word `.repeat(2_340).slice(0, 16_370))
    const text = `${sections[0]}The safe opens with\n4711-Quetzal. ${sections[1]}${sections[2]}${sections[3]}`
    const sandbox = createFakeSandbox(new Map([['/shared/docs/book.txt', text]]))
    await using guest = await openMemoryFixture({ sandbox })
    await guest.ask('memory.ingest', { path: 'docs/book.txt' })
    const sectionsLeft = async () => (await guest.store.memory.list({ kinds: ['document'] }, 100)).length
    const before = await sectionsLeft()
    const dry = await guest.ask<Forgotten>('memory.forget', { text: secret, dry_run: true })
    assert.equal(dry.entries.length, 2)
    const done = await guest.ask<Forgotten>('memory.forget', { text: secret })
    assert.deepEqual([done.entries.length, done.left, await sectionsLeft()], [2, 0, before - 2])
  })

  it('is erased across sections, however long it is', async () => {
    const filler = 'word '.repeat(3_000)
    const long = Array.from({ length: 1_250 }, (_, i) => `ox${i}`).join(' ')
    const longer = Array.from({ length: 6_000 }, (_, i) => `cow${i}`).join(' ')
    const spread = `The safe opens with ${' '.repeat(9_000)}4711-Quetzal.`
    const sandbox = createFakeSandbox(
      new Map([['/shared/book.txt', [filler, spread, filler, filler, filler.slice(0, 5_000), long, filler, longer, filler].join(' ')]]),
    )
    await using guest = await openMemoryFixture({ sandbox })
    await guest.ask('memory.ingest', { path: 'book.txt' })
    await guest.say(longer)
    const { note_id: note } = await guest.ask<{ note_id: string }>('memory.save', { content: long })
    const [message] = (await guest.store.memory.list({ kinds: ['message'] }, 10)).filter(({ author }) => author === 'user')
    const sections = await guest.store.memory.items((await guest.store.memory.list({ kinds: ['document'] }, 100)).map(({ id }) => id))
    for (const [question, word] of [
      [{ text: secret }, /safe|Quetzal/],
      [{ ids: [note] }, /ox\d/],
      [{ ids: [message?.id] }, /cow\d/],
    ] as const) {
      const dry = await guest.ask<Forgotten>('memory.forget', { ...question, dry_run: true })
      const saying = sections.filter(({ passages }) => passages.some(({ text }) => word.test(text))).map(({ entry }) => entry.id)
      const found = dry.entries.filter(({ kind }) => kind === 'document').map(({ id }) => id)
      assert.deepEqual(found.toSorted(), saying.toSorted())
      assert.ok(saying.length >= 2)
    }
  })

  it('is removed from the title of a remaining document, and from its index', async () => {
    const page = `<html><head><title>Operation Quetzal</title></head><body><p>${'We meet on Fridays. '.repeat(20)}</p></body></html>`
    await using file = await openFile()
    await using guest = await openMemoryFixture({
      store: file.store,
      sandbox: createFakeSandbox(new Map([['/shared/docs/trip.html', page]])),
    })
    await guest.ask('memory.ingest', { path: 'docs' })
    const dry = await guest.ask<Forgotten>('memory.forget', { text: 'Operation Quetzal', dry_run: true })
    assert.deepEqual([dry.entries.length, dry.marks], [0, [{ text: 'Operation Quetzal', entries: 1 }]])
    await guest.ask<Forgotten>('memory.forget', { text: 'Operation Quetzal' })
    assert.equal((await guest.ask<unknown[]>('memory.search', { query: 'meet on Fridays' })).length, 1)
    await guest.kernel.close()
    assert.deepEqual(filesWith(file.folder, 'uetzal'), [])
  })

  it('includes a document whose address contains it, and facts that tidying extracted', async () => {
    const sandbox = createFakeSandbox(new Map([['/shared/docs/operation quetzal.txt', 'We meet on Mondays.']]))
    await using guest = await openMemoryFixture({ sandbox })
    await guest.ask('memory.ingest', { path: 'docs' })
    const { note_id: id } = await guest.ask<{ note_id: string }>('memory.save', { content: 'There is an operation.' })
    const statement = { subject: 'me', attribute: 'runs', value: 'Operation Quetzal', single: true }
    await guest.store.memory.change([{ change: 'patch', id, patch: { extra: JSON.stringify({ statement }) } }])
    const done = await guest.ask<Forgotten>('memory.forget', { text: 'operation quetzal' })
    assert.deepEqual([done.entries.length, done.left], [2, 0])
    assert.deepEqual(await guest.store.memory.list({}, 100), [])
  })

  it('is recorded as hashes only', async () => {
    await using guest = await openMemoryFixture()
    await guest.ask('memory.save', { content: `${secret}.` })
    await guest.ask('memory.forget', { text: secret })
    await guest.kernel.listSessions(1)
    const records = await guest.store.records({ order: 'oldest_first', limit: 1_000, hydrate: true })
    assert.ok(records.some(({ name, phase }) => name === 'memory.forget' && phase === 'outcome'))
    assert.ok(!JSON.stringify(records).includes('Quetzal'))
  })

  it('does not return when the journal is reindexed', async () => {
    await using guest = await openMemoryFixture()
    await guest.say(`${secret}.`)
    await guest.ask('memory.forget', { text: secret })
    await guest.ask('memory.reindex', {})
    assert.deepEqual(await guest.ask('memory.search', { query: 'quetzal', include_conversation: true }), [])
  })

  it('at the request of an agent needs approval, and is erased from its own turn when that ends', async () => {
    const play = inOrder(asks(['memory_forget', { text: secret }]), says('It is gone.'))
    await using guest = await openMemoryFixture({ play })
    await guest.ask('memory.save', { content: `${secret}.` })
    const ending = guest.turn(`Forget that ${secret.toLowerCase()}!`)
    const parked = await guest.record(({ phase }) => phase === 'parked')
    assert.equal((await guest.ask<unknown[]>('memory.search', { query: 'quetzal' })).length, 1)
    await guest.kernel.approve(parked.call, true)
    await ending
    await guest.memory.caughtUp()
    assert.deepEqual(await guest.ask('memory.search', { query: 'quetzal', include_conversation: true }), [])
    await guest.turn('next')
    assert.ok(!JSON.stringify(guest.asked.at(-1)!.messages.map(textOf)).includes('uetzal'))
    const records = await guest.store.records({ order: 'oldest_first', limit: 1_000, hydrate: true })
    const left = records.filter(({ body }) => body.toLowerCase().includes(secret.toLowerCase()))
    assert.deepEqual(
      left.map(({ seq, name, phase }) => [seq, name, phase]),
      [],
    )
  })

  it('may be two or three characters long in scripts with dense characters', async () => {
    await using guest = await openMemoryFixture()
    for (const [said, name] of [
      ['어제 김철수를 만났어요.', '김철수'],
      ['昨日は田中さんに会った。', '田中'],
      ['我昨天见到了王小明。', '王小明'],
    ] as const) {
      await guest.say(said)
      const done = await guest.ask<Forgotten>('memory.forget', { text: name })
      assert.deepEqual([done.entries.length, done.left], [1, 0], name)
      assert.ok(done.records.length > 0)
    }
  })

  it('is refused if it is too short, or matches nothing', async () => {
    await using guest = await openMemoryFixture()
    for (const [input, code] of [
      [{ text: 'abc' }, 'bad_input'],
      [{ text: '金' }, 'bad_input'],
      [{}, 'bad_input'],
      [{ ids: ['note-none'] }, 'not_found'],
    ] as const) {
      const outcome = await guest.call('memory.forget', input)
      assert.equal(outcome.status !== 'ok' && outcome.failure.code, code)
    }
  })
})
