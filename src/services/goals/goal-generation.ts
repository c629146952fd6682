/**
 * A generation of a goal: agents work on a branch of files, checks run on a clean copy of it, others judge what only a model can judge, and
 * where that is not enough a better seed follows. The next generation begins with the files of the best one.
 */
import { createHash } from 'node:crypto'
import { textIn, isOxbowError, type JsonObject, OxbowError } from '../../base/index.ts'
import { editedTests, runCheck, type Answered, type CheckPlace, type CheckResult } from './goal-checks.ts'
import { evaluate, quorumOf, type Review, verdictForm, verdictIn } from './goal-judging.ts'
import { evolvePrompt, judgeText } from './goal-prompts.ts'
import { branchOf, type Generation, generationChange, type Goal, seedChange, stepCall } from './goal-record.ts'
import { type Advance, objectOf, type StepDeps, twice } from './goal-steps.ts'
import { judgeName, reviewerName, workOn } from './goal-work.ts'
import { maxTasksAtOnce } from './limits.ts'
import { type Check, type Criterion, evolved, judgedOf, readSeed, type Seed, seedHash } from './seed.ts'
import { bestOf, endAfter, type Outcome } from './stop-rules.ts'

/** A call of a goal, as an agent makes one. */
export interface GoalCall {
  /** Names it within the step. */
  readonly part: string
  readonly name: string
  readonly input: JsonObject
  readonly signal: AbortSignal
  /** Branch of files that it works on; absent: the workspace. */
  readonly branch?: string
  /** Work of others, which counts for the generation. */
  readonly delegates?: true
  /** It may reach the hosts that the configuration allows, for a person's goal. */
  readonly reaches?: true
}

export interface GenerationDeps extends StepDeps {
  /** @throws OxbowError as it failed */
  readonly call: (goal: Goal, made: GoalCall) => Promise<Answered & { readonly ok: boolean }>
  readonly generation: (goal: Goal, number: number) => Promise<Generation | null>
  /** @returns the branches of the goal that nobody has merged or dropped */
  readonly ownBranches: (goal: Goal) => Promise<readonly string[]>
  readonly schemas: CheckPlace['schemas']
  readonly now: () => number
}

export async function execute(deps: GenerationDeps, goal: Goal, signal: AbortSignal): Promise<Advance> {
  const seed = await deps.seed(goal.seed)
  const best = goal.best === null ? null : await deps.generation(goal, goal.best.generation)
  const branch = branchOf(goal)
  const began = deps.now()
  const base = best === null ? '' : best.base
  const from = best === null ? '' : best.commit
  const made = await makeBranch(deps, goal, branch, { at: from, base }, signal)
  const before = goal.generation === 0 ? null : await deps.generation(goal, goal.generation - 1)
  const place = {
    fanOut: (part: string, input: JsonObject) => deps.call(goal, { part, name: 'agent.fan_out', input, signal, branch, delegates: true }),
    branch,
    makeBranch: (name: string, at: string) => makeBranch(deps, goal, name, { at, base: '' }, signal),
    merge: (name: string) => mergePart(deps, goal, name, signal),
    dropBranch: (name: string) => dropBranch(deps, goal, name, signal),
    version: async (part: string) => (await diff(deps, goal, branch, part, signal)).to,
  }
  const { tasks, notes } = await workOn(place, goal, { seed, before })
  const generation: Generation = {
    goal: goal.id,
    number: goal.generation,
    seed: goal.seed,
    branch,
    from,
    base: base || made,
    commit: '',
    tasks,
    changed: [],
    checks: [],
    review: null,
    outcome: null,
    notes,
    began_at: began,
    ended_at: null,
  }
  return { patch: { phase: 'check' }, changes: [generationChange(generation)] }
}

/** @returns what of it conflicts with the branch of the generation, and was not merged; empty: it is merged */
async function mergePart(deps: GenerationDeps, goal: Goal, name: string, signal: AbortSignal): Promise<readonly string[]> {
  try {
    const input = { branch: name, into: branchOf(goal), conflicts: 'none' }
    const { output } = await deps.call(goal, { part: `merge ${name}`, name: 'branch.merge', input, signal })
    const { before, conflicts } = objectOf(output)
    const clashes = (conflicts as readonly JsonObject[]).map((one) => `${textIn(one, 'path')}: ${textIn(one, 'why')}`)
    return before === '' ? clashes : []
  } catch (error) {
    // A try that a crash has hidden has merged it.
    if (isOxbowError(error, 'not_found') && !(await deps.ownBranches(goal)).includes(name)) return []
    throw error
  }
}

