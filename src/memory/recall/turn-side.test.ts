/** How long a turn waits for memory: while it opens, also after a rest, and once it is open. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionId } from '../../base/index.ts'
import { coldPatienceMs, queuedPatienceMs, restedMs, warmPatienceMs } from './recall-limits.ts'
import { createTurnSide, type TurnSide, type TurnSideParts } from './turn-side.ts'

const session = 's' as SessionId
const asked = 'Where does my sister live?'

interface Bed {
  readonly side: TurnSide
  /** Lets a search that is under way, and all later ones, end. */
  open(): void
  searches(): number
  pass(ms: number): void
}

/** @param close what every search waits for from now on, until `open` */
function openBed(): Bed & { close(): void; queueUp(): PromiseWithResolvers<void> } {
  let now = 0
  let searches = 0
  let gate = Promise.withResolvers<void>()
  let queue: PromiseWithResolvers<void> | null = null
  const search = async (): Promise<readonly []> => {
    searches += 1
    await gate.promise
    return []
  }
  const turns = {
    recall: async () => ({ text: '', ids: [], labels: [] }),
    foresee: () => {},
    newestOfMany: () => (queue === null ? null : queue.promise),
    kindOf: () => 'personal',
    erased: () => {},
  }
  const parts = {
    presence: { hasAny: async () => true, hasOthers: () => true },
    turnRecall: async () => turns,
    recall: async () => ({ recall: search }),
    wanted: async () => ({ hot: { mayTell: () => false }, withHot: async (_: unknown, recalled: unknown) => recalled }),
    catchUp: async () => {},
  } as unknown as TurnSideParts
  const side = createTurnSide({ config: { recall: true, recall_tokens: 1_000 }, clock: { monotonicMs: () => now } }, parts)
  return {
    side,
    open: () => gate.resolve(),
    close: () => (gate = Promise.withResolvers<void>()),
    queueUp: () => (queue = Promise.withResolvers<void>()),
    searches: () => searches,
    pass: (ms) => (now += ms),
  }
}

test('after a rest the message itself opens memory again, and patience begins when it is open', async () => {
  const bed = openBed()
  bed.open()
  bed.side.prepare()
  assert.equal(await bed.side.patienceMs(), coldPatienceMs)
  assert.equal(bed.side.patienceMs(), warmPatienceMs)
  bed.pass(restedMs)
  bed.close()
  const before = bed.searches()
  bed.side.foresee(session, asked, [])
  const patience = bed.side.patienceMs()
  assert.ok(patience instanceof Promise)
  bed.open()
  assert.equal(await patience, coldPatienceMs)
  assert.equal(bed.searches(), before + 1)
  assert.equal(bed.side.patienceMs(), warmPatienceMs)
})

test('what was not opened at the start, because nothing was in memory, is opened by the first message that may need it', async () => {
  const bed = openBed()
  bed.side.foresee(session, asked, [])
  const patience = bed.side.patienceMs()
  assert.ok(patience instanceof Promise)
  bed.open()
  assert.equal(await patience, coldPatienceMs)
  assert.equal(bed.searches(), 1)
})

test('behind other searches patience begins when these are answered, and after a while in any case', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const bed = openBed()
  bed.open()
  bed.side.prepare()
  assert.equal(await bed.side.patienceMs(), coldPatienceMs)
  const first = bed.queueUp()
  const patience = bed.side.patienceMs()
  assert.ok(patience instanceof Promise)
  let known = false
  void patience.then(() => (known = true))
  t.mock.timers.tick(queuedPatienceMs - 1)
  await new Promise(setImmediate)
  assert.equal(known, false)
  first.resolve()
  assert.equal(await patience, warmPatienceMs)
  bed.queueUp()
  const stuck = bed.side.patienceMs()
  t.mock.timers.tick(queuedPatienceMs)
  assert.equal(await stuck, warmPatienceMs)
})
