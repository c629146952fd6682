/** What is remembered of schedules, in two kinds of documents: a schedule, and each of its runs. */
import { derivedId, type SessionId, type TurnId } from '../../base/index.ts'
import type { DocumentChange, Documents } from '../../kernel/index.ts'
import type { Labels } from '../../protocol/index.ts'
import type { Schedule, ScheduleRun } from './schedule-schemas.ts'

/** How late a run may begin where nobody said it. */
const defaultGraceS = 300

/** Category of the documents that hold schedules, one each. */
export const scheduleCategory = 'system/schedules'
export const runCategory = 'system/schedule_runs'

/** In the order of due times. */
export function runName({ schedule, due_at: dueAt, attempt }: Pick<ScheduleRun, 'schedule' | 'due_at' | 'attempt'>): string {
  return `${schedule}.${String(dueAt).padStart(14, '0')}.${attempt}`
}

/** @returns a run that waits for its place */
export function newRun(schedule: Schedule, dueAt: number, attempt: number, now: number): ScheduleRun {
  const turn = derivedId('turn', schedule.id, dueAt, attempt) as TurnId
  const isShared = schedule.context === 'keep' && schedule.overlap !== 'parallel'
  const session = (
    isShared ? derivedId('session', schedule.id, schedule.deleted_sessions) : derivedId('session', schedule.id, dueAt, attempt)
  ) as SessionId
  const start = { due_at: dueAt, attempt, started_at: now, ended_at: null, turn, session }
  return { schedule: schedule.id, ...start, status: 'waiting', summary: '', notify: false }
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

/** @returns the changes that delete a schedule and the list of its runs */
export async function withoutSchedule(documents: Documents, id: string): Promise<readonly DocumentChange[]> {
  const runs = (await runsOf(documents, id)).map((run) => ({ category: runCategory, name: runName(run), value: null }))
  return [{ category: scheduleCategory, name: id, value: null }, ...runs]
}

/** @returns how late a run may begin, in milliseconds */
export function graceMsOf({ grace_s: graceS }: Pick<Schedule, 'grace_s'>): number {
  return (graceS ?? defaultGraceS) * 1_000
}

/** @returns labels of its reply, if it has one; runs of older versions did not keep them */
export function repliedBy({ status, ended_at: endedAt, labels }: ScheduleRun): Labels {
  return labels ?? (endedAt === null || status === 'skipped' ? [] : ['private', 'untrusted'])
}

/** What was read when the goals were written. */
export function labelsOf(schedules: readonly Schedule[]): Labels {
  return [...new Set(schedules.flatMap(({ labels }) => labels))].sort()
}

/** The next time in the zone of its cadence. */
export function localText({ next_at: next, cadence: when }: Schedule): string | null {
  if (next === null) return null
  const zone = when.type === 'cron' && when.time_zone !== '' ? { timeZone: when.time_zone } : {}
  const two = '2-digit'
  const parts = { year: 'numeric', month: two, day: two, hour: two, minute: two, second: two, timeZoneName: 'short' } as const
  return new Date(next).toLocaleString('sv-SE', { ...zone, ...parts })
}
