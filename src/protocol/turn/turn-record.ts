/**
 * Which records belong to a turn, by their names and phases alone: without their bodies, so that an index, the store's audit and the
 * kernel may ask of every record. What the bodies say is read in `turn-fold.ts`.
 *
 * A message is a call of its own, `turnCall`. Its id is the id of the turn that it begins, unless a running turn takes it in: then the
 * record `started` names that turn in `into`, and the outcome of the message is `merged`.
 */
import type { JournalRecord } from '../record.ts'
import type { TurnDecision, TurnSource } from '../view-schema.ts'

/** The call that sends a message. Its outcome is the end of the turn. */
export const turnCall = 'turn.send'
/** The right to send messages, which has the name of the call. */
export const turnRight = 'turn.send'
/** All that whoever sends messages for somebody else needs. */
export const turnRights: ReadonlySet<string> = new Set([turnRight])
/** The call that stops a turn. */
export const cancelCall = 'turn.cancel'

/** A request to the model of a turn. */
export const generationCall = 'model.generate'

type Named = Pick<JournalRecord, 'name'>
type Phased = Pick<JournalRecord, 'phase'>

/** @returns whether a record, or a call, is a message with its turn */
export function isTurn({ name }: Named): boolean {
  return name === turnCall
}

/** @returns whether a record, or a call, is a request to the model of a turn */
export function isGeneration({ name }: Named): boolean {
  return name === generationCall
}

/** @returns whether the record has a message as it was sent */
export function isMessage({ name, phase }: Named & Phased): boolean {
  return name === turnCall && phase === 'intent'
}

/** @returns whether a message was taken up, by a turn that begins with it or by one that runs: `startsTurn` tells them apart */
export function isTaken({ name, phase }: Named & Phased): boolean {
  return name === turnCall && phase === 'started'
}

/** @returns whether a turn begins with this record: its message was taken up, and not into another turn */
export function startsTurn(record: Named & Phased & { readonly call: string; readonly turn: string }): boolean {
  return isTaken(record) && record.call === record.turn
}

/** @returns whether a call has ended, in whatever way */
export function isEnd({ phase }: Phased): boolean {
  return phase === 'outcome' || phase === 'refused' || phase === 'reconciled'
}

/** @param turn any turn where it is left out @returns whether the record ends the turn, or the message that became part of another one */
export function endsTurn(record: Named & Phased & { readonly call: string; readonly turn: string }, turn: string = record.call): boolean {
  return isTurn(record) && isEnd(record) && record.call === turn
}

/**
 * The id of a call that a model has asked for is its generation's id, a dot and its place; the runtime's own calls have no dot. A call is
 * recognized by its id, never by its name, because a model may use any name.
 */
export function isToolCall({ call }: { readonly call: string }): boolean {
  return call.includes('.')
}

/** The call that decides whether a message with a source is answered. */
export const decideCall = 'turn.decide'

/** @returns whether a person has written it to the agent, and nobody else reads it: whatever else comes is decided about */
export function isPersonal({ kind, bot }: TurnSource): boolean {
  return kind === 'direct' && bot !== true
}

/** @returns whether a turn that runs may take the message in; any other message begins a turn, which decides about it */
export function mayJoinTurn(source: TurnSource | undefined): boolean {
  return source === undefined || isPersonal(source)
}

/** @returns what is said of a turn without an answer */
export function decisionText({ action, by, reason }: TurnDecision): string {
  const who = { rule: '', model: ' by the model', hook: ' by a plugin' }[by]
  return `${{ respond: 'answered', ignore: 'not answered', stop: 'not answered, nor what follows' }[action]}${who}: ${reason}`
}
