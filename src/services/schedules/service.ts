import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'
import { agents } from '../agents/service.ts'
import { configCategory, sectionOf } from '../../config/index.ts'
import { configuredSchedules, schedulesConfig } from './config.ts'
import type { ConfiguredPort } from './open-schedules.ts'
import { scheduleCategory } from './schedule-record.ts'
import type { Schedules } from './schedules.ts'

export { schedulesConfig } from './config.ts'

/** Goals that an agent works on at their times. */
export const schedules: Service<Schedules & ConfiguredPort, { readonly runs: typeof runs; readonly agents: typeof agents }> = {
  name: 'schedules',
  config: [schedulesConfig, configuredSchedules],
  configFault: async (config) => (await import('./configured-schedules.ts')).cronFault(config),
  needs: { runs, agents },
  events: ['schedule'],
  // A run of a schedule is one of the usual agent, or of the one that the schedule names.
  neverPassedOn: ['schedule.write'],
  verbs: {
    words: { 'Agents, schedules, budgets:': { schedule: 'schedule goals for an agent, and see what they did' } },
    within: ['budget'],
    load: async () => (await import('./schedule-verbs.ts')).scheduleVerbs,
  },
  wakes: [scheduleCategory],
  left: ({ config }) => sectionOf(configuredSchedules, config).length > 0,
  begin(core, self) {
    let taken = JSON.stringify(sectionOf(configuredSchedules, core.config))
    const watch = core.documents.watch(configCategory, () => {
      const now = JSON.stringify(sectionOf(configuredSchedules, core.config))
      if (now !== taken)
        void self().then(
          ({ take }) => take(),
          () => {},
        )
      taken = now
    })
    return async () => watch[Symbol.dispose]()
  },
  async *health(core) {
    yield (await import('./schedule-health.ts')).scheduleHealth(core)
  },
  undoes: async (core) => (await import('./undo-schedules.ts')).undoSchedules(core),
  calls: async (core, self, ports) =>
    (await import('./schedule-calls.ts')).scheduleCalls({ ...core, schedules: self, agents: ports.agents }),
  async open(core, ports) {
    const port = (await import('./open-schedules.ts')).openSchedules(core, await ports.runs(), ports.agents)
    return { port, recover: port.start }
  },
}
