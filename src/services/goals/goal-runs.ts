/**
 * Goals as runs: each step is recorded with what it has come to, and the next one follows from the record. A step that throws is tried again;
 * the same failure three times is the end. What needs a person or others waits in its call.
 */
import { carve, type Core, type DocumentChange, giveBack } from '../../kernel/index.ts'
import type { HeldRuns, RunsPort } from '../../runs/index.ts'
import { type CallId, type ErrorCode, isOxbowError, OxbowError, toFailure, type TurnId } from '../../base/index.ts'
import { sessionScope } from '../../protocol/index.ts'
import { check, evolve, execute, type GenerationDeps, judge } from './goal-generation.ts'
import { finish } from './goal-finish.ts'
import { generationCategory, type Goal, goalCategory, goalChange, isOver, generationName } from './goal-record.ts'
import { type Advance, asking, interview, makeSeed, review } from './goal-steps.ts'
import { maxEndedGoals, maxLiveGoals, maxSameFailures, stepRetryMs } from './limits.ts'
import type { EndReason } from './stop-rules.ts'

export interface GoalRunsDeps
  extends GenerationDeps, Pick<Core, 'documents' | 'clock' | 'newId' | 'noteEvent' | 'budgets' | 'runEnded' | 'sessions'> {
  readonly runs: RunsPort
  /** Makes its session if needed, and what limits who works for it. */
  readonly openSession: (goal: Goal) => Promise<void>
  /** Closes calls that a crash interrupted and that were not made again. */
  readonly giveUp: (run: TurnId) => Promise<void>
}

export interface GoalRuns {
  load(): Promise<void>
  /** Safe to repeat. @throws OxbowError `limit_reached` */
  begin(goal: Goal, changes: readonly DocumentChange[]): Promise<Goal>
  /** Changes a goal that is not over. @param next null: nothing changes @throws OxbowError `not_found`, `bad_input` where it is over */
  change(id: TurnId, next: (goal: Goal) => Partial<Goal> | null, changes?: readonly DocumentChange[]): Promise<Goal>
  /** Ends it with its next step. Resolves when nothing of it runs. */
  end(id: TurnId, reason: EndReason, text: string): Promise<Goal>
  find(id: TurnId): Promise<Goal | null>
  all(): Promise<readonly Goal[]>
  /** Resolves when it fits, which is asked whenever it has changed, or the time is over. */
  until(id: TurnId, fits: () => Promise<boolean>, ms: number, signal: AbortSignal): Promise<void>
}

const topicOf = (id: string): string => `goal ${id}`
const by = ({ newId }: Pick<Core, 'newId'>, { id, session }: Pick<Goal, 'id' | 'session'>) =>
  ({ caller: { actor: 'kernel', session, turn: id }, call: newId() as CallId, name: 'goal.step' }) as const