/** Safe to repeat. @returns the version that a merge compares with */
export async function makeBranch(
  deps: GenerationDeps,
  goal: Goal,
  name: string,
  { at, base }: { readonly at: string; readonly base: string },
  signal: AbortSignal,
): Promise<string> {
  try {
    const input = { name, at, ...(base !== '' && { base }) }
    const { output } = await deps.call(goal, { part: `branch ${name}`, name: 'branch.create', input, signal })
    return textIn(objectOf(output), 'base')
  } catch (error) {
    // A try before this one has made it.
    if (!isOxbowError(error, 'bad_input') || !(await deps.ownBranches(goal)).includes(name)) throw error
    const { output } = await deps.call(goal, { part: `branch ${name} is there`, name: 'branch.diff', input: { branch: name }, signal })
    return textIn(objectOf(output), 'from')
  }
}

interface Difference {
  readonly to: string
  readonly changed: readonly string[]
  readonly text: string
}

async function diff(deps: GenerationDeps, goal: Goal, branch: string, part: string, signal: AbortSignal): Promise<Difference> {
  const { output } = await deps.call(goal, { part, name: 'branch.diff', input: { branch }, signal })
  const difference = objectOf(output)
  const changed = (difference['changes'] as readonly JsonObject[]).map((each) => textIn(each, 'path'))
  return { to: textIn(difference, 'to'), changed, text: textIn(difference, 'text') }
}

async function generationOf(deps: GenerationDeps, goal: Goal): Promise<Generation> {
  const found = await deps.generation(goal, goal.generation)
  if (found !== null) return found
  throw new OxbowError('internal_failure', `The generation ${goal.generation} of the goal is not there.`, { hint: 'Start the goal again.' })
}

export async function check(deps: GenerationDeps, goal: Goal, signal: AbortSignal): Promise<Advance> {
  const [seed, generation] = await Promise.all([deps.seed(goal.seed), generationOf(deps, goal)])
  const { to: commit, changed } = await diff(deps, goal, generation.branch, 'made', signal)
  const checks: CheckResult[] = []
  if (seed.tests.length > 0) checks.push(testsResult(seed, changed))
  const runnable = seed.criteria.flatMap(({ text, check: run }) => (run === null ? [] : [{ text, check: run }]))
  if (runnable.length > 0) checks.push(...(await onCleanBranch(deps, goal, commit, runnable, signal)))
  const lost = generation.tasks.filter(({ status }) => status !== 'success')
  const ended = lost.map(({ task, status, reason }) => `The part ${task} ended with ${status}. ${reason}`.trim())
  const notes = [...generation.notes, ...ended]
  const next: Generation = { ...generation, commit, changed, checks, notes }
  return { patch: { phase: 'judge' }, changes: [generationChange(next)] }
}

function testsResult({ tests }: Seed, changed: readonly string[]): CheckResult {
  const edited = editedTests(tests, changed)
  return {
    text: 'The tests are as they were.',
    check: `${tests.join(', ')} unchanged`,
    status: edited.length === 0 ? 'passed' : 'failed',
    evidence: edited.length === 0 ? '' : `Changed: ${edited.slice(0, 20).join(', ')}. Who works on a goal does not change its tests.`,
    wrote: [],
  }
}

type Runnable = Criterion & { readonly check: Check }

async function onCleanBranch(
  deps: GenerationDeps,
  goal: Goal,
  at: string,
  runnable: readonly Runnable[],
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  // Each try has one of its own: what a crash interrupted may have changed the last one.
  const branch = `${branchOf(goal)}-check-${goal.step}-${goal.tries}`
  await makeBranch(deps, goal, branch, { at, base: '' }, signal)
  const seen = new Set<string>()
  const place: CheckPlace = {
    schemas: deps.schemas,
    call: (part, name, input) => deps.call(goal, { part, name, input, signal, branch, reaches: true }),
    async changed(part) {
      const { changed } = await diff(deps, goal, branch, part, signal)
      const fresh = changed.filter((path) => !seen.has(path))
      for (const path of fresh) seen.add(path)
      return fresh
    },
  }
  const results: CheckResult[] = []
  for (const [i, each] of runnable.entries()) results.push(await runCheck(place, i, each))
  await dropBranch(deps, goal, branch, signal)
  return results
}

/** Safe to repeat; one that is gone is gone. */
export async function dropBranch(deps: GenerationDeps, goal: Goal, branch: string, signal: AbortSignal): Promise<void> {
  try {
    await deps.call(goal, { part: `drop ${branch}`, name: 'branch.drop', input: { branch }, signal })
  } catch (error) {
    if (!isOxbowError(error, 'not_found')) throw error
  }
}

export async function judge(deps: GenerationDeps, goal: Goal, signal: AbortSignal): Promise<Advance> {
  const [seed, generation] = await Promise.all([deps.seed(goal.seed), generationOf(deps, goal)])
  const hasFailed = generation.checks.some(({ status }) => status !== 'passed')
  const review = judgedOf(seed).length === 0 || hasFailed ? null : await reviewed(deps, goal, seed, generation, signal)
  const found = evaluate(generation.checks, review)
  const notes = [...new Set([...generation.notes, ...found.notes])]
  const failing = generation.checks
    .filter(({ status }) => status !== 'passed')
    .map(({ text, status, evidence }) => [text, status, evidence])
  // A hash: only whether it is the same matters, and a goal may have a thousand of them.
  const failure = failing.length === 0 ? '' : createHash('sha256').update(JSON.stringify(failing)).digest('hex').slice(0, 16)
  const outcome: Outcome = { passed: found.passed, score: found.score, failure }
  const next: Generation = { ...generation, review, outcome, notes, ended_at: deps.now() }
  return { patch: after(goal, outcome), changes: [generationChange(next)] }
}

