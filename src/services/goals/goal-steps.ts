/**
 * The steps of a goal before anybody works on it: interview, questions, seed. A step makes calls and says how the goal is after it; what it
 * says is recorded at once, so that a step that a crash interrupted is taken again and is given the outcomes of the calls that it has made.
 */
import type { DocumentChange } from '../../kernel/index.ts'
import { type Json, type JsonObject, OxbowError } from '../../base/index.ts'
import { interviewPrompt, type Prompt, seedPrompt } from './goal-prompts.ts'
import { type Goal, seedChange } from './goal-record.ts'
import { ambiguityOf, generic, type Interview, isClear, isImpatient, isSmallTalk, type Question, readInterview } from './interview.ts'
import { maxRounds } from './limits.ts'
import { checkText } from '../../terminal/index.ts'
import { type Read, readSeed, type Seed, type SeedContent, seedHash } from './seed.ts'

/** What a step does to the goal. */
export interface Advance {
  readonly patch: Partial<Goal>
  readonly changes?: readonly DocumentChange[]
}

interface Asked {
  readonly about: 'goal' | 'seed'
  readonly text: string
  readonly questions: readonly Question[]
}

export interface StepDeps {
  /** Asks a model under a name within the step. @throws OxbowError as the call failed */
  readonly complete: (goal: Goal, part: string, prompt: Prompt, signal: AbortSignal) => Promise<string>
  /** Waits for a person. @returns their answers; empty: go on without */
  readonly ask: (goal: Goal, asked: Asked, signal: AbortSignal) => Promise<readonly string[]>
  readonly seed: (hash: string) => Promise<Seed>
}

export async function interview(deps: StepDeps, goal: Goal, signal: AbortSignal): Promise<Advance> {
  if (isSmallTalk(goal.request)) return smallTalk('That is not a goal yet. Say what you want to reach: oxbow goal start "…"')
  const isHurried = goal.options.just_do_it || isImpatient(goal.request)
  if (isHurried) return { patch: { phase: 'seed', options: { ...goal.options, just_do_it: true } } }
  const read = await twice(deps, goal, (problem) => interviewPrompt(goal, problem), readInterview, signal)
  const found: Interview = read ?? generic
  if (found.kind === 'small_talk' && goal.rounds.length === 0) return smallTalk(found.reply || 'There is no goal in this.')
  const { scores } = found
  if (isClear(scores) || goal.rounds.length >= maxRounds) return { patch: { phase: 'seed', scores, questions: [] } }
  // Unclear, and nothing asked: what is missing is asked in general, once.
  const questions = found.questions.length > 0 ? found.questions : goal.rounds.length === 0 ? generic.questions : []
  return questions.length === 0 ? { patch: { phase: 'seed', scores, questions } } : { patch: { phase: 'asking', scores, questions } }
}

function smallTalk(text: string): Advance {
  return { patch: { phase: 'finish', ending: { reason: 'small_talk', text } } }
}

/** Asks a model, and once more where its answer cannot be read. @returns null where neither can */
export async function twice<Value>(
  { complete }: Pick<StepDeps, 'complete'>,
  goal: Goal,
  promptOf: (problem: string, part: string) => Prompt,
  read: (answer: string) => Read<Value>,
  signal: AbortSignal,
): Promise<Value | null> {
  let problem = ''
  for (const part of ['first', 'again']) {
    const found = read(await complete(goal, part, promptOf(problem, part), signal))
    if ('value' in found) return found.value
    problem = found.problem
  }
  return null
}

export async function asking(deps: StepDeps, goal: Goal, signal: AbortSignal): Promise<Advance> {
  const { questions, scores, rounds } = goal
  const text = questions.map((question, at) => `${at + 1}. ${question.text}${choicesText(question)}`).join('\n')
  const answers = await deps.ask(goal, { about: 'goal', text, questions }, signal)
  const known = scores ?? generic.scores
  const round = { questions, scores: known, ambiguity: ambiguityOf(known), answers }
  const phase = answers.length === 0 || rounds.length + 1 >= maxRounds ? 'seed' : 'interview'
  const options = answers.length === 0 ? { ...goal.options, just_do_it: true } : goal.options
  return { patch: { phase, rounds: [...rounds, round], questions: [], options } }
}

/** The choices of a question, as a person reads them. */
export function choicesText({ type, choices }: Question): string {
  if (type === 'yes_no') return ' (yes, no)'
  if (choices.length === 0) return ''
  return ` (${type === 'multi' ? 'some of ' : ''}${choices.join(', ')})`
}

const unreadable: Question = {
  type: 'text',
  text: 'No model could say how this is checked. What must be true when it is done? Name files and commands.',
  choices: [],
}

export async function makeSeed(deps: StepDeps, goal: Goal, signal: AbortSignal): Promise<Advance> {
  const read = await twice(deps, goal, (problem) => seedPrompt(goal, problem), readSeed, signal)
  if (read === null) {
    const hasAsked = goal.rounds.some(({ questions }) => questions.some(({ text }) => text === unreadable.text))
    if (!hasAsked) return { patch: { phase: 'asking', questions: [unreadable] } }
    throw new OxbowError('tool_failed', 'No model gives a seed that can be read.', {
      hint: 'Use another model, or start the goal with a seed of your own: oxbow goal start --seed FILE.',
    })
  }
  const seed = seedOf(goal, read, 'model')
  const hash = seedHash(seed)
  return { patch: { phase: goal.options.review ? 'review' : 'execute', seed: hash }, changes: [seedChange(hash, seed)] }
}

/** The first seed of a goal. */
export function seedOf(
  { request, rounds, options }: Pick<Goal, 'request' | 'rounds' | 'options'>,
  content: SeedContent,
  by: Seed['by'],
  parent = '',
): Seed {
  const asked = rounds.flatMap(({ questions, answers }) => questions.map(({ text }, at) => ({ question: text, answer: answers[at] ?? '' })))
  const open = asked.filter(({ answer }) => answer === '').map(({ question }) => `Not answered: ${question}`)
  return {
    ...content,
    request,
    answers: asked.filter(({ answer }) => answer !== ''),
    assumptions: options.just_do_it && open.length === 0 ? ['Nothing was asked; what was open was decided without the person.'] : open,
    generation: 0,
    parent,
    by,
  }
}

/** The person looks at the seed. What it is by then counts: an edit changes it while it waits. */
export async function review(deps: StepDeps, goal: Goal, signal: AbortSignal): Promise<Advance> {
  const seed = await deps.seed(goal.seed)
  const criteria = seed.criteria.map(({ text, check }) => `- ${text} (${checkText(check)})`).join('\n')
  const text = `Work on this goal?\n${seed.goal}\n${criteria}`
  const question: Question = { type: 'yes_no', text: 'Work on it?', choices: [] }
  const [answer = 'yes'] = await deps.ask(goal, { about: 'seed', text, questions: [question] }, signal)
  if (answer === 'yes') return { patch: { phase: 'execute' } }
  return { patch: { phase: 'finish', ending: { reason: 'person', text: 'The seed was not approved.' } } }
}

/** @returns a part of an output, as an object @throws OxbowError `internal_failure` */
export function objectOf(output: Json): JsonObject {
  if (output !== null && typeof output === 'object' && !Array.isArray(output)) return output as JsonObject
  throw new OxbowError('internal_failure', 'A call gave no object.', { hint: 'The journal has the call: `oxbow audit show`.' })
}