export function createGoalRuns(deps: GoalRunsDeps): GoalRuns {
  const { runs, documents } = deps
  const held: HeldRuns<Goal> = runs.hold<Goal>({
    name: 'goals',
    category: goalCategory,
    dueAt: (goal) => (isOver(goal) ? null : goal.ending !== null ? 0 : goal.status === 'paused' ? Infinity : (goal.retry_at ?? 0)),
    deadline: ({ ending, deadline }) => (ending === null ? deadline : null),
    goOn: ({ state, signal }) => goOn(deps, held, state, signal),
  })
  documents.watch(goalCategory, (id) => runs.changed(topicOf(id)))
  const find: GoalRuns['find'] = async (id) => (await documents.get<Goal>(goalCategory, id))?.value ?? null
  const all: GoalRuns['all'] = async () => (await documents.all<Goal>(goalCategory)).map(({ value }) => value)
  const change: GoalRuns['change'] = async (id, next, changes = []) => {
    let now: Goal | null = null
    await documents.update<Goal>(by(deps, { id, session: (await found(find, id)).session }), goalCategory, id, async (current) => {
      if (current === null || isOver(current.value)) throw overNow(id, current?.value ?? null)
      const patch = next(current.value)
      now = { ...current.value, ...patch }
      return patch === null ? [] : [goalChange(now), ...changes]
    })
    return now!
  }
  return {
    load: held.load,
    find,
    all,
    change,
    async begin(goal, changes) {
      const known = await find(goal.id)
      if (known !== null) return known
      const others = await all()
      const live = others.filter((each) => !isOver(each)).length
      if (live >= maxLiveGoals)
        throw new OxbowError('limit_reached', `${live} goals are open; at most ${maxLiveGoals} are allowed.`, {
          hint: 'Wait for one, or end one: `oxbow goal list`, `oxbow goal stop`.',
        })
      const { id, session, home, starter, budget = {} } = goal
      await deps.openSession(goal)
      const carved = carve('run', id, budget, goal.created_at, { session, above: home, actor: starter })
      const surplus = await forgotten(deps, others)
      await held.put(by(deps, goal), [goalChange(goal), carved, ...changes, ...surplus])
      deps.noteEvent('goal_started', { goal: id }, session)
      return goal
    },
    async end(id, reason, text) {
      await change(id, ({ ending }) => (ending === null ? { ending: { reason, text }, phase: 'finish', tries: 0, retry_at: null } : null))
      await held.cancel(id)
      return found(find, id)
    },
    async until(id, fits, ms, signal) {
      const look = async (): Promise<true | null> => ((await fits()) ? true : null)
      await runs.until(topicOf(id), look, { signal, until: deps.clock.now() + ms }).catch((error: unknown) => {
        if (!signal.aborted) throw error
      })
    },
  }
}

async function found(find: GoalRuns['find'], id: TurnId): Promise<Goal> {
  const goal = await find(id)
  if (goal === null) throw unknownGoal(id)
  return goal
}

export function unknownGoal(ref: string): OxbowError {
  return new OxbowError('not_found', `There is no goal ${ref}.`, { hint: '`oxbow goal list --all` shows them.' })
}

function overNow(id: string, goal: Goal | null): OxbowError {
  if (goal === null) return unknownGoal(id)
  return new OxbowError('bad_input', `The goal ${id} is over: ${goal.status}.`, { hint: 'Start another one: oxbow goal start "…"' })
}

async function forgotten({ documents }: GoalRunsDeps, all: readonly Goal[]): Promise<readonly DocumentChange[]> {
  const ended = all.filter(isOver).toSorted((a, b) => (b.ended_at ?? 0) - (a.ended_at ?? 0))
  const changes: DocumentChange[] = []
  for (const { id, outcomes } of ended.slice(maxEndedGoals)) {
    changes.push({ category: goalCategory, name: id, value: null })
    for (let number = 0; number <= outcomes.length; number++)
      if ((await documents.get(generationCategory, generationName(id, number))) !== null)
        changes.push({ category: generationCategory, name: generationName(id, number), value: null })
  }
  return changes
}

const steps = { interview, asking, seed: makeSeed, review, execute, check, judge, evolve, finish } as const

async function goOn(deps: GoalRunsDeps, held: HeldRuns<Goal>, goal: Goal, signal: AbortSignal): Promise<number | void> {
  try {
    await deps.openSession(goal)
    const advance = await steps[goal.phase](deps, goal, signal)
    if (signal.aborted && !isItsEnd(signal)) return
    await record(deps, held, goal, advance)
  } catch (error) {
    if (signal.aborted && !isItsEnd(signal)) throw error
    // A person ended it: the record says so, and the next step is the last.
    if (signal.reason === 'cancelled') return
    const late = signal.reason === 'deadline'
    await record(deps, held, goal, late ? ending('deadline', '') : await failed(deps, goal, error))
  }
}

const isItsEnd = ({ reason }: AbortSignal): boolean => reason === 'cancelled' || reason === 'deadline'

const ending = (reason: EndReason, text: string): Advance => ({ patch: { ending: { reason, text }, phase: 'finish' } })

