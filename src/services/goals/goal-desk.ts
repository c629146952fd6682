/** What the calls about goals do: who may start one with which rights, what is shown, and how a goal uses the rest of the kernel. */
import {
  assertNoBranch,
  carvedOf,
  type AgentProfile,
  type Core,
  giveUpCalls,
  meet,
  modelRight,
  processRight,
  profileCategory,
  secretRight,
} from '../../kernel/index.ts'
import { type CallId, isDerived, type Json, OxbowError, type SessionId, toError, truncate, type TurnId } from '../../base/index.ts'
import { type Caller, type Completion, grantOf, isTurn, joinLabels, type Labels, sessionScope } from '../../protocol/index.ts'
import { type RunsPort, starterOf } from '../../runs/index.ts'
import { sectionOf } from '../../config/index.ts'
import type { Access } from '../access/service.ts'
import type { Agents } from '../agents/service.ts'
import { namedById } from '../named-by-id.ts'
import type { OpenVersions } from '../versions/service.ts'
import { goalsConfig } from './config.ts'
import { goalAgents } from './goal-work.ts'
import { answered, openAsk } from './goal-ask.ts'
import { withNamedHosts } from './goal-checks.ts'
import type { GenerationDeps, GoalCall } from './goal-generation.ts'
import {
  type Generation,
  generationCategory,
  generationName,
  type Goal,
  goalOf,
  isOver,
  readGenerations,
  seedCategory,
  seedChange,
  sessionOfGoal,
  stepCall,
  turnOfGeneration,
} from './goal-record.ts'
import { createGoalRuns, type GoalRuns, unknownGoal } from './goal-runs.ts'
import { seedOf } from './goal-steps.ts'
import type { GenerationView, GoalSummary, GoalView, StartInput } from './goal-view.ts'
import { maxGenerations, maxShownGenerations, maxTakeUpMs } from './limits.ts'
import { type Seed, type SeedContent, seedHash, takeSeed } from './seed.ts'

export interface GoalDeps extends Core {
  readonly access: Access
  readonly agents: Agents
  readonly runs: RunsPort
  readonly versions: OpenVersions
}

export interface GoalDesk {
  readonly runs: GoalRuns
  start(caller: Caller, call: CallId, input: StartInput): Promise<Goal>
  /** @throws OxbowError `not_found`, `bad_input` for a beginning of several ids */
  find(caller: Caller, ref: string): Promise<Goal>
  list(caller: Caller, all: boolean, limit: number): Promise<{ readonly goals: readonly GoalSummary[]; readonly labels: Labels }>
  view(goal: Goal): Promise<GoalView>
  generations(goal: Goal, from: number, limit: number): Promise<readonly Generation[]>
  seed(hash: string): Promise<Seed>
  /** @throws OxbowError `not_found` where it asks nothing, `bad_input` for answers that do not fit */
  answer(caller: Caller, goal: Goal, answers: readonly Json[], signal: AbortSignal): Promise<void>
  /** Before the first generation. @returns the hash of the new seed @throws OxbowError `bad_input` */
  edit(goal: Goal, content: Json): Promise<string>
  pause(caller: Caller, call: CallId, goal: Goal): Promise<Goal>
  resume(caller: Caller, call: CallId, goal: Goal): Promise<Goal>
}

/** States of an agent that has something to do. `starting`: it waits for a place. */
const atWork: ReadonlySet<string> = new Set(['starting', 'running', 'waiting'])

