/** One goal: what it asks, how it is checked, what each generation came to; pause, resume, stop. */
import { Pause, Play } from 'lucide-react'
import type { ReactNode } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { checkText, plainLine, stopGoal } from '../../../../src/terminal/index.ts'
import { Link } from '../../app/router.tsx'
import { useAction, useCall } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import type { Entry } from '../../shelf/shelf.tsx'
import { PlainFile, Thing } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Badge, Facts, Time } from '../../ui/layout.tsx'
import { countText, moneyText } from '../../ui/numbers.ts'
import { Loading, Problem, ProblemLine } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { GoalQuestions } from './goal-questions.tsx'

type Goal = OutputOf<'goal.show'>
type Generation = Goal['generations'][number]
type Ancestor = OutputOf<'goal.lineage'>['generations'][number]

const showEveryMs = 5_000
/** Of a longer request, what can be done and what is asked would be far below. */
const titleChars = 120

const states: Readonly<Record<Goal['status'], Entry['state']>> = {
  running: ['running', 'accent'],
  paused: ['paused', 'warn'],
  reached: ['reached', 'good'],
  ended: ['not reached', 'neutral'],
  failed: ['failed', 'bad'],
}

export const stateOf = ({ status, waiting_for: waits }: Pick<Goal, 'status' | 'waiting_for'>): Entry['state'] =>
  status === 'running' && waits !== '' ? ['waits', 'warn'] : states[status]

const doing: Readonly<Record<Goal['phase'], string>> = {
  interview: 'What is unclear is looked for.',
  asking: 'It waits for answers.',
  seed: 'How it is checked is written down.',
  review: 'It waits for you to look at how it is checked.',
  execute: 'Agents work on it.',
  check: 'The checks run.',
  judge: 'It is judged.',
  evolve: 'The next try is prepared.',
  finish: 'It ends.',
}

interface GoalThingProps {
  readonly id: string
  readonly refresh: () => void
}

export function GoalThing({ id, refresh }: GoalThingProps): ReactNode {
  const shown = useCall('goal.show', { goal: id, wait_s: 0 }, { refreshOn: ['goal_*', 'approval_*', 'agent_*'], everyMs: showEveryMs })
  const changing = useAction()
  if (shown.failure !== null) return <Problem failure={shown.failure} onRetry={shown.refresh} />
  const goal = shown.data
  if (goal === undefined) return <Loading />
  const { request, status, phase, waiting_for: waits, session, failure, end, generation, spent, created_at: began } = goal
  const isOpen = status === 'running' || status === 'paused'
  const changed = (): void => {
    shown.refresh()
    refresh()
  }
  return (
    <Thing
      title={plainLine(request, titleChars)}
      state={stateOf(goal)}
      why={status === 'running' ? (waits === 'an approval' ? 'It waits for an approval, in its conversation.' : doing[phase]) : ''}
      actions={isOpen && <GoalActions id={id} isPaused={status === 'paused'} changing={changing} onChanged={changed} />}
    >
      <ProblemLine failure={changing.failure} />
      {waits === 'an answer' && <GoalQuestions key={goal.step} goal={goal} refresh={changed} />}
      {failure !== '' && end === null && <ProblemLine failure={{ message: failure, hint: '' }} />}
      {end !== null && <PlainFile name="How it ended" text={end.text} />}
      <Facts
        facts={[
          ['Goal', <code key="id">{id}</code>],
          ['Began', <Time key="began" at={began} />],
          ['Generation', `${generation} of at most ${goal.options.max_generations}`],
          ['Used', `${countText(spent.tokens)} tokens, ${moneyText(spent.micro_dollars)}`],
          [
            'Conversation',
            <Link key="chat" to={`/chat/${session}`}>
              Open it
            </Link>,
          ],
          ...(end === null || end.branch === ''
            ? []
            : ([
                [
                  'The best is on',
                  <Link key="branch" to="/branches">
                    {end.branch}
                  </Link>,
                ],
              ] as const)),
        ]}
      />
      {plainLine(request, titleChars) !== request && <PlainFile name="Request" text={request} />}
      {goal.rounds.length > 0 && <PlainFile name="Interview" text={roundsText(goal)} />}
      {goal.seed !== null && <SeedView hash={goal.seed_hash} seed={goal.seed} />}
      {goal.generations.toReversed().map((each) => (
        <GenerationView key={each.number} generation={each} isBest={goal.best?.generation === each.number} />
      ))}
      {goal.generations_total > 1 && <Lineage id={id} total={goal.generations_total} />}
    </Thing>
  )
}

interface GoalActionsProps {
  readonly id: string
  readonly isPaused: boolean
  readonly changing: ReturnType<typeof useAction>
  readonly onChanged: () => void
}

