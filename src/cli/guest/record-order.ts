/**
 * The events of a session in the order in which things happened. Text is told as it comes and records after their commit, so a
 * quick model is heard before the calls that it answers to: its text waits here until its own beginning is on record.
 */
import type { RecordView } from '../../types/index.ts'
import type { FollowEvent } from '../../client/index.ts'

type Text = Extract<FollowEvent, { type: 'text' | 'restart' }>

/** @param past records that were told before. @returns takes the events as they come, and hands on each of them once. */
export function inRecordOrder(past: readonly RecordView[], handOn: (event: FollowEvent) => void): (event: FollowEvent) => void {
  /** Generations of this turn whose beginning was told. */
  const begun = new Set<string>()
  let held: readonly Text[] = []
  const note = ({ name, call }: RecordView): void => {
    if (name === 'model.generate') begun.add(call)
  }
  const letGo = (): void => {
    const due = held.filter(({ call }) => begun.has(call))
    held = held.filter(({ call }) => !begun.has(call))
    due.forEach(handOn)
  }
  past.forEach(note)
  return (event) => {
    if ((event.type === 'text' || event.type === 'restart') && !begun.has(event.call)) {
      held = [...held, event]
      return
    }
    if (event.type === 'record') note(event.record)
    const isOver = event.type === 'ended' || (event.type === 'record' && endsTurn(event.record))
    // What is being said when the past has been told began in that past.
    if (isOver || event.type === 'caught_up') for (const { call } of held) begun.add(call)
    letGo()
    if (isOver) begun.clear()
    handOn(event)
  }
}

function endsTurn({ name, phase, call, turn }: RecordView): boolean {
  const sent: string = call
  return name === 'turn.send' && phase === 'outcome' && sent === turn
}
