/** The agents of this guest by id and by session, their limits, and how a change of one is written. */
import type { Core, DefinedProfile, DocumentChange, Documents, Gate, Lanes, RunningCall, Sessions } from '../../kernel/index.ts'
import type { HeldRuns, Priority, RunsPort } from '../../runs/index.ts'
import {
  type CallId,
  type Clock,
  type ErrorCode,
  type Json,
  type JsonObject,
  OxbowError,
  type SessionId,
  type TurnId,
  type UserId,
} from '../../base/index.ts'
import type { Caller, Grant } from '../../protocol/index.ts'
import type { AgentsConfig } from './config.ts'
import { maxEndedAgents } from './limits.ts'
import { agentCategory, type AgentRecord, isOver } from './agent-record.ts'
import type { Waits } from './agent-waits.ts'

/** The call by which somebody changes an agent. */
/** A new agent's id is the call's, or one derived from `within`. */
export interface By {
  readonly within?: CallId | undefined
  readonly caller: Pick<Caller, 'actor' | 'session' | 'turn'>
  readonly call: CallId
  readonly name: string
}

export interface SpawnRequest extends Pick<
  AgentRecord,
  'name' | 'task' | 'model' | 'rights' | 'keep' | 'orphans' | 'labels' | 'budget' | 'delegation' | 'branch' | 'mail'
> {
  readonly instructions: string
  readonly defined?: DefinedProfile | undefined
  readonly priority: Priority
}

export interface SupervisorDeps {
  readonly user: UserId
  readonly config: AgentsConfig
  readonly clock: Clock
  readonly documents: Documents
  readonly runs: RunsPort
  readonly sessions: Pick<Sessions, 'load' | 'join' | 'held'>
  readonly gate: Gate
  readonly budgets: Pick<Core['budgets'], 'load' | 'view'>
  readonly lanes: Pick<Lanes, 'cancel' | 'isBusy'>
  readonly noteEvent: Core['noteEvent']
  readonly newId: () => string
  readonly runningTurns: Pick<Core['runningTurns'], 'find'>
  /** Ends the processes of a branch of files. */
  readonly restBranch: (branch: string) => Promise<void>
  readonly outcomeOf: (turn: TurnId) => Promise<JsonObject | null>
  readonly registry: Pick<Core['registry'], 'find'>
  readonly callsOf: (session: SessionId) => readonly RunningCall[]
  readonly isAsking: (session: SessionId) => boolean
  /** When the session had its newest record, unix milliseconds; 0 if it has none. */
  readonly lastRecordAt: (session: SessionId) => Promise<number>
  /** See `RunningTurns.restrict`. */
  readonly restrict: (session: SessionId, grant: Grant | null) => void
  /** What a delegated agent has done, at its end. */
  readonly delegated: DelegatedEnds
}

/** What the end of a delegated agent needs besides the turn's outcome; see `delegation/delegated-end.ts`. */
export interface DelegatedEnds {
  /** Judges an answer by the schema of the result, if there is one. */
  judge(agent: AgentRecord, reply: string): Promise<Verdict>
  /** What it wrote so far, where no turn of it has answered. */
  partial(session: SessionId): Promise<string>
  /** How its parent hears of its end. The answer is what others wrote: the caller fences it. */
  mail(agent: AgentRecord, fence: (text: string) => string): Promise<string>
}

export type Verdict =
  | { readonly is: 'accepted'; readonly value?: Json }
  /** The text is sent to the agent, which answers again. */
  | { readonly is: 'returned'; readonly text: string }
  | { readonly is: 'failed'; readonly reason: string; readonly code: ErrorCode }

/** An agent with what only memory knows of it. */
export interface Held {
  record: AgentRecord
  /** How many of its messages have ended, in their order. */
  ended: number
  /** Outcome of the last of them that answered. */
  last: JsonObject | null
  /** Its messages so far have been sent to its session; a new one is sent at once. */
  begun: boolean
  /** Last sign of life, unix milliseconds. */
  beat: number
  /** It may have sessions and jobs in the sandbox. */
  runsPrograms: boolean
  /** A turn that a restart interrupted waits for it: its call is made again, and returns its end. */
  awaited: boolean
  /** Resolves when it is resumed; null: it is not paused. */
  pause: PromiseWithResolvers<void> | null
  /** Resolves when its newest change is recorded. */
  saved: Promise<unknown>
}

export interface AgentTable {
  readonly deps: SupervisorDeps
  readonly agents: ReadonlyMap<CallId, Held>
  readonly bySession: ReadonlyMap<SessionId, Held>
  readonly waits: Waits
  /** Sessions of graphs, each with the session that started it: what they spawn counts with what that one spawns. */
  readonly countedWith: Map<SessionId, SessionId>
  /** Agents are runs, whose documents are their records. */
  readonly runs: HeldRuns<AgentRecord>
  /** The guest is stopping: nothing new begins. */
  stopped: boolean
  hold(record: AgentRecord): Held
  forget(held: Held): void
}

