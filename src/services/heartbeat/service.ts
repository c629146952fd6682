import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'
import { agents } from '../agents/service.ts'
import { goals } from '../goals/service.ts'
import type { HeartbeatPort } from './heartbeat.ts'
import { heartbeatCategory } from './heartbeat-record.ts'

interface Needs {
  readonly agents: typeof agents
  readonly goals: typeof goals
  readonly runs: typeof runs
  readonly [name: string]: Service
}

/** Standing tasks and open goals, looked at without being asked. Off until a person turns it on. */
export const heartbeat: Service<HeartbeatPort, Needs> = {
  name: 'heartbeat',
  needs: { agents, goals, runs },
  events: ['heartbeat'],
  neverPassedOn: ['schedule.write'],
  verbs: {
    words: { 'Agents, schedules, budgets:': { heartbeat: 'let an agent look at HEARTBEAT.md and open goals by itself' } },
    load: async () => (await import('./heartbeat-verbs.ts')).heartbeatVerbs,
  },
  wakes: [heartbeatCategory],
  calls: async (core, self) => (await import('./heartbeat-calls.ts')).heartbeatCalls(self, core),
  async open(core, ports) {
    const [{ createHeartbeat }, held, supervising, desk] = await Promise.all([
      import('./heartbeat.ts'),
      ports.runs(),
      ports.agents(),
      ports.goals(),
    ])
    const port = createHeartbeat({ ...core, runs: held, agents: supervising, goals: desk })
    return { port, recover: port.load }
  },
}
