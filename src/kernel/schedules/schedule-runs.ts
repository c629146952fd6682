/**
 * The runs of schedules: each is a turn whose id follows from the schedule, the due time and the attempt, so that it happens exactly once
 * however often it is started, by this guest after a crash or by another one of the same user. A run ends when its turn does, which the
 * journal tells; a turn that a crash interrupted resumes like any other.
 */
import {
  type CallId,
  type Clock,
  type Config,
  derivedId,
  isOxbowError,
  type JsonObject,
  type Label,
  type Random,
  type RecordView,
  retryDelayMs,
  type SessionId,
  truncate,
  type TurnId,
} from '../../types/index.ts'
import type { Admission } from '../agents/admission.ts'
import type { NoteEvent } from '../observe/event-bus.ts'
import type { DocumentChange, Documents } from '../state/documents.ts'
import type { Cadence } from './cadence.ts'

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
  readonly grace_s: number
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
}

export interface ScheduleDeps {
  readonly config: Config['schedules']
  readonly documents: Documents
  readonly clock: Clock
  readonly random: Random
  readonly newId: () => string
  readonly noteEvent: NoteEvent
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
  /** Runs wait here until they may start. */
  readonly admission: Pick<Admission, 'enter' | 'leave'>
  /** What of the machine is over its threshold: no new runs start meanwhile. */
  readonly overloads: () => readonly string[]
  /** Looks at the machine again. */
  readonly refresh: () => Promise<unknown>
}

export const scheduleCategory = 'system/schedules'
export const runCategory = 'system/schedule_runs'
const summaryChars = 500
const notifyMark = '[NOTIFY]'

/** In the order of due times. */
export function runName({ schedule, due_at: dueAt, attempt }: Pick<ScheduleRun, 'schedule' | 'due_at' | 'attempt'>): string {
  return `${schedule}.${String(dueAt).padStart(14, '0')}.${attempt}`
}

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
      const begun: Begun[] = []
      await updateSchedule(deps, id, async (current) => {
        const decision = current === null ? null : await decide(current)
        if (decision !== null) begun.push(beginRuns(decision, deps.clock.now()))
        return begun.flatMap(({ changes }) => changes)
      })
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
    hold(run: ScheduleRun, { misfire, grace_s: graceS }: Schedule, skip: () => void): void {
      const timer = misfire === 'skip' ? { timer: setTimeout(skip, graceS * 1_000).unref() } : {}
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
  await updateSchedule(deps, run.schedule, async (schedule) => {
    const found = timedOut ? { status: 'failed', text: `It took longer than ${schedule?.timeout_s ?? 0} s.` } : outcome
    const ended = endedRun(run, found, clock.now(), schedule?.notify ?? 'never')
    const change: DocumentChange = { category: runCategory, name: runName(ended), value: ended }
    if (schedule === null) return [change]
    const after = afterRun(schedule, ended, { config, now: clock.now(), random })
    const next = { ...after, deleted_sessions: after.deleted_sessions + deletedSessions }
    const { id, name, origin } = schedule
    note = () => {
      noteEvent('schedule_ended', { schedule: id, name, status: ended.status, notify: ended.notify }, ended.session)
      if (next.status === 'disabled' && schedule.status !== 'disabled')
        noteEvent('schedule_disabled', { schedule: id, name, failures: next.failures }, origin)
    }
    const surplus = await surplusRuns(documents, id, config.max_run_history)
    return [change, { category: scheduleCategory, name: id, value: next }, ...surplus]
  })
  note()
}

interface Begun {
  readonly schedule: Schedule
  readonly runs: readonly ScheduleRun[]
  readonly changes: readonly DocumentChange[]
}

function beginRuns({ schedule, begins, skipped = [] }: Decision, now: number): Begun {
  const runs = begins.map(({ dueAt, attempt }) => newRun(schedule, dueAt, attempt, now))
  const ofRuns = runs.map((run) => ({ category: runCategory, name: runName(run), value: run }))
  return { schedule, runs, changes: [{ category: scheduleCategory, name: schedule.id, value: schedule }, ...ofRuns, ...skipped] }
}

function newRun(schedule: Schedule, dueAt: number, attempt: number, now: number): ScheduleRun {
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

function promptOf({ goal, notify }: Schedule): string {
  const lines = [goal]
  if (notify === 'conditional') lines.push(`Begin your reply with ${notifyMark} if the person should hear of the result now.`)
  return lines.join('\n\n')
}

function endedRun(run: ScheduleRun, outcome: JsonObject, now: number, policy: Schedule['notify']): ScheduleRun {
  const ends: Readonly<Record<string, ScheduleRun['status']>> = { ok: 'success', cancelled: 'cancelled', skipped: 'skipped' }
  const { status: ended } = outcome
  const status = (typeof ended === 'string' ? ends[ended] : undefined) ?? 'failed'
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
