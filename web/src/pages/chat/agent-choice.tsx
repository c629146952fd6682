/** Who answers: the usual agent, or one that the person has defined, such as a character. Nothing where there is no other. */
import type { ReactNode } from 'react'
import { useAction, useCall } from '../../data/calls.ts'
import { Select } from '../../ui/field.tsx'
import { ProblemLine } from '../../ui/states.tsx'

interface AgentChoiceProps {
  /** Empty for a new one. */
  readonly session: string
  /** Empty: the usual agent. */
  readonly current: string
  /** For a new session, which does not exist yet. */
  readonly onChoose: (agent: string) => void
}

export function AgentChoice({ session, current, onChoose }: AgentChoiceProps): ReactNode {
  const { data } = useCall('definition.list', { kind: 'agents' })
  const { run, failure, isBusy } = useAction()
  const ready = (data?.definitions ?? []).filter(({ state }) => state === 'ready').map(({ name }) => name)
  // A definition that was removed still has the sessions that were given to it.
  const names = current === '' || ready.includes(current) ? ready : [...ready, current]
  if (names.length === 0) return null
  return (
    <>
      <Select
        label="Who answers"
        isLabelHidden
        className="chat-model"
        options={[{ value: '', label: 'Usual agent' }, ...names.map((name) => ({ value: name, label: name }))]}
        value={current}
        disabled={isBusy}
        onChange={({ target: { value } }) => (session === '' ? onChoose(value) : void run('session.agent', { agent: value }, session))}
      />
      <ProblemLine failure={failure} />
    </>
  )
}
