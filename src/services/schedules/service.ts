import type { Service } from '../../kernel/index.ts'
import { scheduleCategory } from './schedule-record.ts'
import type { Schedules } from './schedules.ts'

/** Goals that an agent works on at their times. */
export const schedules: Service<Schedules> = {
  name: 'schedules',
  events: ['schedule'],
  verbs: {
    words: { 'Agents, schedules, budgets:': { schedule: 'schedule goals for an agent, and see what they did' } },
    within: ['budget'],
    load: async () => (await import('./schedule-verbs.ts')).scheduleVerbs,
  },
  wakes: [scheduleCategory],
  calls: async (core, self) => (await import('./schedule-calls.ts')).scheduleCalls({ ...core, schedules: self }),
  async open(core) {
    const port = await (await import('./open-schedules.ts')).openSchedules(core)
    return { port, recover: port.start, close: port.stop }
  },
}
