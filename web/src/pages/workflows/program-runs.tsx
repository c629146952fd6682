/** Runs of programs: how each is, what it waits for, what came of it, and its calls. */
import { Workflow } from 'lucide-react'
import type { ReactNode } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { failureSentences } from '../../../../src/base/index.ts'
import { cancelRun } from '../../../../src/terminal/index.ts'
import { Link, type Place } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { type Entry, Shelf } from '../../shelf/shelf.tsx'
import { PlainFile, Thing } from '../../shelf/thing.tsx'
import { Facts, Time } from '../../ui/layout.tsx'
import { countText, moneyText } from '../../ui/numbers.ts'
import { Empty, ProblemLine } from '../../ui/states.tsx'

type Run = OutputOf<'program.runs'>['runs'][number]

const listEveryMs = 5_000

export function ProgramRuns({ place }: { readonly place: Place }): ReactNode {
  const runs = useCall('program.runs', { ended: true, limit: 200 }, { refreshOn: ['program_*', 'approval_*'], everyMs: listEveryMs })
  return (
    <Shelf
      place={place}
      page="/workflows/runs"
      label="Runs"
      noun="run"
      call={runs}
      entries={runs.data?.runs.map(({ id, program, version, status, waiting_for: waits }) => ({
        id,
        title: `${program} ${version}`,
        note: waits === '' ? id.slice(0, 8) : `waits for ${waits}`,
        state: states[status],
      }))}
      empty={
        <Empty title="No program has run." icon={<Workflow />}>
          A program is run from its page, by its schedule, or by an agent.
        </Empty>
      }
    >
      {(id) => <RunThing run={runs.data!.runs.find((run) => run.id === id)!} refresh={runs.refresh} />}
    </Shelf>
  )
}

const states: Readonly<Record<Run['status'], Entry['state']>> = {
  running: ['running', 'accent'],
  waiting: ['waits', 'warn'],
  planned: ['planned', 'neutral'],
  success: ['success', 'good'],
  failed: ['failed', 'bad'],
  cancelled: ['cancelled', 'neutral'],
}

function RunThing({ run, refresh }: { readonly run: Run; readonly refresh: () => void }): ReactNode {
  const { id, program, version, status, waiting_for: waits, failure, result, printed, input, session, spent } = run
  const isGoingOn = status === 'running' || status === 'waiting'
  return (
    <Thing
      title={`${program} ${version}`}
      state={states[status]}
      why={waits === '' ? '' : `It waits for ${waits}.`}
      actions={
        isGoingOn && (
          <DeedButton
            deed={cancelRun(id, program)}
            verb="Cancel the run"
            act={(make) => make('program.cancel', { run: id })}
            onDone={refresh}
          />
        )
      }
    >
      {failure !== null && <ProblemLine failure={{ message: failureSentences(failure), hint: '' }} />}
      <Facts
        facts={[
          ['Run', <code key="id">{id}</code>],
          ['Began', <Time key="began" at={run.created_at} />],
          ['Ended', run.ended_at === null ? 'it goes on' : <Time key="ended" at={run.ended_at} />],
          ['Used', `${countText(spent.tokens)} tokens, ${moneyText(spent.micro_dollars)}`],
          [
            'Calls',
            <Link key="calls" to={`/journal?session=${session}`}>
              All that it has called
            </Link>,
          ],
        ]}
      />
      <PlainFile name="Input" text={JSON.stringify(input, null, 2)} />
      {printed !== '' && <PlainFile name="Printed" text={printed} />}
      {status === 'success' && <PlainFile name="Result" text={typeof result === 'string' ? result : JSON.stringify(result, null, 2)} />}
    </Thing>
  )
}
