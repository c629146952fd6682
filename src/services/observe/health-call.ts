/**
 * `system.health`: what `oxbow doctor` checks, as far as a running guest can know it, by parts of different cost. The kernel knows the store,
 * the clock, the queues and its own process; the host of the kernel adds what only it can see.
 */
import { z } from 'zod'
import { type Core, type HealthPart, healthParts } from '../../kernel/index.ts'
import type { RunsPort } from '../../runs/index.ts'
import { type Call, type CallContext, defineCall, type DoctorCheck, doctorCheck, type ResourceSample } from '../../protocol/index.ts'
import { timeInUtc } from '../../base/index.ts'

interface HealthCallDeps extends Pick<
  Core,
  'store' | 'lanes' | 'approvals' | 'journal' | 'storeWarning' | 'health' | 'services' | 'memory'
> {
  readonly runs: () => Promise<Pick<RunsPort, 'resources'>>
}

const healthView = z.strictObject({ at: z.number().describe('Unix milliseconds.'), checks: z.array(doctorCheck) })

export function healthCall(deps: HealthCallDeps): Call {
  const probe = createProbe(deps)
  return defineCall({
    name: 'system.health',
    routes: [{ method: 'GET', path: '/health' }],
    summary: 'Checks this guest, its model or its machine as `oxbow doctor` does, and says what to do.',
    input: z.strictObject({
      part: z
        .enum(healthParts)
        .default('guest')
        .describe('`guest`: at once. `model`: asks its service, seconds. `machine`: tries each sandbox, up to a minute.'),
    }),
    output: healthView,
    example: { part: 'guest' },
    tier: 'read_only',
    right: 'system.read',
    effect: 'none',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 120_000,
    recordOutput: ({ checks }) => ({
      checks: checks.length,
      failing: checks.filter(({ state }) => state !== 'ok').map(({ name }) => name),
    }),
    async run({ part }, context) {
      const checks = part === 'guest' ? [...(await ownChecks(deps, context))] : []
      if (part === 'guest') for await (const check of deps.services.health()) checks.push(check)
      checks.push(...(await probe(part)))
      return { output: { at: context.clock.now(), checks } }
    },
  })
}

/** Whoever asks while a part is examined gets the same findings: it costs seconds, and any reader may ask. */
function createProbe(deps: HealthCallDeps): (part: HealthPart) => Promise<readonly DoctorCheck[]> {
  const running = new Map<HealthPart, Promise<readonly DoctorCheck[]>>()
  const examine = async (part: HealthPart): Promise<readonly DoctorCheck[]> => {
    const checks: DoctorCheck[] = []
    try {
      if (deps.health !== undefined) for await (const check of deps.health(part)) checks.push(check)
    } finally {
      running.delete(part)
    }
    return checks
  }
  return (part) => {
    const found = running.get(part) ?? examine(part)
    running.set(part, found)
    return found
  }
}

type Finding = Pick<DoctorCheck, 'state' | 'says' | 'fix'>

const ok = (says: string): Finding => ({ state: 'ok', says, fix: '' })
const weak = (says: string, fix: string): Finding => ({ state: 'weak', says, fix })
const missing = (says: string, fix: string): Finding => ({ state: 'missing', says, fix })

async function ownChecks(deps: HealthCallDeps, { clock }: CallContext): Promise<readonly DoctorCheck[]> {
  const { resources } = await deps.runs()
  const now = await resources.snapshot()
  const found: Readonly<Record<string, Finding>> = {
    journal: await checkJournal(deps),
    clock: await checkClock(deps, clock.now()),
    sessions: checkSessions(deps),
    'event loop': checkLoop(now),
    memory: checkMemory(now),
    recall: await checkRecall(deps),
    load: checkLoad(resources.overloads()),
  }
  return Object.entries(found).map(([name, finding]) => ({ name, ...finding, required: name === 'journal', ms: 0 }))
}

async function checkJournal({ store, journal, storeWarning }: HealthCallDeps): Promise<Finding> {
  const failure = journal.fault()
  if (failure !== null) return missing(`the guest only reads: ${failure.message}`, failure.hint)
  const { seq } = await store.head()
  const warning = storeWarning?.() ?? ''
  return warning === '' ? ok(`it is written, ${seq} records`) : weak(warning, 'See docs/storage.md.')
}

/** A clock that was set back gives new records earlier times than older ones. */
async function checkClock({ store }: HealthCallDeps, now: number): Promise<Finding> {
  const recent = await store.records({ order: 'newest_first', limit: recentRecords, hydrate: false })
  const aheadMs = Math.max(0, ...recent.map(({ at }) => at)) - now
  if (aheadMs <= maxClockStepMs) return ok(timeInUtc(now))
  return weak(
    `a record is ${Math.round(aheadMs / 1_000)} s in the future: the clock was set back`,
    'Check the date: `timedatectl` shows it, `timedatectl set-ntp true` keeps it right.',
  )
}

const maxClockStepMs = 1_000
const recentRecords = 200

function checkSessions({ lanes, approvals }: HealthCallDeps): Finding {
  const turns = lanes.running()
  const waiting = turns.reduce((sum, turn) => sum + turn.waiting, 0)
  const asking = approvals.pending().length
  const says = `${turns.length} turns run, ${waiting} messages wait, ${asking} calls wait for approval`
  return waiting > manyWaiting ? weak(says, 'Cancel a turn that takes too long: `/cancel` in its chat.') : ok(says)
}

const manyWaiting = 100

function checkLoop({ loop_delay_ms: delayMs }: ResourceSample): Finding {
  const says = `timers are ${delayMs} ms late`
  return delayMs > slowLoopMs ? weak(says, 'The machine is busy or the guest has too much to do: see what runs.') : ok(says)
}

const slowLoopMs = 200

function checkMemory({ guest_memory_mb: own, memory_used_mb: used, memory_total_mb: total }: ResourceSample): Finding {
  const says = `the guest uses ${own} MB; ${used} of ${total} MB of the machine are in use`
  return used > 0.95 * total ? weak(says, 'Close other programs, or lower sandbox.memory_mb.') : ok(says)
}

/** Records that memory has not read yet, of a guest that rests. */
const manyUnread = 10_000

/** What memory finds texts by. */
async function checkRecall({ memory }: HealthCallDeps): Promise<Finding> {
  if (memory === undefined) return ok('nothing is remembered here')
  const { passages, waiting, indexed, journal, problem } = await memory.stats()
  if (problem !== null) return weak(problem, 'oxbow memory stats; `oxbow memory reindex` makes it anew.')
  const says = `${passages} passages, ${waiting} wait for a vector`
  return journal - indexed > manyUnread
    ? weak(`${says}; ${journal - indexed} records are not read yet`, 'Leave the guest running: it reads on.')
    : ok(says)
}

function checkLoad(over: readonly string[]): Finding {
  if (over.length === 0) return ok('nothing is over its threshold')
  return weak(`no new agents start: ${over.join('; ')}`, 'Wait until the machine is calmer, or raise the thresholds in [resources].')
}
