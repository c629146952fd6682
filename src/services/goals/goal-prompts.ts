/** What models are asked for a goal, outside of the agents that work on it. The person's own words are always among them. */
import type { CallId, JsonObject } from '../../base/index.ts'
import { fenced, truncate } from '../../base/index.ts'
import type { CheckResult } from './goal-checks.ts'
import { maxEvidenceCharacters, maxJudgedCharacters } from './limits.ts'
import type { Generation, Goal } from './goal-record.ts'
import { judgedOf, type Seed } from './seed.ts'
import { checkText } from '../../terminal/index.ts'

export interface Prompt {
  readonly system: string
  readonly text: string
  readonly form: { readonly name: string; readonly schema: JsonObject }
}

const texts = { type: 'array', items: { type: 'string' } } as const
const clarity = { type: 'number', minimum: 0, maximum: 1 } as const

const interviewForm = {
  name: 'interview',
  schema: {
    type: 'object',
    properties: {
      kind: { type: 'string', enum: ['task', 'small_talk'] },
      reply: { type: 'string' },
      scores: {
        type: 'object',
        properties: { goal: clarity, constraints: clarity, success: clarity },
        required: ['goal', 'constraints', 'success'],
        additionalProperties: false,
      },
      questions: {
        type: 'array',
        maxItems: 5,
        items: {
          type: 'object',
          properties: { type: { type: 'string', enum: ['single', 'multi', 'text', 'yes_no'] }, text: { type: 'string' }, choices: texts },
          required: ['type', 'text', 'choices'],
          additionalProperties: false,
        },
      },
    },
    required: ['kind', 'reply', 'scores', 'questions'],
    additionalProperties: false,
  },
} as const

const seedForm = {
  name: 'seed',
  schema: {
    type: 'object',
    properties: {
      goal: { type: 'string' },
      constraints: texts,
      criteria: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          properties: { text: { type: 'string' }, check: { type: ['object', 'null'] } },
          required: ['text', 'check'],
          additionalProperties: false,
        },
      },
      tests: texts,
      tasks: {
        type: 'array',
        items: {
          type: 'object',
          properties: { id: { type: 'string' }, goal: { type: 'string' }, needs: texts },
          required: ['id', 'goal', 'needs'],
          additionalProperties: false,
        },
      },
    },
    required: ['goal', 'constraints', 'criteria', 'tests', 'tasks'],
    additionalProperties: false,
  },
} as const

const interviewSystem = [
  'You interview a person about a goal before anybody works on it. Say how clear it is: what is to be reached (goal), what must be kept or avoided (constraints), and how one tells that it is done (success), each from 0 to 1.',
  'Ask at most five questions, only about what would change the work: type single or multi with choices, text, or yes_no. Ask nothing that the request or an earlier answer says. A request that can be worked on as it is gets high scores and no questions.',
  'If the message asks for nothing, its kind is small_talk, and you write a short reply. Answer with one JSON value.',
].join('\n')

const checkKinds = [
  '{"kind":"command","command":"npm test","exit_code":0,"timeout_s":60}',
  '{"kind":"file","path":"/shared/report.md","exists":true,"contains":"Summary"}',
  '{"kind":"pattern","path":"/shared/report.md","pattern":"^# ","matches":true}',
  '{"kind":"schema","path":"/shared/data.json","schema":{…}}',
  '{"kind":"http","url":"https://example.org/health","status":200,"contains":"ok"}',
  '{"kind":"number","command":"wc -l < /shared/list.txt","at_least":10,"at_most":20}',
]

const seedSystem = [
  'You write the seed of a goal: what is to be reached, what must be kept, and how that is checked. Others work towards it and are judged with it.',
  `Each criterion is one sentence with a check that can be run, wherever there is one:\n${checkKinds.join('\n')}`,
  'Only what no check can tell has "check": null, and is judged by a model. Commands run in /shared without network. `tests` are files of tests that exist and must not be changed.',
  '`tasks` are parts of the work that different agents do at once; one that builds on others names them in `needs`, as do two that would change the same lines. Leave it empty where one agent does it all. Answer with one JSON value.',
].join('\n')

