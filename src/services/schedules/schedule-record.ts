/** What is remembered of schedules, in two kinds of documents: a schedule, and each of its runs. */
import { derivedId, type Label, type SessionId, type Spend, type TurnId } from '../../types/index.ts'
import type { Cadence, DocumentChange, Documents, Limits } from '../../kernel/index.ts'

/** How late a run may begin where nobody said it. */
const defaultGraceS = 300

export interface Schedule {
  readonly id: string
  readonly name: string
  readonly goal: string
  readonly cadence: Cadence
  readonly status: 'active' | 'paused' | 'completed' | 'disabled'
  /** Labels of what its author had read: its runs begin with them. */
  readonly labels: readonly Label[]
  readonly author: string
  /** Session in which it was made; empty: none. */
  readonly origin: SessionId | ''
  /** `keep`: all runs share a session, and know the earlier ones. `fresh`: each has its own. */
  readonly context: 'keep' | 'fresh'
  readonly model: string
  /** What happens with times that passed while no guest ran, or that are older than the grace. */
  readonly misfire: 'skip' | 'once' | 'all'
  /** How late a run may begin, in seconds. Null: nobody named it; see `graceMsOf`. */
  readonly grace_s: number | null
  /** What happens when it is due while its last run still runs. */
  readonly overlap: 'skip' | 'queue' | 'parallel'
  readonly retries: number
  readonly timeout_s: number
  readonly notify: 'always' | 'conditional' | 'never'
  readonly created_at: number
  /** Where intervals are counted from. */
  readonly counted_from: number
  /** Times up to this one have been dealt with. */
  readonly due_after: number
  readonly next_at: number | null
  /** Due times that wait for the run before. */
  readonly queued: readonly number[]
  readonly retry: { readonly due_at: number; readonly attempt: number; readonly at: number } | null
  /** In a row. */
  readonly failures: number
  /** How often its shared session was deleted: the next one has another id. */
  readonly deleted_sessions: number
  /** What each run may use, held for it in the budgets above. */
  readonly budget?: Limits | undefined
}

export interface ScheduleRun {
  readonly schedule: string
  readonly due_at: number
  readonly attempt: number
  readonly status: 'running' | 'success' | 'failed' | 'cancelled' | 'skipped'
  readonly started_at: number
  readonly ended_at: number | null
  /** The turn; its outcome has the whole reply. */
  readonly turn: TurnId
  readonly session: SessionId | ''
  /** First characters of the reply, or why it failed or was skipped. */
  readonly summary: string
  /** Whether the person is to hear of it. */
  readonly notify: boolean
  /** What its session had spent before it, and what it has used. */
  readonly spent_before?: Spend
  readonly used?: Spend
}

/** What a run of a schedule would take. */
export interface Forecast {
  /** Runs of which the cost is known. */
  readonly runs: number
  readonly mean: Spend
  readonly worst: Spend
  /** Why it may not start; empty: it may. */
  readonly refused: string
  /** It may start, but a run as costly as the worst one would be stopped. */
  readonly is_tight: boolean
  /** When the budget that does not cover it resets; null: never, or all cover it. */
  readonly until: number | null
  readonly checked_at: number
}

export const scheduleCategory = 'system/schedules'
export const runCategory = 'system/schedule_runs'

/** In the order of due times. */
export function runName({ schedule, due_at: dueAt, attempt }: Pick<ScheduleRun, 'schedule' | 'due_at' | 'attempt'>): string {
  return `${schedule}.${String(dueAt).padStart(14, '0')}.${attempt}`
}

/** @returns a run that begins */
export function newRun(schedule: Schedule, dueAt: number, attempt: number, now: number): ScheduleRun {
  const turn = derivedId('turn', schedule.id, dueAt, attempt) as TurnId
  const isShared = schedule.context === 'keep' && schedule.overlap !== 'parallel'
  const session = (
    isShared ? derivedId('session', schedule.id, schedule.deleted_sessions) : derivedId('session', schedule.id, dueAt, attempt)
  ) as SessionId
  const start = { due_at: dueAt, attempt, started_at: now, ended_at: null, turn, session }
  return { schedule: schedule.id, ...start, status: 'running', summary: '', notify: false }
}

export function skippedRun({ id }: Schedule, dueAt: number, summary: string): DocumentChange {
  const run: ScheduleRun = {
    schedule: id,
    due_at: dueAt,
    attempt: 0,
    status: 'skipped',
    started_at: dueAt,
    ended_at: dueAt,
    turn: '' as TurnId,
    session: '',
    summary,
    notify: false,
  }
  return { category: runCategory, name: runName(run), value: run }
}

/** Oldest first. */
export async function runsOf(documents: Documents, id: string): Promise<readonly ScheduleRun[]> {
  const found: ScheduleRun[] = []
  for (let after = `${id}.`; ;) {
    const page = await documents.list<ScheduleRun>(runCategory, 200, after)
    const own = page.filter(({ name }) => name.startsWith(`${id}.`))
    found.push(...own.map(({ value }) => value))
    if (own.length < 200) return found
    after = own.at(-1)?.name ?? after
  }
}

/** @returns how late a run may begin, in milliseconds */
export function graceMsOf({ grace_s: graceS }: Pick<Schedule, 'grace_s'>): number {
  return (graceS ?? defaultGraceS) * 1_000
}
