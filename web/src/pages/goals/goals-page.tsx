/** Goals that are worked on until they are reached, and the heartbeat that looks at them. */
import { Plus, Target } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { navigate, type PageProps, type Place } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { FormDialog, useForm } from '../../shelf/form-dialog.tsx'
import { SayingPage } from '../../shelf/said.tsx'
import { type Entry, openAt, Shelf } from '../../shelf/shelf.tsx'
import { Button } from '../../ui/button.tsx'
import { Switch, TextArea } from '../../ui/field.tsx'
import { Empty } from '../../ui/states.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { GoalThing, stateOf } from './goal-thing.tsx'
import { HeartbeatPanel } from './heartbeat-panel.tsx'

type Summary = OutputOf<'goal.list'>['goals'][number]

const listEveryMs = 5_000
const tabs = [
  { name: 'all', title: 'Goals' },
  { name: 'heartbeat', title: 'Heartbeat' },
] as const

export default function GoalsPage({ place }: PageProps): ReactNode {
  const current = place.segments[1] === 'heartbeat' ? 'heartbeat' : 'all'
  const [isStarting, setStarting] = useState(false)
  return (
    <SayingPage
      title="Goals"
      intro="What is worked on until it is reached: asked about, done on a copy of the workspace, checked, judged, and tried again."
      actions={
        <Button variant="primary" icon={<Plus />} onClick={() => setStarting(true)}>
          New goal
        </Button>
      }
    >
      <Tabs label="Goals" tabs={tabs} current={current} onChange={(name) => navigate(`/goals/${name}`)}>
        {current === 'heartbeat' ? <HeartbeatPanel /> : <GoalsPanel place={place} />}
      </Tabs>
      <StartGoal isOpen={isStarting} onClose={() => setStarting(false)} />
    </SayingPage>
  )
}

function GoalsPanel({ place }: { readonly place: Place }): ReactNode {
  const onlyOpen = place.search.get('open-only') === '1'
  const page = onlyOpen ? '/goals/all?open-only=1' : '/goals/all'
  const goals = useCall('goal.list', { all: !onlyOpen, limit: 200 }, { refreshOn: ['goal_*', 'approval_*'], everyMs: listEveryMs })
  return (
    <>
      <Switch
        label="Only those that are open"
        isOn={onlyOpen}
        onChange={(isOn) => navigate(isOn ? '/goals/all?open-only=1' : '/goals/all')}
      />
      <Shelf
        place={place}
        page={page}
        label="Goals"
        noun="goal"
        call={goals}
        entries={goals.data?.goals.map(entryOf)}
        empty={
          <Empty title="There are no goals." icon={<Target />}>
            Say what is to be reached. What is unclear is asked, and how it is checked is written down before anybody works on it.
          </Empty>
        }
      >
        {(id) => <GoalThing key={id} id={id} refresh={goals.refresh} />}
      </Shelf>
    </>
  )
}

function entryOf(goal: Summary): Entry {
  const { id, request, waiting_for: waits, phase, status, best } = goal
  const doing = status === 'running' ? phase : best === null ? id.slice(0, 8) : `score ${best.score.toFixed(2)}`
  return { id, title: request.split('\n', 1)[0]!, note: waits === '' ? doing : `waits for ${waits}`, state: stateOf(goal) }
}

interface StartGoalProps {
  readonly isOpen: boolean
  readonly onClose: () => void
}

function StartGoal({ isOpen, onClose }: StartGoalProps): ReactNode {
  const { form, set, clear } = useForm({ request: '' })
  const [isHurried, setHurried] = useState(false)
  const [isReviewed, setReviewed] = useState(true)
  return (
    <FormDialog
      title="New goal"
      verb="Start"
      isOpen={isOpen}
      onClose={onClose}
      isComplete={form.request.trim() !== ''}
      act={async (run) => {
        const begun = await run('goal.start', { request: form.request.trim(), just_do_it: isHurried, review: isReviewed })
        if (begun === undefined) return undefined
        clear()
        navigate(openAt('/goals/all', begun.id))
        return begun
      }}
    >
      <TextArea
        label="What is to be reached"
        rows={4}
        placeholder="The tests in app/ pass."
        value={form.request}
        onChange={({ target }) => set('request')(target.value)}
      />
      <Switch label="Show me how it is checked before anybody works on it" isOn={isReviewed} onChange={setReviewed} />
      <Switch label="Ask nothing" isOn={isHurried} onChange={setHurried} />
    </FormDialog>
  )
}
