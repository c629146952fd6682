import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openMemoryStore } from '../../store/index.ts'
import { asks, type FixtureOptions, inOrder, openFixture, says, user } from '../kernel-fixture.ts'
import type { SessionId } from '../../base/index.ts'
import type { GenerateRequest } from '../../protocol/index.ts'

const write = (...items: string[]) => asks(['scratchpad_write', { items }])

/** A model that plays these steps; what it was told is kept. */
function watched(...steps: ReturnType<typeof asks>[]) {
  const seen: GenerateRequest[] = []
  const played = inOrder(...steps)
  const play: NonNullable<FixtureOptions['play']> = (request, signal) => {
    seen.push(request)
    return played(request, signal)
  }
  return { seen, play }
}

const isTwo = (body: unknown): boolean => JSON.stringify((body as { items: unknown }).items) === '["two"]'

const resultOf = (request: GenerateRequest | undefined): string => {
  const last = request?.messages.at(-1)
  return last?.role === 'tool' ? last.parts[0].text : ''
}

describe('the scratchpad', () => {
  it('is empty at first, has the newest content, and is shown to the model at the beginning of later turns', async () => {
    const { seen, play } = watched(
      asks(['scratchpad_read']),
      write('one', 'two\nlines'),
      write('three'),
      asks(['scratchpad_read']),
      says('noted'),
      says('again'),
    )
    await using guest = await openFixture({ play })
    await guest.turn('note it')
    await guest.turn('and now?')
    assert.deepEqual(seen.slice(1, 5).map(resultOf), [
      'The scratchpad is empty.',
      'The scratchpad holds 2 items.',
      'The scratchpad holds 1 item.',
      '1. three',
    ])
    assert.ok(!seen[4]!.system.includes('scratchpad, notes'))
    assert.match(seen[5]!.system, /notes that you wrote for yourself in this session \(not written by the person\):\n1\. three$/)
  })

  it('has, in a fork, its content at the point of the fork', async () => {
    const { play } = watched(write('one'), says('noted'), write('two'), says('noted'))
    await using guest = await openFixture({ play })
    await guest.turn('note it')
    const { seq: first } = await guest.record(({ name, phase }) => name === 'turn.send' && phase === 'outcome')
    await guest.turn('and note this')
    const padIn = async (at: number): Promise<string> => {
      const fork = await guest.kernel.call('session.fork', { session: guest.session, at })
      assert.ok(fork.status === 'ok')
      return (await guest.kernel.call('scratchpad.read', {}, (fork.output as { session: SessionId }).session)).text
    }
    const { seq: asked } = await guest.record(({ name, phase }) => name === 'turn.send' && phase === 'started')
    assert.deepEqual(await Promise.all([padIn(asked), padIn(first), padIn(1_000_000)]), ['The scratchpad is empty.', '1. one', '1. two'])
  })

  it("has, in forks of forks, a person's changes, and nothing from before an erasure", async () => {
    await using guest = await openFixture({ play: inOrder(write('one'), says('noted'), says('and on'), write('two'), says('noted')) })
    const { kernel } = guest
    const padIn = async (session: SessionId): Promise<string> => (await kernel.call('scratchpad.read', {}, session)).text
    const fork = async (input: { session: SessionId; at?: number }): Promise<SessionId> => {
      const made = await kernel.call('session.fork', input)
      assert.ok(made.status === 'ok')
      return (made.output as { session: SessionId }).session
    }
    const end = async (text: string): Promise<number> => {
      const { turn } = await guest.turn(text)
      return (await guest.record(({ call, phase }) => String(call) === turn && phase === 'outcome')).seq
    }
    const noted = await end('note it')
    await kernel.call('scratchpad.clear', {}, guest.session)
    const cleared = await fork({ session: guest.session })
    await kernel.call('scratchpad.write', { items: ['by a person'] }, guest.session)
    const written = await fork({ session: guest.session })
    await kernel.call('scratchpad.clear', {}, written)
    const ends = [noted, await end('go on'), await end('note this')]
    const forks = [cleared, await fork({ session: cleared }), written, await fork({ session: written, at: noted })]
    forks.push(...(await Promise.all(ends.map((at) => fork({ session: guest.session, at })))))
    const none = 'The scratchpad is empty.'
    assert.deepEqual(await Promise.all(forks.map(padIn)), [none, none, none, '1. one', '1. one', '1. by a person', '1. two'])

    await kernel.call('scratchpad.write', { items: ['three'] }, guest.session)
    const { seq } = await guest.record(({ name, phase, body }) => phase === 'outcome' && name === 'scratchpad.write' && isTwo(body))
    await guest.store.erase([seq], 'forgotten')
    assert.equal(await padIn(await fork({ session: guest.session, at: ends[2]! })), none)
  })

  it('survives a restart from only the journal, and belongs to one session', async () => {
    const store = await openMemoryStore({ user })
    const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
    const first = await openFixture({
      play: watched(write('x'.repeat(240), ...Array.from({ length: 20 }, (_, i) => `${i}`.repeat(99)))).play,
      store: keepOpen,
    })
    await first.turn('note it')
    await first.kernel.close()

    const later = watched(says('hi'), says('ho'))
    await using second = await openFixture({ play: later.play, store, session: first.session })
    const unopened = await second.kernel.call('scratchpad.read', {}, first.session)
    assert.equal(unopened.status === 'ok' && (unopened.output as { item_count: number }).item_count, 21, 'before anybody speaks in it')
    await second.turn('and now?')
    assert.match(later.seen[0]!.system, /\n1\. x{240}\n2\. 0{99}\n/)
    const read = await second.kernel.call('scratchpad.read', {}, first.session)
    const { item_count: count, session_id: id } = (read as unknown as { output: { item_count: number; session_id: string } }).output
    assert.deepEqual([count, id], [21, first.session])
    const other = await second.kernel.createSession('other')
    const empty = await second.kernel.call('scratchpad.read', {}, other.id)
    assert.equal(empty.status === 'ok' && (empty.output as { item_count: number }).item_count, 0)
  })

  it('can be cleared, and is then not shown', async () => {
    const { seen, play } = watched(write('one'), asks(['scratchpad_clear']), asks(['scratchpad_read']), says('clear'), says('next'))
    await using guest = await openFixture({ play })
    await guest.turn('clear it')
    await guest.turn('and now?')
    assert.equal(resultOf(seen[3]), 'The scratchpad is empty.')
    assert.ok(!seen[4]!.system.includes('notes that you wrote'))
  })

  it('is limited to 32 items of 240 characters, and 8 KiB in all', async () => {
    await using guest = await openFixture()
    const status = async (items: readonly string[]) =>
      (await guest.kernel.call('scratchpad.write', { items: [...items] }, guest.session)).status
    assert.equal(await status(Array.from({ length: 33 }, () => 'x')), 'refused')
    assert.equal(await status(['x'.repeat(241)]), 'refused')
    assert.equal(await status([]), 'refused')
    assert.equal(await status(Array.from({ length: 32 }, () => 'ö'.repeat(129))), 'refused')
    assert.equal(await status(Array.from({ length: 32 }, () => 'ö'.repeat(128))), 'ok')
  })

  it('is recorded with each change; a turn without a change adds nothing to the journal', async () => {
    await using guest = await openFixture({ play: inOrder(write('one'), says('noted'), says('plain')) })
    await guest.turn('note it')
    const { body } = await guest.record(({ name, phase }) => name === 'scratchpad.write' && phase === 'outcome')
    const { items, text } = body as { items: string[]; text: string }
    assert.deepEqual([items, text], [['one'], 'The scratchpad holds 1 item.'])
    await guest.turn('plain')
    const names = guest.events.flatMap((event) => (event.type === 'record' ? [event.record.name] : []))
    assert.equal(names.filter((name) => name.startsWith('scratchpad.')).length, 2)
  })
})
