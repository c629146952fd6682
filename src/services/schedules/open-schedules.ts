/** Connects schedules with the core: the turns that their runs are, and what those cost. */
import { type Core, userCaller } from '../../kernel/index.ts'
import { type CallId, originOf, type SessionId } from '../../types/index.ts'
import { forecast, usedBy } from './forecast.ts'
import type { ScheduleDeps } from './schedule-runs.ts'
import { createSchedules, type Schedules } from './schedules.ts'

export async function openSchedules(core: Core): Promise<Schedules> {
  const { budgets, documents, clock, config, resources, events } = core
  const cost = { budgets, documents, clock, agent: config.agent.name }
  const schedules = createSchedules({
    ...core,
    config: config.schedules,
    admission: await core.admission(),
    overloads: resources.overloads,
    refresh: resources.snapshot,
    agent: config.agent.name,
    forecast: async (schedule) => forecast(cost, schedule),
    usedBy: async (run) => usedBy(cost, run),
    ...turnsOf(core),
  })
  events.onTurnEnd(schedules.turnEnded)
  return schedules
}

function turnsOf({ user, gate, sessions, lanes, startTurn }: Core): Pick<ScheduleDeps, 'startTurn' | 'cancelTurn'> {
  const openSession = (session: SessionId, title: string): Promise<unknown> =>
    gate.call(userCaller(user, '', ''), 'session.create', { title }, { id: session as string as CallId, signal: null })
  return {
    cancelTurn: (session) => void lanes.cancel(session),
    async startTurn({ session, title, turn, text, model, labels }) {
      await openSession(session, title)
      await sessions.load(session)
      sessions.join({ session }, labels, [originOf('schedule', title)])
      const { duplicate } = await startTurn({ session, clientId: turn as string as CallId, text, ...(model !== '' && { model }) })
      return !duplicate || lanes.isBusy(session)
    },
  }
}
