/** Which model answers the next message: the guest's own choice, or one of those that it can reach. */
import { type ReactNode, useEffect, useState } from 'react'
import { addressInGuest, useGuest } from '../../data/guest.tsx'
import { Select } from '../../ui/field.tsx'

interface ModelChoiceProps {
  /** Empty: the configured one. */
  readonly chosen: string
  readonly onChoose: (model: string) => void
}

interface ListedModel {
  readonly id: string
}

/** The agent itself, in the list of models. */
const agentName = 'oxbow'

export function ModelChoice({ chosen, onChoose }: ModelChoiceProps): ReactNode {
  const { status, connections } = useGuest()
  const [models, setModels] = useState<readonly string[]>([])
  useEffect(() => {
    const leaving = new AbortController()
    const read = async (): Promise<void> => {
      const response = await fetch(addressInGuest('/v1/models'), { signal: leaving.signal })
      if (!response.ok) return
      const { data } = (await response.json()) as { readonly data: readonly ListedModel[] }
      setModels(data.map(({ id }) => id).filter((id) => id !== agentName && id !== status.model))
    }
    // The configured model remains.
    read().catch(() => {})
    return () => leaving.abort()
  }, [status.model, connections])
  const options = [{ value: '', label: nameOf(status.model) }, ...models.map((id) => ({ value: id, label: nameOf(id) }))]
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
