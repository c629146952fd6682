/** What `oxbow doctor` says of schedules: those that no longer run, and those whose last runs failed. */
import type { Core } from '../../kernel/index.ts'
import type { DoctorCheck } from '../../protocol/index.ts'
import { withoutEffect } from './configured-schedules.ts'
import { scheduleCategory } from './schedule-record.ts'
import type { Schedule } from './schedule-schemas.ts'

/** More than anybody may have. */
const mostSchedules = 1_000
/** A run that was due so long ago should have begun. */
const lateMs = 10 * 60_000

export async function scheduleHealth({ documents, clock, config }: Pick<Core, 'documents' | 'clock' | 'config'>): Promise<DoctorCheck> {
  const all = (await documents.list<Schedule>(scheduleCategory, mostSchedules)).map(({ value }) => value)
  const now = clock.now()
  const problems = all.flatMap(({ name, status, failures, next_at: nextAt }) => {
    if (status === 'disabled') return [`${name} is disabled after ${failures} failures in a row`]
    if (status !== 'active') return []
    if (nextAt !== null && nextAt < now - lateMs) return [`${name} was due ${Math.round((now - nextAt) / 60_000)} minutes ago`]
    return failures > 0 ? [`${name} has failed ${failures} times in a row`] : []
  })
  for (const name of withoutEffect(config, all)) problems.push(`${name} of the configuration could not be made: oxbow events says why`)
  const check = { name: 'schedules', required: false, ms: 0 } as const
  if (problems.length > 0) return { ...check, state: 'weak', says: problems.join('; '), fix: 'oxbow schedule list' }
  const active = all.filter(({ status }) => status === 'active').length
  return { ...check, state: 'ok', says: all.length === 0 ? 'none' : `${active} of ${all.length} run at their times`, fix: '' }
}
