/**
 * Text arrives as it is generated and records after their commit, so the text of a fast model can arrive before the calls that precede it.
 * Text is held back until the record of its generation's start has arrived.
 */
import { endsTurn, isGeneration, type RecordView } from '../protocol/index.ts'

/** What it looks at of the events that a client follows. */
interface Followed {
  readonly type: string
  readonly call?: string
  readonly record?: RecordView
}

/** @param past records that were already passed on. @returns a function that takes events as they arrive and passes on each once. */
export function inRecordOrder<Event extends Followed>(past: readonly RecordView[], handOn: (event: Event) => void): (event: Event) => void {
  /** Generations of this turn whose start record was passed on. */
  const begun = new Set<string>()
  let held: readonly Event[] = []
  const note = (record: RecordView): void => {
    if (isGeneration(record)) begun.add(record.call)
  }
  const letGo = (): void => {
    const due = held.filter(({ call = '' }) => begun.has(call))
    held = held.filter(({ call = '' }) => !begun.has(call))
    due.forEach(handOn)
  }
  past.forEach(note)
  return (event) => {
    if ((event.type === 'text' || event.type === 'restart') && !begun.has(event.call ?? '')) {
      held = [...held, event]
      return
    }
    if (event.record !== undefined) note(event.record)
    const turnEnds = event.type === 'ended' || (event.record !== undefined && endsTurn(event.record, event.record.turn))
    // Text that is streaming at this point belongs to a generation that started before the subscription.
    if (turnEnds || event.type === 'caught_up') for (const { call = '' } of held) begun.add(call)
    letGo()
    if (turnEnds) begun.clear()
    handOn(event)
  }
}
