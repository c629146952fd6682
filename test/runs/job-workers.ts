/** Workers for the contract of runs: kernels on one store, jobs of three steps, and the world, which is outside of all of them. */
import { type Core, type Service, userCaller } from '../../src/kernel/index.ts'
import { openFixture, says, testCall } from '../../src/kernel/kernel-fixture.ts'
import { services } from '../../src/services/index.ts'
import type { Store } from '../../src/store/index.ts'
import { type CallId, type Clock, derivedId, OxbowError, systemClock, systemRandom, type TurnId } from '../../src/base/index.ts'
import { createQueue } from '../../src/runs/queue.ts'
import { createRuns, type HeldRuns, type Run, type Runs } from '../../src/runs/runs.ts'

export interface RunsRig {
  readonly store: Store
  drop(): Promise<void>
}

/** A case of the contract, on a store of its own. */
export type WithStore = (what: string, check: (store: Store) => Promise<void>) => void

/** A run of three steps; the second must not happen twice. */
export interface Job {
  readonly status: 'open' | 'paused' | 'done' | 'cancelled'
  readonly due: number
  readonly done: readonly string[]
}

export const category = 'system/jobs'
export const steps = ['first', 'once', 'last'] as const

export interface World {
  /** Steps that have happened, `run step`. */
  readonly effects: string[]
  /** What a step does before it happens. */
  before: (step: string, signal: AbortSignal) => Promise<void>
  /** What a step gives out. */
  readonly result: string
}

export interface Worker extends AsyncDisposable {
  readonly core: Core
  readonly runs: Runs
  readonly clock: Clock
  /** Sets its clock. */
  pass(ms: number): void
}

interface WorkerOptions {
  readonly name?: string
  readonly leaseMs?: number
  readonly aheadMs?: number
  readonly world?: World
}

export const newWorld = (result = ''): World => ({ effects: [], before: async () => {}, result })
export const soon = (): Promise<void> => new Promise(setImmediate)
export const of = (core: Core): Parameters<Core['documents']['put']>[0] => ({
  caller: { actor: 'kernel', session: '', turn: '' },
  call: core.newId() as CallId,
  name: 'job.change',
})

export async function openWorker(store: Store, options: WorkerOptions = {}): Promise<Worker> {
  const { name = 'worker', leaseMs = 60_000, aheadMs = 0, world = newWorld() } = options
  let ahead = aheadMs
  const clock: Clock = { now: () => Date.now() + ahead, monotonicMs: systemClock.monotonicMs }
  let core!: Core
  const jobs: Service = {
    name: 'jobs',
    calls: async (given) => ((core = given), []),
    runs: async ({ documents }) => ({
      goesOn: async (run) => (await documents.get<Job>(category, run))?.value.status === 'open',
    }),
  }
  const step = (effect: 'once' | 'idempotent') =>
    testCall(
      `test.${effect}`,
      async ({ run, step: which }: { run: string; step: string }, { signal }) => {
        await world.before(which, signal)
        world.effects.push(`${run} ${which}`)
        return { output: null, text: world.result }
      },
      { effect },
    )
  const kept = Object.assign(Object.create(store) as Store, { close: async () => {} })
  const calls = [step('once'), step('idempotent')]
  const guest = await openFixture({ store: kept, clock, services: [...services, jobs], calls, play: () => says('done') })
  const queue = createQueue({
    config: { max_running: 5, max_starts_per_minute: 1e9, ageing_s: 60 },
    clock,
    overloads: () => [],
    snapshot: async () => {},
  })
  const runs = createRuns({ store: kept, documents: core.documents, clock, random: systemRandom, queue, worker: name, leaseMs })
  return {
    core,
    runs,
    clock,
    pass(ms) {
      ahead += ms
      runs.look()
    },
    async [Symbol.asyncDispose]() {
      await runs.close()
      await guest.kernel.close().catch(() => {})
    },
  }
}

/** Holds jobs; each step is a call whose id follows from the run and the step. */
export function holdJobs({ core, runs }: Worker): HeldRuns<Job> {
  const goOn = async ({ id, state, signal }: Run<Job>): Promise<void> => {
    for (let job = state; job.status === 'open';) {
      const which = steps[job.done.length]
      const caller = userCaller(core.user, '', id as TurnId)
      const name: string = which === 'once' ? 'test.once' : 'test.idempotent'
      const call = derivedId('step', id, which!) as never
      const outcome = await core.gate.call(caller, name, { run: id, step: which! }, { id: call, signal, resumed: true, durable: true })
      if (signal.aborted && signal.reason !== 'cancelled') throw signal.reason
      const result = outcome.status === 'ok' ? `ok ${outcome.text.length}` : outcome.failure.code
      const done = [...job.done, result]
      job = { ...job, done, status: signal.aborted ? 'cancelled' : done.length === steps.length ? 'done' : 'open' }
      await held.put(of(core), [{ category, name: id, value: job }])
    }
  }
  const dueAt = ({ status, due }: Job): number | null => (status === 'open' ? due : status === 'paused' ? Infinity : null)
  const held = runs.hold<Job>({ name: 'jobs', category, dueAt, goOn })
  return held
}

export const newJob = (due = 0): Job => ({ status: 'open', due, done: [] })
export const jobId = (n: number): string => derivedId('job', n)

/** Resolves with a job that is over. @param workers those who may end it */
export async function ended(id: string, ...workers: readonly Worker[]): Promise<Job> {
  for (;;) {
    const { promise, resolve } = Promise.withResolvers<void>()
    using watching = new DisposableStack()
    for (const { core } of workers) watching.use(core.documents.watch(category, () => resolve()))
    const job = (await workers[0]!.core.documents.get<Job>(category, id))?.value
    if (job !== undefined && job.status !== 'open' && job.status !== 'paused') return job
    await promise
  }
}

export const countOf = ({ effects }: World, id: string, step: string): number => effects.filter((each) => each === `${id} ${step}`).length

/** The store of a worker that dies: from its write number `writes` on, nothing is written. */
export function dying(store: Store, writes: number): { readonly store: Store; readonly dead: Promise<void> } {
  const dead = Promise.withResolvers<void>()
  let left = writes
  const refuse = (): boolean => {
    left -= 1
    if (left < 0) dead.resolve()
    return left < 0
  }
  const gone = (): Promise<never> => Promise.reject(new OxbowError('store_failed', 'the worker is gone', { hint: '' }))
  const own: Partial<Store> = {
    append: (wanted) => (refuse() ? gone() : store.append(wanted)),
    claimLane: (...claim) => (left < 0 ? gone() : store.claimLane(...claim)),
  }
  return { store: Object.assign(Object.create(store) as Store, own), dead: dead.promise }
}
