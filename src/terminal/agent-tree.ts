/** Agents as a tree, and what a person reads of each: its goal, its state and what it waits for, what it has spent and what is left. */
import type { OutputOf } from '../protocol/index.ts'
import { plural } from '../base/index.ts'
import { formatMoney, formatMs, plainLine } from './terminal-text.ts'

/** An agent as `agent.list` shows it. */
export type AgentLine = OutputOf<'agent.list'>['agents'][number]

interface TreeNode {
  readonly agent: AgentLine
  /** Lines to its parent and its siblings; empty at the top. */
  readonly rails: string
}

/** @returns parents before their children, the oldest first; an agent whose parent is not listed is at the top */
export function agentTree(agents: readonly AgentLine[]): readonly TreeNode[] {
  const ids = new Set<string>(agents.map(({ id }) => id))
  const sorted = [...agents].sort((a, b) => a.created_at - b.created_at)
  const below = Map.groupBy(sorted, ({ parent }): string => (ids.has(parent) ? parent : ''))
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
export function agentSpent({ spent, left, mail = [] }: Pick<AgentLine, 'spent' | 'left' | 'mail'>): string {
  const tokens = [`${spent.tokens} tokens`, ...(spent.micro_dollars > 0 ? [formatMoney(spent.micro_dollars)] : [])].join(', ')
  const used = [tokens, ...mail.map(({ name, messages }) => `${plural(messages, 'message')} with ${plainLine(name, 40)}`)].join(', ')
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
