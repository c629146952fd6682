/** `oxbow goal`: goals that are worked on until they are reached. */
import { readFileSync } from 'node:fs'
import { checkText, formatMoney, formatTime, plainLine, plainText, shortId, stopGoal, table } from '../../terminal/index.ts'
import { isObject, type Json, type JsonObject, OxbowError, plural } from '../../base/index.ts'
import type { AskCall, OutputOf, ServiceVerb } from '../../protocol/index.ts'
import { typedBudget } from '../typed-values.ts'
import { choicesText } from './goal-steps.ts'

type GoalView = OutputOf<'goal.show'>

const following = {
  keeps: ({ background }: Readonly<Record<string, unknown>>) => background === true,
  follow: async (
    begun: GoalView,
    { ask, tell, options }: { ask: AskCall; tell: (text: string) => void; options: Readonly<Record<string, unknown>> },
  ) => (options['background'] === true ? begun : endOf(begun, ask, tell)),
  fails: ({ status, waiting_for: waits }: GoalView) => (status === 'failed' || (status === 'ended' && waits === '') ? 'tool_failed' : null),
} as const

const background = { field: '', help: 'return at once; it goes on in the background' } as const

export const goalVerbs: readonly ServiceVerb[] = [
  {
    words: 'goal',
    summary: 'work on goals until they are reached: ask, do, check, try again',
    examples: ['oxbow goal start "make the tests pass"'],
  },
  {
    words: 'goal start [request...]',
    summary: 'begin to work on a goal',
    examples: ['oxbow goal start "write a summary of notes.md to summary.md"', 'oxbow goal start --seed goal.json'],
    call: 'goal.start',
    typed: {
      request: 'request',
      '--seed <file>': { field: '', help: 'JSON file with goal, constraints and criteria, instead of an interview' },
      '--just-do-it': { field: 'just_do_it', help: 'ask nothing' },
      '--review': { field: 'review', help: 'look at the seed before anybody works' },
      '--generations <n>': { field: 'max_generations', help: 'tries to reach it' },
      '--judges <n>': { field: 'judges', help: 'judges of what only a model can judge' },
      '--deadline <seconds>': { field: 'deadline_s', help: 'seconds until it ends' },
      ...typedBudget('it'),
      '--background': background,
    },
    omit: ['seed'],
    input: (input, { options: { seed } }) => withSeed(input, seed),
    ...following,
    show: (goal: GoalView) => resultText(goal),
  },
  {
    words: 'goal list',
    summary: 'list goals, the newest first',
    examples: ['oxbow goal list', 'oxbow goal list --all'],
    call: 'goal.list',
    typed: { '--all': { field: 'all', help: 'also those that are over' } },
    lists: { goal: 'id' },
    empty: 'There are no open goals; --all also lists those that are over. Begin one: oxbow goal start "…"',
    lines: ({ goals }: OutputOf<'goal.list'>) => goals,
    show: ({ goals }: OutputOf<'goal.list'>) => {
      const ids = goals.map(({ id }) => id)
      const rows = goals.map(({ id, status, phase, waiting_for, generation, best, request }) => [
        shortId(id, ids),
        placeText({ status, phase, waiting_for }),
        String(generation),
        best === null ? '' : best.score.toFixed(2),
        plainLine(request, 60),
      ])
      return goals.length === 0 ? '' : table([['ID', 'STATUS', 'GENERATION', 'BEST', 'GOAL'], ...rows])
    },
  },
  {
    words: 'goal show <goal>',
    summary: 'show a goal: what it asks, its seed, its generations and how it ended',
    examples: ['oxbow goal show 0fd2b0d1'],
    call: 'goal.show',
    omit: ['wait_s', 'seen'],
    show: (goal: GoalView) => goalText(goal),
    fails: () => null,
  },
  {
    words: 'goal answer <goal> [answers...]',
    summary: 'answer what a goal asks, in the order of its questions; without answers it goes on and decides itself',
    examples: ['oxbow goal answer 0fd2b0d1 CSV yes', 'oxbow goal answer 0fd2b0d1'],
    call: 'goal.answer',
    typed: { '--background': background },
    keeps: following.keeps,
    follow: async ({ goal }: { readonly goal: string }, of) => following.follow(await of.ask('goal.show', { goal }), of),
    show: (goal: GoalView) => resultText(goal),
    fails: following.fails,
  },
  {
    words: 'goal edit <goal> <file>',
    summary: 'put another seed in the place of a goal’s, before anybody works on it',
    examples: ['oxbow goal edit 0fd2b0d1 goal.json'],
    call: 'goal.edit',
    typed: { file: { field: '', help: 'JSON file with the whole seed' } },
    omit: ['seed'],
    find: async (input, _ask, { file }) => ({ ...input, seed: seedIn(String(file)) }),
  },
  { words: 'goal pause <goal>', summary: 'pause a goal and who works for it', examples: ['oxbow goal pause 0fd2b0d1'], call: 'goal.pause' },
  {
    words: 'goal resume <goal>',
    summary: 'go on with a goal that is paused',
    examples: ['oxbow goal resume 0fd2b0d1'],
    call: 'goal.resume',
    typed: { '--background': background },
    ...following,
    show: (goal: GoalView) => resultText(goal),
  },
  {
    words: 'goal stop <goal>',
    summary: 'end a goal; its best generation stays on its branch',
    examples: ['oxbow goal stop 0fd2b0d1', 'oxbow goal stop 0fd2b0d1 --dry-run'],
    call: 'goal.stop',
    async preview({ goal }, ask) {
      const { id, request, status } = await ask('goal.show', { goal: goal! })
      const target = { id, request, status }
      if (status !== 'running' && status !== 'paused') return { would: '', nothing: `${id} is over already: ${status}.`, target }
      return { would: stopGoal(id).would, target }
    },
    show: ({ id, status, stopped, end }: OutputOf<'goal.stop'>) =>
      stopped ? plainText(`Stopped ${id}.\n${end?.text ?? ''}`.trim()) : `${id} is over already: ${status}.`,
  },
  {
    words: 'goal lineage <goal>',
    summary: 'show the seeds of a goal with their scores',
    examples: ['oxbow goal lineage 0fd2b0d1'],
    call: 'goal.lineage',
    typed: { '--limit <n>': 'limit', '--after <n>': 'after' },
    show: ({ generations }: OutputOf<'goal.lineage'>) => {
      const rows = generations.map(({ number, seed, parent, by, score, passed, best, notes }) => [
        `${number}${best ? ' *' : ''}`,
        seed.slice(0, 12),
        parent.slice(0, 12),
        by,
        score === null ? '' : score.toFixed(2),
        passed ? 'passed' : '',
        plainLine(notes[0] ?? '', 60),
      ])
      return rows.length === 0 ? 'Nobody has worked on it yet.' : table([['', 'SEED', 'PARENT', 'BY', 'SCORE', '', 'FOUND'], ...rows])
    },
  },
]