/** Failures that the same try would meet again. */
const final: ReadonlySet<ErrorCode> = new Set(['denied', 'unknown_call', 'sandbox_missing'])

/** A failure of the last step is the end of the goal, as it is. */
async function failed(deps: GoalRunsDeps, goal: Goal, error: unknown): Promise<Advance> {
  const { code, message, hint } = toFailure(error, 'internal_failure', 'The log has details.')
  if (!isOxbowError(error) && goal.tries === 0) deps.noteEvent('goal_step_failed', { goal: goal.id, phase: goal.phase, code }, goal.session)
  const failure = `${code}: ${message} ${hint}`.trim()
  if (code === 'budget_exhausted' && goal.phase !== 'finish') return ending(await lackingOf(deps, goal), message)
  const tries = failure === goal.failure ? goal.tries + 1 : 1
  const isEnd = final.has(code) || tries >= maxSameFailures || goal.tries >= 3 * maxSameFailures
  if (!isEnd) return { patch: { tries: goal.tries + 1, failure, retry_at: deps.clock.now() + stepRetryMs * 2 ** Math.min(goal.tries, 6) } }
  const reason = final.has(code) ? 'failed' : 'same_failure'
  if (goal.phase !== 'finish') return { patch: { ...ending(reason, `The step ${goal.phase} failed.`).patch, failure } }
  const text = `${goal.ending?.text ?? ''}\nIts end failed: ${failure}`.trim()
  const end = { reason: goal.ending?.reason ?? 'failed', text, merged: '', branch: '' } as const
  return { patch: { status: 'failed', failure, end, ended_at: deps.clock.now() } }
}

/** What of its budget does not suffice: the only limit it has, else the one with the smaller part left. */
async function lackingOf({ budgets }: Pick<GoalRunsDeps, 'budgets'>, { budget = {}, session }: Goal): Promise<EndReason> {
  const { micro_dollars: money, tokens } = budget
  if ((money === undefined) !== (tokens === undefined)) return money === undefined ? 'tokens' : 'money'
  await budgets.load({ session, actor: 'kernel' })
  const { spent } = budgets.view(sessionScope(session))
  const left = (limit: number | undefined, used: number): number => (limit === undefined ? 1 : 1 - used / limit)
  // Before anything is spent, it is a model without a price: only a limit on money refuses that.
  return left(tokens, spent.tokens) < left(money, spent.microDollars) ? 'tokens' : 'money'
}

/** Moves the goal on from this step, unless it has moved on meanwhile; what a person changed meanwhile stays. */
async function record(deps: GoalRunsDeps, held: HeldRuns<Goal>, goal: Goal, { patch, changes = [] }: Advance): Promise<void> {
  let ended: Goal | null = null
  // What it returns when it is over is from all that was read for it by then.
  const labels = await deps.sessions.loadHeld(goal.session)
  await held.update(by(deps, goal), goal.id, async (current) => {
    if (current === null || isOver(current) || current.step !== goal.step || current.tries !== goal.tries) return []
    // A person has ended it while this step ran: its last step follows.
    if (current.ending !== null && goal.ending === null) return []
    const isNext = patch.tries === undefined
    const next: Goal = {
      ...current,
      ...(isNext && { step: current.step + 1, tries: 0, retry_at: null, failure: patch.phase === 'finish' ? current.failure : '' }),
      ...patch,
      ...(patch.seed !== undefined && current.seed !== goal.seed && { seed: current.seed }),
    }
    if (!isOver(next)) return [goalChange(next), ...changes]
    ended = { ...next, labels }
    return [goalChange(ended), ...changes, giveBack('run', next.id)]
  })
  if (ended !== null) await over(deps, ended)
}

async function over(deps: GoalRunsDeps, { id, session, status, end }: Goal): Promise<void> {
  await deps.giveUp(id)
  deps.runEnded(id)
  deps.noteEvent('goal_ended', { goal: id, status, reason: end?.reason ?? 'failed' }, session)
}
