/** Connects schedules with the rest of the kernel. They are loaded when there is one: most guests have none. */
import { type CallId, type Clock, type Config, once, originOf, type Random, type SessionId, type UserId } from '../../types/index.ts'
import type { Admission } from '../agents/admission.ts'
import type { Events } from '../events.ts'
import type { Gate } from '../gate.ts'
import type { NoteEvent } from '../observe/event-bus.ts'
import type { Resources } from '../observe/resources.ts'
import type { Sessions } from '../sessions.ts'
import type { Budgets } from '../stages/budgets.ts'
import { userCaller } from '../stages/policy.ts'
import type { Documents } from '../state/documents.ts'
import type { Lanes } from '../turns/lanes-interface.ts'
import type { StartTurn } from '../turns/start-turn.ts'
import type { ScheduleDeps } from './schedule-runs.ts'
import type { Schedules } from './schedules.ts'

export interface Scheduling {
  readonly schedules: () => Promise<Schedules>
  /** Takes up what a crash left, and starts what is due. */
  readonly startSchedules: () => Promise<void>
  readonly stopSchedules: () => void
}

interface SchedulingDeps {
  readonly user: UserId
  readonly config: Config
  readonly clock: Clock
  readonly random: Random
  readonly documents: Documents
  readonly newId: () => string
  readonly noteEvent: NoteEvent
  readonly resources: Resources
  readonly sessions: Sessions
  readonly events: Events
  readonly gate: Gate
  readonly lanes: Lanes
  readonly startTurn: StartTurn
  readonly admission: () => Promise<Admission>
  readonly outcomeOf: ScheduleDeps['outcomeOf']
  readonly budgets: Budgets
}

export function createScheduling(deps: SchedulingDeps): Scheduling {
  const { user, config, clock, random, documents, newId, noteEvent, resources, sessions, events, gate, lanes, outcomeOf } = deps
  const forecasting = { budgets: deps.budgets, documents, clock, agent: config.agent.name }
  let loaded: Schedules | null = null
  const openSession = (session: SessionId, title: string): Promise<unknown> =>
    gate.call(userCaller(user, '', ''), 'session.create', { title }, { id: session as string as CallId, signal: null })
  const schedules = once(async () => {
    const [{ createSchedules }, admission] = await Promise.all([import('./schedules.ts'), deps.admission()])
    loaded = createSchedules({
      config: config.schedules,
      documents,
      clock,
      random,
      newId,
      noteEvent,
      outcomeOf,
      admission,
      overloads: resources.overloads,
      refresh: resources.snapshot,
      agent: config.agent.name,
      forecast: async (schedule) => (await import('../budgets/forecast.ts')).forecast(forecasting, schedule),
      usedBy: async (run) => (await import('../budgets/forecast.ts')).usedBy(forecasting, run),
      cancelTurn: (session) => void lanes.cancel(session),
      async startTurn({ session, title, turn, text, model, labels }) {
        await openSession(session, title)
        await sessions.load(session)
        sessions.join({ session }, labels, [originOf('schedule', title)])
        const { duplicate } = await deps.startTurn({ session, clientId: turn as string as CallId, text, ...(model !== '' && { model }) })
        return !duplicate || lanes.isBusy(session)
      },
    })
    events.onTurnEnd(loaded.turnEnded)
    return loaded
  })
  return {
    schedules,
    async startSchedules() {
      if ((await documents.list('system/schedules', 1)).length > 0) await (await schedules()).start()
    },
    stopSchedules: () => loaded?.stop(),
  }
}
