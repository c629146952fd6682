/**
 * Schedules: goals that an agent works on at their times, while a guest runs. Their state is in documents, one for each schedule and one
 * for each run. Both are runs of `src/runs/`: a schedule is one that goes on at its due times and begins the other kind; see
 * `schedule-runs.ts`.
 */
import { OxbowError, type TurnId } from '../../base/index.ts'
import { labelledFields } from '../../protocol/index.ts'
import { dueBetween, nextDue } from '../../runs/index.ts'
import { graceMsOf, scheduleCategory, skippedRun } from './schedule-record.ts'
import type { Schedule } from './schedule-schemas.ts'
import { beginDue, type Decision, holdScheduleRuns, type ScheduleDeps } from './schedule-runs.ts'

/** Missed due times that are made up for, and runs that wait for the one before. */
const maxMisfires = 100
const maxQueuedRuns = 10
/** How often schedules are looked at while an overload holds them back. */
const overloadCheckMs = 5_000
/** A guest that restarts is away for a few seconds: what was due then has not been missed. */
const scheduleRestartMs = 10_000

export interface Schedules {
  /** Takes up runs that a crash left, and starts what is due. */
  start(): Promise<void>
  /** Runs it now, in addition to its times. @returns the turn */
  trigger(schedule: Schedule): Promise<TurnId>
}

export function createSchedules(deps: ScheduleDeps): Schedules {
  const { clock, runs } = deps
  const startedAt = clock.now()
  const schedules = runs.hold<Schedule>({
    name: 'schedules',
    category: scheduleCategory,
    dueAt: ({ status, ...times }) => (status === 'active' ? Math.min(...timesOf(times)) : null),
    async goOn({ id, state }) {
      // Between two samples an overload may have ended long ago.
      if (deps.overloads().length > 0) await deps.refresh()
      if (deps.overloads().length > 0) {
        await holdBack(state)
        return clock.now() + overloadCheckMs
      }
      await begin(id, async (schedule) => decide(schedule, await isRunning(id), clock.now(), startedAt))
      // A time that waits for the run before is looked at when that ends, which changes the schedule.
      return Math.min(...timesOf(state).filter((time) => time > clock.now()))
    },
  })
  const begun = holdScheduleRuns(deps, schedules)
  const isRunning = async (id: string): Promise<boolean> => {
    const outcomes = begun.open().map(async ({ schedule, turn }) => schedule === id && (await deps.outcomeOf(turn)) === null)
    return (await Promise.all(outcomes)).includes(true)
  }
  const begin = (id: string, next: Parameters<typeof beginDue>[3]): Promise<readonly TurnId[]> => beginDue(deps, schedules, id, next)
  const holdBack = createHoldBack(deps, begin)
  return {
    async start() {
      await begun.load()
      await schedules.load()
    },
    async trigger(wanted) {
      const { id } = wanted
      // Whoever asks for it hears why it does not start; nothing is recorded as skipped.
      const { refused } = await deps.forecast(wanted)
      if (refused !== '')
        throw new OxbowError('budget_exhausted', refused, { hint: '`oxbow budget list` shows what is left; `oxbow budget set` raises it.' })
      const [turn] = await begin(id, async (schedule) => ({ schedule, begins: [{ dueAt: clock.now(), attempt: 1 }] }))
      if (turn !== undefined) return turn
      throw new OxbowError('not_found', `There is no schedule ${id}.`, { hint: 'List them with schedule.search.' })
    },
  }
}

/** When a schedule goes on: its next due time, a retry, and now if due times wait. */
function timesOf({ next_at: next, retry, queued }: Pick<Schedule, 'next_at' | 'retry' | 'queued'>): readonly number[] {
  return [next ?? Infinity, retry?.at ?? Infinity, ...queued]
}

type Begin = (id: string, next: (schedule: Schedule) => Promise<Decision | null>) => Promise<unknown>

/** @returns a function that skips due times which an overload holds back for too long, or notes their delay, each once */
function createHoldBack(deps: ScheduleDeps, begin: Begin) {
  const { clock } = deps
  /** Due times whose delay was noted, by schedule. */
  const delayed = new Map<string, number>()
  return async (held: Schedule): Promise<void> => {
    const { id, name, misfire, next_at: next, origin } = held
    const now = clock.now()
    if (next === null || now - next <= graceMsOf(held)) return
    const reason = deps.overloads().join('; ')
    let kind: 'schedule_skipped' | 'schedule_delayed' | null = delayed.get(id) === next ? null : 'schedule_delayed'
    if (misfire === 'skip') {
      kind = null
      await begin(id, async (schedule) => {
        const decision = await skipLate(schedule, now, reason)
        if (decision !== null) kind = 'schedule_skipped'
        return decision
      })
    }
    delayed.set(id, next)
    if (kind !== null) deps.noteEvent(kind, labelledFields({ schedule: id, name, due_at: next, reason }, held.labels), origin)
  }
}

