/** Schedules: what runs by itself, when it runs next, and what came of it. */
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { CalendarClock, Pause, Pencil, Play, Plus, Trash2, Zap } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { navigate, type PageProps } from '../../app/router.tsx'
import { useAction, useCall } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm } from '../../ui/dialog.tsx'
import { Badge, Card, Facts, Page, Time, type Tone } from '../../ui/layout.tsx'
import { moneyText } from '../../ui/numbers.ts'
import { Empty, Loading, NoticeBar, Problem, ProblemLine } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { cadenceText } from './cadence.ts'
import { type EditableSchedule, ScheduleForm } from './schedule-form.tsx'
import { ScheduleRuns } from './schedule-runs.tsx'
import './schedules.css'

interface ScheduleView extends EditableSchedule {
  readonly status: 'active' | 'paused' | 'completed' | 'disabled'
  readonly author: string
  readonly next_at: number | null
  readonly failures: number
  readonly created_at: number
}

const tones: Readonly<Record<ScheduleView['status'], Tone>> = { active: 'good', paused: 'neutral', completed: 'neutral', disabled: 'bad' }

export default function SchedulesPage({ place }: PageProps): ReactNode {
  const { data, failure, refresh } = useCall(
    'schedule.search',
    { limit: 100 },
    { refreshOn: ['schedule_*', 'turn_ended'], everyMs: 30_000 },
  )
  const [isAdding, setAdding] = useState(false)
  const current = data?.schedules.find(({ id }) => id === place.segments[1])
  const close = (): void => setAdding(false)
  const body = ((): ReactNode => {
    if (failure !== null) return <Problem failure={failure} onRetry={refresh} />
    if (data === undefined) return <Loading />
    if (data.schedules.length === 0) {
      return (
        <Empty title="Nothing is scheduled." icon={<CalendarClock />}>
          A schedule gives an agent a goal at times that you choose: a morning report, a weekly backup, a look at a page.
        </Empty>
      )
    }
    return <ScheduleTable schedules={data.schedules} current={current?.id} />
  })()
  return (
    <Page
      title="Schedules"
      intro="Goals that an agent pursues at times that you choose, while Oxbow runs."
      actions={
        <Button variant="primary" icon={<Plus />} onClick={() => setAdding(true)}>
          New schedule
        </Button>
      }
    >
      {body}
      {current !== undefined && <ScheduleCard key={current.id} schedule={current} refresh={refresh} />}
      <ScheduleForm
        isOpen={isAdding}
        schedule={null}
        onClose={close}
        onSaved={() => {
          close()
          refresh()
        }}
      />
    </Page>
  )
}

function ScheduleTable({
  schedules,
  current,
}: {
  readonly schedules: readonly ScheduleView[]
  readonly current: string | undefined
}): ReactNode {
  return (
    <Table
      label="Schedules"
      rows={schedules}
      keyOf={({ id }) => id}
      onOpen={({ id }) => navigate(id === current ? '/schedules' : `/schedules/${id}`)}
      {...(current !== undefined && { current })}
      columns={[
        { title: 'Name', cell: ({ name }) => name },
        { title: 'When', cell: ({ cadence }) => cadenceText(cadence) },
        { title: 'Next', cell: ({ next_at: next }) => (next === null ? '–' : <Time at={next} />) },
        { title: 'State', cell: ({ status }) => <Badge tone={tones[status]}>{status}</Badge> },
        {
          title: 'Failures in a row',
          align: 'end',
          isMinor: true,
          cell: ({ failures }) => (failures === 0 ? '0' : <Badge tone="warn">{failures}</Badge>),
        },
      ]}
    />
  )
}

type Forecast = OutputOf<'budget.forecast'>

function ScheduleCard({ schedule, refresh }: { readonly schedule: ScheduleView; readonly refresh: () => void }): ReactNode {
  const { id, name, status } = schedule
  const { run, isBusy, failure } = useAction()
  const [mode, setMode] = useState<'show' | 'edit' | 'delete'>('show')
  const forecast = useCall('budget.forecast', { schedule: id }, { refreshOn: ['schedule_*', 'turn_ended'] })
  const act = async (call: string, input: object = {}): Promise<void> => {
    if ((await run(call, { id, ...input })) === undefined) return
    setMode('show')
    refresh()
  }
  const remove = async (): Promise<void> => {
    if ((await run('schedule.delete', { id })) === undefined) return
    navigate('/schedules')
    refresh()
  }
  return (
    <>
      <Card
        title={name}
        actions={<ScheduleActions {...{ status, isBusy }} onAct={(call, input) => void act(call, input)} onMode={setMode} />}
      >
        {status === 'disabled' && (
          <NoticeBar tone="bad">
            It was switched off after {schedule.failures} failures in a row. Look at its runs, then resume it.
          </NoticeBar>
        )}
        <p className="schedule-goal">{schedule.goal}</p>
        <Facts
          facts={[
            ['When', cadenceText(schedule.cadence)],
            ['Next run', schedule.next_at === null ? 'none' : <Time key="next" at={schedule.next_at} />],
            [
              'Created',
              <>
                <Time key="made" at={schedule.created_at} /> by{' '}
                {schedule.author.startsWith('key:web') ? 'you, in a browser' : schedule.author}
              </>,
            ],
            ['Next run takes', forecast.data === undefined ? '…' : forecastText(forecast.data)],
          ]}
        />
        {mode !== 'delete' && <ProblemLine failure={failure} />}
      </Card>
      <ScheduleRuns schedule={id} />
      <ScheduleForm
        isOpen={mode === 'edit'}
        schedule={schedule}
        onClose={() => setMode('show')}
        onSaved={() => {
          setMode('show')
          refresh()
        }}
      />
      <Confirm
        title={`Delete ${name}?`}
        verb="Delete"
        isOpen={mode === 'delete'}
        onClose={() => setMode('show')}
        onConfirm={() => void remove()}
        isBusy={isBusy}
        failure={failure}
      >
        The schedule and the list of its runs go. What its runs have written stays, in files and in the journal.
      </Confirm>
    </>
  )
}

interface ScheduleActionsProps {
  readonly status: ScheduleView['status']
  readonly isBusy: boolean
  readonly onAct: (call: string, input?: object) => void
  readonly onMode: (mode: 'edit' | 'delete') => void
}

function ScheduleActions({ status, isBusy, onAct, onMode }: ScheduleActionsProps): ReactNode {
  const isPaused = status !== 'active'
  return (
    <div className="schedule-actions">
      <Button size="s" icon={<Zap />} isBusy={isBusy} onClick={() => onAct('schedule.trigger')}>
        Run now
      </Button>
      {status !== 'completed' && (
        <Button
          size="s"
          icon={isPaused ? <Play /> : <Pause />}
          onClick={() => onAct('schedule.edit', { status: isPaused ? 'active' : 'paused' })}
        >
          {isPaused ? 'Resume' : 'Pause'}
        </Button>
      )}
      <Button size="s" icon={<Pencil />} onClick={() => onMode('edit')}>
        Change
      </Button>
      <Button size="s" variant="danger" icon={<Trash2 />} onClick={() => onMode('delete')}>
        Delete
      </Button>
    </div>
  )
}

function forecastText({ runs, mean, refused, is_tight: isTight }: Forecast): string {
  if (refused !== '') return `not now: ${refused}`
  if (runs === 0) return 'not known before its first run'
  const usual = `about ${moneyText(mean.microDollars)} and ${Math.round(mean.tokens).toLocaleString('en')} tokens, as the last ${runs === 1 ? 'run' : `${runs} runs`} did`
  return isTight ? `${usual}; the budgets cover that only just` : usual
}
