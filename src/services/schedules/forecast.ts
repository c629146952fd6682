/**
 * The forecast before a run of a schedule: whether the budgets cover what a run usually takes, by the mean of its newest runs; or its own
 * budget, which is held for it; or, where nothing is known, anything at all. A run that is not covered is skipped before it costs.
 */
import type { Clock } from '../../base/index.ts'
import { type Amount, amountKinds, noAmount, sessionScope, type Spend } from '../../protocol/index.ts'
import { runsOf } from './schedule-record.ts'
import type { Forecast, Schedule, ScheduleRun } from './schedule-schemas.ts'
import { type Budgets, carvedOf, type Documents } from '../../kernel/index.ts'

/** Newest runs of a schedule by which the next one is forecast. */
const forecastRuns = 10

export interface ForecastDeps {
  readonly budgets: Pick<Budgets, 'book' | 'load' | 'view'>
  readonly documents: Documents
  readonly clock: Clock
  /** Name of the agent that runs. */
  readonly agent: string
}

export async function forecast({ budgets, documents, clock, agent }: ForecastDeps, schedule: Schedule): Promise<Forecast> {
  const costs = (await runsOf(documents, schedule.id)).flatMap(({ used }) => used ?? []).slice(-forecastRuns)
  const who = { session: '', actor: `agent:${agent}` } as const
  const book = await budgets.book()
  await book.load(who)
  const own = schedule.budget === undefined ? noAmount : carvedOf(schedule.budget)
  const mean = amountFor(costs, (values) => Math.ceil(values.reduce((sum, value) => sum + value, 0) / values.length))
  const worst = amountFor(costs, (values) => Math.max(...values))
  const needed = { ...noAmount }
  // Its own budget takes the place of what it usually takes.
  for (const kind of amountKinds) needed[kind] = own[kind] > 0 ? own[kind] : mean[kind]
  const short = book.uncovered(who, { ...needed, tokens: Math.max(1, needed.tokens), calls: Math.max(1, needed.calls) })
  const isTight =
    short === null && (book.uncovered(who, worst) !== null || amountKinds.some((kind) => own[kind] > 0 && worst[kind] > own[kind]))
  const until = short === null || short.account.until === Infinity ? null : short.account.until
  const costly = costs.length === 0 ? '' : ` It takes ${mean.tokens} tokens on average.`
  const again = until === null ? '' : ` The budget resets at ${new Date(until).toISOString()}.`
  return {
    runs: costs.length,
    mean: spendOf(mean),
    worst: spendOf(worst),
    refused: short === null ? '' : `${short.failure.message}${costly}${again}`,
    is_tight: isTight,
    until,
    checked_at: clock.now(),
  }
}

/** @returns what the session of a run has spent since it began */
export async function usedBy({ budgets }: Pick<ForecastDeps, 'budgets'>, { session, spent_before: before }: ScheduleRun): Promise<Spend> {
  if (session === '') return { tokens: 0, microDollars: 0 }
  await budgets.load({ session, actor: '' })
  const { tokens, microDollars } = budgets.view(sessionScope(session)).spent
  return { tokens: Math.max(0, tokens - (before?.tokens ?? 0)), microDollars: Math.max(0, microDollars - (before?.microDollars ?? 0)) }
}

function amountFor(costs: readonly Spend[], of: (values: readonly number[]) => number): Amount {
  if (costs.length === 0) return { ...noAmount }
  return { ...noAmount, tokens: of(costs.map(({ tokens }) => tokens)), microDollars: of(costs.map(({ microDollars }) => microDollars)) }
}

function spendOf({ tokens, microDollars }: Amount): Spend {
  return { tokens, microDollars }
}
