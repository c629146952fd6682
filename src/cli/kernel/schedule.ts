/** `oxbow schedule`: what runs at its times, and what it did. */
import type { OutputOf } from '../../client/index.ts'
import { errorTable, type Json, OxbowError } from '../../types/index.ts'
import { type GatewayPort, withGuest } from '../guest-connection.ts'
import { printLine, printPreview, printText, type Terminal } from '../terminal.ts'
import { formatMoney, formatTime, plainLine, plainText, shortId, table } from '../../terminal/index.ts'
import { type BudgetOptions, budgetOf } from './budget.ts'
import { type CallOptions, type DryRunOptions, outputOf, showOutput } from './call.ts'

type ScheduleLine = OutputOf<'schedule.search'>['schedules'][number]

type RunLine = OutputOf<'schedule.runs'>['runs'][number]

const nameChars = 40
const maxShown = 100

export interface AddOptions extends CallOptions, BudgetOptions {
  readonly name?: string | undefined
  readonly cron?: string | undefined
  readonly zone?: string | undefined
  readonly every?: number | undefined
  readonly at?: string | undefined
  readonly misfire?: string | undefined
  readonly grace?: number | undefined
  readonly overlap?: string | undefined
  readonly notify?: string | undefined
  readonly retries?: number | undefined
  readonly timeout?: number | undefined
  readonly fresh?: boolean | undefined
}

export function scheduleAdd(words: readonly string[], options: AddOptions, terminal: Terminal): Promise<number> {
  const goal = words.join(' ')
  const { misfire, grace, overlap, notify, retries, timeout, fresh } = options
  const input: Json = {
    name: options.name ?? goal.slice(0, nameChars),
    goal,
    cadence: cadenceOf(options),
    ...(misfire !== undefined && { misfire }),
    ...(grace !== undefined && { grace_s: grace }),
    ...(overlap !== undefined && { overlap }),
    ...(notify !== undefined && { notify }),
    ...(retries !== undefined && { retries }),
    ...(timeout !== undefined && { timeout_s: timeout }),
    ...(fresh === true && { context: 'fresh' }),
    ...budgetOf(options),
  }
  return showOutput(['schedule.create', input], options, terminal, (made) => {
    const runs = 'It runs while Oxbow runs: `oxbow start` keeps it running.'
    return `Scheduled ${plainLine(made.name, nameChars)}, next ${made.next_local ?? 'never'}.\n  ${made.id}\n${runs}`
  })
}

function cadenceOf({ cron, zone, every, at }: AddOptions): Json {
  const given = [cron, every, at].filter((value) => value !== undefined)
  if (given.length !== 1)
    throw new OxbowError('bad_input', 'say when it runs, in one way', {
      hint: 'Add --cron "0 9 * * 1-5", --every 3600 or --at 2027-01-31T09:00:00+01:00.',
    })
  if (at !== undefined) return { type: 'once', at: timeOf(at) }
  if (every !== undefined) return { type: 'interval', every_s: every }
  return { type: 'cron', expression: cron ?? '', time_zone: zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone }
}

/** A time without a zone would be another one elsewhere. */
function timeOf(at: string): string {
  if (/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(at) && !Number.isNaN(Date.parse(at))) return at
  throw new OxbowError('bad_input', `--at ${plainLine(at, nameChars)} is not a date with a time and a zone`, {
    hint: 'Write it like 2027-01-31T09:00:00+01:00.',
  })
}

export function scheduleList(options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['schedule.search', { limit: maxShown }], options, terminal, ({ schedules, total }) => {
    if (schedules.length === 0) return 'No schedules yet. `oxbow schedule add "…" --cron "0 9 * * *"` makes one.'
    const ids = schedules.map(({ id }) => id)
    const rows = schedules.map((schedule) => [
      shortId(schedule.id, ids),
      schedule.status,
      schedule.next_local ?? '',
      schedule.failures > 0 ? `${schedule.failures} failed` : '',
      plainLine(schedule.name, nameChars),
    ])
    return `${table(rows)}${total > schedules.length ? `\n${total - schedules.length} more` : ''}`
  })
}

/** @throws OxbowError `not_found`, or `bad_input` when the prefix is ambiguous. */
async function findSchedule(gateway: GatewayPort, prefix: string): Promise<ScheduleLine> {
  const { schedules } = await outputOf(gateway, 'schedule.search', { limit: maxShown })
  const found = schedules.filter(({ id }) => id.startsWith(prefix.trim().toLowerCase()))
  if (found.length === 1 && found[0] !== undefined) return found[0]
  throw new OxbowError(
    found.length === 0 ? 'not_found' : 'bad_input',
    `${found.length === 0 ? 'no schedule begins' : `${found.length} schedules begin`} with ${JSON.stringify(prefix)}`,
    { hint: 'See `oxbow schedule list`.' },
  )
}

