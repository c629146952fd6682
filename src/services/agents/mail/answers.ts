/** The answer to one message of an agent, or of a person to an agent: how the turn ends that took it. */
import type { Core } from '../../../kernel/index.ts'
import type { RunQueue, RunsPort } from '../../../runs/index.ts'
import { type JsonObject, OxbowError, type SessionId, textIn, type TurnId } from '../../../base/index.ts'
import type { AgentRecord } from '../agent-record.ts'
import type { WaitGraph } from './wait-graph.ts'

interface AnswerDeps {
  readonly queue: Pick<RunQueue, 'pause' | 'resume'>
  readonly turns: Pick<RunsPort['turns'], 'endedBy'>
  readonly outcomeOf: Core['outcomeOf']
  /** Resolves when what was recorded can be read. */
  readonly flushed: () => Promise<void>
}

interface Asked {
  readonly waiting: WaitGraph
  /** To whom the message was sent. */
  readonly agent: AgentRecord
  /** Of whoever waits: it lends its place meanwhile, so that the answer can be made. */
  readonly session: SessionId | ''
  readonly message: string
  /** Unix milliseconds. */
  readonly until: number
  readonly signal: AbortSignal
}

/**
 * @returns the answer, or why it has not come; null: not yet
 * @throws OxbowError `not_found` for a message that the agent did not get, `bad_input` where the agent waits for whoever waits
 */
export async function answerTo(deps: AnswerDeps, { waiting, agent, session, message, until, signal }: Asked): Promise<string | null> {
  const turn = message as TurnId
  await deps.flushed()
  const isKnown = agent.messages.some((one) => one.turn === turn) || (await deps.outcomeOf(turn)) !== null
  if (!isKnown)
    throw new OxbowError('not_found', `${agent.name} has no message ${JSON.stringify(message.slice(0, 100))}.`, {
      hint: 'agent.send returns the id of the message.',
    })
  const isThere = (await deps.outcomeOf(turn)) !== null
  using _ = isThere ? null : waiting.enter({ session, agents: [agent], mode: 'all' })
  deps.queue.pause(session)
  try {
    const first = await deps.turns.endedBy(turn, until, signal)
    const into = first === null ? '' : textIn(first, 'into')
    const end = into === '' ? first : await deps.turns.endedBy(into as TurnId, until, signal)
    return end === null ? null : answerIn(end)
  } finally {
    await deps.queue.resume(session)
  }
}

function answerIn(end: JsonObject): string {
  const { failure } = end as { readonly failure?: { readonly message?: string } | null }
  return textIn(end, 'reply') || `It ended without an answer${failure?.message === undefined ? '' : `: ${failure.message}`}.`
}
