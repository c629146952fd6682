/** Recipes over what is only told about a call, an agent or a schedule: events, names in answers, summaries of runs, and errors. */
import { call, grab, type Recipe, scheduleIn } from './place.ts'

const yearly = { cadence: { type: 'cron', expression: '0 7 1 1 *', time_zone: 'UTC' } }

const toTalk = (from: Recipe['from'], calls: readonly string[], steps: Recipe['steps']): Recipe => ({ calls, from, to: 'talk', steps })
const fromTalk = (to: Recipe['to'], calls: readonly string[], steps: Recipe['steps']): Recipe => ({ calls, from: 'talk', to, steps })

/** The newest events of Oxbow's own kinds. */
const newestEvents = call('events.next', {
  kinds: ['agent_*', 'schedule_*', 'call_refused', 'approval_*'],
  before: 1_000_000_000,
  limit: 20,
})

export const told: readonly Recipe[] = [
  fromTalk('stream', ['agent.spawn'], ({ id }) => [
    call('agent.spawn', (read: string) => ({ task: '[[rest]]', name: grab(id)(read), keep: true })),
  ]),
  fromTalk('stream', ['schedule.create', 'schedule.trigger'], ({ id }) => [
    call('schedule.create', (read: string) => ({ ...yearly, name: grab(id)(read), goal: 'Nothing' })),
    call('schedule.trigger', (read: string) => ({ id: scheduleIn(read) })),
  ]),
  // There is no such tool, and its refusal is an event that names it.
  fromTalk('stream', [], ({ id }) => [{ tool: (read) => grab(id)(read), input: {} }]),
  toTalk('stream', ['events.next'], () => [newestEvents]),
  {
    calls: ['events.subscribe', 'schedule.create', 'schedule.trigger'],
    from: 'file',
    to: 'runs',
    steps: (route) => [
      call('events.subscribe', { name: route.own, kinds: ['schedule_ended'] }),
      call('schedule.create', { ...yearly, name: route.own, goal: `[[say file_read ${JSON.stringify({ path: route.path })}]]` }),
      call('schedule.trigger', (read: string) => ({ id: (route.known = scheduleIn(read)) })),
      call('events.next', { subscriber: route.own, wait_s: 20 }),
    ],
  },
  toTalk('runs', ['schedule.runs'], (route) => [call('schedule.runs', () => ({ id: route.known ?? '' }))]),
  fromTalk('schedule', ['schedule.create'], (route) => [
    call('schedule.create', (read: string) => ({ ...yearly, name: `of ${grab(route.id)(read)}`, goal: 'Nothing' })),
    call('schedule.runs', (read: string) => ({ id: (route.known = scheduleIn(read)) })),
  ]),
  ...['edit', 'trigger', 'delete'].map((verb) =>
    toTalk('schedule', [`schedule.${verb}`], (route) => [call(`schedule.${verb}`, () => ({ id: route.known ?? '' }))]),
  ),
  // The error of a document that does not fit says what would.
  fromTalk('schema', ['state.save'], ({ own, id }) => [
    call('state.save', (read: string) => ({ category: own, name: '$schema', data: { enum: [grab(id)(read)] } })),
  ]),
  toTalk('schema', ['state.save'], ({ own }) => [call('state.save', { category: own, name: 'kept', data: 1 })]),
]
