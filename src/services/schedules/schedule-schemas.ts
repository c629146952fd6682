/** Schemas of what is remembered of schedules, and shown of them; the types follow from them. */
import { z } from 'zod'
import { cadence } from '../../runs/index.ts'
import { idOrEmpty, idSchema, labelSchema, spendSchema, limitsSchema } from '../../protocol/index.ts'

const spend = spendSchema()

export const scheduleSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  goal: z.string(),
  cadence: cadence,
  status: z.enum(['active', 'paused', 'completed', 'disabled']),
  labels: z.array(labelSchema()).readonly().describe('Labels of what its author had read: its runs begin with them.'),
  author: z.string(),
  origin: idOrEmpty('SessionId').describe('Session in which it was made; empty: none.'),
  context: z.enum(['keep', 'fresh']).describe('`keep`: all runs share a session, and know the earlier ones. `fresh`: each has its own.'),
  model: z.string(),
  as: z.string().optional().describe('Agent with a definition, as which it runs. Absent or empty: the usual one.'),
  as_bounds: z.array(z.string()).readonly().optional().describe('Rights that whoever named it could pass on.'),
  misfire: z
    .enum(['skip', 'once', 'all'])
    .describe('What happens with times that passed while no guest ran, or that are older than the grace.'),
  grace_s: z.number().nullable().describe('How late a run may begin, in seconds. Null: nobody named it; see `graceMsOf`.'),
  overlap: z.enum(['skip', 'queue', 'parallel']).describe('What happens when it is due while its last run still runs.'),
  retries: z.number(),
  timeout_s: z.number(),
  notify: z.enum(['always', 'conditional', 'never']),
  created_at: z.number(),
  counted_from: z.number().describe('Where intervals are counted from.'),
  due_after: z.number().describe('Times up to this one have been dealt with.'),
  next_at: z.number().nullable(),
  queued: z.array(z.number()).readonly().describe('Due times that wait for the run before.'),
  retry: z.strictObject({ due_at: z.number(), attempt: z.number(), at: z.number() }).nullable(),
  failures: z.number().describe('In a row.'),
  deleted_sessions: z.number().describe('How often its shared session was deleted: the next one has another id.'),
  budget: limitsSchema.optional().describe('What each run may use, held for it in the budgets above.'),
  configured: z.string().optional().describe('Hash of the entry of the configuration that it follows; absent: somebody made it by a call.'),
})

export type Schedule = z.infer<typeof scheduleSchema>

export const scheduleRun = z.strictObject({
  schedule: z.string(),
  due_at: z.number(),
  attempt: z.number(),
  status: z.enum(['waiting', 'running', 'success', 'failed', 'cancelled', 'skipped']).describe('`waiting`: for a place in the queue.'),
  started_at: z.number().describe('Since when it runs; of one that waits, since when it waits.'),
  ended_at: z.number().nullable(),
  turn: idSchema('TurnId').describe('The turn; its outcome has the whole reply.'),
  session: idOrEmpty('SessionId'),
  summary: z.string().describe('First characters of the reply, or why it failed or was skipped.'),
  notify: z.boolean().describe('Whether the person is to hear of it.'),
  labels: z.array(labelSchema()).readonly().exactOptional().describe('Of its reply. Absent: it has none yet, or any.'),
  spent_before: spend.exactOptional().describe('What its session had spent before it, and what it has used.'),
  used: spend.exactOptional(),
})

export type ScheduleRun = z.infer<typeof scheduleRun>

/** What a run of a schedule would take. */
export const forecastSchema = z.strictObject({
  runs: z.number().describe('Runs whose cost is known.'),
  mean: spend,
  worst: spend,
  refused: z.string().describe('Why it may not start; empty: it may.'),
  is_tight: z.boolean().describe('It may start, but a run as costly as the worst one would be stopped.'),
  until: z.number().nullable().describe('When the budget that does not cover it resets; null: never, or all cover it.'),
  checked_at: z.number(),
})

export type Forecast = z.infer<typeof forecastSchema>
