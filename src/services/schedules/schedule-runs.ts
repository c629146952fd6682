/**
 * The runs of schedules: each is a turn whose id follows from the schedule, the due time and the attempt, so that it happens exactly once
 * however often it is started, by this guest after a crash or by another one of the same user. A run ends when its turn does, which the
 * journal tells; a turn that a crash interrupted resumes like any other.
 */
import {
  type CallId,
  type Clock,
  type Config,
  isOxbowError,
  type JsonObject,
  type Label,
  ownValue,
  type Random,
  type RecordView,
  retryDelayMs,
  type SessionId,
  type Spend,
  truncate,
  type TurnId,
} from '../../types/index.ts'
import { type Admission, carve, type Core, type DocumentChange, type Documents, giveBack } from '../../kernel/index.ts'
import { graceMsOf, scheduleCategory, runCategory, runName, newRun, skippedRun, runsOf } from './schedule-record.ts'
import type { Schedule, ScheduleRun, Forecast } from './schedule-schemas.ts'

/** A run that no budget covers and that has no other time is tried again after this long. */
const budgetRetryMs: number = 60 * 60_000

export interface ScheduleDeps {
  readonly config: Config['schedules']
  /** Name of the agent that runs. */
  readonly agent: string
  readonly documents: Documents
  readonly clock: Clock
  readonly random: Random
  readonly newId: () => string
  readonly noteEvent: Core['noteEvent']
  /** Starts a turn in this session, which is made if there is none; labels are joined to it. @returns whether it runs here: false where another guest has started it */
  readonly startTurn: (run: {
    session: SessionId
    title: string
    turn: TurnId
    text: string
    model: string
    labels: readonly Label[]
  }) => Promise<boolean>
  readonly cancelTurn: (session: SessionId) => void
  /** The outcome of a turn that has ended; null while it is open. */
  readonly outcomeOf: (turn: TurnId) => Promise<JsonObject | null>
  readonly forecast: (schedule: Schedule) => Promise<Forecast>
  /** What the session of a run has spent since it began. */
  readonly usedBy: (run: ScheduleRun) => Promise<Spend>
  /** Runs wait here until they may start. */
  readonly admission: Pick<Admission, 'enter' | 'leave'>
  /** What of the machine is over its threshold: no new runs start meanwhile. */
  readonly overloads: () => readonly string[]
  /** Looks at the machine again. */
  readonly refresh: () => Promise<unknown>
}

const summaryChars = 500
const notifyMark = '[NOTIFY]'

/** What follows from the state of a schedule. */
export interface Decision {
  /** As it is from then on. */
  readonly schedule: Schedule
  readonly begins: readonly { readonly dueAt: number; readonly attempt: number }[]
  readonly skipped?: readonly DocumentChange[]
}

export interface ScheduleRuns {
  /**
   * Records the runs that begin, what is skipped and the schedule as it is from then on, all in one record, so that no due time is lost or
   * repeated by a crash; then starts their turns. @param decide null: nothing changes @returns the turns
   */
  begin(id: string, decide: (schedule: Schedule) => Promise<Decision | null>): Promise<readonly TurnId[]>
  isRunning(schedule: string): boolean
  count(): number
  /** Takes up the runs that a crash left. */
  resume(): Promise<void>
  turnEnded(record: RecordView): void
  stop(): void
}

interface Watched {
  readonly run: ScheduleRun
  /** Stops it; while it waits for admission, skips it. */
  readonly timer?: NodeJS.Timeout
  timedOut: boolean
}

