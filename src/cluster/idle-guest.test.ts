import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Resting, untilSleep } from './idle-guest.ts'

type Answer = Awaited<ReturnType<Resting['now']>>

/** A guest that is idle at once, and answers the second question with each of these in turn. */
function idleGuest(answers: readonly Answer[]) {
  const left = [...answers]
  const log: string[] = []
  const deps = {
    resting: {
      untilIdle: async (signal: AbortSignal) => (signal.aborted ? null : {}),
      now: async () => left.shift() ?? { busy: 'nothing is known of it', nextAt: null },
    },
    underWay: () => 0,
    hide: async () => void log.push('hidden'),
    unhide: () => void log.push('shown'),
  }
  return { deps, log }
}

test('a guest sleeps when it has nothing to do while doors hold back what comes', async () => {
  const { deps, log } = idleGuest([
    { busy: '1 turns', nextAt: null },
    { busy: '', nextAt: 77 },
  ])
  assert.deepEqual(await untilSleep(deps, new AbortController().signal), { nextAt: 77 })
  assert.deepEqual(log, ['hidden', 'shown', 'hidden'])
})

test('what came to the door before it was closed keeps the guest awake', async () => {
  const { deps, log } = idleGuest([
    { busy: '', nextAt: null },
    { busy: '', nextAt: 5 },
  ])
  const counts = [1, 0, 1, 0, 0]
  assert.deepEqual(await untilSleep({ ...deps, underWay: () => counts.shift() ?? 0 }, new AbortController().signal), { nextAt: 5 })
  assert.deepEqual(log, ['hidden', 'shown', 'hidden'])
})

test('a guest that ends, or never sleeps, is asked no more', async () => {
  const ended = new AbortController()
  const { deps, log } = idleGuest([{ busy: '', nextAt: null }])
  ended.abort()
  const late = Symbol('late')
  const soon = new Promise((resolve) => void setImmediate(resolve, late))
  assert.equal(await Promise.race([untilSleep(deps, ended.signal), soon]), late)
  assert.equal(await Promise.race([untilSleep({ ...deps, resting: null }, new AbortController().signal), soon]), late)
  assert.deepEqual(log, [])
})