const evolveSystem = [
  'A try to reach a goal has failed. You write the seed of the next try: keep what worked, add constraints for what was observed to fail, make criteria that were unclear sharper, and preserve the intent.',
  'Criteria and checks that there are stay; you only add. Choose `tasks` anew for what is left to do.',
  seedSystem,
].join('\n')

/** @param problem of the last answer; empty: this is the first try */
export function interviewPrompt(goal: Goal, problem: string): Prompt {
  return { system: interviewSystem, text: `Interview\n\n${requestText(goal)}${again(problem)}`, form: interviewForm }
}

export function seedPrompt(goal: Goal, problem: string): Prompt {
  return { system: seedSystem, text: `Seed\n\n${requestText(goal)}${again(problem)}`, form: seedForm }
}

export function evolvePrompt(goal: Goal, seed: Seed, generation: Generation, call: CallId, problem: string): Prompt {
  const { goal: aim, constraints, criteria, tests, tasks } = seed
  const notes = generation.notes.join('\n')
  const text = [
    `Evolve generation ${generation.number + 1}`,
    requestText(goal),
    `The seed:\n${JSON.stringify({ goal: aim, constraints, criteria, tests, tasks })}`,
    `What was found, score ${generation.outcome?.score ?? 0}:\n${fenced(truncate(notes, 4 * maxEvidenceCharacters), call)}`,
  ].join('\n\n')
  return { system: evolveSystem, text: `${text}${again(problem)}`, form: seedForm }
}

const again = (problem: string): string => (problem === '' ? '' : `\n\nYour last answer could not be used: ${problem}. Answer again.`)

function requestText({ request, rounds, options }: Goal): string {
  const asked = rounds.flatMap(({ questions, answers }) =>
    questions.map(({ text }, at) => `Question: ${text}\nAnswer: ${answers[at] ?? '(none: decide it yourself)'}`),
  )
  const hurry = options.just_do_it ? '\n\nThe person wants no questions: decide what is open, in the usual way.' : ''
  return [`The request:\n${request}${hurry}`, ...asked].join('\n\n')
}

/** Lines of a seed as agents read it. */
function seedText({ goal, request, constraints, criteria, tests, assumptions }: Seed): string {
  const list = (title: string, items: readonly string[]): readonly string[] =>
    items.length === 0 ? [] : [`${title}:\n${items.map((item) => `- ${item}`).join('\n')}`]
  return [
    `Goal: ${goal}`,
    `The person asked: ${truncate(request, 4_000)}`,
    ...list('Constraints', constraints),
    ...list(
      'It is reached when',
      criteria.map(({ text, check }) => `${text} (${checkText(check)})`),
    ),
    ...list('Tests that nobody may change', tests),
    ...list('Assumed', assumptions),
  ].join('\n')
}

/** @param part of the work; null: all of it */
export function workText(seed: Seed, part: string | null, before: Generation | null, call: CallId): string {
  const found =
    before === null || before.notes.length === 0
      ? ''
      : `\n\nAn earlier try is there already. What was found wrong with it:\n${fenced(truncate(before.notes.join('\n'), 2 * maxEvidenceCharacters), call)}`
  return `${part === null ? 'Reach this goal.' : `Your part of the goal: ${part}`}\n\n${seedText(seed)}${found}`
}

/** What reviewers and judges are told: the result, and nothing of how it came about. */
export function judgeText(seed: Seed, checks: readonly CheckResult[], difference: string, call: CallId): string {
  const ran = checks.map(({ text, status }) => `- ${text}: ${status}`).join('\n')
  const judged = judgedOf(seed)
    .map(({ text }) => `- ${text}`)
    .join('\n')
  return [
    seedText(seed),
    ...(ran === '' ? [] : [`Checks that were run:\n${ran}`]),
    `You judge:\n${judged}`,
    `What has changed in the workspace; the files themselves are there to be read:\n${fenced(truncate(difference, maxJudgedCharacters), call)}`,
  ].join('\n\n')
}