/** A call about one schedule. @param show what was done, as people read it */
export function changeSchedule(
  [name, prefix, more]: readonly [name: string, prefix: string, more: Record<string, Json>],
  options: CallOptions,
  terminal: Terminal,
  show: (schedule: ScheduleLine) => string,
): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const schedule = await findSchedule(gateway, prefix)
    const output = await outputOf(gateway, name, { id: schedule.id, ...more })
    if (options.json === true) printLine(terminal, JSON.stringify(output))
    else printText(terminal, show(schedule))
    return 0
  })
}

export const schedulePause = (prefix: string, options: CallOptions, terminal: Terminal): Promise<number> =>
  changeSchedule(['schedule.edit', prefix, { status: 'paused' }], options, terminal, ({ name }) => `Paused ${plainLine(name, nameChars)}.`)

export const scheduleResume = (prefix: string, options: CallOptions, terminal: Terminal): Promise<number> =>
  changeSchedule(
    ['schedule.edit', prefix, { status: 'active' }],
    options,
    terminal,
    ({ name }) => `${plainLine(name, nameChars)} is active.`,
  )

export function scheduleRemove(prefix: string, options: DryRunOptions, terminal: Terminal): Promise<number> {
  if (options.dryRun !== true)
    return changeSchedule(['schedule.delete', prefix, {}], options, terminal, ({ name }) => `Deleted ${plainLine(name, nameChars)}.`)
  return withGuest(options, terminal, async ({ gateway }) => {
    const schedule = await findSchedule(gateway, prefix)
    const would = `delete the schedule ${plainLine(schedule.name, nameChars)} and the list of its runs`
    return printPreview({ would, target: schedule }, options, terminal)
  })
}

export const scheduleTrigger = (prefix: string, options: CallOptions, terminal: Terminal): Promise<number> =>
  changeSchedule(['schedule.trigger', prefix, {}], options, terminal, ({ name }) => `${plainLine(name, nameChars)} runs.`)

/** Lists runs, newest first; with `--output` prints the whole reply of the newest. */
export function scheduleRuns(
  prefix: string,
  options: CallOptions & { readonly limit: number; readonly output?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const { id } = await findSchedule(gateway, prefix)
    const { runs } = await outputOf(gateway, 'schedule.runs', { id, limit: options.limit })
    if (options.output === true) {
      printText(terminal, plainText(await outputOfRun(gateway, runs)))
      return 0
    }
    if (options.json === true) for (const run of runs) printLine(terminal, JSON.stringify(run))
    else printText(terminal, runs.length === 0 ? 'It has not run yet.' : runTable(runs))
    return 0
  })
}

async function outputOfRun(gateway: GatewayPort, runs: readonly RunLine[]): Promise<string> {
  const newest = runs.find(({ turn }) => turn !== '')
  if (newest === undefined) throw new OxbowError('not_found', 'no run has an output yet', { hint: 'Run it now: `oxbow schedule run ID`.' })
  let text = ''
  for (let from = 0, left = 1; left > 0;) {
    const input = { turn: newest.turn, from_byte: from, max_bytes: 8_000 }
    const part = await outputOf(gateway, 'schedule.run_output', input)
    text += part.text
    left = part.remaining_bytes
    from = part.total_bytes - left
  }
  return text
}

function runTable(runs: readonly RunLine[]): string {
  return table(
    runs.map((run) => [
      formatTime(run.due_at),
      `${run.status}${run.attempt > 1 ? `, attempt ${run.attempt}` : ''}`,
      run.ended_at === null ? '' : `${Math.round((run.ended_at - run.started_at) / 1_000)} s`,
      plainLine(run.summary.split('\n', 1)[0] ?? '', 80),
    ]),
  )
}

type Spent = Forecast['mean']

type Forecast = OutputOf<'budget.forecast'>

/** @returns 0 when the next run may start; else the exit code of `budget_exhausted` */
export function showForecast(prefix: string, options: CallOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const { id, name } = await findSchedule(gateway, prefix)
    const forecast = await outputOf(gateway, 'budget.forecast', { schedule: id })
    if (options.json === true) printLine(terminal, JSON.stringify(forecast))
    else printText(terminal, forecastText(plainLine(name, nameChars), forecast))
    return forecast.refused === '' ? 0 : errorTable.budget_exhausted.exit
  })
}

function forecastText(name: string, { runs, mean, worst, refused, is_tight: isTight }: Forecast): string {
  const text = ({ tokens, microDollars }: Spent): string => `${tokens} tokens and ${formatMoney(microDollars)}`
  const past = runs === 0 ? 'No run is known yet.' : `Its last ${runs} runs took ${text(mean)} on average, ${text(worst)} at most.`
  const verdict =
    refused !== ''
      ? `The next run is skipped: ${refused}`
      : isTight
        ? 'A run as costly as the worst would be stopped.'
        : 'The budgets cover it.'
  return `${name}: ${past}\n${plainText(verdict)}`
}
