import type { Service } from '../../kernel/index.ts'
import { sectionOf } from '../../config/index.ts'
import { respondConfig } from './config.ts'

export { respondConfig } from './config.ts'

/** Decides whether a message with a source is answered: by rules, then by a small model where a rule says so. */
export const respond: Service = {
  name: 'respond',
  config: [respondConfig],
  async configFault(config) {
    const { quiet } = sectionOf(respondConfig, config)
    if (quiet === undefined) return ''
    if (quiet.from === quiet.to) return 'respond.quiet: from and to are the same time'
    try {
      ;(await import('../quiet-hours.ts')).localTime(0, quiet.time_zone)
      return ''
    } catch {
      return `respond.quiet.time_zone: there is no time zone ${quiet.time_zone}; use an IANA name such as Europe/Berlin`
    }
  },
  calls: async (core) => [(await import('./decide-call.ts')).decideCallOf(core)],
}
