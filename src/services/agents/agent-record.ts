/**
 * What the supervisor remembers of an agent, in two documents: its record, and the profile of its session, by which every turn of that
 * session runs. Both ids follow from the call that spawned the agent, so that a call which a crash interrupted makes no second one.
 */
import type { Priority } from '../../runs/index.ts'
import { type CallId, derivedId, type ErrorCode, type Json, ownValue, type SessionId, truncate, type TurnId } from '../../base/index.ts'
import type { Labels, Limits, Spend } from '../../protocol/index.ts'
import { maxMailCharacters } from './limits.ts'

/**
 * `starting`: waits for admission. `waiting`: its turn has ended, and it goes on when its children report. `idle`: waits for messages.
 * `done`, `failed` and `killed` are final.
 */
type AgentState = 'starting' | 'running' | 'waiting' | 'idle' | 'done' | 'failed' | 'killed'

/** A message to an agent that has not been answered. */
export interface AgentMessage {
  readonly turn: TurnId
  readonly text: string
  /** Actor that sent it. */
  readonly from: string
  /** Labels of what the sender had read. */
  readonly labels: Labels
  /** The agent that wrote it, and pays for what it causes; absent: whoever is above, or a person. */
  readonly peer?: CallId
}

/** With whom an agent may write: names of definitions, or `*`. */
export type MailRules = Readonly<Record<'to' | 'from', readonly string[]>>

/** What an agent got from another one since a person wrote to it last. */
interface Received {
  readonly messages: number
  /** The call that sent the newest. */
  readonly last: CallId
}

export interface AgentRecord {
  readonly id: CallId
  readonly name: string
  /** Its own conversation. */
  readonly session: SessionId
  /** Agent that spawned or adopted it; empty: a person's session did, or nobody. */
  readonly parent: CallId | ''
  /** Session that gets its mail: its parent's, or a person's; empty: none. */
  readonly home: SessionId | ''
  readonly depth: number
  readonly task: string
  readonly model: string
  readonly rights: readonly string[]
  readonly priority: Priority
  /** Becomes idle with its answer, instead of done. */
  readonly keep: boolean
  /** What happens to its children when it is killed or fails. `finish`: they go on, and their ends are reported to nobody. */
  readonly orphans: 'kill' | 'adopt' | 'finish'
  readonly state: AgentState
  /** Messages of the current run. */
  readonly messages: readonly AgentMessage[]
  /** What its session had spent when the current run began. */
  readonly spent_before?: Spend | undefined
  /** Runs that have ended. */
  readonly runs: number
  /** Answer of the last run; its beginning, if it is long. */
  readonly reply: string
  /** Why it failed or was killed. */
  readonly reason: string
  /** Labels of its context: at first its parent's, after each run the labels of all that it has read. */
  readonly labels: Labels
  /** Whether its end was reported: `due` until its parent has it, by mail or as the result of a wait. */
  readonly report: 'none' | 'due' | 'sent'
  /** Its mail would start a turn where nobody had asked: a plan that was applied, or a script, has started it. It is kept for `agent.wait`. */
  readonly sendsNoMail?: true | undefined
  readonly created_at: number
  /** Since when it waits for admission. */
  readonly queued_at: number
  readonly started_at: number | null
  readonly ended_at: number | null
  /** What it and the agents below it may use, held in the budgets of its parent. */
  readonly budget?: Limits | undefined
  /** Stops before its next step, until it is resumed. */
  readonly paused?: true | undefined
  /** Branch of files that it works on; absent: the workspace. */
  readonly branch?: string | undefined
  /** Why it ended, where that is not its success; absent: not known. */
  readonly code?: ErrorCode | undefined
  /** With whom it may write, as its definition says; absent: with nobody but those above and below it. */
  readonly mail?: MailRules | undefined
  /** What it got from other agents, by their ids. */
  readonly received?: Readonly<Record<string, Received>> | undefined
  /** Of an agent by a definition, to which a call has delegated a goal. */
  readonly delegation?: Delegation | undefined
}

export interface Delegation {
  readonly definition: string
  /** Of its files at that time. */
  readonly hash: string
  /** The turn that delegated; empty: none did. */
  readonly turn: TurnId | ''
  /** A call waits for its end, also after a restart; absent: its end comes as mail. */
  readonly awaited?: boolean | undefined
  /** Unix milliseconds; null: no deadline. */
  readonly deadline_at: number | null
  /** Times that its answer was returned because it did not match the schema of the result. */
  readonly repairs: number
  /** Its result, if it had to match a schema and does. */
  readonly value?: Json
}

/** Category of the documents that hold agents, one each. */
export const agentCategory = 'system/agents'

/** @returns whether the agent has ended for good */
export function isOver({ state }: Pick<AgentRecord, 'state'>): boolean {
  return state === 'done' || state === 'failed' || state === 'killed'
}

/** Whether it has an answer, or never will: what `agent.wait` waits for. */
export function isSettled(record: Pick<AgentRecord, 'state'>): boolean {
  return record.state === 'idle' || isOver(record)
}

export const sessionOf = (agent: CallId): SessionId => derivedId('agent', agent) as SessionId
export const messageTurn = (call: CallId): TurnId => derivedId('message', call) as TurnId

/** How its parent hears of an end. The answer is what others wrote: the caller fences it. */
export function mailText({ name, id, state, reason, reply }: AgentRecord, fence: (text: string) => string): string {
  const ends = { idle: 'has answered and waits for messages', done: 'is done', failed: 'failed', killed: 'was killed' } as const
  const head = `[Agent ${name} (${id}) ${ownValue(ends, state as keyof typeof ends) ?? state}${reason === '' ? '' : `: ${reason}`}]`
  if (reply === '') return head
  const more = reply.length > maxMailCharacters ? '\nThis is its beginning; agent_wait returns more.' : ''
  return `${head}\n${fence(truncate(reply, maxMailCharacters))}${more}`
}
