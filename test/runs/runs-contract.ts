/**
 * What every implementation of the port of runs must do, whoever holds the leases. Its workers are kernels on one store: steps are calls,
 * which pass the gate, and the world is outside of all of them.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Store } from '../../src/store/index.ts'
import { isOxbowError } from '../../src/base/index.ts'
import { scaled } from '../support/scale.ts'
import {
  category,
  countOf,
  dying,
  ended,
  type Job,
  holdJobs,
  jobId,
  newJob,
  newWorld,
  of,
  openWorker,
  soon,
  steps,
  type RunsRig,
  type WithStore,
} from './job-workers.ts'
import { cancels, ends, places } from './runs-ends.ts'

export function describeRunsContract(name: string, make: () => Promise<RunsRig>): void {
  const withStore = (what: string, check: (store: Store) => Promise<void>): void =>
    void it(what, async () => {
      const { store, drop } = await make()
      try {
        await check(store)
      } finally {
        await drop()
      }
    })
  describe(`runs over ${name}`, () => {
    deaths(make)
    ends(withStore)
    cancels(withStore)
    places(withStore)
    leases(withStore)
    times(withStore)
    starts(withStore)
    crowds(withStore)
  })
}

function deaths(make: () => Promise<RunsRig>): void {
  it('a worker may die between any two records of a run: the next one finishes it, and repeats nothing', async () => {
    let lives = 0
    for (let writes = 0, isWhole = false; !isWhole; writes += scaled(1, 3)) {
      const { store, drop } = await make()
      const world = newWorld()
      const id = jobId(writes)
      const mortal = dying(store, Infinity)
      await using first = await openWorker(mortal.store, { world })
      const { store: fatal, dead } = dying(store, writes)
      // What it writes from here on is counted.
      Object.assign(mortal.store, { append: fatal.append, claimLane: fatal.claimLane })
      const begun = holdJobs(first).begin(of(first.core), id, newJob())
      const whole = begun
        .then(() => ended(id, first))
        .then(
          () => true,
          () => false,
        )
      isWhole = await Promise.race([dead.then(() => false), whole])
      await first[Symbol.asyncDispose]()
      await using second = await openWorker(store, { world })
      const held = holdJobs(second)
      await held.load()
      const job = await held.begin(of(second.core), id, newJob()).then(() => ended(id, second))
      assert.equal(job.status, 'done', `after ${writes} writes`)
      assert.ok(job.done[0]?.startsWith('ok') && job.done[2]?.startsWith('ok'), JSON.stringify(job.done))
      const happened = countOf(world, id, 'once')
      if (job.done[1]!.startsWith('ok')) assert.equal(happened, 1)
      else assert.ok(job.done[1] === 'outcome_unknown' && happened <= 1, `${job.done[1]}, happened ${happened} times`)
      assert.ok(countOf(world, id, 'first') >= 1 && countOf(world, id, 'last') >= 1)
      lives += 1
      await second[Symbol.asyncDispose]()
      await drop()
    }
    assert.ok(lives >= scaled(9, 4), `${lives} lives`)
  })
}

function leases(withStore: WithStore): void {
  withStore('a worker that was paused past its lease is refused when it wakes', async (store) => {
    const world = newWorld()
    const id = jobId(0)
    const [reached, woken] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let isPaused = false
    const sleepy = Object.assign(Object.create(store) as Store, {
      claimLane: async (...claim: Parameters<Store['claimLane']>) => {
        if (isPaused) await woken.promise
        return store.claimLane(...claim)
      },
    })
    await using a = await openWorker(sleepy, { name: 'a', leaseMs: 400, world })
    const lost = Promise.withResolvers<unknown>()
    const held = a.runs.hold<Job>({
      name: 'jobs',
      category,
      dueAt: ({ status, due }) => (status === 'open' ? due : null),
      async goOn({ state, signal }) {
        isPaused = true
        reached.resolve()
        await woken.promise
        await held.put(of(a.core), [{ category, name: id, value: { ...state, status: 'done', done: ['stale'] } }]).catch(lost.resolve)
        assert.ok(signal.aborted)
      },
    })
    void held.begin(of(a.core), id, newJob()).catch(() => {})
    await reached.promise
    await using b = await openWorker(store, { name: 'b', leaseMs: 400, world })
    await holdJobs(b).load()
    assert.equal((await b.core.documents.get<Job>(category, id))?.value.done.length, 0, 'nobody takes it while the lease lasts')
    await ended(id, b)
    woken.resolve()
    assert.ok(isOxbowError(await lost.promise, 'stale_epoch'))
    assert.deepEqual((await ended(id, b)).done, ['ok 0', 'ok 0', 'ok 0'])
  })

  withStore('of two workers that ask at once, one has the runs', async (store) => {
    const world = newWorld()
    const ids = Array.from({ length: 20 }, (_, n) => jobId(n))
    await using a = await openWorker(store, { name: 'a', world })
    await using b = await openWorker(store, { name: 'b', world })
    const jobs = ids.map((id) => ({ category, name: id, value: newJob() }))
    await a.core.documents.put(of(a.core), jobs)
    await Promise.all([a, b].map((worker) => holdJobs(worker).load()))
    for (const id of ids) assert.deepEqual((await ended(id, a, b)).done, ['ok 0', 'ok 0', 'ok 0'])
    assert.equal(new Set(world.effects).size, world.effects.length, 'no step happened twice')
    assert.equal(world.effects.length, ids.length * steps.length)
  })
}

function times(withStore: WithStore): void {
  withStore('the clock may be set, forth and back: a run goes on when it shows its time, once', async (store) => {
    const world = newWorld()
    await using worker = await openWorker(store, { world })
    const held = holdJobs(worker)
    const [early, late] = [jobId(0), jobId(1)]
    const now = worker.clock.now()
    await held.begin(of(worker.core), early, newJob(now + 3_600_000))
    await held.begin(of(worker.core), late, newJob(now + 7_200_000))
    worker.pass(-86_400_000)
    await soon()
    assert.deepEqual(world.effects, [])
    worker.pass(86_400_000 + 3_600_000)
    await ended(early, worker)
    worker.pass(-3_600_000)
    worker.pass(3_600_000)
    await soon()
    assert.equal(countOf(world, early, 'first'), 1)
    assert.equal(countOf(world, late, 'first'), 0)
    worker.pass(3_600_000)
    await ended(late, worker)
    assert.equal(world.effects.length, 2 * steps.length)
  })

  withStore('a run that waits for a month goes on then, in whichever worker there is', async (store) => {
    const world = newWorld()
    const id = jobId(0)
    const month = 31 * 86_400_000
    {
      await using first = await openWorker(store, { world })
      await holdJobs(first).begin(of(first.core), id, newJob(first.clock.now() + month))
      first.pass(month - 60_000)
      await soon()
    }
    assert.deepEqual(world.effects, [])
    await using second = await openWorker(store, { world, aheadMs: month + 1_000 })
    await holdJobs(second).load()
    await ended(id, second)
    assert.equal(world.effects.length, steps.length)
  })
}

function starts(withStore: WithStore): void {
  withStore('what is begun twice is one run', async (store) => {
    const world = newWorld()
    await using worker = await openWorker(store, { name: 'a', world })
    await using other = await openWorker(store, { name: 'b', world })
    const held = holdJobs(worker)
    const id = jobId(0)
    const begin = (due: number): Promise<Job> => held.begin(of(worker.core), id, newJob(due))
    const elsewhere = holdJobs(other)
      .begin(of(other.core), id, newJob())
      .catch((error: unknown) => assert.ok(isOxbowError(error, 'stale_epoch')))
    const [one, two] = await Promise.allSettled([begin(1), begin(2)])
    await elsewhere
    const jobs = [one, two].flatMap((each) => (each.status === 'fulfilled' ? [each.value.due] : []))
    assert.equal(new Set(jobs).size, Math.min(1, jobs.length))
    await ended(id, worker, other)
    await begin(3).catch(() => {})
    await soon()
    assert.equal(world.effects.length, steps.length)
  })

  withStore('what happens before anybody waits for it is found', async (store) => {
    await using worker = await openWorker(store)
    let fact: string | null = 'came first'
    assert.equal(await worker.runs.until('topic', () => fact), 'came first')
    fact = null
    const waiting = worker.runs.until('topic', () => fact)
    fact = 'came later'
    worker.runs.changed('topic')
    assert.equal(await waiting, 'came later')
    // Changes of the document: before anybody holds the kind, and while the run goes on.
    const id = jobId(0)
    const seen: number[] = []
    const two = Promise.withResolvers<void>()
    await worker.core.documents.put(of(worker.core), [{ category, name: id, value: newJob(1) }])
    const held = worker.runs.hold<Job>({
      name: 'jobs',
      category,
      dueAt: ({ status, due }) => (status === 'open' ? due : null),
      async goOn({ state }) {
        seen.push(state.due)
        if (seen.length === 2) return two.resolve()
        await worker.core.documents.put(of(worker.core), [{ category, name: id, value: newJob(2) }])
      },
    })
    await held.load()
    await two.promise
    assert.deepEqual(seen, [1, 2])
  })
}

function crowds(withStore: WithStore): void {
  const many = scaled(10_000, 500)
  withStore(`${many} that are due at one second begin in order, within the limits, and none is left`, async (store) => {
    await using worker = await openWorker(store)
    const { core, runs } = worker
    const order: string[] = []
    let now = 0
    let most = 0
    let mostOfKind = 0
    let ofKind = 0
    const since = worker.clock.now()
    const names = Array.from({ length: many }, (_, n) => String(n).padStart(6, '0'))
    // The newest have the first names: it is the time that counts.
    const states = names.map((name, n) => ({ category, name, value: { ...newJob(since - n), done: [] } }))
    for (let at = 0; at < many; at += 500) await core.documents.put(of(core), states.slice(at, at + 500))
    const over = Promise.withResolvers<void>()
    const held = runs.hold<Job>({
      name: 'jobs',
      category,
      dueAt: ({ status, due }) => (status === 'open' ? due : null),
      async goOn({ id, state, signal }) {
        const isSlow = Number(id) % 2 === 0
        const kind = isSlow ? { name: 'slow', most: 2 } : undefined
        await runs.queue.enter({ key: id, session: id, priority: 'normal', since: state.due, ...(kind !== undefined && { kind }) }, signal)
        order.push(id)
        most = Math.max(most, (now += 1))
        mostOfKind = Math.max(mostOfKind, (ofKind += isSlow ? 1 : 0))
        await held.put(of(core), [{ category, name: id, value: { ...state, status: 'done' } }])
        now -= 1
        ofKind -= isSlow ? 1 : 0
        runs.queue.leave(id)
        if (order.length === many && now === 0) over.resolve()
      },
    })
    await held.load()
    await over.promise
    assert.equal(new Set(order).size, many)
    assert.equal(most, 5)
    assert.equal(mostOfKind, 2)
    const byKind = (rest: number): readonly string[] => order.filter((id) => Number(id) % 2 === rest)
    for (const rest of [0, 1]) assert.deepEqual(byKind(rest), byKind(rest).toSorted().toReversed(), 'the oldest of a kind first')
  })
}
