/** What a program of others on this machine was told, and may tell again: its answers have these labels. */
import type { ReactNode } from 'react'
import { useCall } from '../data/calls.ts'

interface ToldLabelsProps {
  /** Its origin: `plugin:weather`. */
  readonly program: string
  /** What takes them off: `until you turn it off`. */
  readonly until: string
}

const listEveryMs = 20_000

export function ToldLabels({ program, until }: ToldLabelsProps): ReactNode {
  const { data } = useCall('flow.show', {}, { everyMs: listEveryMs })
  const labels = data?.programs.find((each) => each.program === program)?.labels ?? []
  if (labels.length === 0) return null
  return (
    <p>
      It was told {labels.join(' and ')} data, and may keep it: what it says has the label in every conversation, {until}.
    </p>
  )
}
