import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'
import { schedulesConfig } from './config.ts'
import { scheduleCategory } from './schedule-record.ts'
import type { Schedules } from './schedules.ts'

export { schedulesConfig } from './config.ts'

/** Goals that an agent works on at their times. */
export const schedules: Service<Schedules, { readonly runs: typeof runs }> = {
  name: 'schedules',
  config: [schedulesConfig],
  needs: { runs },
  events: ['schedule'],
  // A run of a schedule is one of the usual agent.
  neverPassedOn: ['schedule.write'],
  verbs: {
    words: { 'Agents, schedules, budgets:': { schedule: 'schedule goals for an agent, and see what they did' } },
    within: ['budget'],
    load: async () => (await import('./schedule-verbs.ts')).scheduleVerbs,
  },
  wakes: [scheduleCategory],
  calls: async (core, self) => (await import('./schedule-calls.ts')).scheduleCalls({ ...core, schedules: self }),
  async open(core, ports) {
    const port = (await import('./open-schedules.ts')).openSchedules(core, await ports.runs())
    return { port, recover: port.start }
  },
}