export function createGoalDesk(deps: GoalDeps): GoalDesk {
  const { agents, config, documents } = deps
  agents.definitions.bring(goalAgents(sectionOf(goalsConfig, config), config.agent.rights))
  const runs = createGoalRuns({ ...deps, ...workOf(deps) })
  agents.onOver(({ session, name }) => void endOf(runs, session, `The agent ${name}, which started it, has ended.`).catch(() => {}))
  const visible = async ({ audience, session }: Caller): Promise<readonly Goal[]> =>
    (await runs.all()).filter(({ home }) => audience === 'terminal' || (home !== '' && home === session))
  const waitsFor = async (goal: Goal): Promise<string> => {
    if (isOver(goal)) return ''
    if (goal.status === 'running' && (goal.phase === 'asking' || goal.phase === 'review')) return 'an answer'
    if ((await deps.access.waitingIn(goal.session)).length > 0) return 'an approval'
    const working = agents.supervisor.all().filter((agent) => agent.home === goal.session && atWork.has(agent.state))
    return working.length > 0 && working.every(({ state }) => state === 'starting') ? 'a place' : ''
  }
  const seed = async (hash: string): Promise<Seed> => seedIn(deps, hash)
  return {
    runs,
    seed,
    async start(caller, call, input) {
      const goal = await newGoal(deps, caller, call, input)
      if (input.seed === undefined) return runs.begin(goal, [])
      const made = seedOf(goal, takeSeed(input.seed), goal.starter === '' ? 'person' : 'model')
      const hash = seedHash(made)
      return runs.begin({ ...goal, seed: hash, phase: goal.options.review ? 'review' : 'execute' }, [seedChange(hash, made)])
    },
    async find(caller, ref) {
      const found = namedById(await visible(caller), ref, 'goals')
      if (found === undefined) throw unknownGoal(ref)
      return found
    },
    async list(caller, everything, limit) {
      const shown = (await visible(caller)).filter((goal) => everything || !isOver(goal))
      const newest = shown.toSorted((a, b) => b.created_at - a.created_at).slice(0, limit)
      const goals = await Promise.all(newest.map(async (goal) => summaryOf(goal, await waitsFor(goal))))
      const labels = await Promise.all(newest.map((goal) => labelsOf(deps, goal)))
      return { goals, labels: labels.reduce<Labels>(joinLabels, []) }
    },
    view: async (goal) => viewOf(deps, goal, await waitsFor(goal)),
    generations: (goal, from, limit) => readGenerations(documents, goal.id, from, limit),
    answer: (caller, goal, answers, signal) => answer(deps, runs, { caller, goal, answers, signal }),
    edit: (goal, content) => edit(deps, runs, goal, content),
    pause: (caller, call, goal) => halt(deps, runs, { caller, call, goal }, 'paused'),
    resume: (caller, call, goal) => halt(deps, runs, { caller, call, goal }, 'running'),
  }
}

async function viewOf(deps: GoalDeps, goal: Goal, waiting: string): Promise<GoalView> {
  const total = goal.outcomes.length + (isOver(goal) || goal.outcomes.length > goal.generation ? 0 : 1)
  const from = Math.max(0, total - maxShownGenerations)
  const [generations, known] = await Promise.all([
    readGenerations(deps.documents, goal.id, from, maxShownGenerations),
    goal.seed === '' ? null : seedIn(deps, goal.seed),
  ])
  await deps.budgets.load({ session: goal.session, actor: 'kernel' })
  const { spent } = deps.budgets.view(sessionScope(goal.session))
  const { session, home, options, deadline, step, failure, rounds, end } = goal
  return {
    ...summaryOf(goal, waiting),
    session,
    home,
    labels: await labelsOf(deps, goal),
    options,
    deadline,
    step,
    failure,
    rounds: [...rounds],
    questions: waiting === 'an answer' ? [...goal.questions] : [],
    seed_hash: goal.seed,
    seed: known,
    generations: generations.map(generationViewOf),
    generations_total: from + generations.length,
    spent: { tokens: spent.tokens, micro_dollars: spent.microDollars },
    end,
  }
}

async function labelsOf({ sessions }: Pick<Core, 'sessions'>, goal: Goal): Promise<Labels> {
  return isOver(goal) ? goal.labels : sessions.loadHeld(goal.session)
}

interface Answering {
  readonly caller: Caller
  readonly goal: Goal
  readonly answers: readonly Json[]
  readonly signal: AbortSignal
}

async function answer(deps: GoalDeps, runs: GoalRuns, { caller, goal, answers, signal }: Answering): Promise<void> {
  const open = () => openAsk(deps.approvals.pending(goal.session), goal.id)
  const comes = async (): Promise<boolean> => {
    const now = await runs.find(goal.id)
    return now?.status === 'running' && (now.phase === 'asking' || now.phase === 'review')
  }
  await runs.until(goal.id, async () => open() !== undefined || !(await comes()), maxTakeUpMs, signal)
  const asked = open()
  if (asked === undefined)
    throw new OxbowError('not_found', `The goal ${goal.id} waits for no answer.`, { hint: '`oxbow goal show` says what it does.' })
  const read = answered(asked, answers)
  if ('problem' in read) throw new OxbowError('bad_input', read.problem, { hint: '`oxbow goal show` has the questions.' })
  const decided = await deps.gate.call(
    caller,
    'call.decide',
    { call: asked.call, allow: true, input: read.input },
    { id: deps.newId() as CallId, signal: null },
  )
  if (decided.status !== 'ok') throw toError(decided.failure)
  await runs.until(goal.id, async () => (await runs.find(goal.id))?.step !== goal.step, maxTakeUpMs, signal)
}

