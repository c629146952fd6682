/** `oxbow agents`, `top`, `spawn`, `wait`, `tell`, `pause`, `resume`, `raise` and `kill`: the agents of a guest. */
import type { OutputOf } from '../../client/index.ts'
import { type Json, OxbowError } from '../../types/index.ts'
import { type GatewayPort, withGuest } from '../guest-connection.ts'
import { agentWaitS } from '../limits.ts'
import { printLine, printText, type Terminal } from '../terminal.ts'
import {
  agentGoal,
  type AgentLine,
  agentSpent,
  agentState,
  agentTree,
  badgeText,
  formatMs,
  formatTime,
  labelBadges,
  plainLine,
  plainText,
  shortId,
  table,
} from '../../terminal/index.ts'
import { type BudgetOptions, budgetOf } from './budget.ts'
import { type CallOptions, type DryRunOptions, outputOf, showDestruction, showOutput } from './call.ts'

type Listed = OutputOf<'agent.list'>

export interface ListOptions extends CallOptions {
  readonly tree?: boolean | undefined
  readonly all?: boolean | undefined
}

export async function listAgents(options: ListOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const listed = await outputOf(gateway, 'agent.list', { ended: options.all === true, limit: maxShown })
    if (options.json === true) for (const agent of listed.agents) printLine(terminal, JSON.stringify(agent))
    else printText(terminal, agentTable(listed, options.tree === true))
    return 0
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

type Machine = OutputOf<'resources.show'>

/** Refreshes until Ctrl+C. With `--json` or without a terminal, one object a line, and no screen is cleared. */
export async function watchAgents(options: TopOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    for (;;) {
      const [listed, machine] = await Promise.all([
        outputOf(gateway, 'agent.list', { ended: false, limit: maxShown }),
        outputOf(gateway, 'resources.show', { history: 0 }),
      ])
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
const clearScreen = '\u001B[H\u001B[J'

function topText({ agents, admission }: Listed, { now }: Machine): string {
  const { running, max_running: max, queued, starts_left: left, paused_by: pausedBy } = admission
  const head = [
    `agents: ${agents.length} live, ${running} of ${max} running, ${queued.length} queued; ${left} starts left in this minute`,
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

export interface SpawnOptions extends CallOptions, BudgetOptions {
  readonly name?: string | undefined
  readonly model?: string | undefined
  readonly instructions?: string | undefined
  readonly priority?: string | undefined
  readonly right?: readonly string[] | undefined
  readonly readOnly?: boolean | undefined
  readonly keep?: boolean | undefined
  readonly branch?: boolean | undefined
  readonly wait?: boolean | undefined
}

export async function spawnAgent(words: readonly string[], options: SpawnOptions, terminal: Terminal): Promise<number> {
  const { name, model, instructions, priority, right, readOnly, keep, branch } = options
  const input = {
    task: words.join(' '),
    ...(name !== undefined && { name }),
    ...(model !== undefined && { model }),
    ...(instructions !== undefined && { instructions }),
    ...(priority !== undefined && { priority }),
    ...(right !== undefined && { rights: [...right] }),
    ...(readOnly === true && { read_only: true }),
    ...(keep === true && { keep: true }),
    ...(branch === true && { files: 'branch' }),
    ...budgetOf(options),
  }
  if (options.wait !== true) {
    const { keepServing } = await import('../verbs/serve.ts')
    await keepServing(options, terminal)
    return showOutput(['agent.spawn', input], options, terminal, ({ id, name: made, state }) => `Started ${made}, ${id}: ${state}.`)
  }
  return withGuest(options, terminal, async ({ gateway }) => {
    const { id } = await outputOf(gateway, 'agent.spawn', input)
    return printEnd(await settled(gateway, id, Infinity), options, terminal)
  })
}

/** @returns 0 when the agent has answered; the exit code of `timeout` when it has not in time, of `tool_failed` when it failed */
export function waitForAgent(
  id: string,
  options: CallOptions & { readonly timeout?: number | undefined },
  terminal: Terminal,
): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) =>
    printEnd(await settled(gateway, id, options.timeout ?? Infinity), options, terminal),
  )
}

function printEnd(agent: AgentLine, options: CallOptions, terminal: Terminal): number {
  if (options.json === true) printLine(terminal, JSON.stringify(agent))
  else if (agent.reply !== '') printText(terminal, plainText(agent.reply))
  if (agent.state === 'done' || agent.state === 'idle') return 0
  const why = agent.reason === '' ? '' : `: ${agent.reason}`
  throw new OxbowError(
    agent.state === 'killed' ? 'cancelled' : 'tool_failed',
    `Agent ${agent.name} ${agent.state === 'killed' ? 'was killed' : 'failed'}${why}`,
    {
      hint: '`oxbow agents --all` lists it; its session has the whole story.',
    },
  )
}

/** Asks again and again, because a call ends with the connection. @throws OxbowError `timeout` */
async function settled(gateway: Pick<GatewayPort, 'call'>, id: string, timeoutS: number): Promise<AgentLine> {
  for (let left = timeoutS; ;) {
    const part = Math.min(left, agentWaitS)
    const input: Json = { agents: [id], timeout_s: part }
    const { agents, timed_out: isLate } = await outputOf(gateway, 'agent.wait', input)
    const [agent] = agents
    if (!isLate && agent !== undefined) return agent
    left -= part
    if (left <= 0)
      throw new OxbowError('timeout', `The agent has not answered within ${timeoutS} s.`, {
        hint: 'It goes on; wait again, or oxbow kill it.',
      })
  }
}

/** Sends a message, which the agent reads at its next step. */
export function tellAgent(id: string, words: readonly string[], options: CallOptions, terminal: Terminal): Promise<number> {
  const show = ({ state }: { state: string }): string => `Sent; it is ${state}.`
  return showOutput(['agent.send', { to: id, text: words.join(' ') }], options, terminal, show)
}

export function pauseAgent(id: string, options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['agent.pause', { agent: id }], options, terminal, ({ agents }) =>
    agents.length === 0 ? 'It was paused already.' : `Paused ${withOthers(agents)}. oxbow resume ${id} lets it go on.`,
  )
}

export function resumeAgent(id: string, options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['agent.resume', { agent: id }], options, terminal, ({ agents }) =>
    agents.length === 0 ? 'It is not paused.' : `Resumed ${withOthers(agents)}.`,
  )
}

