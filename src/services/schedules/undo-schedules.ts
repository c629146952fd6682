/** How schedules are put back when the turn that made, changed or deleted them is undone. */
import type { Core, UndoPart } from '../../kernel/index.ts'
import { undoDocuments } from '../undo-documents.ts'
import { begun } from './configured-schedules.ts'
import { scheduleCategory, withoutSchedule } from './schedule-record.ts'
import type { Schedule } from './schedule-schemas.ts'

export function undoSchedules(core: Core): UndoPart {
  return undoDocuments<Schedule>(core, {
    category: scheduleCategory,
    // What stands in a configuration file is changed there.
    shown: ({ name, configured }) => (configured === undefined ? `/schedules/${name}` : null),
    set: ({ counted_from: _from, due_after: _after, next_at: _next, queued: _queued, retry: _retry, failures: _failures, ...settings }) => {
      const { deleted_sessions: _deleted, status, ...rest } = settings
      // One that has run for its only time is still as it was set.
      return { ...rest, isPaused: status === 'paused' }
    },
    async putBack(name, to, now) {
      if (to === null) return withoutSchedule(core.documents, name)
      // Times that passed meanwhile are not made up for.
      const isActive = to.status === 'active'
      const times = isActive ? await begun(to, core.clock.now()) : {}
      const value: Schedule = { ...to, ...times, deleted_sessions: Math.max(to.deleted_sessions, now?.deleted_sessions ?? 0) }
      // Its only time has passed.
      const isOver = isActive && value.next_at === null
      return [{ category: scheduleCategory, name, value: isOver ? { ...value, status: 'completed' } : value }]
    },
  })
}
