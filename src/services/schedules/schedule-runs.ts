/**
 * The runs of schedules: each is a turn whose id follows from the schedule, the due time and the attempt, so that it happens exactly once
 * however often it is started, by this guest after a crash or by another one of the same user. A run ends when its turn does, which the
 * journal tells; a turn that a crash interrupted resumes like any other.
 */
import {
  type CallId,
  type Clock,
  isOxbowError,
  type JsonObject,
  errorMessage,
  ownValue,
  type Random,
  retryDelayMs,
  type SessionId,
  truncate,
  type TurnId,
} from '../../base/index.ts'
import { labelledFields, type Labels, type Spend, originOf } from '../../protocol/index.ts'
import type { SchedulesConfig } from './config.ts'
import type { Agents } from '../agents/service.ts'
import { carve, type Core, type DocumentChange, type Documents, giveBack, profileCategory } from '../../kernel/index.ts'
import type { HeldRuns, RunsPort } from '../../runs/index.ts'
import { graceMsOf, scheduleCategory, runCategory, runName, newRun, skippedRun, runsOf } from './schedule-record.ts'
import type { Schedule, ScheduleRun, Forecast } from './schedule-schemas.ts'

/** A run that no budget covers and that has no other time is tried again after this long. */
const budgetRetryMs: number = 60 * 60_000

