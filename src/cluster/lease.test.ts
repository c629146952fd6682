import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { describeLeaseContract } from './lease-contract.ts'
import { createLeases, type LeasePort, type Leases } from './lease.ts'

const leaseMs = 10_000
const marginMs = 1_500

/** A place of leases in memory, with keys that end by its clock. */
function memoryPlace(now: () => number): LeasePort {
  let revisions = 0
  const keys = new Map<string, { readonly revision: number; readonly at: number }>()
  const living = (key: string): number | null => {
    const kept = keys.get(key)
    return kept !== undefined && now() - kept.at < leaseMs ? kept.revision : null
  }
  const put = (key: string): number => {
    revisions += 1
    keys.set(key, { revision: revisions, at: now() })
    return revisions
  }
  return {
    create: async (key) => (living(key) === null ? put(key) : null),
    update: async (key, _value, revision) => (living(key) === revision ? put(key) : null),
    async remove(key, revision) {
      if (living(key) === revision) keys.delete(key)
    },
  }
}

describeLeaseContract('the fake', async () => {
  let now = 0
  return { port: memoryPlace(() => now), expire: async () => void (now += leaseMs), [Symbol.asyncDispose]: async () => {} }
})

function open(port: LeasePort, now: () => number): Leases & { readonly lost: string[] } {
  const lost: string[] = []
  const onLost = (user: string, why: string): void => void lost.push(`${user} ${why}`)
  return Object.assign(createLeases({ port, clock: { monotonicMs: now }, leaseMs, marginMs, onLost }), { lost })
}

test('a lease that is renewed is kept; one that cannot be is given up before another node can have it', async () => {
  let now = 0
  let isAway = false
  const place = memoryPlace(() => now)
  const port: LeasePort = { ...place, update: (...args) => (isAway ? Promise.reject(new Error('away')) : place.update(...args)) }
  const node = open(port, () => now)
  const other = open(place, () => now)
  assert.equal(await node.acquire('ann', 'a'), 1)
  for (let i = 0; i < 10; i += 1) {
    now += 2_500
    await node.renew()
  }
  assert.equal(await other.acquire('ann', 'b'), null)
  isAway = true
  for (const step of [2_500, 2_500, 2_500]) {
    now += step
    await node.renew()
  }
  assert.ok(node.holds('ann'))
  now += 1_000
  node.check()
  assert.deepEqual(node.lost, ['ann expired'])
  assert.equal(await other.acquire('ann', 'b'), null)
  now += 1_500
  assert.ok((await other.acquire('ann', 'b'))! > 11)
})

test('a process that was paused finds its lease over, and does not renew it', async () => {
  let now = 0
  const node = open(
    memoryPlace(() => now),
    () => now,
  )
  await node.acquire('ann', 'a')
  now += leaseMs - marginMs
  await node.renew()
  assert.deepEqual(node.lost, ['ann expired'])
  assert.equal(await node.change('ann', 'x'), null)
})

test('each change has a larger epoch, one that was released is free at once, and a key that was taken is lost', async () => {
  let now = 0
  const place = memoryPlace(() => now)
  const node = open(place, () => now)
  const epoch = await node.acquire('ann', 'a')
  const next = await node.change('ann', 'b')
  assert.ok(next! > epoch!)
  await node.release('ann')
  const other = open(place, () => now)
  assert.ok((await other.acquire('ann', 'c'))! > next!)
  await place.remove('ann', 3)
  await other.renew()
  assert.deepEqual(other.lost, ['ann taken'])
  assert.deepEqual(node.lost, [])
})

test('a renewal takes no change back that is under way, and says one again that could not be sent', async () => {
  const said: string[] = []
  let isAway = false
  const place = memoryPlace(() => 0)
  const node = open(
    {
      ...place,
      update: async (key, value, revision) => {
        if (isAway) throw new Error('away')
        said.push(value)
        return place.update(key, value, revision)
      },
    },
    () => 0,
  )
  await node.acquire('ann', 'starting')
  await Promise.all([node.change('ann', 'ready'), node.renew()])
  isAway = true
  await assert.rejects(node.change('ann', 'stopping'), /away/)
  isAway = false
  await node.renew()
  assert.deepEqual(said, ['ready', 'ready', 'stopping'])
})

test('whatever is slow, lost or paused, two nodes never hold a user at the same time', async () => {
  const step = fc.record({
    node: fc.nat(2),
    act: fc.constantFrom('acquire', 'renew', 'change', 'release', 'wait'),
    // Before the change takes place, and before its answer comes.
    wayMs: fc.constantFrom(0, 1, 900, 4_000, 9_000),
    backMs: fc.constantFrom(0, 1, 900, 4_000, 9_000),
    isAnswerLost: fc.boolean(),
    waitMs: fc.nat(6_000),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      let now = 0
      const place = memoryPlace(() => now)
      let [wayMs, backMs, isAnswerLost] = [0, 0, false]
      const slow = async <Result>(work: () => Promise<Result>): Promise<Result> => {
        now += wayMs
        const result = await work()
        now += backMs
        if (isAnswerLost) throw new Error('no answer')
        return result
      }
      const port: LeasePort = {
        create: (...args) => slow(() => place.create(...args)),
        update: (...args) => slow(() => place.update(...args)),
        remove: (...args) => slow(() => place.remove(...args)),
      }
      // Machines that were started at different times have different clocks.
      const nodes = [0, 1, 2].map((n) => open(port, () => now + n * 1_000_000))
      for (const { node, act, waitMs, ...way } of steps) {
        ;({ wayMs, backMs, isAnswerLost } = way)
        const own = nodes[node]!
        if (act === 'wait') now += waitMs
        else if (act === 'renew') await own.renew()
        else if (act === 'release') await own.release('ann')
        else await own[act]('ann', `node ${node}`).catch(() => null)
        for (const each of nodes) each.check()
        assert.ok(nodes.filter((each) => each.holds('ann')).length <= 1)
      }
    }),
    { numRuns: 300 },
  )
})
