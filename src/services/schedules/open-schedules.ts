/** Connects schedules with the core: the turns that their runs are, what those cost, and the entries of the configuration. */
import { errorMessage } from '../../base/index.ts'
import type { Core } from '../../kernel/index.ts'
import type { RunsPort } from '../../runs/index.ts'
import type { Agents } from '../agents/service.ts'
import { sectionOf } from '../../config/index.ts'
import { forecast, usedBy } from './forecast.ts'
import { createSchedules, type Schedules } from './schedules.ts'
import { schedulesConfig } from './config.ts'
import { takeConfigured } from './configured-schedules.ts'

export interface ConfiguredPort {
  /** Makes what the configuration says now. */
  take(): Promise<void>
}

export function openSchedules(core: Core, runs: RunsPort, agents: () => Promise<Agents>): Schedules & ConfiguredPort {
  const { budgets, documents, clock, config, sessions, lanes } = core
  const cost = { budgets, documents, clock, agent: config.agent.name }
  const schedules = createSchedules({
    ...core,
    runs,
    config: sectionOf(schedulesConfig, config),
    overloads: runs.resources.overloads,
    refresh: runs.resources.snapshot,
    agent: config.agent.name,
    forecast: async (schedule) => forecast(cost, schedule),
    usedBy: async (run) => usedBy(cost, run),
    cancelTurn: (session) => void lanes.cancel(session),
    labelsOf: sessions.loadHeld,
    profileAs: async (...asked) => (await agents()).profileAs(...asked),
    budgetAs: async (...asked) => (await agents()).budgetAs(...asked),
  })
  let taking = Promise.resolve()
  const take = (): Promise<void> =>
    (taking = taking
      .then(() => takeConfigured(core))
      .catch((error: unknown) => core.noteEvent('schedule_refused', { name: '', problem: errorMessage(error) })))
  return {
    ...schedules,
    async start() {
      await take()
      await schedules.start()
    },
    take,
  }
}