/** @param onEnded called after each run */
export function createScheduleRuns(deps: ScheduleDeps, onEnded: () => void): ScheduleRuns {
  const { running, hold, watch, forget } = createWatch(deps)
  /** Resolves when the turn has started, or at once if the run has to wait until it may. */
  const admit = async (schedule: Schedule, run: ScheduleRun): Promise<void> => {
    const launched: Promise<void>[] = []
    hold(run, schedule, () => void finish(run, skippedLate))
    const ticket = { key: run.turn, priority: 'normal', since: run.started_at } as const
    deps.admission.enter(ticket, () => void launched.push(launch(schedule, run).catch(() => {})))
    await launched[0]
  }
  const launch = async (schedule: Schedule, run: ScheduleRun): Promise<void> => {
    watch(run, schedule.timeout_s)
    deps.noteEvent('schedule_started', { schedule: schedule.id, name: schedule.name, due_at: run.due_at }, run.session)
    const { turn, session } = run
    const { model, labels, name: title } = schedule
    try {
      const isHere = await deps.startTurn({ session: session as SessionId, title, turn, text: promptOf(schedule), model, labels })
      if (isHere) return
      const outcome = await deps.outcomeOf(turn)
      if (outcome !== null) await finish(run, outcome)
      else leave(run)
    } catch (error) {
      // The session that its runs share was deleted: the next run begins another one.
      const isGone = isOxbowError(error, 'not_found') && schedule.context === 'keep'
      await finish(run, { status: 'failed', text: error instanceof Error ? error.message : String(error) }, isGone ? 1 : 0)
    }
  }
  const leave = (run: ScheduleRun): Watched | undefined => {
    deps.admission.leave(run.turn)
    return forget(run)
  }
  const finish = async (run: ScheduleRun, outcome: JsonObject, deletedSessions = 0): Promise<void> => {
    const watched = leave(run)
    const timedOut = watched?.timedOut === true && outcome['status'] === 'cancelled'
    await saveEnd(deps, run, { outcome, timedOut, deletedSessions })
    onEnded()
  }

  return {
    async begin(id, decide) {
      const begun = await recordBegins(deps, id, decide)
      const started = begun.flatMap(({ schedule, runs }) => runs.map((run) => ({ schedule, run })))
      await Promise.all(started.map(({ schedule, run }) => admit(schedule, run)))
      return started.map(({ run }) => run.turn)
    },
    isRunning: (id) => [...running.values()].some(({ run }) => run.schedule === id),
    count: () => running.size,
    async resume() {
      for (const { value: run } of await deps.documents.all<ScheduleRun>(runCategory)) {
        if (run.status !== 'running') continue
        const schedule = (await deps.documents.get<Schedule>(scheduleCategory, run.schedule))?.value
        const outcome = await deps.outcomeOf(run.turn)
        if (outcome !== null || schedule === undefined) await finish(run, outcome ?? { status: 'cancelled' })
        else await admit(schedule, run)
      }
    },
    turnEnded(record) {
      const watched = running.get(record.call as string as TurnId)
      if (watched !== undefined) void finish(watched.run, record.body as JsonObject).catch(() => {})
    },
    stop() {
      for (const { timer } of running.values()) clearTimeout(timer)
    },
  }
}

const skippedLate: JsonObject = { status: 'skipped', text: 'It could not start in time: others ran, or the machine was overloaded.' }

/** The runs of this guest, each with the timer that stops it. */
function createWatch({ cancelTurn }: Pick<ScheduleDeps, 'cancelTurn'>) {
  const running = new Map<TurnId, Watched>()
  return {
    running: running as ReadonlyMap<TurnId, Watched>,
    /** By its rule for missed times, a run that may not start in time does not start at all. */
    hold(run: ScheduleRun, schedule: Schedule, skip: () => void): void {
      const timer = schedule.misfire === 'skip' ? { timer: setTimeout(skip, graceMsOf(schedule)).unref() } : {}
      running.set(run.turn, { run, ...timer, timedOut: false })
    },
    watch(run: ScheduleRun, timeoutS: number): void {
      const stop = (): void => {
        watched.timedOut = true
        if (run.session !== '') cancelTurn(run.session)
      }
      clearTimeout(running.get(run.turn)?.timer)
      const watched: Watched = { run, timer: setTimeout(stop, timeoutS * 1_000).unref(), timedOut: false }
      running.set(run.turn, watched)
    },
    forget({ turn }: ScheduleRun): Watched | undefined {
      const watched = running.get(turn)
      clearTimeout(watched?.timer)
      running.delete(turn)
      return watched
    },
  }
}