export interface ScheduleDeps {
  readonly config: SchedulesConfig
  /** Name of the agent that runs. */
  readonly agent: string
  readonly documents: Documents
  readonly runs: RunsPort
  readonly clock: Clock
  readonly random: Random
  readonly newId: () => string
  readonly noteEvent: Core['noteEvent']
  readonly cancelTurn: (session: SessionId) => void
  /** Labels of what the session of a run has read. */
  readonly labelsOf: (session: SessionId) => Promise<Labels>
  readonly profileAs: Agents['profileAs']
  readonly budgetAs: Agents['budgetAs']
  /** The outcome of a turn that has ended; null while it is open. */
  readonly outcomeOf: (turn: TurnId) => Promise<JsonObject | null>
  readonly forecast: (schedule: Schedule) => Promise<Forecast>
  /** What the session of a run has spent since it began. */
  readonly usedBy: (run: ScheduleRun) => Promise<Spend>
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

/** Holds the runs that have begun: each waits for its place, is one turn, and ends with it. */
export function holdScheduleRuns(deps: ScheduleDeps, schedules: HeldRuns<Schedule>): HeldRuns<ScheduleRun> {
  const { runs, documents } = deps
  const held: HeldRuns<ScheduleRun> = runs.hold<ScheduleRun>({
    name: 'schedule runs',
    category: runCategory,
    dueAt: ({ ended_at: endedAt, started_at: startedAt }) => (endedAt === null ? startedAt : null),
    async goOn({ state: run, signal }) {
      const schedule = (await documents.get<Schedule>(scheduleCategory, run.schedule))?.value
      const known = await deps.outcomeOf(run.turn)
      const end: End =
        known !== null || schedule === undefined
          ? { outcome: known ?? { status: 'cancelled' } }
          : await workedOff({ ...deps, placed: () => savePlaced(deps, held, run) }, schedule, run, signal)
      await saveEnd(deps, schedules, run, end)
    },
  })
  return held
}

/** Records that a run has its place, unless it was deleted. */
async function savePlaced(deps: ScheduleDeps, held: HeldRuns<ScheduleRun>, run: ScheduleRun): Promise<void> {
  const name = runName(run)
  await held.update(byKernel(deps), name, async (current) => {
    if (current?.status !== 'waiting') return []
    const value: ScheduleRun = { ...current, status: 'running', started_at: deps.clock.now() }
    return [{ category: runCategory, name, value }]
  })
}

const skippedLate: JsonObject = { status: 'skipped', text: 'It could not start in time: others ran, or the machine was overloaded.' }

interface WorkDeps extends ScheduleDeps {
  /** Called when the run has its place. */
  readonly placed: () => Promise<void>
}

/** @returns how it ended @throws the reason of the signal */
async function workedOff(deps: WorkDeps, schedule: Schedule, run: ScheduleRun, signal: AbortSignal): Promise<End> {
  const { runs, config, clock } = deps
  const { turn, session, started_at: since } = run
  const late = new AbortController()
  // By its rule for missed times, a run that may not start in time does not start at all.
  const ring = (): void => late.abort('late')
  using _ = schedule.misfire === 'skip' ? runs.at(since + graceMsOf(schedule), ring) : null
  let end: Partial<End> = {}
  let limit: Disposable | undefined
  const stop = (): void => {
    end = { timedOut: true }
    deps.cancelTurn(session as SessionId)
  }
  try {
    const outcome = await runs.turns.toEnd({
      turn,
      session,
      kind: { name: 'schedule', most: config.max_running },
      since,
      signal,
      async begin(enter) {
        try {
          await enter(AbortSignal.any([signal, late.signal]))
        } catch (error) {
          if (signal.aborted || !late.signal.aborted) throw error
          return skippedLate
        }
        await deps.placed()
        const failed = await startRun(deps, schedule, run)
        if (failed === null) limit = runs.at(clock.now() + schedule.timeout_s * 1_000, stop)
        else end = failed
        return failed?.outcome ?? null
      },
    })
    return { ...end, outcome, timedOut: end.timedOut === true && outcome['status'] === 'cancelled' }
  } finally {
    limit?.[Symbol.dispose]()
  }
}

/** Starts its turn, which may have been started before. @returns how it ended instead; null: it has started */
async function startRun(deps: ScheduleDeps, schedule: Schedule, run: ScheduleRun): Promise<End | null> {
  const { turns } = deps.runs
  const { id, name, model, labels } = schedule
  const session = run.session as SessionId
  const cause = { labels, from: [originOf('schedule', name)] }
  deps.noteEvent('schedule_started', labelledFields({ schedule: id, name, due_at: run.due_at }, labels), session)
  try {
    await turns.openSession(session, name, cause)
    await runAs(deps, schedule, run)
    await turns.send({ ...cause, session, turn: run.turn, text: promptOf(schedule), model })
    return null
  } catch (error) {
    // The session that its runs share was deleted: the next run begins another one.
    const isGone = isOxbowError(error, 'not_found') && schedule.context === 'keep'
    const outcome = { status: 'failed', text: errorMessage(error) }
    return { outcome, ...(isGone && { deletedSessions: 1 }) }
  }
}

/** Whose turn it is, as the schedule says now: its session, which earlier runs may share, has a profile only then. @throws OxbowError */
async function runAs(deps: ScheduleDeps, { as = '', as_bounds: bounds = [] }: Schedule, { session, turn }: ScheduleRun): Promise<void> {
  const { documents } = deps
  const known = await documents.get(profileCategory, session)
  if (as === '' && known === null) return
  const value = as === '' ? null : await deps.profileAs(as, bounds, turn as string as CallId)
  await documents.put(byKernel(deps), [{ category: profileCategory, name: session, value }])
}

const byKernel = ({ newId }: Pick<ScheduleDeps, 'newId'>) =>
  ({ caller: { actor: 'kernel', session: '', turn: '' }, call: newId() as CallId, name: 'schedule.run' }) as const

interface End {
  readonly outcome: JsonObject
  readonly timedOut?: boolean
  readonly deletedSessions?: number
}

/** Records the end of a run and what follows for its schedule, once. */
async function saveEnd(deps: ScheduleDeps, schedules: HeldRuns<Schedule>, run: ScheduleRun, end: End): Promise<void> {
  const { outcome, timedOut = false, deletedSessions = 0 } = end
  const { documents, config, clock, random, noteEvent } = deps
  let note = (): void => {}
  const used = await deps.usedBy(run)
  const labels = run.session === '' || outcome['status'] === 'skipped' ? [] : await deps.labelsOf(run.session)
  await schedules.update(byKernel(deps), run.schedule, async (schedule) => {
    const current = await documents.get<ScheduleRun>(runCategory, runName(run))
    if (current?.value.ended_at !== null) return [giveBack('run', run.turn)]
    const found = timedOut ? { status: 'failed', text: `It took longer than ${schedule?.timeout_s ?? 0} s.` } : outcome
    const ended = { ...endedRun(current.value, found, clock.now(), schedule?.notify ?? 'never'), used, labels }
    const changes = [{ category: runCategory, name: runName(ended), value: ended }, giveBack('run', ended.turn)]
    if (schedule === null) return changes
    const after = afterRun(schedule, ended, { config, now: clock.now(), random })
    const next = { ...after, deleted_sessions: after.deleted_sessions + deletedSessions }
    const { id, name, origin } = schedule
    const said = (fields: JsonObject): JsonObject => labelledFields({ schedule: id, name, ...fields }, schedule.labels)
    note = () => {
      noteEvent('schedule_ended', said({ status: ended.status, notify: ended.notify }), ended.session)
      if (next.status === 'disabled' && schedule.status !== 'disabled')
        noteEvent('schedule_disabled', said({ failures: next.failures }), origin)
    }
    const surplus = await surplusRuns(documents, id, config.max_run_history)
    return [...changes, { category: scheduleCategory, name: id, value: next }, ...surplus]
  })
  note()
}

interface Begun {
  readonly runs: readonly ScheduleRun[]
  readonly changes: readonly DocumentChange[]
  /** Notes what happened, when it is recorded. */
  readonly note: () => void
}

/**
 * Records the runs that begin, what is skipped and the schedule as it is from then on, all in one record, so that no due time is lost or
 * repeated by a crash. With the record they go on. @param decide null: nothing changes @returns the turns
 */
export async function beginDue(
  deps: ScheduleDeps,
  schedules: HeldRuns<Schedule>,
  id: string,
  decide: (schedule: Schedule) => Promise<Decision | null>,
): Promise<readonly TurnId[]> {
  const begun: Begun[] = []
  await schedules.update(byKernel(deps), id, async (current) => {
    const decision = current === null ? null : await decide(current)
    begun.length = 0
    if (decision !== null) begun.push(await beginRuns(deps, decision))
    return begun.flatMap(({ changes }) => changes)
  })
  for (const { note } of begun) note()
  return begun.flatMap(({ runs }) => runs.map(({ turn }) => turn))
}

/** Records runs with their budgets, or skips runs that the budgets do not cover. */
async function beginRuns(deps: ScheduleDeps, decision: Decision): Promise<Begun> {
  const { schedule, begins, skipped = [] } = decision
  const { id, name } = schedule
  // Of the schedule and of the definition as which it runs, the stricter one, as of a delegation.
  const budget = begins.length === 0 || !schedule.as ? schedule.budget : await deps.budgetAs(schedule.as, schedule.budget)
  const expected = begins.length === 0 ? null : await deps.forecast({ ...schedule, budget })
  if (expected !== null && expected.refused !== '') return skipRuns(deps, decision, expected)
  const runs: ScheduleRun[] = []
  for (const { dueAt, attempt } of begins) {
    const run = newRun(schedule, dueAt, attempt, deps.clock.now())
    runs.push(schedule.context === 'keep' ? { ...run, spent_before: await deps.usedBy(run) } : run)
  }
  const ofRuns = runs.flatMap((run): readonly DocumentChange[] => {
    const carved = { session: run.session as SessionId, above: '', actor: `agent:${schedule.as || deps.agent}` } as const
    const held = budget === undefined ? [] : [carve('run', run.turn, budget, run.started_at, carved)]
    return [{ category: runCategory, name: runName(run), value: run }, ...held]
  })
  const note = (): void => {
    if (expected?.is_tight === true)
      deps.noteEvent('budget_warning', labelledFields({ schedule: id, name, worst: { ...expected.worst } }, schedule.labels))
  }
  return { runs, changes: [{ category: scheduleCategory, name: id, value: schedule }, ...ofRuns, ...skipped], note }
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
    for (const { dueAt } of begins)
      deps.noteEvent('schedule_skipped', labelledFields({ schedule: id, name, due_at: dueAt, reason: 'budget_exhausted' }, schedule.labels))
  }
  return { runs: [], changes, note }
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
  readonly config: SchedulesConfig
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
  const ended = runs.filter(({ ended_at: endedAt }) => endedAt !== null)
  return ended.slice(0, Math.max(0, ended.length - most)).map((run) => ({ category: runCategory, name: runName(run), value: null }))
}
