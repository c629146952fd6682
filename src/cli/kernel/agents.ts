/** `oxbow agents` and `top`: the agents of a guest. */
import type { OutputOf } from '../../protocol/index.ts'
import { withGuest, outputOf } from '../guest-connection.ts'
import { printLine, printList, printText, type Terminal } from '../terminal.ts'
import {
  agentGoal,
  agentSpent,
  agentState,
  agentTree,
  badgeText,
  formatMs,
  formatTime,
  labelBadges,
  plainLine,
  shortId,
  table,
} from '../../terminal/index.ts'
import { type CallOptions } from './call.ts'

type Listed = OutputOf<'agent.list'>

export interface ListOptions extends CallOptions {
  readonly tree?: boolean | undefined
  readonly all?: boolean | undefined
}

export async function listAgents(options: ListOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const listed = await outputOf(gateway, 'agent.list', { ended: options.all === true, limit: maxShown })
    return printList(listed.agents, { text: () => agentTable(listed, options.tree === true) }, options, terminal)
  })
}

const maxShown = 1_000

function agentTable({ agents }: Listed, isTree: boolean): string {
  if (agents.length === 0) return 'No agent is live. `oxbow spawn "…"` starts one; `oxbow agents --all` shows those that have ended.'
  const ids = agents.map(({ id }) => id)
  const plain = [...agents].sort((a, b) => a.created_at - b.created_at).map((agent) => ({ agent, rails: '' }))
  const rows = (isTree ? agentTree(agents) : plain).map(({ agent, rails }) => [
    shortId(agent.id, ids),
    `${rails}${plainLine(agent.name, 40)}`,
    agentState(agent),
    agent.priority,
    formatTime(agent.created_at),
    agent.usage === null ? '-' : `${formatMs(agent.usage.cpu_ms)} ${agent.usage.memory_mb} MB`,
    agentSpent(agent),
    badgeText(labelBadges(agent)) || '-',
    agentGoal(agent, 60),
  ])
  return table([['ID', 'NAME', 'STATE', 'PRIORITY', 'SINCE', 'USES', 'SPENT', 'READ', 'GOAL'], ...rows])
}

export interface TopOptions extends CallOptions {
  readonly once?: boolean | undefined
  readonly interval: number
}

interface Machine {
  readonly now: {
    readonly cpu_percent: number
    readonly memory_used_mb: number
    readonly memory_total_mb: number
    readonly guest_cpu_percent: number
    readonly guest_memory_mb: number
  }
}

/** Refreshes until Ctrl+C. With `--json` or without a terminal, one object a line, and no screen is cleared. */
export async function watchAgents(options: TopOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    for (;;) {
      const [listed, machine] = (await Promise.all([
        outputOf(gateway, 'agent.list', { ended: false, limit: maxShown }),
        outputOf(gateway, 'resources.show', { history: 0 }),
      ])) as [Listed, Machine]
      if (options.json === true) printLine(terminal, JSON.stringify({ ...listed, resources: machine.now }))
      else {
        if (options.once !== true && terminal.output.isTTY) terminal.output.write(clearScreen)
        printText(terminal, topText(listed, machine))
      }
      if (options.once === true) return 0
      await new Promise((resolve) => setTimeout(resolve, options.interval * 1_000))
    }
  })
}

/** Cursor to the first cell, and everything behind it erased. */
export const clearScreen = '\u001B[H\u001B[J'

function topText({ agents, admission }: Listed, { now }: Machine): string {
  const { running, max_running: max, queued, starts_left: left, paused_by: pausedBy } = admission
  const head = [
    `agents: ${agents.length} live; runs of agents, schedules and tasks: ${running} of at most ${max}, ${queued.length} waiting; ${left} starts left in this minute`,
    `machine: processor ${now.cpu_percent} %, memory ${now.memory_used_mb} of ${now.memory_total_mb} MB; guest: ${now.guest_cpu_percent} % of one processor, ${now.guest_memory_mb} MB`,
    ...(pausedBy.length > 0 ? [`No new agents start: ${pausedBy.join('; ')}`] : []),
  ]
  const ids = agents.map(({ id }) => id)
  const rows = agentTree(agents).map(({ agent, rails }) => [
    shortId(agent.id, ids),
    `${rails}${plainLine(agent.name, 40)}`,
    agentState(agent),
    agent.usage === null ? '-' : formatMs(agent.usage.cpu_ms),
    agent.usage === null ? '-' : `${agent.usage.memory_mb} MB`,
    agentSpent(agent),
    badgeText(labelBadges(agent)) || '-',
    agentGoal(agent, 60),
  ])
  return `${head.join('\n')}\n\n${table([['ID', 'NAME', 'STATE', 'CPU', 'MEMORY', 'SPENT', 'READ', 'GOAL'], ...rows])}`
}