/** Changes a schedule and its runs in one record; changes of one schedule run one after another. */
function updateSchedule(
  { documents, newId }: Pick<ScheduleDeps, 'documents' | 'newId'>,
  id: string,
  next: (current: Schedule | null) => Promise<readonly DocumentChange[]>,
): Promise<void> {
  const of = { caller: { actor: 'kernel', session: '', turn: '' }, call: newId() as CallId, name: 'schedule.run' } as const
  return documents.update<Schedule>(of, scheduleCategory, id, (current) => next(current?.value ?? null))
}

interface End {
  readonly outcome: JsonObject
  readonly timedOut: boolean
  readonly deletedSessions: number
}

async function saveEnd(deps: ScheduleDeps, run: ScheduleRun, { outcome, timedOut, deletedSessions }: End): Promise<void> {
  const { documents, config, clock, random, noteEvent } = deps
  let note = (): void => {}
  const used = await deps.usedBy(run)
  await updateSchedule(deps, run.schedule, async (schedule) => {
    const found = timedOut ? { status: 'failed', text: `It took longer than ${schedule?.timeout_s ?? 0} s.` } : outcome
    const ended = { ...endedRun(run, found, clock.now(), schedule?.notify ?? 'never'), used }
    const changes = [{ category: runCategory, name: runName(ended), value: ended }, giveBack('run', ended.turn)]
    if (schedule === null) return changes
    const after = afterRun(schedule, ended, { config, now: clock.now(), random })
    const next = { ...after, deleted_sessions: after.deleted_sessions + deletedSessions }
    const { id, name, origin } = schedule
    note = () => {
      noteEvent('schedule_ended', { schedule: id, name, status: ended.status, notify: ended.notify }, ended.session)
      if (next.status === 'disabled' && schedule.status !== 'disabled')
        noteEvent('schedule_disabled', { schedule: id, name, failures: next.failures }, origin)
    }
    const surplus = await surplusRuns(documents, id, config.max_run_history)
    return [...changes, { category: scheduleCategory, name: id, value: next }, ...surplus]
  })
  note()
}

interface Begun {
  readonly schedule: Schedule
  readonly runs: readonly ScheduleRun[]
  readonly changes: readonly DocumentChange[]
  /** Notes what happened, when it is recorded. */
  readonly note: () => void
}

async function recordBegins(deps: ScheduleDeps, id: string, decide: Parameters<ScheduleRuns['begin']>[1]): Promise<readonly Begun[]> {
  const begun: Begun[] = []
  await updateSchedule(deps, id, async (current) => {
    const decision = current === null ? null : await decide(current)
    if (decision !== null) begun.push(await beginRuns(deps, decision))
    return begun.flatMap(({ changes }) => changes)
  })
  for (const { note } of begun) note()
  return begun
}

/** Records runs with what they may use, or skips them if the budgets do not cover them. */
async function beginRuns(deps: ScheduleDeps, decision: Decision): Promise<Begun> {
  const { schedule, begins, skipped = [] } = decision
  const { id, name, budget } = schedule
  const expected = begins.length === 0 ? null : await deps.forecast(schedule)
  if (expected !== null && expected.refused !== '') return skipRuns(deps, decision, expected)
  const runs: ScheduleRun[] = []
  for (const { dueAt, attempt } of begins) {
    const run = newRun(schedule, dueAt, attempt, deps.clock.now())
    runs.push(schedule.context === 'keep' ? { ...run, spent_before: await deps.usedBy(run) } : run)
  }
  const ofRuns = runs.flatMap((run): readonly DocumentChange[] => {
    const carved = { session: run.session as SessionId, above: '', actor: `agent:${deps.agent}` } as const
    const held = budget === undefined ? [] : [carve('run', run.turn, budget, run.started_at, carved)]
    return [{ category: runCategory, name: runName(run), value: run }, ...held]
  })
  const note = (): void => {
    if (expected?.is_tight === true) deps.noteEvent('budget_warning', { schedule: id, name, worst: { ...expected.worst } })
  }
  return { schedule, runs, changes: [{ category: scheduleCategory, name: id, value: schedule }, ...ofRuns, ...skipped], note }
}

