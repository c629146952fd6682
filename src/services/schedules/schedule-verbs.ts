/** `oxbow schedule`: what runs at its times, and what it did. */
import type { Cadence } from '../../runs/index.ts'
import { formatMoney, formatTime, plainLine, plainText, shortId, table } from '../../terminal/index.ts'
import { type JsonObject, OxbowError, textIn } from '../../base/index.ts'
import type { AskCall, OutputOf, ServiceVerb, Typed } from '../../protocol/index.ts'
import { typedBudget } from '../typed-values.ts'
import type { Forecast, ScheduleRun } from './schedule-schemas.ts'

type Found = OutputOf<'schedule.search'>
type Line = Found['schedules'][number]

const nameChars = 40
const maxShown = 100
const nameOf = ({ name }: Pick<Line, 'name'>): string => plainLine(name, nameChars)

/** Of a verb about one schedule, which is named by its name or the beginning of its id. */
const one = { typed: { schedule: 'id' }, omit: true, find: findSchedule } as const

export const scheduleVerbs: readonly ServiceVerb[] = [
  {
    words: 'schedule',
    summary: 'schedule goals for an agent, and see what they did',
    examples: ['oxbow schedule add "summarise what changed in /shared" --cron "0 7 * * 1-5"', 'oxbow schedule list'],
  },
  {
    words: 'schedule add <goal...>',
    summary: 'schedule a goal',
    examples: ['oxbow schedule add "check the backups" --every 1h', 'oxbow schedule add "plan my day" --cron "0 7 * * *"'],
    call: 'schedule.create',
    typed: {
      '--cron <expression>': { field: '', help: 'minute, hour, day, month, weekday; with six fields, seconds first' },
      '--zone <name>': { field: '', help: 'time zone of the expression, e.g. Europe/Berlin; default: this machine’s' },
      '--every <seconds>': { field: 'cadence.every_s', help: 'time from one run to the next: 90s, 15m, 2h, 7d, or seconds' },
      '--at <time>': { field: '', help: 'run once, e.g. at 2027-01-31T09:00:00+01:00' },
      '--name <name>': { field: 'name', help: 'short name; default: the beginning of the goal' },
      '--misfire <policy>': { field: 'misfire', help: 'times that passed while Oxbow was off' },
      '--grace <seconds>': { field: 'grace_s', help: 'how late a run may begin' },
      '--overlap <policy>': { field: 'overlap', help: 'when its last run still runs' },
      '--notify <policy>': { field: 'notify', help: 'when you hear of a run' },
      '--retries <n>': { field: 'retries', help: 'retries of a failed run' },
      '--timeout <seconds>': { field: 'timeout_s', help: 'stop a run after this time' },
      '--fresh': { field: 'context', value: 'fresh', help: 'each run begins without the earlier ones' },
      '--as <agent>': { field: 'as', help: 'agent or persona as which it runs, by its definition' },
      '--model <model>': { field: 'model', help: 'model to use' },
      ...typedBudget('a run'),
    },
    omit: true,
    input: (input, { options }) => ({
      ...input,
      name: input['name'] ?? textIn(input, 'goal').slice(0, nameChars),
      cadence: cadenceOf(options),
    }),
    show: (made: Line) =>
      `Scheduled ${nameOf(made)}, next ${made.next_local ?? 'never'}.\n  ${made.id}\nIt runs while Oxbow runs: \`oxbow start\` keeps it running.`,
  },
  {
    words: 'schedule list',
    summary: 'list schedules, the next one first',
    examples: ['oxbow schedule list'],
    call: 'schedule.search',
    lists: { schedule: 'id' },
    fixed: { limit: maxShown },
    omit: ['offset'],
    typed: {
      '--name <words>': 'name',
      '--status <status>': { field: 'status', help: 'only schedules that are active, paused, completed or disabled' },
    },
    show: listText,
  },
  {
    words: 'schedule runs <schedule>',
    summary: 'list the runs of a schedule, newest first',
    examples: ['oxbow schedule runs 019a', 'oxbow schedule runs 019a --output'],
    call: 'schedule.runs',
    ...one,
    typed: {
      ...one.typed,
      '--limit <n>': { field: 'limit', help: 'maximum number of runs to list', default: 20 },
      '--output': { field: '', help: 'print the whole reply of the newest run instead' },
    },
    lines: ({ runs }: { readonly runs: readonly ScheduleRun[] }) => runs,
    show: async ({ runs }: { readonly runs: readonly ScheduleRun[] }, { options, ask }) =>
      options['output'] === true ? plainText(await replyOf(runs, ask)) : runs.length === 0 ? 'It has not run yet.' : runTable(runs),
  },
  {
    words: 'schedule run <schedule>',
    summary: 'run a schedule now, in addition to its times',
    examples: ['oxbow schedule run 019a'],
    call: 'schedule.trigger',
    ...one,
  },
  {
    words: 'schedule pause <schedule>',
    summary: 'pause a schedule',
    examples: ['oxbow schedule pause 019a'],
    call: 'schedule.edit',
    ...one,
    fixed: { status: 'paused' },
    show: (changed: Line) => `Paused ${nameOf(changed)}.`,
  },
  {
    words: 'schedule resume <schedule>',
    summary: 'resume a schedule that is paused or disabled',
    examples: ['oxbow schedule resume 019a'],
    call: 'schedule.edit',
    ...one,
    fixed: { status: 'active' },
    show: (changed: Line) => `${nameOf(changed)} is active.`,
  },
  {
    words: 'schedule remove <schedule>',
    summary: 'delete a schedule and the list of its runs',
    examples: ['oxbow schedule remove 019a'],
    call: 'schedule.delete',
    ...one,
    async preview({ id }, ask) {
      const target = (await search(ask)).find((line) => line.id === id)!
      return { would: `delete the schedule ${nameOf(target)} and the list of its runs`, target }
    },
  },
  {
    words: 'budget forecast <schedule>',
    summary: 'forecast what the next run of a schedule takes, and whether the budgets cover it',
    examples: ['oxbow budget forecast 019a'],
    call: 'budget.forecast',
    find: async ({ schedule }, ask) => ({ schedule: (await findSchedule({ id: schedule! }, ask))['id']! }),
    show: async (forecast: Forecast, { input, ask }) =>
      forecastText(
        (await search(ask)).find(({ id }) => id === input['schedule'])!,
        forecast,
      ),
    fails: ({ refused }: Forecast) => (refused === '' ? null : 'budget_exhausted'),
  },
]

