/** Chooses the step of a scenario that answers a request. Stateless: the rule stands in scenario.ts. */
import type { Message } from '../../types/index.ts'
import { textOf } from '../../types/index.ts'
import type { Scenario, ScenarioStep } from './scenario.ts'

/** What the choice looks at, the same for messages in process and on the wire. */
export interface RequestView {
  /** User messages in the whole request. */
  readonly userMessages: number
  readonly lastUserText: string
  /** Assistant messages after the last user message. */
  readonly answersSince: number
  /** Text of the last message, a tool result included. */
  readonly lastText: string
}

/** @returns the step, or a sentence that says which one is missing. */
export function chooseStep(scenario: Scenario, view: RequestView): ScenarioStep | string {
  const matched = scenario.turns.find((turn) => turn.match !== undefined && view.lastUserText.includes(turn.match))
  const ordered = scenario.turns.filter((turn) => turn.match === undefined)
  const turn = matched ?? ordered[Math.min(Math.max(view.userMessages, 1), ordered.length) - 1]
  if (turn === undefined) return 'The scenario has no turn for this message.'
  const matchedStep = turn.steps.find((step) => step.match !== undefined && view.lastText.includes(step.match))
  const step = matchedStep ?? turn.steps.filter((each) => each.match === undefined)[view.answersSince]
  return step ?? `The scenario has no step ${view.answersSince + 1} for this turn.`
}

/** A message of either form, reduced to what a choice needs. */
export interface ViewedMessage {
  readonly role: string
  readonly text: string
}

export function viewRequest(messages: readonly ViewedMessage[]): RequestView {
  const lastUser = messages.findLastIndex((message) => message.role === 'user')
  return {
    userMessages: messages.filter((message) => message.role === 'user').length,
    lastUserText: messages[lastUser]?.text ?? '',
    answersSince: messages.slice(lastUser + 1).filter((message) => message.role === 'assistant').length,
    lastText: messages.at(-1)?.text ?? '',
  }
}

export function viewMessages(messages: readonly Message[]): RequestView {
  return viewRequest(
    messages.map((message) => ({ role: message.role, text: message.role === 'tool' ? message.parts[0].text : textOf(message) })),
  )
}

/** Cuts and repeats a text as its event says. */
export function chunksOf(text: string, event: { count?: number | undefined; chunk?: number | undefined }): string[] {
  const pieces: string[] = []
  const size = event.chunk ?? Math.max(1, text.length)
  for (let from = 0; from < text.length || from === 0; from += size) pieces.push(text.slice(from, from + size))
  return Array.from({ length: event.count ?? 1 }, () => pieces).flat()
}