export function createAgentTable(
  deps: SupervisorDeps,
  waits: (table: AgentTable) => Waits,
  runs: (table: AgentTable) => HeldRuns<AgentRecord>,
): AgentTable {
  const agents = new Map<CallId, Held>()
  const bySession = new Map<SessionId, Held>()
  const table: Omit<AgentTable, 'waits' | 'runs'> = {
    deps,
    agents,
    bySession,
    countedWith: new Map(),
    stopped: false,
    hold(record) {
      const pause = record.paused === true ? Promise.withResolvers<void>() : null
      const beat = deps.clock.now()
      const held: Held = {
        record,
        ended: 0,
        last: null,
        begun: false,
        beat,
        runsPrograms: false,
        awaited: false,
        pause,
        saved: Promise.resolve(),
      }
      agents.set(record.id, held)
      bySession.set(record.session, held)
      return held
    },
    forget({ record }) {
      agents.delete(record.id)
      bySession.delete(record.session)
    },
  }
  return Object.assign(table, { waits: waits(table as AgentTable), runs: runs(table as AgentTable) })
}

/** Changes of agents that no call makes. */
export function byKernel({ deps }: AgentTable): By {
  return { caller: { actor: 'kernel', session: '', turn: '' }, call: deps.newId() as CallId, name: 'agent.run' }
}

/** The record changes at once, and is durable when the promise resolves. */
export function save(
  table: AgentTable,
  held: Held,
  change: Partial<AgentRecord>,
  by: By = byKernel(table),
  more: readonly DocumentChange[] = [],
): Promise<void> {
  held.record = { ...held.record, ...change }
  const { caller, name, within: call = by.call } = by
  const saved = table.runs.put({ caller, name, call }, [{ category: agentCategory, name: held.record.id, value: held.record }, ...more])
  held.saved = saved.catch(() => {})
  return saved
}

/** Those that are not over. */
export function childrenOf({ agents }: AgentTable, { record }: Held): readonly Held[] {
  return [...agents.values()].filter((held) => held.record.parent === record.id && !isOver(held.record))
}

export function descendantsOf(table: AgentTable, held: Held): readonly Held[] {
  return childrenOf(table, held).flatMap((child) => [child, ...descendantsOf(table, child)])
}

/** Whether the session, or an agent below it, spawned the agent. */
export function isBelow({ agents }: AgentTable, { home, parent }: AgentRecord, session: SessionId | ''): boolean {
  if (home === session && session !== '') return true
  const above = parent === '' ? undefined : agents.get(parent)
  return above !== undefined && isBelow({ agents } as AgentTable, above.record, session)
}

/** @param home session that spawns it @throws OxbowError `limit_reached` */
export function checkLimits(table: AgentTable, { name, delegation }: Pick<AgentRecord, 'name' | 'delegation'>, home: SessionId | ''): void {
  const { deps, agents } = table
  const { config } = deps
  const refuse = (message: string, hint: string): never => {
    throw new OxbowError('limit_reached', message, { hint })
  }
  const parent = parentAt(table, home)
  if (parent !== undefined && isOver(parent)) refuse(`${parent.name} has ended and starts nothing.`, 'Start it from another session.')
  const depth = (parent?.depth ?? 0) + 1
  if (depth > config.max_depth)
    refuse(`${name} would be ${depth} agents deep; at most ${config.max_depth} are allowed.`, 'Do the work yourself.')
  const live = [...agents.values()].filter(({ record }) => !isOver(record))
  const siblings = home === '' ? 0 : live.filter(({ record }) => record.home === home || record.parent === (parent?.id ?? null)).length
  if (siblings >= config.max_children)
    refuse(`${siblings} agents of this session are live; at most ${config.max_children} are allowed.`, 'Wait for one, or kill one.')
  const ofTurn =
    (delegation?.turn ?? '') === '' ? 0 : [...agents.values()].filter(({ record }) => record.delegation?.turn === delegation?.turn).length
  if (ofTurn >= config.max_per_turn)
    refuse(`This turn has delegated ${ofTurn} times; at most ${config.max_per_turn} are allowed.`, 'Do the rest yourself.')
  if (live.length >= config.max_live)
    refuse(`${live.length} agents are live; at most ${config.max_live} are allowed.`, 'Wait until some have ended.')
}

/** @returns the agent above what this session spawns */
export function parentAt({ bySession, countedWith }: AgentTable, home: SessionId | ''): AgentRecord | undefined {
  if (home === '') return undefined
  return (bySession.get(home) ?? bySession.get(countedWith.get(home) ?? home))?.record
}

/** Forgets agents that ended first, beyond those that are kept. Their profiles stay with their sessions. @returns the changes */
export function forgetOldest(table: AgentTable): readonly DocumentChange[] {
  const ended = [...table.agents.values()].filter(({ record }) => isOver(record) && record.report !== 'due')
  const surplus = ended.length - maxEndedAgents
  if (surplus <= 0) return []
  ended.sort((a, b) => (a.record.ended_at ?? 0) - (b.record.ended_at ?? 0))
  return ended.slice(0, surplus).map((held) => {
    table.forget(held)
    return { category: agentCategory, name: held.record.id, value: null }
  })
}