/** A seed says what is to be reached, too. @throws OxbowError `bad_input`, and as `seedIn` */
function withSeed(input: JsonObject, file: unknown): JsonObject {
  const seed = typeof file === 'string' ? seedIn(file) : undefined
  const said = input['request'] ?? (isObject(seed) ? seed['goal'] : undefined)
  if (said === undefined)
    throw new OxbowError('bad_input', 'What is to be reached?', { hint: 'Say it: oxbow goal start "…", or bring a seed: --seed FILE' })
  return { ...input, request: said, ...(seed !== undefined && { seed }) }
}

/** @throws OxbowError `not_found`, `bad_input` */
function seedIn(path: string): Json {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new OxbowError('not_found', `the file ${path} cannot be read`, {
      hint: 'Name a JSON file with a seed; docs/goals.md has one.',
      cause,
    })
  }
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new OxbowError('bad_input', `the file ${path} is not JSON`, { hint: 'docs/goals.md has a seed to begin with.', cause })
  }
}

/** Of one look at a goal, which waits for its next step. */
const lookS = 30

/** Says where it is, until it has ended or asks. */
async function endOf(begun: GoalView, ask: AskCall, tell: (text: string) => void): Promise<GoalView> {
  let goal = begun
  while (goal.status === 'running') {
    if (goal.waiting_for === 'an answer') return goal
    const { waiting_for: waits } = goal
    tell(waits === '' ? whereText(goal) : `waits for ${waits}${waits === 'an approval' ? ' (oxbow approve)' : ''}`)
    // While somebody is asked, only the answer moves it on.
    const seen = waits === 'an approval' ? {} : { seen: goal.step }
    goal = await ask('goal.show', { goal: goal.id, wait_s: waits === '' ? lookS : 1, ...seen })
  }
  return goal
}