/** They follow when the budget resets, unless the next time is due before. */
function skipRuns(deps: ScheduleDeps, { schedule, begins, skipped = [] }: Decision, { refused, until }: Forecast): Begun {
  const { id, name, next_at: next } = schedule
  const at = until ?? (next === null ? deps.clock.now() + budgetRetryMs : Infinity)
  const last = begins.at(-1)
  const follows = last !== undefined && (next === null || at < next)
  const later = { ...schedule, retry: follows ? { due_at: last.dueAt, attempt: last.attempt, at } : null }
  const change = { category: scheduleCategory, name: id, value: later }
  const changes = [change, ...begins.map(({ dueAt }) => skippedRun(schedule, dueAt, refused)), ...skipped]
  const note = (): void => {
    for (const { dueAt } of begins) deps.noteEvent('schedule_skipped', { schedule: id, name, due_at: dueAt, reason: 'budget_exhausted' })
  }
  return { schedule: later, runs: [], changes, note }
}

function promptOf({ goal, notify }: Schedule): string {
  const lines = [goal]
  if (notify === 'conditional') lines.push(`Begin your reply with ${notifyMark} if the person should hear of the result now.`)
  return lines.join('\n\n')
}

function endedRun(run: ScheduleRun, outcome: JsonObject, now: number, policy: Schedule['notify']): ScheduleRun {
  const ends: Readonly<Record<string, ScheduleRun['status']>> = { ok: 'success', cancelled: 'cancelled', skipped: 'skipped' }
  const { status: ended } = outcome
  const status = (typeof ended === 'string' ? ownValue(ends, ended) : undefined) ?? 'failed'
  const reply = [outcome['reply'], outcome['text']].find((text) => typeof text === 'string') ?? ''
  const marked = reply.trimStart().startsWith(notifyMark)
  const text = marked ? reply.trimStart().slice(notifyMark.length).trimStart() : reply
  // A person who asked to hear of nothing still hears when it stops: see the event `schedule_disabled`.
  const notify = policy === 'always' || (policy === 'conditional' && (marked || status === 'failed'))
  return { ...run, status, ended_at: now, summary: truncate(text, summaryChars), notify }
}

interface AfterDeps {
  readonly config: Config['schedules']
  readonly now: number
  readonly random: Random
}

/** The schedule after a run: counters, a retry, or the end. */
function afterRun(schedule: Schedule, run: ScheduleRun, { config, now, random }: AfterDeps): Schedule {
  if (run.status === 'success') {
    const isOver = schedule.cadence.type === 'once' && schedule.next_at === null
    return { ...schedule, failures: 0, retry: null, ...(isOver && { status: 'completed' }) }
  }
  const isLast = schedule.cadence.type === 'once' && schedule.next_at === null
  if (run.status === 'cancelled' || run.status === 'skipped') return isLast ? { ...schedule, status: 'completed' } : schedule
  if (run.attempt >= 1 && run.attempt <= schedule.retries) {
    const delay = retryDelayMs(run.attempt, random, { firstMs: config.retry_s * 1_000, maxMs: 3_600_000 })
    return { ...schedule, retry: { due_at: run.due_at, attempt: run.attempt + 1, at: now + delay } }
  }
  const failures = schedule.failures + 1
  const isOver = failures >= config.disable_after_failures || (schedule.cadence.type === 'once' && schedule.next_at === null)
  return { ...schedule, failures, retry: null, ...(isOver && schedule.status === 'active' && { status: 'disabled', next_at: null }) }
}

/** @returns changes that delete the oldest runs of a schedule beyond the most that are kept */
async function surplusRuns(documents: Documents, id: string, most: number): Promise<readonly DocumentChange[]> {
  const runs = await runsOf(documents, id)
  const ended = runs.filter(({ status }) => status !== 'running')
  return ended.slice(0, Math.max(0, ended.length - most)).map((run) => ({ category: runCategory, name: runName(run), value: null }))
}
