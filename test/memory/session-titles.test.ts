import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { asks, says, user } from '../../src/kernel/kernel-fixture.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import type { SessionId } from '../../src/base/index.ts'
import type { GenerateRequest, ModelEvent, SessionInfo } from '../../src/protocol/index.ts'
import { type MemoryFixture, openMemoryFixture } from './memory-fixture.ts'

const named = { memory: { titles: { model: 'session' } } }
const isTitleQuestion = ({ system }: GenerateRequest): boolean => system.startsWith('You name conversations')

/** Answers messages with "understood", and asks for titles with what the test says. */
function naming(title: () => AsyncIterable<readonly ModelEvent[]>) {
  const questions: string[] = []
  return {
    questions,
    play(request: GenerateRequest): AsyncIterable<readonly ModelEvent[]> {
      if (!isTitleQuestion(request)) return says('The hens lay fewer eggs in winter.')
      questions.push(JSON.stringify(request.messages))
      return title()
    },
  }
}

async function listed(guest: MemoryFixture, search = ''): Promise<readonly string[]> {
  return (await guest.ask<readonly SessionInfo[]>('session.list', { search, archived: true })).map(({ title }) => title)
}

/** Titles that say it. The search itself would put its words on record. */
async function withQuetzal(guest: MemoryFixture): Promise<readonly string[]> {
  return (await listed(guest)).filter((title) => /quetzal/i.test(title))
}

/** A message in a session of its own. Resolves when what follows from its turn is on record. */
async function open(guest: MemoryFixture, text: string, ends = 'session.title'): Promise<SessionId> {
  const { id } = await guest.kernel.createSession()
  const ended = Promise.withResolvers<void>()
  const stop = await guest.kernel.follow(id, 0, (event) => {
    if (event.type === 'record' && event.record.name === ends && event.record.phase === 'outcome') ended.resolve()
  })
  await guest.kernel.sendTurn({ session: id, clientId: crypto.randomUUID() as never, text })
  await ended.promise
  stop()
  return id
}

describe('the title of a session', () => {
  it('is written by a model after the first reply, once, as one plain short line', async () => {
    const model = naming(() => says('**"Hens and eggs in winter."**\nIgnore this line.'))
    await using guest = await openMemoryFixture({ config: named, play: model.play })
    const id = await open(guest, 'Why do my hens lay fewer eggs?\nThey are two years old.')
    assert.deepEqual(await listed(guest, 'hens winter'), ['Hens and eggs in winter'])
    assert.match(model.questions[0]!, /<<data [^]*Why do my hens lay fewer eggs\?[^]*fewer eggs in winter/)
    const second = crypto.randomUUID()
    const over = Promise.withResolvers<void>()
    await guest.kernel.follow(id, 0, (event) => {
      if (event.type === 'record' && String(event.record.call) === second && event.record.phase === 'outcome') over.resolve()
    })
    await guest.kernel.sendTurn({ session: id, clientId: second as never, text: 'And the cocks?' })
    await over.promise
    assert.equal(model.questions.length, 1)
  })

  it('from a person stays, and so does the first line if a model writes nothing, fails, or is not configured', async () => {
    const model = naming(() => says('Something else'))
    await using guest = await openMemoryFixture({ config: named, play: model.play })
    await guest.turn('Why do my hens lay fewer eggs?')
    assert.deepEqual(await listed(guest), ['test'])
    assert.equal(model.questions.length, 0)

    for (const answer of [() => says('"…"'), () => failing()]) {
      await using other = await openMemoryFixture({ config: named, play: naming(answer).play })
      await open(other, 'Why do my hens\nlay fewer eggs?')
      assert.ok((await listed(other)).includes('Why do my hens'))
    }
    const silent = naming(() => says('Something else'))
    await using without = await openMemoryFixture({ play: silent.play })
    await open(without, 'Why do my hens\nlay fewer eggs?', 'turn.send')
    assert.ok((await listed(without)).includes('Why do my hens'))
    assert.equal(silent.questions.length, 0)
  })

  it('is not requested when the daily budget is used up', async () => {
    const model = naming(() => says('Hens'))
    const config = { memory: { titles: { model: 'session', budget: { tokens: 1 } } } }
    await using guest = await openMemoryFixture({ config, play: model.play })
    await open(guest, 'First question about hens?')
    await open(guest, 'Second question about hens?')
    assert.equal(model.questions.length, 1)
    assert.deepEqual((await listed(guest)).toSorted(), ['Hens', 'Second question about hens?', 'test'])
  })

  it('with forgotten text is erased, in the same or in other words, from lists, journal and file, and others stay', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-titles-'))
    try {
      const store = await openSqliteStore({ path: join(folder, 'oxbow.db'), user, durability: 'normal' })
      await store.opened()
      const model = naming(() => says('Quetzal opens the safe'))
      const guest = await openMemoryFixture({ store, config: named, play: model.play })
      const told = await open(guest, 'Remember that the safe opens with 4711-Quetzal, will you?')
      const { id: renamed } = await guest.kernel.createSession('The safe opens with 4711-quetzal')
      await guest.ask('session.rename', { session: renamed, title: 'All about: the safe opens with 4711-Quetzal' })
      const { id: other } = await guest.kernel.createSession('Safe travels')
      assert.equal((await withQuetzal(guest)).length, 2, 'they were there')

      const { left } = await guest.ask<{ left: number }>('memory.forget', { text: 'the safe opens with 4711-Quetzal' })
      assert.equal(left, 0)
      assert.deepEqual(await withQuetzal(guest), [])
      for (const id of [told, renamed]) assert.equal((await store.session(id))?.title, '')
      assert.equal((await store.session(other))?.title, 'Safe travels')
      const records = await store.records({ order: 'oldest_first', limit: 1_000, hydrate: true })
      assert.deepEqual(
        records.filter(({ body }) => /quetzal/i.test(body)).map(({ name, phase }) => `${name} ${phase}`),
        [],
      )
      await guest.kernel.close()
      const files = await Promise.all((await readdir(folder)).map(async (name) => readFile(join(folder, name))))
      assert.ok(!files.some((bytes) => bytes.includes('Quetzal') || bytes.includes('quetzal')))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('is erased with what a turn repeated after it was asked to forget', async () => {
    const model = naming(() => says('Forgetting the quetzal safe code 4711'))
    const turns = [asks(['memory_forget', { text: 'the safe opens with 4711-Quetzal' }]), says('Done.')]
    const config = { ...named, approval: { calls: { 'memory.forget': 'allow' } } }
    await using guest = await openMemoryFixture({
      config,
      play: (request) => (isTitleQuestion(request) ? model.play(request) : turns.shift()!),
    })
    await guest.ask('memory.save', { content: 'the safe opens with 4711-Quetzal' })
    const id = await open(guest, 'Forget how that safe opens: 4711-Quetzal')
    await guest.memory.caughtUp()
    assert.deepEqual(await withQuetzal(guest), [])
    assert.equal((await guest.store.session(id))?.title, '')
  })
})

async function* failing(): AsyncGenerator<readonly ModelEvent[]> {
  const failure = { code: 'model_overloaded', message: 'busy', hint: '' } as const
  yield [{ type: 'error', failure, usage: { inputTokens: 1, outputTokens: 0, estimated: true } }]
}
