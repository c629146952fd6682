/**
 * The end of a goal: what has passed is merged into the workspace; where nothing has, the best generation stays on its branch, for a person to
 * merge or drop. The end tells why it is the end, and what speaks for it.
 */
import { assertNever, textIn, isOxbowError, plural } from '../../base/index.ts'
import { branchOf, type Generation, type Goal, type GoalEnd } from './goal-record.ts'
import { type GoalStatus } from './goal-view.ts'
import { dropBranch, type GenerationDeps, makeBranch } from './goal-generation.ts'
import { votesOf } from './goal-judging.ts'
import { type Advance, objectOf } from './goal-steps.ts'
import { isReached } from './stop-rules.ts'

export async function finish(deps: GenerationDeps, goal: Goal, signal: AbortSignal): Promise<Advance> {
  const { best, ending } = goal
  const generation = best === null ? null : await deps.generation(goal, best.generation)
  const reached = best !== null && isReached(best)
  const merged = reached && generation !== null ? await merge(deps, goal, generation, signal) : { version: '', problem: '' }
  const isKept = generation !== null && merged.version === ''
  const kept = isKept ? branchOf({ ...goal, generation: generation.number }) : ''
  for (const branch of await deps.ownBranches(goal)) if (branch !== kept) await dropBranch(deps, goal, branch, signal)
  const reason = ending?.reason ?? 'failed'
  const parts = [ending?.text ?? '', reasonText(goal), generation === null ? '' : evidenceText(generation), merged.problem, keptText(kept)]
  const end: GoalEnd = { reason, text: parts.filter((part) => part !== '').join('\n'), merged: merged.version, branch: kept }
  const status: GoalStatus = reached ? 'reached' : reason === 'failed' ? 'failed' : 'ended'
  return { patch: { end, status, ended_at: deps.now(), questions: [] } }
}

/** What was checked, from a branch of its own: others may have changed the branch of the generation since. */
async function merge(
  deps: GenerationDeps,
  goal: Goal,
  { branch: made, commit, base }: Generation,
  signal: AbortSignal,
): Promise<{ readonly version: string; readonly problem: string }> {
  const branch = `${made}-checked`
  try {
    await makeBranch(deps, goal, branch, { at: commit, base }, signal)
    const { output, ok, text } = await deps.call(goal, { part: 'merge', name: 'branch.merge', input: { branch }, signal })
    if (!ok) return { version: '', problem: text }
    return { version: textIn(objectOf(output), 'after'), problem: '' }
  } catch (error) {
    // A try that a crash has hidden has merged it.
    const isGone = isOxbowError(error, 'not_found') && !(await deps.ownBranches(goal)).includes(branch)
    if (isGone) return { version: 'merged', problem: '' }
    if (!isOxbowError(error) || signal.aborted) throw error
    return { version: '', problem: `It could not be merged: ${error.message} ${error.hint}` }
  }
}

function reasonText({ ending, best, outcomes, options, failure }: Goal): string {
  const score = best === null ? '' : ` The best score is ${best.score.toFixed(2)}.`
  const reason = ending?.reason ?? 'failed'
  switch (reason) {
    case 'passed':
      return `It is reached, with the score ${best?.score.toFixed(2) ?? '1.00'}, in generation ${(best?.generation ?? 0) + 1} of ${outcomes.length}.`
    case 'generations':
      return `It is not reached after ${plural(options.max_generations, 'generation')}.${score}`
    case 'no_gain':
      return `It is not reached, and two generations have gained less than 0.05.${score}`
    case 'same_failure':
      return `It is not reached: the same has failed three times.${failure === '' ? '' : ` ${failure}`}${score}`
    case 'money':
      return `Its money budget does not cover the next step.${score}`
    case 'tokens':
      return `Its token budget does not cover the next step.${score}`
    case 'deadline':
      return `Its time is over.${score}`
    case 'person':
      return `A person has ended it.${score}`
    case 'small_talk':
      return ''
    case 'failed':
      return `It could not go on.${failure === '' ? '' : ` ${failure}`}${score}`
    default:
      return assertNever(reason)
  }
}

/** What speaks for the end: each check, and what judges have said. */
function evidenceText({ checks, review, changed, notes }: Generation): string {
  const lines = checks.map(
    ({ text, status, evidence }) => `- ${status}: ${text}${evidence === '' ? '' : ` (${evidence.split('\n', 1)[0]})`}`,
  )
  if (review !== null) {
    const { passed, failed, silent } = votesOf(review)
    lines.push(
      `- review: ${review.review === null ? 'no verdict' : `${review.review.passed ? 'passed' : 'failed'}, ${review.review.score}`}`,
    )
    if (review.judges.length > 0)
      lines.push(`- judges: ${passed} passed, ${failed} failed, ${silent} silent; ${review.quorum} had to pass it`)
  }
  lines.push(
    ...notes
      .filter((note) => !checks.some(({ text }) => note.startsWith(`${text}: `)))
      .slice(0, 10)
      .map((note) => `- note: ${note.split('\n', 1)[0]}`),
  )
  const files =
    changed.length === 0 ? 'No file was changed.' : `Changed: ${changed.slice(0, 20).join(', ')}${changed.length > 20 ? ', …' : ''}`
  return [...new Set(lines), files].join('\n')
}

function keptText(branch: string): string {
  return branch === '' ? '' : `The best is on the branch ${branch}: oxbow branch diff ${branch}, oxbow branch merge ${branch}`
}