async function edit(deps: GoalDeps, runs: GoalRuns, goal: Goal, content: Json): Promise<string> {
  const made: SeedContent = takeSeed(content)
  if (goal.seed === '')
    throw new OxbowError('bad_input', 'The goal has no seed yet.', { hint: 'Answer what it asks, or give it a seed when it starts.' })
  const edited: Seed = { ...(await seedIn(deps, goal.seed)), ...made, parent: goal.seed, by: 'person' }
  const hash = seedHash(edited)
  await runs.change(
    goal.id,
    (now) => {
      if (now.seed !== goal.seed) throw changedMeanwhile()
      if (now.generation > 0 || !(now.phase === 'review' || (now.phase === 'execute' && now.status === 'paused'))) throw tooLate(now)
      return { seed: hash }
    },
    [seedChange(hash, edited)],
  )
  return hash
}

function changedMeanwhile(): OxbowError {
  return new OxbowError('edit_mismatch', 'The seed has changed meanwhile.', { hint: 'Look at it again: oxbow goal show ID' })
}

function tooLate({ phase, generation }: Goal): OxbowError {
  return new OxbowError('bad_input', `The seed is worked on already (${phase}, generation ${generation + 1}), and never changes then.`, {
    hint: 'Stop the goal and start another one; or start with --review, and edit the seed before you approve it.',
  })
}

async function endOf(runs: GoalRuns, session: SessionId, text: string): Promise<void> {
  for (const goal of await runs.all()) if (goal.home === session && !isOver(goal)) await runs.end(goal.id, 'person', text)
}

/** Also who works for it pauses, before the next step, and goes on. */
async function halt(
  { agents: { supervisor } }: GoalDeps,
  runs: GoalRuns,
  { caller, call, goal }: { readonly caller: Caller; readonly call: CallId; readonly goal: Goal },
  status: 'paused' | 'running',
): Promise<Goal> {
  const changed = await runs.change(goal.id, (now) => (now.status === status ? null : { status, retry_at: null }))
  const below = supervisor.all().filter(({ home, state }) => home === goal.session && !['done', 'failed', 'killed'].includes(state))
  for (const { id } of below) {
    if (status === 'paused') await supervisor.pause({ caller, call, name: 'goal.pause' }, id)
    else await supervisor.resume({ caller, call, name: 'goal.resume' }, id)
  }
  return changed
}

async function newGoal(deps: GoalDeps, caller: Caller, call: CallId, input: StartInput): Promise<Goal> {
  assertNoBranch(caller)
  const { config, sessions, clock } = deps
  const { delegable, tier } = await deps.agents.parentOf(caller)
  const settings = sectionOf(goalsConfig, config)
  const id = goalOf(call)
  const now = clock.now()
  if (input.budget !== undefined) {
    const book = await deps.budgets.book()
    await book.load(caller)
    book.assertCovers(caller, carvedOf(input.budget))
  }
  return {
    id,
    session: sessionOfGoal(id),
    home: caller.session,
    starter: starterOf(caller),
    // A person starts it with the rights of their usual agent.
    rights: delegable.includes('*') ? [...config.agent.rights, secretRight, modelRight] : delegable,
    tier,
    labels: sessions.held(caller),
    request: input.request,
    options: {
      just_do_it: input.just_do_it,
      review: input.review,
      max_generations: Math.min(maxGenerations, input.max_generations ?? settings.max_generations),
      judges: input.judges ?? settings.judges,
    },
    budget: input.budget,
    deadline: input.deadline_s === undefined ? null : now + input.deadline_s * 1_000,
    status: 'running',
    phase: 'interview',
    step: 0,
    tries: 0,
    retry_at: null,
    failure: '',
    rounds: [],
    questions: [],
    scores: null,
    seed: '',
    generation: 0,
    outcomes: [],
    best: null,
    ending: null,
    end: null,
    created_at: now,
    ended_at: null,
  }
}

function summaryOf({ id, request, status, phase, generation, best, created_at, ended_at }: Goal, waiting: string): GoalSummary {
  const shown = best === null ? null : { ...best, generation: best.generation + 1 }
  return { id, request, status, phase, generation: generation + 1, best: shown, waiting_for: waiting, created_at, ended_at }
}

