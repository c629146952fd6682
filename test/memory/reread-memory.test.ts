/** Reading everything again, while people and agents go on: what they forget or rewrite meanwhile stays as they left it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { user } from '../../src/kernel/kernel-fixture.ts'
import { createLocalTextEngine, createMemory, type Memory, type TextEngine } from '../../src/memory/index.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import { systemClock } from '../../src/base/index.ts'
import { configSchema } from '../../src/services/index.ts'
import { openMemoryFixture } from './memory-fixture.ts'

const asking = {
  id: 'call-1',
  caller: { user, actor: 'user:ada', rights: new Set<string>(), audience: 'terminal', session: '', turn: '', process: '' },
} as never

interface Paused {
  readonly memory: Memory
  readonly store: Store
  /** From now on reading stops in the middle. @returns what resolves when it stands there */
  pause(): Promise<void>
  goOn(): void
}

async function openPaused(given?: Store): Promise<Paused & AsyncDisposable> {
  const store = given ?? (await openMemoryStore({ user }))
  const inner = createLocalTextEngine({ embedder: 'none' })
  let gate: { reached(): void; readonly open: Promise<void>; goOn(): void } | null = null
  const held = async <Made>(made: Promise<Made>): Promise<Made> => {
    await made
    gate?.reached()
    await gate?.open
    return made
  }
  const text: TextEngine = {
    ...inner,
    terms: (words) => held(inner.terms(words)),
    storedTerms: (words) => held(inner.storedTerms(words)),
    cut: (texts) => held(inner.cut(texts)),
  }
  const config = configSchema.parse({ memory: { embedder: 'none' } }).memory
  const memory = createMemory({ store, config, clock: systemClock, text: async () => text })
  return {
    memory,
    store,
    pause() {
      const [reached, open] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      gate = { reached: reached.resolve, open: open.promise, goOn: open.resolve }
      return reached.promise
    },
    goOn() {
      gate?.goOn()
      gate = null
    },
    async [Symbol.asyncDispose]() {
      await memory.close()
      await store.close()
    },
  }
}

/** Time enough for a change that nothing holds up. */
async function rounds(): Promise<void> {
  for (let i = 0; i < 200; i++) await yieldToEventLoop()
}

describe('memory that is reindexed', () => {
  it('does not bring back text that is forgotten meanwhile', async () => {
    await using house = await openPaused()
    const notes = await house.memory.notes()
    const { id } = await notes.save({ content: 'The safe opens with 7312.', tags: [] }, asking)
    const standing = house.pause()
    const again = house.memory.reindex(AbortSignal.timeout(60_000))
    await standing
    const gone = notes.remove(id, asking)
    await Promise.race([gone, rounds()])
    house.goOn()
    await Promise.all([again, gone])
    assert.deepEqual(await house.store.memory.items([id]), [])
    assert.equal((await house.store.memory.stats()).passages, 0)
  })

  it('does not undo changes of a note meanwhile, and includes pending ones', async () => {
    await using house = await openPaused()
    const notes = await house.memory.notes()
    const corrections = await house.memory.corrections()
    const { id } = await notes.save({ content: 'The gate is green.', tags: [] }, asking)
    const earlier = corrections.setValid(id, Date.UTC(2020, 0), null)
    const standing = house.pause()
    const again = house.memory.reindex(AbortSignal.timeout(60_000))
    await standing
    const pinned = corrections.pin(id, true)
    await Promise.race([pinned, rounds()])
    house.goOn()
    await Promise.all([earlier, again, pinned])
    const [item] = await house.store.memory.items([id])
    assert.deepEqual([item?.entry.tags, item?.entry.validFrom], [['pinned'], Date.UTC(2020, 0)])
  })

  it('does not keep text that is forgotten while it is indexed for the first time', async () => {
    await using guest = await openMemoryFixture({ config: { memory: { index_messages: false } } })
    await guest.turn('The safe opens with 7312.')
    const { store } = guest
    await using house = await openPaused(store)
    const standing = house.pause()
    house.memory.poke()
    await standing
    const by = { ...(asking as object), signal: AbortSignal.timeout(60_000), erase: store.erase } as never
    const gone = (await house.memory.forgetting()).forget({ ids: [], text: 'safe opens with 7312' }, by)
    await Promise.race([gone, rounds()])
    house.goOn()
    assert.equal((await gone).left, 0)
    await house.memory.caughtUp()
    assert.deepEqual(
      (await store.memory.list({}, 10)).map(({ author }) => author),
      ['agent'],
    )
  })

  it('lets new notes be added between two long messages', async () => {
    await using guest = await openMemoryFixture({ config: { memory: { index_messages: false } } })
    for (let i = 0; i < 4; i++) await guest.turn('An ox goes slowly. '.repeat(4_000))
    const kept: string[] = []
    let saving: Promise<unknown> | undefined
    const change: Store['memory']['change'] = async (changes) => {
      const kinds = changes.flatMap((each) => (each.change === 'put' ? [each.item.entry.kind] : []))
      if (kinds.includes('message') && saving === undefined) {
        saving = house.memory.notes().then((notes) => notes.save({ content: 'The gate is green.', tags: [] }, asking))
        await Promise.race([saving, rounds()])
      }
      kept.push(...kinds)
      await guest.store.memory.change(changes)
    }
    const memory = Object.assign(Object.create(guest.store.memory) as Store['memory'], { change })
    await using house = await openPaused(Object.assign(Object.create(guest.store) as Store, { memory }))
    house.memory.poke()
    await house.memory.caughtUp()
    await saving
    assert.equal(kept.length, 9)
    assert.ok(kept.indexOf('note') < kept.lastIndexOf('message'), kept.join())
  })

  it('keeps changes of a note while it is rewritten', async () => {
    await using house = await openPaused()
    const [notes, corrections] = [await house.memory.notes(), await house.memory.corrections()]
    const { id } = await notes.save({ content: 'The gate is green.', tags: [] }, asking)
    await Promise.all([notes.update(id, { content: 'The gate is blue.', tags: null }, asking), corrections.pin(id, true)])
    const [item] = await house.store.memory.items([id])
    assert.deepEqual([item?.passages[0]?.text, item?.entry.tags], ['The gate is blue.', ['pinned']])
  })

  it('that fails midway blocks nobody', async () => {
    await using house = await openPaused()
    const notes = await house.memory.notes()
    const { id } = await notes.save({ content: 'The gate is green.', tags: [] }, asking)
    const { list } = house.store.memory
    house.store.memory.list = () => Promise.reject(new Error('planted'))
    await assert.rejects(house.memory.reindex(AbortSignal.timeout(60_000)), /planted/)
    house.store.memory.list = list
    await notes.remove(id, asking)
  })
})
