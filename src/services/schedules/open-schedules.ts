/** Connects schedules with the core: the turns that their runs are, and what those cost. */
import type { Core } from '../../kernel/index.ts'
import type { RunsPort } from '../../runs/index.ts'
import { sectionOf } from '../../config/index.ts'
import { forecast, usedBy } from './forecast.ts'
import { createSchedules, type Schedules } from './schedules.ts'
import { schedulesConfig } from './config.ts'

export function openSchedules(core: Core, runs: RunsPort): Schedules {
  const { budgets, documents, clock, config, sessions, lanes } = core
  const cost = { budgets, documents, clock, agent: config.agent.name }
  return createSchedules({
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
  })
}
