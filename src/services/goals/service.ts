import type { Service } from '../../kernel/index.ts'
import { runs as durable } from '../../runs/index.ts'
import { access } from '../access/service.ts'
import { agents } from '../agents/service.ts'
import { versions } from '../versions/service.ts'
import { goalsConfig } from './config.ts'
import type { GoalDesk } from './goal-desk.ts'

export type { GoalDesk } from './goal-desk.ts'

interface Needs {
  readonly access: typeof access
  readonly agents: typeof agents
  readonly versions: typeof versions
  readonly runs: typeof durable
  readonly [name: string]: Service
}

/** Goals that are worked on until they are reached: interview, seed, work on a branch, checks and judges, and again. */
export const goals: Service<GoalDesk, Needs> = {
  name: 'goals',
  config: [goalsConfig],
  needs: { access, agents, versions, runs: durable },
  events: ['goal'],
  verbs: {
    words: { 'Agents, schedules, budgets:': { goal: 'work on goals until they are reached: ask, do, check, try again' } },
    load: async () => (await import('./goal-verbs.ts')).goalVerbs,
  },
  wakes: ['system/goals'],
  calls: async (_core, self) => (await import('./goal-calls.ts')).goalCalls(self),
  async open(core, ports) {
    const { createGoalDesk } = await import('./goal-desk.ts')
    const [opened, supervising, kept, held] = await Promise.all([ports.access(), ports.agents(), ports.versions(), ports.runs()])
    const desk = createGoalDesk({ ...core, access: opened, agents: supervising, versions: kept, runs: held })
    return { port: desk, recover: desk.runs.load }
  },
  runs: async ({ documents }) => (await import('./goal-record.ts')).runsIn(documents),
}