function withOthers(agents: readonly string[]): string {
  return agents.length === 1 ? 'it' : `it and ${agents.length - 1} agents below it`
}

export function raiseAgent(id: string, options: CallOptions & BudgetOptions, terminal: Terminal): Promise<number> {
  const { budget } = budgetOf(options)
  const show = ({ budget: raised }: { budget: Record<string, number> }): string =>
    `Its budget is now ${Object.entries(raised)
      .map(([kind, amount]) => `${amount} ${kind.replace('_', '-')}`)
      .join(', ')}.`
  return showOutput(['agent.raise', { agent: id, ...(budget as Record<string, Json> | undefined) }], options, terminal, show)
}

export function killAgent(
  id: string,
  options: DryRunOptions & { readonly reason?: string | undefined },
  terminal: Terminal,
): Promise<number> {
  const input = { agent: id, ...(options.reason !== undefined && { reason: options.reason }) }
  const show = ({ killed, state }: { killed: readonly string[]; state: string }): string =>
    killed.length === 0
      ? `It was ${state} already.`
      : `Killed ${killed.length === 1 ? 'it' : `it and ${killed.length - 1} agents below it`}.`
  return showDestruction(['agent.kill', input], options, terminal, show, async (gateway) => {
    const { agents } = await outputOf(gateway, 'agent.list', { ended: true, limit: maxShown })
    const found = agents.filter((agent) => agent.id.startsWith(id) || agent.name === id)
    const [target] = found
    if (target === undefined || found.length > 1)
      throw new OxbowError(
        found.length === 0 ? 'not_found' : 'bad_input',
        `${found.length || 'no'} agents are called ${JSON.stringify(id)}`,
        {
          hint: '`oxbow agents --all` lists them.',
        },
      )
    return { would: `end the agent ${plainLine(target.name, 40)}, which is ${agentState(target)}, with everything that it runs`, target }
  })
}