/** What follows when a generation has been judged. */
function after(goal: Goal, outcome: Outcome): Partial<Goal> {
  const outcomes = [...goal.outcomes, outcome]
  const { generation } = goal
  const mine = { generation, score: outcome.score, passed: outcome.passed }
  const best = goal.best === null || bestOf([goal.best, mine]) === 1 ? mine : goal.best
  const reason = endAfter(outcomes, goal.options.max_generations)
  if (reason === null) return { phase: 'evolve', outcomes, best }
  return { phase: 'finish', outcomes, best, ending: { reason, text: '' } }
}

async function reviewed(deps: GenerationDeps, goal: Goal, seed: Seed, generation: Generation, signal: AbortSignal): Promise<Review> {
  const made = await diff(deps, goal, generation.branch, 'what was made', signal)
  if (made.to === generation.commit) return reviewOf(deps, goal, { seed, generation, branch: generation.branch, text: made.text }, signal)
  // Somebody has changed the branch since: what was checked is judged, and merged in the end.
  const branch = `${branchOf(goal)}-judged-${goal.step}-${goal.tries}`
  await makeBranch(deps, goal, branch, { at: generation.commit, base: generation.base }, signal)
  const { text } = await diff(deps, goal, branch, 'what was checked', signal)
  const review = await reviewOf(deps, goal, { seed, generation, branch, text }, signal)
  await dropBranch(deps, goal, branch, signal)
  return review
}

interface Reviewed {
  readonly seed: Seed
  readonly generation: Generation
  /** On which the files are. */
  readonly branch: string
  /** The difference. */
  readonly text: string
}

async function reviewOf(
  deps: GenerationDeps,
  goal: Goal,
  { seed, generation, branch, text }: Reviewed,
  signal: AbortSignal,
): Promise<Review> {
  const brief = judgeText(seed, generation.checks, text, stepCall(goal, 'review'))
  const asked = { part: 'review', signal, branch, delegates: true } as const
  const input = { agent: reviewerName, goal: brief, key_facts: [], result: verdictForm, wait: true }
  const { output } = await deps.call(goal, { ...asked, name: 'agent.delegate', input })
  const review = verdictIn(objectOf(output)['value'] ?? null)
  const quorum = quorumOf(goal.options.judges)
  // Where the review fails it, judges would only cost.
  if (review?.passed !== true || goal.options.judges === 0) return { review, judges: [], quorum }
  const tasks = Array.from({ length: goal.options.judges }, (_, at) => ({
    id: `judge-${at + 1}`,
    agent: judgeName,
    goal: brief,
    key_facts: [],
    result: verdictForm,
    needs: [],
  }))
  const votes = { tasks, until: 'all', on_failure: 'continue', at_once: maxTasksAtOnce } satisfies JsonObject
  const heard = await deps.call(goal, { ...asked, part: 'judges', name: 'agent.fan_out', input: votes })
  const judges = (objectOf(heard.output)['tasks'] as readonly JsonObject[]).map(({ status, value }) =>
    status === 'success' ? verdictIn(value ?? null) : null,
  )
  return { review, judges, quorum }
}

export async function evolve(deps: GenerationDeps, goal: Goal, signal: AbortSignal): Promise<Advance> {
  const [parent, generation] = await Promise.all([deps.seed(goal.seed), generationOf(deps, goal)])
  const prompt = (problem: string, part: string) => evolvePrompt(goal, parent, generation, stepCall(goal, part), problem)
  const read = await twice(deps, goal, prompt, readSeed, signal)
  const content: Seed = read === null ? parent : { ...parent, ...evolved(parent, read) }
  // What cannot be read changes nothing: the same seed is tried with what was found.
  const seed: Seed = { ...content, generation: goal.generation + 1, parent: goal.seed, by: read === null ? 'kernel' : 'model' }
  const hash = seedHash(seed)
  await dropSurpassed(deps, goal, signal)
  return { patch: { phase: 'execute', generation: goal.generation + 1, seed: hash }, changes: [seedChange(hash, seed)] }
}

/** Of the branches, the best one stays, and the first, on which the others are based. */
async function dropSurpassed(deps: GenerationDeps, goal: Goal, signal: AbortSignal): Promise<void> {
  const kept = [branchOf({ ...goal, generation: 0 }), branchOf({ ...goal, generation: goal.best?.generation ?? 0 })]
  for (const branch of await deps.ownBranches(goal)) if (!kept.includes(branch)) await dropBranch(deps, goal, branch, signal)
}
