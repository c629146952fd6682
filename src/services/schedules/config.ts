/** `[schedules]`: limits of schedules and of their runs. */
import { configSection, type SettingsOf } from '../../config/index.ts'

export const schedulesConfig = configSection('schedules', (by) =>
  by.strictObject({
    max_schedules: by.int().min(0).max(1_000).default(50).describe('Schedules that a user may have.'),
    max_running: by.int().min(1).max(100).default(3).describe('Runs of schedules at once; others wait.'),
    min_interval_s: by.int().min(1).default(60).describe('Least seconds between two runs of a schedule.'),
    max_run_history: by.int().min(1).max(1_000).default(20).describe('Ended runs that are kept of each schedule.'),
    disable_after_failures: by.int().min(1).max(1_000).default(5).describe('Failures in a row after which a schedule is disabled.'),
    retry_s: by
      .int()
      .min(1)
      .max(3_600)
      .default(30)
      .describe('Seconds before the first retry of a failed run; each next one waits twice as long.'),
  }),
)
export type SchedulesConfig = SettingsOf<typeof schedulesConfig>
