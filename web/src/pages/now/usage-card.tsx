/** What models were used for over time: money, tokens and how long an answer takes, by hour or by day. */
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { type ReactNode, useMemo, useState } from 'react'
import { type CallState, useCall } from '../../data/calls.ts'
import { Chart } from '../../ui/chart.tsx'
import { Card, durationText } from '../../ui/layout.tsx'
import { countText, moneyText } from '../../ui/numbers.ts'
import { Empty, Loading, Problem } from '../../ui/states.tsx'
import { type Tab, Tabs } from '../../ui/tabs.tsx'
import './usage-card.css'

interface Amounts {
  readonly micro_dollars: number
  readonly tokens: number
  readonly calls: number
  readonly ms: number
}

interface Hour extends Amounts {
  readonly at: number
}

type UsageView = OutputOf<'usage.series'>

export const hourMs = 3_600_000
const keptHours = 31 * 24
const everyMs = 60_000

export interface Usage extends CallState<UsageView> {
  /** Since midnight. */
  readonly today: Amounts
}

export function useUsage(): Usage {
  const state = useCall('usage.series', { hours: keptHours }, { refreshOn: ['turn_ended'], everyMs })
  const midnight = new Date().setHours(0, 0, 0, 0)
  const today = useMemo(() => sum(state.data?.hours.filter(({ at }) => at >= midnight) ?? []), [state.data, midnight])
  return { ...state, today }
}

const nothing: Amounts = { micro_dollars: 0, tokens: 0, calls: 0, ms: 0 }

function sum(hours: readonly Amounts[]): Amounts {
  return hours.reduce(
    (all, hour) => ({
      micro_dollars: all.micro_dollars + hour.micro_dollars,
      tokens: all.tokens + hour.tokens,
      calls: all.calls + hour.calls,
      ms: all.ms + hour.ms,
    }),
    nothing,
  )
}

type Span = 'day' | 'week' | 'month'

const spans: readonly Tab<Span>[] = [
  { name: 'day', title: '24 hours' },
  { name: 'week', title: '7 days' },
  { name: 'month', title: '30 days' },
]

const daysOf: Readonly<Record<Exclude<Span, 'day'>, number>> = { week: 7, month: 30 }

/** Hours of the last day, or days of the last week or month in the time zone of the person; those without use are zero. */
function bucketsOf(hours: readonly Hour[], span: Span, now: number): readonly (Amounts & { readonly at: number })[] {
  if (span === 'day') {
    const last = Math.floor(now / hourMs) * hourMs
    const byHour = new Map(hours.map((hour) => [hour.at, hour]))
    return Array.from({ length: 24 }, (_, index) => {
      const at = last - (23 - index) * hourMs
      return { ...nothing, ...byHour.get(at), at }
    })
  }
  const byDay = Map.groupBy(hours, ({ at }) => new Date(at).setHours(0, 0, 0, 0))
  const days = daysOf[span]
  return Array.from({ length: days }, (_, index) => {
    const day = new Date(now)
    day.setHours(0, 0, 0, 0)
    // By date, since a day may have 23 or 25 hours.
    day.setDate(day.getDate() - (days - 1 - index))
    const at = day.getTime()
    return { ...sum(byDay.get(at) ?? []), at }
  })
}

export function UsageCard({ usage }: { readonly usage: Usage }): ReactNode {
  const [span, setSpan] = useState<Span>('day')
  const { data, failure, refresh } = usage
  const buckets = useMemo(() => bucketsOf(data?.hours ?? [], span, Date.now()), [data, span])
  if (data === undefined)
    return (
      <Card title="Use of models">
        {failure === null ? <Loading label="Use of models" /> : <Problem failure={failure} onRetry={refresh} />}
      </Card>
    )
  const total = sum(buckets)
  return (
    <Card title="Use of models">
      <Tabs label="Time" tabs={spans} current={span} onChange={setSpan}>
        {total.calls === 0 ? (
          <Empty title="No model was used in this time">Charts of cost, tokens and speed appear with the first answer.</Empty>
        ) : (
          <div className="charts">
            <Plot
              title="Cost"
              total={moneyText(total.micro_dollars)}
              buckets={buckets}
              value={({ micro_dollars: money }) => money}
              format={moneyText}
            />
            <Plot
              title="Tokens"
              total={countText(total.tokens)}
              buckets={buckets}
              value={({ tokens }) => tokens}
              format={countText}
              colour="--warn"
            />
            <Plot
              title="Time per request"
              total={durationText(total.ms / total.calls)}
              buckets={buckets}
              value={({ ms, calls }) => (calls === 0 ? 0 : ms / calls)}
              format={durationText}
              colour="--good"
            />
          </div>
        )}
      </Tabs>
    </Card>
  )
}

interface PlotProps {
  readonly title: string
  readonly total: string
  readonly buckets: readonly (Amounts & { readonly at: number })[]
  readonly value: (bucket: Amounts) => number
  readonly format: (value: number) => string
  readonly colour?: string
}

function Plot({ title, total, buckets, value, format, colour = '--accent' }: PlotProps): ReactNode {
  return (
    <div className="plot">
      <div className="plot-head">
        <span>{title}</span>
        <span className="plot-total">{total}</span>
      </div>
      <Chart
        label={title}
        kind="bars"
        times={buckets.map(({ at }) => at)}
        series={[{ title, values: buckets.map(value), colour }]}
        height={150}
        format={format}
      />
    </div>
  )
}
