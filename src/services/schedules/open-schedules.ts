/** Connects schedules with the core: the turns that their runs are, and what those cost. */
import { type Core, userCaller } from '../../kernel/index.ts'
import type { RunsPort } from '../../runs/index.ts'
import type { CallId } from '../../base/index.ts'
import { originOf } from '../../protocol/index.ts'
import { sectionOf } from '../../config/index.ts'
import { forecast, usedBy } from './forecast.ts'
import { createSchedules, type Schedules } from './schedules.ts'
import { schedulesConfig } from './config.ts'

export function openSchedules(core: Core, runs: RunsPort): Schedules {
  const { budgets, documents, clock, config, events, user, gate, sessions, lanes, recovered } = core
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
    isRecovered: (turn) => recovered.has(turn as string as CallId),
    cancelTurn: (session) => void lanes.cancel(session),
    labelsOf: sessions.loadHeld,
    async openSession(session, title, labels) {
      await gate.call(userCaller(user, '', ''), 'session.create', { title }, { id: session as string as CallId, signal: null })
      await sessions.load(session)
      sessions.join({ session }, labels, [originOf('schedule', title)])
    },
  })
  events.onTurnEnd(schedules.turnEnded)
  return schedules
}
