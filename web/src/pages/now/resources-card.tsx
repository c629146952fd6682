/** What the machine and the guest use: now as meters, the last samples as a line. */
import type { ReactNode } from 'react'
import { useCall } from '../../data/calls.ts'
import { Chart } from '../../ui/chart.tsx'
import { Card } from '../../ui/layout.tsx'
import { Loading, NoticeBar, Problem } from '../../ui/states.tsx'

const everyMs = 10_000
const shownSamples = 60

export function ResourcesCard(): ReactNode {
  const { data, failure, refresh } = useCall('resources.show', { history: shownSamples }, { everyMs })
  if (data === undefined)
    return <Card title="Machine">{failure === null ? <Loading label="Machine" /> : <Problem failure={failure} onRetry={refresh} />}</Card>
  const { now, overloads, history } = data
  const samples = history.toReversed()
  const memory = Math.round((100 * now.memory_used_mb) / now.memory_total_mb)
  return (
    <Card title="Machine">
      {overloads.length > 0 && <NoticeBar tone="warn">No new agents start: {overloads.join('; ')}.</NoticeBar>}
      <div className="meters">
        <Meter label="Processor" percent={now.cpu_percent} note={`${Math.round(now.cpu_percent)} %`} />
        <Meter label="Memory" percent={memory} note={`${gigabytes(now.memory_used_mb)} of ${gigabytes(now.memory_total_mb)} GB`} />
        <Meter label="Disk" percent={now.disk_used_percent} note={`${gigabytes(now.disk_free_mb)} GB free`} />
      </div>
      <p className="soft small">
        Oxbow uses {now.guest_memory_mb} MB; its event loop is {Math.round(now.loop_delay_ms)} ms late.
      </p>
      {samples.length > 1 && (
        <div>
          <Chart
            label="Processor and memory, in percent"
            times={samples.map(({ at }) => at)}
            series={[
              { title: 'Processor', values: samples.map(({ cpu_percent: cpu }) => cpu) },
              { title: 'Memory', values: samples.map((sample) => Math.round((100 * sample.memory_used_mb) / sample.memory_total_mb)) },
            ]}
            height={110}
            format={(value) => `${Math.round(value)} %`}
          />
        </div>
      )}
    </Card>
  )
}

function gigabytes(megabytes: number): string {
  return (megabytes / 1_024).toFixed(1)
}

const high = 85

function Meter({ label, percent, note }: { readonly label: string; readonly percent: number; readonly note: string }): ReactNode {
  return (
    <div className="meter-row">
      <span>{label}</span>
      <meter min={0} max={100} high={high} value={percent} aria-label={label} />
      <span className="meter-note">{note}</span>
    </div>
  )
}
