import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'
import { access } from '../access/service.ts'
import { sectionOf } from '../../config/index.ts'
import { versions } from '../versions/service.ts'
import { agentsConfig } from './config.ts'
import type { Agents } from './open-agents.ts'

export type { Agents } from './open-agents.ts'
export { maxInstructionCharacters } from './limits.ts'

interface Needs {
  readonly access: typeof access
  readonly versions: typeof versions
  readonly runs: typeof runs
  readonly [name: string]: Service
}

/** Agents that others start: by `agent.spawn`, or by a definition, to which a goal is delegated. */
export const agents: Service<Agents, Needs> = {
  name: 'agents',
  config: [agentsConfig],
  withheld: (config) => sectionOf(agentsConfig, config).withheld_rights,
  needs: { access, versions, runs },
  events: ['agent'],
  verbs: {
    words: {
      'Agents, schedules, budgets:': {
        'spawn [options] <task...>': 'start an agent that works on a task in the background',
        'wait [options] <agent>': 'wait until an agent has answered, and print its answer',
        'tell [options] <agent> <text...>': 'send an agent a message, which it reads at its next step',
        'pause [options] <agent>': 'pause an agent and those below it, each before its next step',
        'resume [options] <agent>': 'let a paused agent and those below it go on',
        'raise [options] <agent>': 'give an agent more budget, out of the budgets above it',
        'kill [options] <agent>': 'end an agent with everything that it runs',
      },
    },
    within: ['agents', 'graph'],
    async load() {
      const [{ agentVerbs }, { definitionVerbs }] = await Promise.all([
        import('./agent-verbs.ts'),
        import('./delegation/definition-verbs.ts'),
      ])
      return [...agentVerbs, ...definitionVerbs]
    },
  },
  wakes: ['system/agents'],
  calls: async (core, self, ports) => (await import('./all-calls.ts')).allCalls(core, self, ports),
  async open(core, ports) {
    const [{ openAgents }, held] = await Promise.all([import('./open-agents.ts'), ports.runs()])
    const { agents: port, start, stop } = await openAgents(core, held, ports)
    return { port, recover: start, close: async () => stop() }
  },
  runs: async (core, self) => (await import('./agent-runs.ts')).agentRuns(core, self),
  definitions: { agents: async (definition) => (await import('./delegation/agent-definition.ts')).definitionProblem(definition) },
}