function GoalActions({ id, isPaused, changing, onChanged }: GoalActionsProps): ReactNode {
  const change = async (call: 'goal.pause' | 'goal.resume'): Promise<void> => {
    if ((await changing.run(call, { goal: id })) !== undefined) onChanged()
  }
  return (
    <>
      <Button
        size="s"
        icon={isPaused ? <Play /> : <Pause />}
        isBusy={changing.isBusy}
        onClick={() => void change(isPaused ? 'goal.resume' : 'goal.pause')}
      >
        {isPaused ? 'Resume' : 'Pause'}
      </Button>
      <DeedButton deed={stopGoal(id)} verb="Stop the goal" act={(run) => run('goal.stop', { goal: id, reason: '' })} onDone={onChanged} />
    </>
  )
}

function roundsText({ rounds }: Goal): string {
  const lines = rounds.map(({ questions, answers, ambiguity }) =>
    [
      `Ambiguity ${ambiguity.toFixed(2)}`,
      ...questions.map(({ text }, at) => `${text}\n  ${answers[at] ?? 'Not answered: it was decided.'}`),
    ].join('\n'),
  )
  return lines.join('\n\n')
}

type Seed = NonNullable<Goal['seed']>

function SeedView({ hash, seed }: { readonly hash: string; readonly seed: Seed }): ReactNode {
  const { goal, constraints, criteria, tests, tasks, assumptions } = seed
  const list = (title: string, items: readonly string[]): readonly string[] =>
    items.length === 0 ? [] : [`${title}:\n${items.map((item) => `- ${item}`).join('\n')}`]
  const parts = [
    goal,
    ...list('To be kept', constraints),
    ...list(
      'It is reached when',
      criteria.map(({ text, check }) => `${text} (${checkText(check)})`),
    ),
    ...list('Tests that nobody may change', tests),
    ...list(
      'Parts',
      tasks.map(({ id, goal: part, needs }) => `${id}: ${part}${needs.length === 0 ? '' : ` (after ${needs.join(', ')})`}`),
    ),
    ...list('Assumed', assumptions),
  ]
  return <PlainFile name={`How it is checked, seed ${hash.slice(0, 12)}`} text={parts.join('\n\n')} />
}

const tones = { passed: 'good', failed: 'bad', flaky: 'warn', error: 'bad' } as const

interface GenerationProps {
  readonly generation: Generation
  readonly isBest: boolean
}

function GenerationView({ generation, isBest }: GenerationProps): ReactNode {
  const { number, outcome, checks, review, changed, tasks, notes } = generation
  const came = outcome === null ? 'under way' : `${outcome.passed ? 'passed' : 'not passed'}, ${outcome.score.toFixed(2)}`
  const judges = review?.judges ?? []
  return (
    <section aria-label={`Generation ${number}`}>
      <h3>
        Generation {number}: {came}
        {isBest ? ', the best' : ''}
      </h3>
      {checks.length > 0 && (
        <Table
          label={`Checks of generation ${number}`}
          columns={[
            { title: 'Check', cell: ({ text }) => text },
            { title: 'Came to', cell: ({ status }) => <Badge tone={tones[status]}>{status}</Badge> },
            { title: 'Evidence', cell: ({ evidence }) => evidence.split('\n', 1)[0], isMinor: true },
          ]}
          rows={checks}
          keyOf={({ text, check }) => `${text} ${check}`}
        />
      )}
      <Facts
        facts={[
          ['Parts', tasks.map(({ task, status }) => `${task}: ${status}`).join(', ') || '–'],
          ['Changed', changed.join(', ') || 'nothing'],
          ...(review === null
            ? []
            : ([
                ['Review', review.review === null ? 'no verdict' : `${review.review.passed ? 'passed' : 'failed'}, ${review.review.score}`],
                [
                  'Judges',
                  judges.length === 0
                    ? '–'
                    : `${judges.filter((each) => each?.passed === true).length} of ${judges.length} passed it, ${review.quorum} had to`,
                ],
              ] as const)),
        ]}
      />
      {notes.length > 0 && <PlainFile name={`Found in generation ${number}`} text={notes.join('\n')} />}
    </section>
  )
}

function Lineage({ id, total }: { readonly id: string; readonly total: number }): ReactNode {
  const lineage = useCall('goal.lineage', { goal: id, after: Math.max(0, total - 100), limit: 100 }, { refreshOn: ['goal_*'] })
  if (lineage.failure !== null) return <Problem failure={lineage.failure} onRetry={lineage.refresh} />
  return (
    <section aria-label="Lineage">
      <h3>Lineage</h3>
      <Table<Ancestor>
        label="Seeds of the goal"
        columns={[
          { title: '', cell: ({ number, best }) => `${number}${best ? ' (best)' : ''}` },
          { title: 'Seed', cell: ({ seed }) => <code>{seed.slice(0, 12)}</code> },
          { title: 'By', cell: ({ by }) => by, isMinor: true },
          { title: 'Score', cell: ({ score }) => (score === null ? '–' : score.toFixed(2)), align: 'end' },
        ]}
        rows={lineage.data?.generations ?? []}
        keyOf={({ number }) => number}
      />
    </section>
  )
}
