/** `[schedules]`: limits of schedules and of their runs. `[[schedule]]`: schedules that stand in a file. */
import { configSection, type SettingsOf, takesEffect } from '../../config/index.ts'

export const schedulesConfig = configSection('schedules', (by) =>
  by
    .strictObject({
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
    })
    .meta(takesEffect('live')),
)
export type SchedulesConfig = SettingsOf<typeof schedulesConfig>

const oneCadence = 'needs one of cron, every_s and at'

/** @returns the schema; a later file that names one of the same name replaces it */
export const configuredSchedules = configSection('schedule', (by) =>
  by
    .array(
      by
        .strictObject({
          name: by.string().min(1).max(100).describe('A unique name.'),
          goal: by.string().min(1).max(8_000).describe('What the agent does in each run.'),
          cron: by
            .string()
            .regex(/^\s*(?:\S+\s+){4,5}\S+\s*$/, 'must have five or six parts, e.g. "0 7 * * 1-5"')
            .max(200)
            .optional()
            .describe('When it runs: minute, hour, day, month, weekday; with six parts, seconds first.'),
          time_zone: by.string().max(64).default('').describe('Of `cron`, e.g. Europe/Berlin. Empty: this machine’s.'),
          every_s: by
            .int()
            .min(1)
            .max(366 * 24 * 3_600)
            .optional()
            .describe('Or the seconds from one run to the next.'),
          at: by
            .string()
            .regex(
              /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})$/,
              'must be a time with its offset, e.g. "2027-01-31T09:00:00+01:00"',
            )
            .optional()
            .describe('Or the one time at which it runs, with its offset.'),
          enabled: by.boolean().default(true).describe('False: it does not run.'),
          context: by.enum(['keep', 'fresh']).default('keep').describe('`keep`: runs share a session. `fresh`: each starts anew.'),
          model: by.string().max(200).default('').describe('Model or profile. Empty: the usual one.'),
          as: by.string().max(60).optional().describe('Agent with a definition, as which it runs. Unset: the usual one.'),
          misfire: by
            .enum(['skip', 'once', 'all'])
            .default('once')
            .describe('Due times that passed while Oxbow was off: none, the newest, or all.'),
          grace_s: by
            .int()
            .min(1)
            .max(86_400 * 31)
            .optional()
            .describe(
              'Seconds after which a due time counts as passed. Unset: 300, and with `skip` nothing runs that was due while Oxbow was off.',
            ),
          overlap: by.enum(['skip', 'queue', 'parallel']).default('skip').describe('When it is due while its last run still runs.'),
          retries: by.int().min(0).max(10).default(0).describe('Retries of a failed run.'),
          timeout_s: by.int().min(10).max(86_400).default(600).describe('Seconds after which a run is stopped.'),
          notify: by
            .enum(['always', 'conditional', 'never'])
            .default('always')
            .describe('When you hear of a run; `conditional`: when the agent says so.'),
          budget: by
            .strictObject({
              tokens: by.int().min(0).optional().describe('Model tokens of each run.'),
              micro_dollars: by.int().min(0).optional().describe('Millionths of a dollar for each run.'),
              calls: by.int().min(0).optional().describe('Calls and requests of each run.'),
              seconds: by.int().min(0).optional().describe('Time that calls of each run may take.'),
            })
            .optional()
            .describe('What each run may use. Unset: what the budgets above cover.'),
        })
        .refine(({ cron, every_s: every, at }) => [cron, every, at].filter((each) => each !== undefined).length === 1, oneCadence),
    )
    .max(1_000)
    .refine((jobs) => new Set(jobs.map(({ name }) => name)).size === jobs.length, 'has two of the same name')
    .describe(
      'Goals that an agent works on at their times, each a table `[[schedule]]`. They are made at the start and when the file changes, and go with their entry. Tables of all files count together; a later one of the same name replaces it.',
    )
    .meta(takesEffect('live')),
)
export type ConfiguredSchedule = SettingsOf<typeof configuredSchedules>[number]
