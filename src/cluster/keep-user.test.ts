/** A guest that waits for its turn to start has its lease, says so, and ends its wait when the lease is lost or it is to be elsewhere. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type Kept, keepUser, type StartTurn, type Stop, type UserDeps } from './keep-user.ts'

function waitingUser() {
  const stopped = Promise.withResolvers<Stop>()
  const kept: Kept = { guest: null, epoch: 7, stop: stopped.resolve, stopped: stopped.promise, over: Promise.resolve() }
  const log: string[] = []
  const startGuest: UserDeps['startGuest'] = (_user, { epoch }, { signal, onWait }: StartTurn) => {
    log.push(`waits with ${epoch}`)
    onWait(12)
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))
  }
  const deps: UserDeps = {
    link: {
      term: 1,
      wake: async (user, node) => void log.push(`wake ${user} ${node}`),
      writePlace: async (_user, place) => void log.push(`place ${JSON.stringify(place)}`),
    },
    clock: { monotonicMs: () => 0 },
    name: 'a',
    url: 'https://a',
    startGuest,
    alarms: { set: async () => {}, due: async () => [] },
    restOf: () => null,
    underWay: () => 0,
    say: (text) => void log.push(text),
  }
  const leases = {
    change: async (_user: string, value: string) => {
      log.push(value)
      return 8
    },
    release: async (user: string) => void log.push(`release ${user}`),
  }
  const over = keepUser({ deps, leases, wake: async (user) => void log.push(`wake ${user}`) }, 'ann', kept, 7)
  return { kept, log, over }
}

const told = [
  'waits with 7',
  'ann: waits; 12 guests start before it',
  '{"node":"a","url":"https://a","epoch":0,"state":"starting","before":12}',
]

test('whose lease is lost while it waits never starts, and has not failed', async () => {
  const { kept, log, over } = waitingUser()
  await turn()
  kept.stop({ why: 'lost' })
  await over
  assert.deepEqual(log, [...told, 'release ann'])
})

test('one that waits on a node that drains is asked for elsewhere', async () => {
  const { kept, log, over } = waitingUser()
  await turn()
  kept.stop({ why: 'leave' })
  await over
  assert.deepEqual(log, [...told, 'release ann', 'wake ann'])
})
