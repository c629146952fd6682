import type { Service } from '../../kernel/index.ts'
import { runs as durable } from '../../runs/index.ts'
import { access } from '../access/service.ts'
import { agents } from '../agents/service.ts'
import type { GraphDesk } from './graph-calls.ts'

interface Needs {
  readonly access: typeof access
  readonly agents: typeof agents
  readonly runs: typeof durable
  readonly [name: string]: Service
}

/** State graphs that a person has defined: their runs, which survive a restart. */
export const graphs: Service<GraphDesk, Needs> = {
  name: 'graphs',
  needs: { access, agents, runs: durable },
  events: ['graph'],
  verbs: {
    words: { 'Agents, schedules, budgets:': { graph: 'check, run, show, resume and cancel state graphs' } },
    load: async () => (await import('./graph-verbs.ts')).graphVerbs,
  },
  wakes: ['system/graph_runs'],
  calls: async (_core, self) => (await import('./graph-calls.ts')).graphCalls({ graphs: self }),
  async open(core, ports) {
    const { desk, runs } = (await import('./graph-desk.ts')).createGraphDesk({
      ...core,
      waitingIn: (await ports.access()).waitingIn,
      agents: await ports.agents(),
      runs: await ports.runs(),
    })
    return { port: desk, recover: runs.load }
  },
  runs: async ({ documents }) => (await import('./graph-record.ts')).runsIn(documents),
  definitions: { graphs: async (definition) => (await import('./graph-load.ts')).graphDefinitionProblem(definition) },
}