/** What is due of a schedule. @returns null when nothing is */
async function decide(schedule: Schedule, isRunning: boolean, now: number, startedAt: number): Promise<Decision | null> {
  // It may have been paused since it was due.
  if (schedule.status !== 'active') return null
  const { retry, queued } = schedule
  if (retry !== null && retry.at <= now && !isRunning) {
    return { schedule: { ...schedule, retry: null }, begins: [{ dueAt: retry.due_at, attempt: retry.attempt }] }
  }
  const begin = (dueAt: number): Decision['begins'][number] => ({ dueAt, attempt: 1 })
  const [waiting, ...later] = queued
  if (waiting !== undefined && !isRunning) return { schedule: { ...schedule, queued: later }, begins: [begin(waiting)] }
  if (schedule.next_at === null || schedule.next_at > now) return null
  const due = await dueBetween(schedule.cadence, schedule.due_after, now, schedule.counted_from, maxMisfires)
  const newest = due.at(-1) ?? now
  const moved: Schedule = { ...schedule, due_after: newest, next_at: await nextDue(schedule.cadence, newest, schedule.counted_from) }
  const { chosen, skipped: missed } = chooseDue(schedule, due, now, startedAt)
  const skipped = missed > 0 ? [skippedRun(moved, due[0] ?? now, missed === 1 ? 'It was missed.' : `${missed} due times were missed.`)] : []
  const [first, ...others] = chosen
  if (first === undefined) return { schedule: endedIfOnce(moved), begins: [], skipped }
  if (schedule.overlap === 'parallel') return { schedule: moved, begins: chosen.map(begin), skipped }
  if (!isRunning) return { schedule: { ...moved, queued: queuedAfter(schedule, others) }, begins: [begin(first)], skipped }
  if (schedule.overlap === 'queue') return { schedule: { ...moved, queued: queuedAfter(schedule, chosen) }, begins: [], skipped }
  return { schedule: moved, begins: [], skipped: [...skipped, skippedRun(moved, newest, 'The run before was still running.')] }
}

/** What is skipped of a schedule that an overload holds back: due times before the grace. @returns null when none is */
async function skipLate(schedule: Schedule, now: number, reason: string): Promise<Decision | null> {
  if (schedule.status !== 'active' || schedule.next_at === null) return null
  const latest = now - graceMsOf(schedule) - 1
  const late = await dueBetween(schedule.cadence, schedule.due_after, latest, schedule.counted_from, maxMisfires)
  const [first] = late
  if (first === undefined) return null
  const newest = late.at(-1) ?? first
  const moved: Schedule = { ...schedule, due_after: newest, next_at: await nextDue(schedule.cadence, newest, schedule.counted_from) }
  const times = late.length === 1 ? 'The machine was overloaded' : `The machine was overloaded at ${late.length} due times`
  return { schedule: endedIfOnce(moved), begins: [], skipped: [skippedRun(moved, first, `${times}: ${reason}.`)] }
}

/** A schedule for one time that was missed is over. */
function endedIfOnce(schedule: Schedule): Schedule {
  return schedule.next_at === null ? { ...schedule, status: 'completed' } : schedule
}

/**
 * Which of the due times run: one that is in time does; what was missed goes by the policy. With `skip` and no grace that somebody named,
 * nothing runs that was due before this guest started, but what a restart held up.
 * @param startedAt when this guest began to look at schedules
 */
export function chooseDue(
  schedule: Pick<Schedule, 'misfire' | 'grace_s'>,
  due: readonly number[],
  now: number,
  startedAt: number,
): { readonly chosen: readonly number[]; readonly skipped: number } {
  const { misfire, grace_s: graceS } = schedule
  const newest = due.at(-1)
  if (newest === undefined) return { chosen: [], skipped: 0 }
  const wasOff = graceS === null && startedAt - newest > scheduleRestartMs
  const inTime = now - newest <= graceMsOf(schedule) && !wasOff
  if (misfire === 'all') return { chosen: due, skipped: 0 }
  if (misfire === 'once' || inTime) return { chosen: [newest], skipped: due.length - 1 }
  return { chosen: [], skipped: due.length }
}

function queuedAfter({ queued }: Schedule, runs: readonly number[]): readonly number[] {
  return [...queued, ...runs].slice(-maxQueuedRuns)
}
