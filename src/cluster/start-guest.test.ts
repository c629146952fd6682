/** A node that takes over many users at once starts a few of them at a time, and the others wait. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { BegunGuest, ensureGuest, GuestSetup, RunningGuest } from '../runner/index.ts'
import { createStarter, type GuestStarter } from './start-guest.ts'

const lease = { term: 1, epoch: 1, node: 'a' }
const setup = (): GuestSetup => ({ config: { sandbox: { isolate_guest: false } } }) as GuestSetup

interface Start {
  readonly isWarm: boolean
  ready(): void
  fail(): void
}

function starterOf(atOnce: number) {
  const starts: Start[] = []
  const waits: number[] = []
  let spares = 0
  let ended = 0
  const ensure: typeof ensureGuest = (options) => {
    const done = Promise.withResolvers<RunningGuest>()
    starts.push({
      isWarm: options.begun !== undefined,
      ready: () => done.resolve({ owned: true } as RunningGuest),
      fail: () => done.reject(new Error('it fails')),
    })
    return done.promise
  }
  const begin = (): BegunGuest => {
    spares += 1
    return { take: () => undefined, end: () => void (ended += 1) }
  }
  const starter = createStarter({ setup, begin, atOnce, ensure })
  const start = (user: string, signal: AbortSignal = new AbortController().signal): ReturnType<GuestStarter['start']> => {
    const started = starter.start(user, lease, { signal, onWait: (before) => void waits.push(before) })
    started.catch(() => {})
    return started
  }
  return { starter, start, starts, waits, spares: () => spares, ended: () => ended }
}

test('of many guests some start at once; the others are told and start in order, whatever becomes of those before', async () => {
  const { starter, start, starts, waits } = starterOf(2)
  const all = ['ann', 'bob', 'cleo', 'dora'].map((user) => start(user))
  await turn()
  assert.deepEqual([starts.length, waits], [2, [2, 3]])
  assert.deepEqual(
    starts.map(({ isWarm }) => isWarm),
    [true, false],
  )
  starts[0]!.fail()
  await assert.rejects(all[0]!, /it fails/)
  await turn()
  assert.equal(starts.length, 3)
  starts[1]!.ready()
  await all[1]
  await turn()
  for (const { ready } of starts.slice(2)) ready()
  await Promise.all(all.slice(2))
  assert.equal(starts.length, 4)
  starter.close()
})

test('a guest that is not to start here any more gives up its turn, and one that has begun goes on', async () => {
  const { starter, start, starts } = starterOf(1)
  const [first, second] = [new AbortController(), new AbortController()]
  const [ann, bob, cleo] = [start('ann', first.signal), start('bob', second.signal), start('cleo')]
  second.abort(new Error('another node has it'))
  await assert.rejects(bob, /another node has it/)
  first.abort()
  starts[0]!.ready()
  assert.equal((await ann).owned, true)
  await turn()
  starts[1]!.ready()
  await cleo
  assert.equal(starts.length, 2)
  starter.close()
})

test('the next process is made ready ahead when no guest is to start, not before', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { starter, start, starts, spares, ended } = starterOf(1)
  const [ann, bob] = [start('ann'), start('bob')]
  await turn()
  starts[0]!.ready()
  await ann
  t.mock.timers.tick(60_000)
  assert.equal(spares(), 1)
  await turn()
  starts[1]!.ready()
  await bob
  t.mock.timers.tick(60_000)
  assert.deepEqual([spares(), ended()], [2, 0])
  starter.close()
  assert.equal(ended(), 1)
})
