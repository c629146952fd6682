/** What models cost: by day, model, session, agent or program, from settled records. */
import { ReceiptText } from 'lucide-react'
import { type ReactNode, useMemo, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { useCall } from '../../data/calls.ts'
import { Chart } from '../../ui/chart.tsx'
import { Select } from '../../ui/field.tsx'
import { Card, Facts, Page } from '../../ui/layout.tsx'
import { countText, moneyText } from '../../ui/numbers.ts'
import { Empty, Loading, Problem } from '../../ui/states.tsx'
import { type Column, Table } from '../../ui/table.tsx'
import { type Tab, Tabs } from '../../ui/tabs.tsx'
import './costs.css'

type Costs = OutputOf<'costs.show'>
type Line = Costs['lines'][number]
type By = Exclude<Costs['by'], 'user'>

const groups: readonly Tab<By>[] = [
  { name: 'day', title: 'By day' },
  { name: 'model', title: 'By model' },
  { name: 'session', title: 'By session' },
  { name: 'agent', title: 'By agent' },
  { name: 'program', title: 'By program' },
]

const spans = [
  { value: '7d', label: '7 days' },
  { value: '30d', label: '30 days' },
  { value: '365d', label: '1 year' },
  { value: 'all', label: 'All days' },
]

export default function CostsPage(): ReactNode {
  const [by, setBy] = useState<By>('day')
  const [since, setSince] = useState('30d')
  const { data, failure, refresh } = useCall(
    'costs.show',
    { by, since, limit: 500 },
    { refreshOn: ['turn_ended', 'costs_*'], everyMs: 60_000 },
  )
  return (
    <Page
      title="Costs"
      intro="What models cost, from the records of what was paid. Work in the background is included: titles, summaries and memory."
      actions={<Select label="Days" isLabelHidden options={spans} value={since} onChange={(event) => setSince(event.target.value)} />}
    >
      {failure !== null ? <Problem failure={failure} onRetry={refresh} /> : data === undefined ? <Loading /> : <Sums costs={data} />}
      <Card title="What it was for">
        <Tabs label="Sum by" tabs={groups} current={by} onChange={setBy}>
          {data === undefined || data.by !== by ? (
            failure === null && <Loading label="Costs" />
          ) : data.lines.length === 0 ? (
            <Empty title="Nothing has cost anything in these days" icon={<ReceiptText />}>
              Costs appear with the first answer of a model.
            </Empty>
          ) : (
            <Lines costs={data} />
          )}
        </Tabs>
      </Card>
    </Page>
  )
}

function Sums({ costs: { sum, today, ledger } }: { readonly costs: Costs }): ReactNode {
  const { usual_micro_dollars: usual } = today
  const isHigh = usual !== null && today.micro_dollars >= 2 * usual
  const missing = ledger.micro_dollars - ledger.counted_micro_dollars
  return (
    <Card title="Together">
      <Facts
        facts={[
          ['In these days', moneyText(sum.micro_dollars)],
          ['Of that in the background', moneyText(sum.background_micro_dollars)],
          ['Tokens', countText(sum.tokens)],
          ['Today', moneyText(today.micro_dollars)],
          ['A usual day', usual === null ? 'not known yet' : moneyText(usual)],
          ['All days, as budgets count', moneyText(ledger.micro_dollars)],
        ]}
      />
      {isHigh && (
        <p className="costs-note" role="status">
          Today costs at least twice as much as usual.
        </p>
      )}
      {sum.unpriced_tokens > 0 && (
        <p className="costs-note">
          {countText(sum.unpriced_tokens)} tokens are of models without a known price, and count as nothing here.
        </p>
      )}
      {missing !== 0 && <p className="costs-note">{moneyText(missing)} are of records that were erased before they were counted.</p>}
    </Card>
  )
}

function Lines({ costs: { by, lines, more } }: { readonly costs: Costs }): ReactNode {
  const sessions = useCall('session.list', { limit: 1_000, archived: true, search: '' }, {})
  const titles = useMemo(() => new Map(sessions.data?.map(({ id, title }) => [String(id), title])), [sessions.data])
  const columns = columnsOf(by, titles, lines)
  // Days are shown the newest first, and drawn in their order.
  const shown = by === 'day' ? lines.toReversed() : lines
  return (
    <div className="costs-lines">
      {by === 'day' && lines.length > 1 && (
        <Chart
          label="Cost by day"
          kind="bars"
          times={lines.map(({ key }) => Date.parse(`${key}T12:00:00`))}
          series={[{ title: 'Cost', values: lines.map((line) => line.micro_dollars) }]}
          format={moneyText}
        />
      )}
      <Table label={`Costs by ${by}`} columns={columns} rows={shown} keyOf={({ key }) => key} />
      {more > 0 && <p className="costs-note">{countText(more)} more lines; the sums above have them.</p>}
    </div>
  )
}

const heads: Readonly<Record<Costs['by'], string>> = {
  day: 'Day',
  model: 'Model',
  session: 'Session',
  agent: 'Agent',
  program: 'Program',
  user: 'User',
}

function columnsOf(by: Costs['by'], titles: ReadonlyMap<string, string>, lines: readonly Line[]): readonly Column<Line>[] {
  const name = ({ key }: Line): string =>
    by === 'session' ? titles.get(key) || key.slice(0, 8) || 'No session' : by === 'program' ? key || 'No program' : key
  return [
    { title: heads[by], cell: name },
    { title: 'Cost', cell: (line) => moneyText(line.micro_dollars), align: 'end' },
    { title: 'Tokens', cell: (line) => countText(line.tokens), align: 'end', isMinor: true },
    { title: 'Requests', cell: (line) => countText(line.calls), align: 'end', isMinor: true },
    { title: 'Background', cell: (line) => moneyText(line.background_micro_dollars), align: 'end', isMinor: true },
    ...(lines.some(({ unpriced_tokens: unpriced }) => unpriced > 0)
      ? [{ title: 'No price', cell: (line: Line) => `${countText(line.unpriced_tokens)} tokens`, align: 'end' as const, isMinor: true }]
      : []),
  ]
}