function generationViewOf(of: Generation): GenerationView {
  const { number, goal: _, from: __, base: ___, outcome, ...generation } = of
  const shown = outcome === null ? null : { passed: outcome.passed, score: outcome.score }
  return { ...generation, number: number + 1, outcome: shown }
}

async function seedIn({ documents }: Pick<Core, 'documents'>, hash: string): Promise<Seed> {
  const found = await documents.get<Seed>(seedCategory, hash)
  if (found !== null) return found.value
  throw new OxbowError('not_found', `There is no seed ${hash.slice(0, 12)}.`, { hint: 'Start the goal again.' })
}

/** What steps use of the kernel. Each call has an id that follows from the step, so that a restart is given its outcome. */
function workOf(deps: GoalDeps): GenerationDeps & Pick<Parameters<typeof createGoalRuns>[0], 'openSession' | 'giveUp'> {
  const { documents, clock, gate } = deps
  const runtime = (goal: Goal): Caller => ({
    user: deps.user,
    actor: 'agent:goal',
    rights: new Set([processRight]),
    audience: 'runtime',
    session: goal.session,
    turn: goal.id,
    process: '',
  })
  const passed = async (caller: Caller, goal: Goal, made: GoalCall) => {
    const options = { id: stepCall(goal, made.part), signal: made.signal, resumed: true, durable: true }
    const name: string = made.name
    const outcome = await gate.call(caller, name, made.input, options)
    made.signal.throwIfAborted()
    if (outcome.status === 'ok') return { output: (outcome.output ?? null) as Json, text: outcome.text, ok: outcome.ok }
    throw toError(outcome.failure)
  }
  return {
    schemas: deps.schemas,
    now: () => clock.now(),
    seed: (hash) => seedIn(deps, hash),
    generation: async (goal, number) =>
      (await documents.get<Generation>(generationCategory, generationName(goal.id, number)))?.value ?? null,
    async ownBranches(goal) {
      const prefix = `goal-${goal.id.slice(0, 13)}-`
      const all = await (await deps.versions.branches()).all()
      return all.flatMap(({ name, state }) => (name.startsWith(prefix) && state !== 'merged' && state !== 'dropped' ? [name] : []))
    },
    async complete(goal, part, { system, text, form }, signal) {
      const input = { model: '', system, text, output: form }
      const { output } = await passed(runtime(goal), goal, { part, name: 'model.complete', input, signal })
      return (output as unknown as Completion).text
    },
    async ask(goal, { about, text, questions }, signal) {
      const input = { goal: goal.id, about, text, questions: questions as unknown as Json }
      const { output } = await passed(runtime(goal), goal, { part: 'ask', name: 'goal.ask', input, signal })
      return (output as { readonly answers: readonly string[] }).answers
    },
    async call(goal, made) {
      const bounds = goal.starter === '' ? goal.rights : meet((await deps.profileOf(goal.session))?.rights ?? [], goal.rights)
      const turn: TurnId = made.delegates === true ? turnOfGeneration(goal) : goal.id
      const branch = made.branch === undefined ? {} : { branch: made.branch }
      const mayFetch = made.reaches === true && goal.starter === ''
      const rights = mayFetch ? withNamedHosts(bounds, deps.config.egress.allow) : bounds
      const caller: Caller = { ...runtime(goal), ...grantOf(rights), audience: 'model', turn, ...branch }
      return passed(caller, goal, made)
    },
    openSession: (goal) => openSession(deps, goal),
    giveUp: (run) => giveUpCalls(deps.journal, run, (record) => !isTurn(record)),
  }
}

/** Its profile limits what works for it, as an agent's does; no turn runs in it. */
async function openSession(deps: GoalDeps, goal: Goal): Promise<void> {
  const { session, home, starter, rights, labels, id, tier } = goal
  await deps.runs.turns.openSession(session, truncate(`goal ${goal.request}`, 100), { labels })
  if ((await deps.documents.get<AgentProfile>(profileCategory, session)) === null) {
    const value: AgentProfile = {
      agent: id as string as CallId,
      name: 'goal',
      rights,
      model: '',
      instructions: '',
      home,
      spawner: starter,
      killed: true,
      delegable: rights,
      tier,
    }
    const of = { caller: { actor: 'kernel', session, turn: id }, call: deps.newId() as CallId, name: 'goal.step' } as const
    await deps.documents.put(of, [{ category: profileCategory, name: session, value }])
  }
  if (home !== '' && isDerived(home)) deps.agents.supervisor.countWith(session, home)
}
