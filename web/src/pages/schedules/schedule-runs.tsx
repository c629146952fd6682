/** The newest runs of a schedule, and what each has answered. */
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { type ReactNode, useState } from 'react'
import { Link } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { Badge, Card, durationText, Time, type Tone } from '../../ui/layout.tsx'
import { moneyText } from '../../ui/numbers.ts'
import { Loading, Problem } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'

type ScheduleRun = OutputOf<'schedule.runs'>['runs'][number]

const tones: Readonly<Record<ScheduleRun['status'], Tone>> = {
  waiting: 'neutral',
  running: 'accent',
  success: 'good',
  failed: 'bad',
  cancelled: 'warn',
  skipped: 'neutral',
}

export function ScheduleRuns({ schedule }: { readonly schedule: string }): ReactNode {
  const { data, failure, refresh } = useCall('schedule.runs', { id: schedule, limit: 20 }, { refreshOn: ['schedule_*', 'turn_ended'] })
  const [open, setOpen] = useState<ScheduleRun | null>(null)
  if (failure !== null) return <Problem failure={failure} onRetry={refresh} />
  if (data === undefined) return <Loading />
  if (data.runs.length === 0)
    return (
      <Card title="Runs">
        <p className="field-hint">It has not run yet.</p>
      </Card>
    )
  return (
    <>
      <Table
        label="Runs"
        rows={data.runs}
        keyOf={({ due_at: due, attempt }) => `${due} ${attempt}`}
        onOpen={setOpen}
        columns={[
          {
            title: 'Run',
            cell: ({ started_at: at }) => (
              <span className="schedule-time">
                <Time at={at} />
              </span>
            ),
          },
          {
            title: 'Result',
            cell: ({ status, attempt }) => <Badge tone={tones[status]}>{attempt > 1 ? `${status}, retry ${attempt - 1}` : status}</Badge>,
          },
          { title: 'Said', cell: ({ summary }) => <span className="schedule-summary">{summary === '' ? '–' : summary}</span> },
          {
            title: 'Time',
            align: 'end',
            isMinor: true,
            cell: ({ started_at: from, ended_at: to }) => (
              <span className="schedule-time" data-volatile>
                {to === null ? '…' : durationText(to - from)}
              </span>
            ),
          },
          { title: 'Cost', align: 'end', isMinor: true, cell: ({ used }) => (used === undefined ? '–' : moneyText(used.microDollars)) },
        ]}
      />
      <RunDialog run={open} onClose={() => setOpen(null)} />
    </>
  )
}

function RunDialog({ run, onClose }: { readonly run: ScheduleRun | null; readonly onClose: () => void }): ReactNode {
  const hasTurn = run !== null && run.turn !== '' && run.ended_at !== null
  const { data, failure, refresh } = useCall('schedule.run_output', { turn: run?.turn ?? '', max_bytes: 8_000 }, { skip: !hasTurn })
  return (
    <Dialog title="What the run said" isOpen={run !== null} onClose={onClose} isWide>
      {!hasTurn ? (
        <p>
          {run?.status === 'waiting' ? 'It waits for a place in the queue.' : run?.status === 'running' ? 'It is running.' : run?.summary}
        </p>
      ) : failure !== null ? (
        <Problem failure={failure} onRetry={refresh} />
      ) : data === undefined ? (
        <Loading />
      ) : (
        <>
          <p className="schedule-output">{data.text}</p>
          {data.remaining_bytes > 0 && <p className="field-hint">It goes on; the conversation has all of it.</p>}
        </>
      )}
      {run !== null && run.session !== '' && <Link to={`/chat/${run.session}`}>Open the conversation</Link>}
    </Dialog>
  )
}