function cadenceOf(options: Typed['options']): Cadence {
  const { cron, zone, every, at } = options
  if ([cron, every, at].filter((value) => value !== undefined).length !== 1)
    throw new OxbowError('bad_input', 'say when it runs, in one way', {
      hint: 'Add --cron "0 9 * * 1-5", --every 1h or --at 2027-01-31T09:00:00+01:00.',
    })
  if (at !== undefined) return { type: 'once', at: timeOf(textIn(options, 'at')) }
  if (every !== undefined) return { type: 'interval', every_s: every as number }
  const time_zone = typeof zone === 'string' ? zone : Intl.DateTimeFormat().resolvedOptions().timeZone
  return { type: 'cron', expression: textIn(options, 'cron'), time_zone }
}

/** A time without a zone would be another one elsewhere. */
function timeOf(at: string): string {
  if (/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(at) && !Number.isNaN(Date.parse(at))) return at
  throw new OxbowError('bad_input', `--at ${plainLine(at, nameChars)} is not a date with a time and a zone`, {
    hint: 'Write it like 2027-01-31T09:00:00+01:00.',
  })
}

function listText({ schedules, total }: Found): string {
  if (schedules.length === 0) return 'No schedules yet. `oxbow schedule add "…" --cron "0 9 * * *"` makes one.'
  const ids = schedules.map(({ id }) => id)
  const rows = schedules.map((schedule) => [
    shortId(schedule.id, ids),
    schedule.status,
    schedule.next_local ?? '',
    schedule.failures > 0 ? `${schedule.failures} failed` : '',
    schedule.source === 'config' ? 'config.toml' : '',
    nameOf(schedule),
  ])
  return `${table(rows)}${total > schedules.length ? `\n${total - schedules.length} more` : ''}`
}

const search = async (ask: AskCall): Promise<readonly Line[]> => (await ask('schedule.search', { limit: maxShown })).schedules

/** By its name, its id or the beginning of that. @throws OxbowError `not_found`, or `bad_input` when it is ambiguous. */
async function findSchedule(input: JsonObject, ask: AskCall): Promise<JsonObject> {
  const ref = textIn(input, 'id').trim()
  const all = await search(ask)
  const named = all.filter(({ name }) => name === ref)
  const [only, ...others] = named.length > 0 ? named : all.filter(({ id }) => ref !== '' && id.startsWith(ref.toLowerCase()))
  if (only === undefined)
    throw new OxbowError('not_found', `No schedule ${JSON.stringify(ref)}.`, { hint: '`oxbow schedule list` lists them.' })
  if (others.length === 0) return { ...input, id: only.id }
  throw new OxbowError('bad_input', `${JSON.stringify(ref)} could be any of ${others.length + 1} schedules.`, {
    hint: 'Name one by its id: `oxbow schedule list` lists them.',
  })
}

/** @returns the whole reply of the newest run that has one. @throws OxbowError `not_found` */
async function replyOf(runs: readonly ScheduleRun[], ask: AskCall): Promise<string> {
  const newest = runs.find(({ turn, ended_at: endedAt }) => turn !== '' && endedAt !== null)
  if (newest === undefined)
    throw new OxbowError('not_found', 'no run has an output yet', {
      hint: '`oxbow schedule runs ID` shows what runs or waits; `oxbow schedule run ID` runs it now.',
    })
  let text = ''
  for (let from = 0, left = 1; left > 0;) {
    const input = { turn: newest.turn, from_byte: from, max_bytes: 8_000 }
    const part = await ask('schedule.run_output', input)
    text += part.text
    left = part.remaining_bytes
    from = part.total_bytes - left
  }
  return text
}

function runTable(runs: readonly ScheduleRun[]): string {
  return table(
    runs.map((run) => [
      formatTime(run.due_at),
      `${run.status}${run.attempt > 1 ? `, attempt ${run.attempt}` : ''}`,
      run.ended_at === null ? '' : `${Math.round((run.ended_at - run.started_at) / 1_000)} s`,
      plainLine(run.summary.split('\n', 1)[0] ?? '', 80),
    ]),
  )
}

function forecastText(schedule: Line, { runs, mean, worst, refused, is_tight: isTight }: Forecast): string {
  const text = ({ tokens, microDollars }: Forecast['mean']): string => `${tokens} tokens and ${formatMoney(microDollars)}`
  const past = runs === 0 ? 'No run is known yet.' : `Its last ${runs} runs took ${text(mean)} on average, ${text(worst)} at most.`
  const verdict =
    refused !== ''
      ? `The next run is skipped: ${refused}`
      : isTight
        ? 'A run as costly as the worst would be stopped.'
        : 'The budgets cover it.'
  return `${nameOf(schedule)}: ${past}\n${plainText(verdict)}`
}
