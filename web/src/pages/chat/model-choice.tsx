/** Which model answers the next message: the guest's own choice, or one of those that it can use, those used lately first. */
import type { ReactNode } from 'react'
import { useCall } from '../../data/calls.ts'
import { useGuest } from '../../data/guest.tsx'
import { Select } from '../../ui/field.tsx'

interface ModelChoiceProps {
  /** Empty: the configured one. */
  readonly chosen: string
  readonly onChoose: (model: string) => void
}

export function ModelChoice({ chosen, onChoose }: ModelChoiceProps): ReactNode {
  const { status } = useGuest()
  const { data } = useCall('model.usable', {})
  const others = (data?.models ?? []).map(({ id }) => id).filter((id) => id !== status.model)
  // A model that was chosen by its name may be none of those that are listed.
  const named = chosen === '' || others.includes(chosen) ? others : [chosen, ...others]
  const options = [{ value: '', label: nameOf(status.model) }, ...named.map((id) => ({ value: id, label: nameOf(id) }))]
  return (
    <Select
      label="Model"
      isLabelHidden
      className="chat-model"
      options={options}
      value={chosen}
      onChange={(event) => onChoose(event.target.value)}
    />
  )
}

function nameOf(model: string): string {
  return model.split('/').slice(1).join('/') || model
}