function whereText({ phase, generation }: GoalView): string {
  const doing = { execute: 'working', check: 'checking', judge: 'judging', evolve: 'making it better' } as Readonly<Record<string, string>>
  const now = doing[phase]
  return now === undefined ? phase : `${now}, generation ${generation}`
}

function resultText(goal: GoalView): string {
  const { id, status, end, questions } = goal
  if (status === 'running' && goal.waiting_for === 'an answer')
    return plainText(`${asksText(goal)}\nAnswer: oxbow goal answer ${id.slice(0, 8)} ${questions.map(() => '…').join(' ') || 'yes'}`)
  if (end !== null) return plainText(`${id}: ${status}\n${end.text}`)
  return `${id}: ${placeText(goal)}`
}

/** Where it is: nothing is executed while it waits. */
function placeText({ status, phase, waiting_for: waits }: Pick<GoalView, 'status' | 'phase' | 'waiting_for'>): string {
  if (status !== 'running') return status
  return waits === '' ? phase : `waiting for ${waits}`
}

function asksText({ questions, phase, seed }: GoalView): string {
  if (phase === 'review' && seed !== null) return `Work on it? (yes, no)\n${seedLines(seed).join('\n')}`
  return questions.map((question, at) => `${at + 1}. ${question.text}${choicesText(question as never)}`).join('\n')
}

function seedLines(seed: NonNullable<GoalView['seed']>): readonly string[] {
  const { goal, constraints, criteria, assumptions } = seed
  return [
    goal,
    ...constraints.map((each) => `  keep: ${each}`),
    ...criteria.map(({ text, check }) => `  - ${text} (${checkText(check)})`),
    ...assumptions.map((each) => `  assumed: ${each}`),
  ]
}

function goalText(goal: GoalView): string {
  const { id, waiting_for: waits, seed, seed_hash: hash, generations, generations_total: total, spent, end, created_at, failure } = goal
  const head = [
    `${id}: ${placeText(goal)}`,
    `asked: ${goal.request}`,
    `began ${formatTime(created_at)}, ${plural(total, 'generation')}, ${spent.tokens} tokens, ${formatMoney(spent.micro_dollars)}`,
  ]
  const rounds = goal.rounds.flatMap(({ questions, answers, ambiguity }, at) => [
    `round ${at + 1}, ambiguity ${ambiguity.toFixed(2)}`,
    ...questions.map(({ text }, i) => `  ${text} → ${answers[i] ?? '(not answered)'}`),
  ])
  const shownSeed = seed === null ? [] : [`seed ${hash.slice(0, 12)}`, ...seedLines(seed)]
  const rows = generations.map(({ number, outcome, checks, tasks }) => [
    `${number}`,
    outcome === null ? 'under way' : `${outcome.passed ? 'passed' : 'not passed'} ${outcome.score.toFixed(2)}`,
    `${checks.filter((each) => each.status === 'passed').length} of ${plural(checks.length, 'check')}`,
    plural(tasks.length, 'task'),
  ])
  const parts = [
    head.join('\n'),
    rounds.join('\n'),
    waits === 'an answer' ? `It asks:\n${asksText(goal)}` : '',
    shownSeed.join('\n'),
    rows.length === 0 ? '' : table(rows),
    end === null ? failure : end.text,
  ]
  return plainText(parts.filter((part) => part !== '').join('\n\n'))
}
