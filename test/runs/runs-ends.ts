/** The part of the contract of runs that is about how they end and rest: results, deadlines, pauses, cancellations, lent places. */
import assert from 'node:assert/strict'
import type { RunQueue } from '../../src/runs/queue.ts'
import type { HeldRuns } from '../../src/runs/runs.ts'
import type { Store } from '../../src/store/index.ts'
import { OxbowError } from '../../src/base/index.ts'
import {
  category,
  countOf,
  dying,
  ended,
  holdJobs,
  type Job,
  jobId,
  newJob,
  newWorld,
  of,
  openWorker,
  soon,
  steps,
  type WithStore,
  type Worker,
} from './job-workers.ts'

export function ends(withStore: WithStore): void {
  withStore('a result that is larger than a record is kept whole, and its step is not repeated', async (store) => {
    const world = newWorld('x'.repeat(12_000))
    const id = jobId(0)
    // Its first step is recorded; what follows from it is not.
    const mortal = dying(store, Infinity)
    const first = await openWorker(mortal.store, { world })
    world.before = async (step) => {
      if (step === 'once')
        Object.assign(mortal.store, { append: () => Promise.reject(new OxbowError('store_failed', 'gone', { hint: '' })) })
    }
    void holdJobs(first)
      .begin(of(first.core), id, newJob())
      .catch(() => {})
    while (countOf(world, id, 'once') === 0) await soon()
    await first[Symbol.asyncDispose]()
    world.before = async () => {}
    await using second = await openWorker(store, { world })
    await holdJobs(second).load()
    const job = await ended(id, second)
    assert.deepEqual(job.done, [`ok ${world.result.length}`, 'outcome_unknown', `ok ${world.result.length}`])
    assert.equal(countOf(world, id, 'first'), 1)
    assert.equal(countOf(world, id, 'once'), 1)
  })

  withStore('one whose time is over records that, once, by the clock, also where a later worker has it', async (store) => {
    const hour = 3_600_000
    const [early, late] = [jobId(0), jobId(1)]
    const heard = new Map<string, unknown>()
    {
      await using first = await openWorker(store)
      const held = holdWaiting(first, (id, reason) => heard.set(id, reason))
      await held.begin(of(first.core), early, newJob(first.clock.now() + hour))
      await held.begin(of(first.core), late, newJob(first.clock.now() + 2 * hour))
      first.pass(hour)
      assert.equal((await ended(early, first)).status, 'cancelled')
      assert.deepEqual([...heard], [[early, 'deadline']])
    }
    assert.equal(heard.get(late), 'shutdown')
    await using second = await openWorker(store, { aheadMs: 10 * hour })
    await holdWaiting(second, (id, reason) => heard.set(id, reason)).load()
    assert.equal((await ended(late, second)).status, 'cancelled')
    assert.equal(heard.get(late), 'deadline')
  })

  withStore('one that is paused rests until its document says that it goes on, also over a restart', async (store) => {
    const world = newWorld()
    const id = jobId(0)
    {
      await using first = await openWorker(store, { world })
      const held = holdJobs(first)
      await held.begin(of(first.core), id, { ...newJob(), status: 'paused' })
      first.pass(86_400_000)
      await soon()
    }
    await using second = await openWorker(store, { world })
    const held = holdJobs(second)
    await held.load()
    await soon()
    assert.deepEqual(world.effects, [])
    assert.equal(held.open().length, 1)
    await held.put(of(second.core), [{ category, name: id, value: newJob() }])
    await ended(id, second)
    assert.equal(world.effects.length, steps.length)
  })
}

