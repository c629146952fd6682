/** Runs of graphs: where each is, what it asks, what came of it; answer, cancel, resume. */
import { Play, Workflow } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { failureSentences } from '../../../../src/base/index.ts'
import { cancelRun } from '../../../../src/terminal/index.ts'
import { Link, navigate, type Place } from '../../app/router.tsx'
import { useAction, useCall } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { useSay } from '../../shelf/said.tsx'
import { type Entry, Shelf } from '../../shelf/shelf.tsx'
import { PlainFile, Thing } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Switch, TextField } from '../../ui/field.tsx'
import { Facts, Time } from '../../ui/layout.tsx'
import { countText, moneyText, plural } from '../../ui/numbers.ts'
import { Empty, ProblemLine } from '../../ui/states.tsx'

type Run = OutputOf<'graph.list'>['runs'][number]

const listEveryMs = 5_000

export function RunsPanel({ place }: { readonly place: Place }): ReactNode {
  const onlyOpen = place.search.get('open-only') === '1'
  const page = onlyOpen ? '/definitions/runs?open-only=1' : '/definitions/runs'
  const runs = useCall('graph.list', { ended: !onlyOpen, limit: 200 }, { refreshOn: ['graph_*', 'approval_*'], everyMs: listEveryMs })
  return (
    <>
      <Switch
        label="Only those that go on"
        isOn={onlyOpen}
        onChange={(isOn) => navigate(isOn ? '/definitions/runs?open-only=1' : '/definitions/runs')}
      />
      <Shelf
        place={place}
        page={page}
        label="Runs"
        noun="run"
        call={runs}
        entries={runs.data?.runs.map(entryOf)}
        empty={
          <Empty title="No graph has run." icon={<Workflow />}>
            A graph is run from its definition, by an agent, or by a schedule.
          </Empty>
        }
      >
        {(id) => <RunThing run={runs.data!.runs.find((run) => run.id === id)!} refresh={runs.refresh} />}
      </Shelf>
    </>
  )
}

const states: Readonly<Record<Run['status'], Entry['state']>> = {
  running: ['running', 'accent'],
  waiting: ['waits', 'warn'],
  success: ['success', 'good'],
  failure: ['failure', 'bad'],
  failed: ['failed', 'bad'],
  cancelled: ['cancelled', 'neutral'],
}

function entryOf(run: Run): Entry {
  const { id, graph, status, paths, questions } = run
  const [question] = questions
  const note = question?.question ?? paths.map(({ node }) => node).join(', ')
  return { id, title: graph, note: note === '' ? id.slice(0, 8) : note, state: states[status] }
}

const isGoingOn = ({ status }: Run): boolean => status === 'running' || status === 'waiting'

function RunThing({ run: shown, refresh }: { readonly run: Run; readonly refresh: () => void }): ReactNode {
  const { id, graph, status, waiting_for: waits, session, failure, text, output, state, paths, visits, spent } = shown
  const resuming = useAction()
  const say = useSay()
  const resume = async (): Promise<void> => {
    if ((await resuming.run('graph.resume', { run: id })) === undefined) return
    say(`${id} goes on.`)
    refresh()
  }
  return (
    <Thing
      title={graph}
      state={states[status]}
      why={waits === '' ? '' : `It waits for ${waits}.`}
      actions={
        isGoingOn(shown) ? (
          <DeedButton
            deed={cancelRun(id, graph)}
            verb="Cancel the run"
            act={(make) => make('graph.cancel', { run: id })}
            onDone={refresh}
          />
        ) : (
          status !== 'success' && (
            <Button size="s" icon={<Play />} isBusy={resuming.isBusy} onClick={() => void resume()}>
              Resume
            </Button>
          )
        )
      }
    >
      <ProblemLine failure={resuming.failure} />
      {shown.questions.map((question) => (
        <Question key={question.call} run={id} question={question} refresh={refresh} />
      ))}
      {failure !== null && <ProblemLine failure={{ message: `${failure.node || 'It'}: ${failureSentences(failure)}`, hint: '' }} />}
      <Facts
        facts={[
          ['Run', <code key="id">{id}</code>],
          ['Began', <Time key="began" at={shown.created_at} />],
          [
            'Is at',
            paths.length === 0 ? '–' : paths.map(({ node, attempt }) => (attempt === 0 ? node : `${node}, try ${attempt + 1}`)).join(', '),
          ],
          ['Used', `${plural(visits, 'visit')}, ${countText(spent.tokens)} tokens, ${moneyText(spent.micro_dollars)}`],
          [
            'Conversation',
            <Link key="chat" to={`/chat/${session}`}>
              Open it
            </Link>,
          ],
        ]}
      />
      {Object.keys(state).length > 0 && <PlainFile name="State" text={JSON.stringify(state, null, 2)} />}
      {text !== '' && <PlainFile name="Result" text={text} />}
      {Object.keys(output).length > 0 && <PlainFile name="Output" text={JSON.stringify(output, null, 2)} />}
    </Thing>
  )
}

interface QuestionProps {
  readonly run: string
  readonly question: Run['questions'][number]
  readonly refresh: () => void
}

function Question({ run, question: { node, question, choices }, refresh }: QuestionProps): ReactNode {
  const [text, setText] = useState('')
  const answering = useAction()
  const answer = async (said: string): Promise<void> => {
    if ((await answering.run('graph.answer', { run, answer: said, node })) !== undefined) refresh()
  }
  return (
    <form
      className="shelf-form"
      onSubmit={(event) => {
        event.preventDefault()
        void answer(text)
      }}
    >
      <p>
        <strong>{node}</strong> asks: {question}
      </p>
      {choices.length > 0 ? (
        <div className="thing-actions">
          {choices.map((choice) => (
            <Button key={choice} size="s" isBusy={answering.isBusy} onClick={() => void answer(choice)}>
              {choice}
            </Button>
          ))}
        </div>
      ) : (
        <>
          <TextField label="Answer" value={text} onChange={({ target }) => setText(target.value)} />
          <div>
            <Button type="submit" size="s" variant="primary" isBusy={answering.isBusy} disabled={text.trim() === ''}>
              Answer
            </Button>
          </div>
        </>
      )}
      <ProblemLine failure={answering.failure} />
    </form>
  )
}
