/** An agent as calls show it: its record, what it does at the moment, and what its commands use. */
import {
  type LimitAmounts,
  type Approvals,
  type Budgets,
  limitsOf,
  type Provenance,
  type RunningCall,
  type RunningCalls,
} from '../../kernel/index.ts'
import {
  amountKinds,
  inUse,
  writeOrigins,
  type Sandbox,
  type SessionId,
  sessionScope,
  type Spend,
  truncate,
  joinLabels,
} from '../../types/index.ts'
import { usageTimeoutMs } from './limits.ts'
import { type AgentRecord, isOver, isSettled } from './agent-record.ts'
import type { Supervisor } from './supervisor.ts'

export interface AgentUsage {
  readonly cpu_ms: number
  readonly memory_mb: number
  readonly processes: number
}

export interface AgentViewDeps {
  readonly supervisor: () => Promise<Supervisor>
  readonly budgets: Pick<Budgets, 'book' | 'load' | 'view'>
  readonly running: Pick<RunningCalls, 'of'>
  readonly approvals: Pick<Approvals, 'pending'>
  /** What a session has read, as far as it is known without reading. */
  readonly history: (session: SessionId) => Provenance
}

export interface AgentView extends Omit<AgentRecord, 'messages' | 'report' | 'runs' | 'orphans' | 'queued_at' | 'paused' | 'state'> {
  readonly state: AgentRecord['state'] | 'paused'
  readonly waiting_for: 'approval' | 'child' | 'timer' | 'admission' | null
  /** The call that waits for approval, or the names of the agents; empty: nothing more is known. */
  readonly waiting_on: string
  /** What it is doing at the moment. */
  readonly current_call: { readonly name: string; readonly elapsed_ms: number } | null
  /** What its running commands use in the sandbox without network: processor time so far, memory now. Null: nothing is known of any. */
  readonly usage: AgentUsage | null
  readonly spent: { readonly tokens: number; readonly micro_dollars: number }
  /** What is left of its own budget; null: it has none, and uses those above it. */
  readonly left: LimitAmounts | null
  /** Of its labels, where the data comes from; hostile text. */
  readonly origins: ReturnType<typeof writeOrigins>
}

/** @param usage of agents, by their sessions */
export async function viewOf(
  { budgets, running, approvals, supervisor, history }: AgentViewDeps,
  record: AgentRecord,
  usage: ReadonlyMap<string, AgentUsage> = new Map(),
): Promise<AgentView> {
  const { messages: _m, report: _r, runs: _n, orphans: _o, queued_at: _q, paused, ...view } = record
  const { session } = record
  await budgets.load({ session, actor: 'kernel' })
  const { spent }: { spent: Spend } = budgets.view(sessionScope(session))
  const read = history(session)
  const [oldest] = running.of(session)
  const asking = approvals.pending(session)
  const waitingFor = paused === true ? null : whyWaiting(record, running.of(session), asking.length > 0)
  const children = waitingFor === 'child' ? (await supervisor()).all().filter((one) => one.parent === record.id && !isSettled(one)) : []
  const waitingOn = waitingFor === 'approval' ? asking.map(({ name }) => name) : children.map(({ name }) => name)
  return {
    ...view,
    task: truncate(record.task, 1_000),
    state: paused === true && !isOver(record) ? 'paused' : record.state === 'running' && waitingFor !== null ? 'waiting' : record.state,
    waiting_for: waitingFor,
    waiting_on: truncate(waitingOn.join(', '), 200),
    current_call: oldest === undefined ? null : { name: oldest.name, elapsed_ms: oldest.elapsedMs },
    usage: usage.get(session) ?? null,
    spent: { tokens: spent.tokens, micro_dollars: spent.microDollars },
    left: await leftOf(budgets, record),
    labels: joinLabels(record.labels, read.labels),
    origins: writeOrigins(read.from),
  }
}

async function leftOf(budgets: AgentViewDeps['budgets'], { id, budget }: AgentRecord): Promise<AgentView['left']> {
  if (budget === undefined) return null
  const book = await budgets.book()
  const found = book.definitions().find(({ scope }) => scope === `child:${id}`)
  if (found === undefined) return null
  const account = await book.account(found)
  const left = { ...account.limit }
  for (const kind of amountKinds) left[kind] = Math.max(0, left[kind] - inUse(account, kind))
  return limitsOf(left)
}

function whyWaiting({ state }: AgentRecord, calls: readonly RunningCall[], isAsking: boolean): AgentView['waiting_for'] {
  if (state === 'starting') return 'admission'
  if (state === 'waiting') return 'child'
  if (state !== 'running') return null
  if (isAsking) return 'approval'
  if (calls.some(({ name }) => /^agent\.(?:wait|delegate|fan_out)$/.test(name))) return 'child'
  return calls.some(({ name }) => name === 'events.next') ? 'timer' : null
}

const bytesPerMb = 1024 * 1024

/**
 * What the commands of agents use, by session. Hands count it from the processes that they started: a sandbox is one control group, which
 * all agents share. Hands are asked only when an agent has started something; those of commands with network are not asked.
 */
export async function readUsage(
  { supervisor, running }: AgentViewDeps,
  sandbox: Sandbox,
  signal: AbortSignal,
  agents: readonly AgentRecord[],
): Promise<ReadonlyMap<string, AgentUsage>> {
  const used = new Map<string, AgentUsage>()
  const { usesShell } = await supervisor()
  const sessions = agents.filter(usesShell).map(({ session }) => session)
  if (sessions.length === 0) return used
  const owners = new Map<string, SessionId>(
    sessions.flatMap((session) => [[session, session], ...running.of(session).map(({ call }) => [call, session] as const)]),
  )
  try {
    const hands = await sandbox.hands('work')
    const found = await hands.ask('usage', {}, { signal, timeoutMs: usageTimeoutMs })
    for (const { owner, cpuMs, memoryBytes, processes } of found.owners) {
      const session = owners.get(owner)
      if (session === undefined) continue
      const { cpu_ms, memory_mb, processes: count } = used.get(session) ?? { cpu_ms: 0, memory_mb: 0, processes: 0 }
      const memory = Math.round(10 * (memory_mb + memoryBytes / bytesPerMb)) / 10
      used.set(session, { cpu_ms: cpu_ms + cpuMs, memory_mb: memory, processes: count + processes })
    }
  } catch {
    // Only a view: without hands nothing is known.
  }
  return used
}