export function cancels(withStore: WithStore): void {
  withStore('one that is cancelled before its worker has the lease is told so', async (store) => {
    const claiming = Promise.withResolvers<void>()
    const slow = Object.assign(Object.create(store) as Store, {
      claimLane: (...claim: Parameters<Store['claimLane']>) => claiming.promise.then(() => store.claimLane(...claim)),
    })
    await using worker = await openWorker(slow)
    const over = Promise.withResolvers<unknown>()
    const held = holdWaiting(worker, (_, reason) => over.resolve(reason))
    const id = jobId(0)
    await worker.core.documents.put(of(worker.core), [{ category, name: id, value: newJob(worker.clock.now() + 3_600_000) }])
    const cancelled = held.cancel(id)
    claiming.resolve()
    await cancelled
    assert.equal(await over.promise, 'cancelled')
  })

  withStore('one that is cancelled during a step ends there, also for the next worker', async (store) => {
    const world = newWorld()
    const id = jobId(0)
    const reached = Promise.withResolvers<void>()
    world.before = async (step, signal) => {
      if (step !== 'once') return
      reached.resolve()
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    {
      await using first = await openWorker(store, { world })
      const held = holdJobs(first)
      await held.begin(of(first.core), id, newJob())
      await reached.promise
      await held.cancel(id)
      assert.equal((await ended(id, first)).status, 'cancelled')
    }
    await using second = await openWorker(store, { world })
    await holdJobs(second).load()
    await soon()
    assert.equal((await ended(id, second)).status, 'cancelled')
    assert.deepEqual([countOf(world, id, 'once'), countOf(world, id, 'last')], [0, 0])
  })
}

/** Places are lent and come back, within the limits and never twice. The workers of the suite have five. */
export function places(withStore: WithStore): void {
  const kind = { name: 'slow', most: 1 }
  const enter = ({ runs, clock }: Worker, key: string, own: boolean): Promise<boolean> =>
    runs.queue.enter({ key, session: key, priority: 'normal', since: clock.now(), ...(own && { kind }) })
  /** `first` has lent the one place of its kind, and `second` has it. */
  const lend = async (worker: Worker): Promise<RunQueue> => {
    const { queue } = worker.runs
    await enter(worker, 'first', true)
    queue.pause('first')
    await enter(worker, 'second', true)
    return queue
  }
  const isSettled = (promise: Promise<unknown>): Promise<boolean> => Promise.race([promise.then(() => true), soon().then(() => false)])

  withStore('one that returns from a wait keeps to the limit of its kind, and comes before new ones of it', async (store) => {
    await using worker = await openWorker(store)
    const queue = await lend(worker)
    const third = enter(worker, 'third', true)
    const back = queue.resume('first')
    assert.equal(await isSettled(back), false, 'its kind has one place, which another run has')
    assert.equal(await enter(worker, 'other', false), true, 'another kind is not held up')
    queue.leave('second')
    await back
    assert.equal(await isSettled(third), false)
    queue.leave('first')
    assert.equal(await third, true)
  })

  withStore('one that waits for its place to come back is still known, and may wait for something else', async (store) => {
    await using worker = await openWorker(store)
    const queue = await lend(worker)
    const back = queue.resume('first')
    await assert.rejects(enter(worker, 'first', true), /enters once/)
    // It has two waits, which are one: the first is over, and the second lends the place on.
    queue.pause('first')
    await back
    queue.leave('second')
    assert.equal(await enter(worker, 'third', true), true)
    const again = queue.resume('first')
    assert.equal(await isSettled(again), false)
    queue.leave('third')
    await again
    assert.equal(queue.state().running, 1)
  })

  withStore('a worker that stops keeps nobody waiting for a place to come back', async (store) => {
    await using worker = await openWorker(store)
    const queue = await lend(worker)
    const back = queue.resume('first')
    queue.stop()
    await back
    queue.pause('second')
    await queue.resume('second')
  })
}

/** Jobs that wait for the end of their time, which is when they are due. @param onEnd called with why one has ended */
function holdWaiting({ core, runs }: Worker, onEnd: (id: string, reason: unknown) => void): HeldRuns<Job> {
  const held = runs.hold<Job>({
    name: 'jobs',
    category,
    dueAt: ({ status }) => (status === 'open' ? 0 : null),
    deadline: ({ due }) => due,
    async goOn({ id, state, signal }) {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      onEnd(id, signal.reason)
      if (signal.reason === 'shutdown') throw signal.reason
      await held.put(of(core), [{ category, name: id, value: { ...state, status: 'cancelled' } }])
    },
  })
  return held
}
