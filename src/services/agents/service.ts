import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'
import type { Agents } from './open-agents.ts'

export type { Agents } from './open-agents.ts'

/** Agents that others start: by `agent.spawn`, or by a definition, to which a goal is delegated. */
export const agents: Service<Agents, { readonly runs: typeof runs }> = {
  name: 'agents',
  needs: { runs },
  events: ['agent'],
  wakes: ['system/agents'],
  calls: async (core, self, ports) => (await import('./all-calls.ts')).allCalls(core, self, ports.runs),
  async open(core, ports) {
    const { agents: port, start, stop } = await (await import('./open-agents.ts')).openAgents(core, await ports.runs())
    return { port, recover: start, close: stop }
  },
  runs: async (core, self) => (await import('./agent-runs.ts')).agentRuns(core, self),
  definitions: { agents: async (definition) => (await import('./delegation/agent-definition.ts')).definitionProblem(definition) },
}
