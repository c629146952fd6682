/** Agents as a tree, and what a person reads of each: its goal, its state and what it waits for, what it has spent and what is left. */
import { formatMoney, formatMs, plainLine } from './terminal-text.ts'

interface Amounts {
  readonly tokens: number | null
  readonly micro_dollars: number | null
  readonly calls: number | null
  readonly seconds: number | null
}

/** An agent as `agent.list` shows it. */
export interface AgentLine {
  readonly id: string
  readonly name: string
  readonly session: string
  /** Session that gets its answer; empty: none. */
  readonly home: string
  readonly parent: string
  readonly state: string
  readonly waiting_for: string | null
  readonly waiting_on: string
  readonly depth: number
  readonly priority: string
  readonly task: string
  readonly reply: string
  readonly reason: string
  readonly created_at: number
  readonly started_at: number | null
  readonly ended_at: number | null
  readonly branch?: string | undefined
  readonly current_call: { readonly name: string; readonly elapsed_ms: number } | null
  readonly usage: { readonly cpu_ms: number; readonly memory_mb: number } | null
  readonly spent: { readonly tokens: number; readonly micro_dollars: number }
  readonly left: Amounts | null
  /** What its conversation has read, with origins; older guests leave them out. */
  readonly labels?: readonly string[]
  readonly origins?: unknown
}

interface TreeNode {
  readonly agent: AgentLine
  /** Lines to its parent and its siblings; empty at the top. */
  readonly rails: string
}

/** @returns parents before their children, the oldest first; an agent whose parent is not listed is at the top */
export function agentTree(agents: readonly AgentLine[]): readonly TreeNode[] {
  const ids = new Set(agents.map(({ id }) => id))
  const sorted = [...agents].sort((a, b) => a.created_at - b.created_at)
  const below = Map.groupBy(sorted, ({ parent }) => (ids.has(parent) ? parent : ''))
  const walk = (parent: string, above: string, isTop: boolean): readonly TreeNode[] => {
    const children = below.get(parent) ?? []
    return children.flatMap((agent, at) => {
      const isLast = at === children.length - 1
      const rails = isTop ? '' : `${above}${isLast ? '└ ' : '├ '}`
      return [{ agent, rails }, ...walk(agent.id, isTop ? '' : `${above}${isLast ? '  ' : '│ '}`, false)]
    })
  }
  return walk('', '', true)
}

/** What it does: its state, what it waits for, the call that runs. */
export function agentState({ state, waiting_for: waitingFor, waiting_on: waitingOn, current_call: call }: AgentLine): string {
  if (waitingFor !== null) {
    const what = waitingFor === 'child' ? 'agents' : waitingFor === 'admission' ? 'a place' : waitingFor
    return waitingOn === '' ? `waits for ${what}` : `waits for ${what}: ${plainLine(waitingOn, 60)}`
  }
  return state === 'running' && call !== null ? `${call.name} ${formatMs(call.elapsed_ms)}` : state
}

/** What it has spent, and what is left of its budget. */
export function agentSpent({ spent, left }: Pick<AgentLine, 'spent' | 'left'>): string {
  const used = [`${spent.tokens} tokens`, ...(spent.micro_dollars > 0 ? [formatMoney(spent.micro_dollars)] : [])].join(', ')
  if (left === null) return used
  const rest = [
    left.tokens === null ? [] : [`${left.tokens} tokens`],
    left.micro_dollars === null ? [] : [formatMoney(left.micro_dollars)],
    left.calls === null ? [] : [`${left.calls} calls`],
    left.seconds === null ? [] : [`${Math.floor(left.seconds)} s`],
  ].flat()
  return `${used}; left ${rest.join(', ')}`
}

/** What it is to reach, or why it ended. */
export function agentGoal({ task, reason }: Pick<AgentLine, 'task' | 'reason'>, chars: number): string {
  return plainLine((reason === '' ? task : reason).split('\n', 1)[0] ?? '', chars)
}
