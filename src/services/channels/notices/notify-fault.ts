/** What of `[notify]` its schema cannot check; loaded with a configuration that is checked. */
import { type Config, sectionOf } from '../../../config/index.ts'
import { localTime } from '../../quiet-hours.ts'
import { notifyConfig } from '../config.ts'

const clockTime = /^(?:[01]\d|2[0-3]):[0-5]\d$/

/** @returns what is wrong; empty: nothing */
export function notifyFault(config: Config): string {
  const { quiet, time_zone: zone } = sectionOf(notifyConfig, config)
  if (quiet === undefined) return ''
  const times = [quiet.slice(0, 5), quiet.slice(6)]
  if (!times.every((time) => clockTime.test(time))) return `notify.quiet: ${quiet} are no two times of a day`
  if (times[0] === times[1]) return 'notify.quiet: both times are the same'
  try {
    localTime(0, zone)
    return ''
  } catch {
    return `notify.time_zone: there is no time zone ${zone}; use an IANA name such as Europe/Berlin`
  }
}
