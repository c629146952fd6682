/** The agents of a guest in the full-screen terminal: their tree, read anew while it is shown, and what a person does with one. */
import { setTimeout as sleep } from 'node:timers/promises'
import { agentGoal, type AgentLine, agentSpent, agentState, agentTree, plainLine } from '../terminal/index.ts'
import { type Json, OxbowError, toError } from '../types/index.ts'
import { maxListed, watchAgentsMs } from './limits.ts'
import type { PickerRow } from './picker.ts'
import type { SessionLink } from './session-link.ts'
import type { Effect, Event } from './state.ts'

interface AgentDoing {
  readonly link: SessionLink
  readonly dispatch: (event: Event) => void
}

export type AgentEffect = Extract<Effect, { type: 'watch_agents' | 'control_agent' }>

export async function agentEffect(effect: AgentEffect, doing: AgentDoing): Promise<void> {
  if (effect.type === 'control_agent') return control(effect, doing)
  if (!effect.isFirst) await sleep(watchAgentsMs)
  doing.dispatch({ type: 'agents', rows: agentTree(await agentsOf(doing)).map(rowOf), isFirst: effect.isFirst })
}

async function ask({ link }: AgentDoing, name: string, input: Json): Promise<unknown> {
  const outcome = await link.gateway().call(name, input)
  if (outcome.status === 'ok') return outcome.output
  throw toError(outcome.failure)
}

async function agentsOf(doing: AgentDoing): Promise<readonly AgentLine[]> {
  return ((await ask(doing, 'agent.list', { ended: false, limit: maxListed })) as { agents: readonly AgentLine[] }).agents
}

function rowOf({ agent, rails }: ReturnType<typeof agentTree>[number]): PickerRow {
  const label = `${rails}${plainLine(agent.name, 30)} · ${agentState(agent)} · ${agentGoal(agent, 60)}`
  return { id: agent.session, label, detail: agentSpent(agent) }
}

async function control({ verb, agent: ref, argument }: Extract<AgentEffect, { type: 'control_agent' }>, doing: AgentDoing): Promise<void> {
  const agents = await agentsOf(doing)
  const [agent, ...others] = agents.filter(({ id, name }) => name === ref || (ref.length >= 4 && id.startsWith(ref)))
  if (agent === undefined || others.length > 0)
    throw new OxbowError(
      agent === undefined ? 'not_found' : 'bad_input',
      `${others.length + (agent === undefined ? 0 : 1)} agents are ${ref}.`,
      {
        hint: '/agents lists them; the beginning of an id names one.',
      },
    )
  const { id, name } = agent
  const isPaused = agent.state === 'paused'
  switch (verb) {
    case 'tell':
      await ask(doing, 'agent.send', { to: id, text: argument })
      return doing.dispatch({ type: 'say', text: `${name} reads it at its next step.` })
    case 'pause':
      await ask(doing, isPaused ? 'agent.resume' : 'agent.pause', { agent: id })
      return doing.dispatch({
        type: 'say',
        text: isPaused ? `${name} goes on.` : `${name} stops before its next step; /pause ${name} lets it go on.`,
      })
    case 'raise':
      await ask(doing, 'agent.raise', { agent: id, tokens: Number(argument) })
      return doing.dispatch({ type: 'say', text: `${name} may use ${argument} more tokens.` })
    case 'kill':
      await ask(doing, 'agent.kill', { agent: id })
      return doing.dispatch({ type: 'say', text: `${name} has ended.` })
  }
}
