/** The calls about schedules: make, change, delete, find, run now, and read what runs did. */
import { z } from 'zod'
import { type CallId, OxbowError } from '../../base/index.ts'
import { type Call, type Caller, defineCall, evident, joinLabels, type Labels, labelSchema, limitsSchema } from '../../protocol/index.ts'
import { type Core, type Documents } from '../../kernel/index.ts'
import { type Cadence, cadence, cadenceText, checkCadence } from '../../runs/index.ts'
import { sectionOf } from '../../config/index.ts'
import type { Agents } from '../agents/service.ts'
import { forecast } from './forecast.ts'
import { begun, paused } from './configured-schedules.ts'
import { boundsOf, narrowed } from './schedule-bounds.ts'
import { labelsOf, localText, repliedBy, runCategory, runsOf, scheduleCategory, withoutSchedule } from './schedule-record.ts'
import { forecastSchema, type Schedule, type ScheduleRun, scheduleRun, scheduleSchema } from './schedule-schemas.ts'
import type { Schedules } from './schedules.ts'
import { schedulesConfig } from './config.ts'

export interface ScheduleCallDeps extends Pick<Core, 'documents' | 'config' | 'sessions' | 'outcomeOf' | 'budgets'> {
  readonly schedules: () => Promise<Schedules>
  readonly agents: () => Promise<Pick<Agents, 'parentOf' | 'profileAs'>>
}

/** Shown to whoever asks. */
const scheduleView = scheduleSchema
  .omit({
    as_bounds: true,
    counted_from: true,
    due_after: true,
    queued: true,
    retry: true,
    deleted_sessions: true,
    configured: true,
  })
  .extend({
    next_local: z.string().nullable(),
    source: z.enum(['call', 'config']).describe('`config`: it stands as `[[schedule]]` in a configuration file.'),
  })

type ScheduleView = z.infer<typeof scheduleView>

const settings = {
  name: z.string().trim().min(1).max(100).describe('Short name.'),
  goal: z.string().min(1).max(8_000).describe('What the agent does in each run.'),
  cadence,
  context: z.enum(['keep', 'fresh']).describe('keep: runs share a session and know the earlier ones; fresh: each starts anew.'),
  model: z.string().max(200).describe('Model; empty: the usual one.'),
  as: z.string().max(60).describe('Agent with a definition, from agent.find, as which it runs; empty: the usual one.'),
  misfire: z.enum(['skip', 'once', 'all']).describe('Due times that passed while Oxbow was off: none, the newest, or all of them.'),
  grace_s: z
    .int()
    .min(1)
    .max(86_400 * 31)
    .nullable()
    .describe('Seconds after which a due time counts as passed. Null: 300, and with `skip` nothing runs that was due while Oxbow was off.'),
  overlap: z.enum(['skip', 'queue', 'parallel']).describe('When it is due while its last run still runs.'),
  retries: z.int().min(0).max(10).describe('Retries of a failed run, each later than the one before.'),
  timeout_s: z.int().min(10).max(86_400).describe('Seconds after which a run is stopped.'),
  notify: z.enum(['always', 'conditional', 'never']).describe('When the person hears of a run; conditional: when the agent says so.'),
  budget: limitsSchema.describe('What each run may use; empty: what the budgets above cover.'),
}
const defaults = {
  context: 'keep',
  model: '',
  as: '',
  misfire: 'once',
  grace_s: null,
  overlap: 'skip',
  retries: 0,
  timeout_s: 600,
  notify: 'always',
} as const

const id = z.string().min(1).max(64).describe('Id of the schedule.')
const shared = { labels: { adds: [], sink: false }, timeoutMs: 10_000, audience: ['model', 'terminal'] } as const satisfies Partial<Call>
const reads = { ...shared, tier: 'read_only', right: 'schedule.read', effect: 'none' } as const satisfies Partial<Call>
// A schedule acts when nobody looks: by default a person approves it.
const writes = { ...shared, tier: 'privileged', right: 'schedule.write', effect: 'idempotent' } as const satisfies Partial<Call>

export function scheduleCalls(deps: ScheduleCallDeps): readonly Call[] {
  return [
    createCall(deps),
    editCall(deps),
    deleteCall(deps),
    triggerCall(deps),
    searchCall(deps),
    runsCall(deps),
    outputCall(deps),
    forecastCall(deps),
  ]
}

function createCall({ documents, config, schedules, sessions, agents }: ScheduleCallDeps): Call {
  const checked = async (input: NewSchedule, call: CallId, caller: Caller, now: number): Promise<Schedule> => {
    const { min_interval_s, max_schedules } = sectionOf(schedulesConfig, config)
    await checkCadence(input.cadence, now, min_interval_s)
    const others = await documents.all<Schedule>(scheduleCategory)
    if (others.length >= max_schedules && others.every(({ name }) => name !== call))
      throw new OxbowError('limit_reached', `There are ${others.length} schedules; at most ${max_schedules} are allowed.`, {
        hint: 'Delete one, or raise `schedules.max_schedules` in config.toml.',
      })
    return {
      ...input,
      ...(await boundsOf(agents, input.as ?? '', call, caller)),
      id: call,
      status: 'active',
      labels: joinLabels(sessions.held(caller), input.labels ?? []),
      author: caller.actor,
      origin: caller.session,
      created_at: now,
      ...(await begun(input, now)),
      deleted_sessions: 0,
    }
  }
  const made = (schedule: Schedule) => ({
    output: viewOf(schedule),
    text: `Scheduled ${schedule.name} (${schedule.id}): ${describe(schedule)}`,
  })
  return defineCall({
    ...writes,
    name: 'schedule.create',
    does: ['schedule'],
    routes: [{ method: 'POST', path: '/schedules', status: 201 }],
    lasting: 'lets this run again later',
    summary: 'Schedules a goal for an agent: once, at an interval, or by a cron expression. It runs while Oxbow runs.',
    input: z.strictObject({
      name: settings.name,
      goal: settings.goal,
      cadence: settings.cadence,
      context: settings.context.default(defaults.context),
      model: settings.model.default(defaults.model),
      as: settings.as.default(defaults.as),
      misfire: settings.misfire.default(defaults.misfire),
      grace_s: settings.grace_s.default(defaults.grace_s),
      overlap: settings.overlap.default(defaults.overlap),
      retries: settings.retries.default(defaults.retries),
      timeout_s: settings.timeout_s.default(defaults.timeout_s),
      notify: settings.notify.default(defaults.notify),
      budget: settings.budget.optional(),
      labels: z.array(labelSchema()).max(2).optional().meta(evident('Of what the goal was made from, besides what was read here.')),
    }),
    output: scheduleView,
    example: { ...defaults, name: 'Morning report', goal: 'Summarise what changed in /shared since yesterday.', cadence: dailyAtSeven },
    planned: async (input, plan, { caller, clock }) => made(await checked(input, plan.newId() as CallId, caller, clock.now())),
    async run(input, { id: call, caller, clock }) {
      const schedule = await checked(input, call, caller, clock.now())
      await documents.put({ caller, call, name: 'schedule.create' }, [{ category: scheduleCategory, name: call, value: schedule }])
      // The first one opens the service, which goes on with it.
      await schedules()
      return made(schedule)
    },
  })
}

/** What whoever schedules says of it. */
type NewSchedule = Pick<
  Schedule,
  'name' | 'goal' | 'cadence' | 'context' | 'model' | 'as' | 'misfire' | 'grace_s' | 'overlap' | 'retries' | 'timeout_s' | 'notify'
> & { readonly budget?: Schedule['budget'] | undefined; readonly labels?: Schedule['labels'] | undefined }

const dailyAtSeven: Cadence = { type: 'cron', expression: '0 7 * * *', time_zone: 'Europe/Berlin' }

function editCall({ documents, config, schedules, sessions, agents }: ScheduleCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'schedule.edit',
    does: ['schedule'],
    routes: [{ method: 'PATCH', path: '/schedules/{id}' }],
    lasting: 'lets this run again later',
    summary: 'Changes, pauses or resumes a schedule.',
    input: z.strictObject({
      id,
      ...z.strictObject(settings).partial().shape,
      status: z.enum(['active', 'paused']).optional().describe('paused: it does not run until it is active again.'),
    }),
    output: scheduleView,
    example: { id: '01890a5d-ac96-774b-bcce-b302099a8057', status: 'paused' },
    async run({ id: wanted, ...change }, { id: call, caller, clock }) {
      const now = clock.now()
      const fields = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
      const edit = async (before: Schedule): Promise<Schedule> => {
        // One that failures have disabled goes on by a word; what it is stands in the file.
        if (Object.keys(fields).some((field) => field !== 'status') || change.status !== 'active') assertOwn(before)
        const named =
          change.as === undefined ? await narrowed(agents, before, fields, caller) : await boundsOf(agents, change.as, call, caller)
        const changed: Schedule = {
          ...before,
          ...fields,
          ...named,
          labels: [...new Set([...before.labels, ...sessions.held(caller)])].sort(),
        }
        const isStarted = change.status === 'active' && before.status !== 'active'
        if (change.cadence !== undefined || isStarted)
          await checkCadence(changed.cadence, now, sectionOf(schedulesConfig, config).min_interval_s)
        // Times that passed while it was paused, or under the cadence before, are not made up for; nor are failures counted on.
        const isBegun = change.cadence !== undefined || isStarted
        return { ...changed, ...(isBegun && (await begun(changed, now))), ...(change.status === 'paused' && paused) }
      }
      let next = await scheduleOf(documents, wanted)
      await documents.update<Schedule>({ caller, call, name: 'schedule.edit' }, scheduleCategory, wanted, async (current) => {
        next = await edit(current?.value ?? (await scheduleOf(documents, wanted)))
        return [{ category: scheduleCategory, name: wanted, value: next }]
      })
      await schedules()
      return { output: viewOf(next), text: `${next.name} (${next.id}): ${describe(next)}`, labels: next.labels }
    },
  })
}

function deleteCall({ documents }: ScheduleCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'schedule.delete',
    routes: [{ method: 'DELETE', path: '/schedules/{id}' }],
    summary: 'Deletes a schedule and the list of its runs.',
    input: z.strictObject({ id }),
    output: z.object({ deleted: z.string() }),
    example: { id: '01890a5d-ac96-774b-bcce-b302099a8057' },
    tier: 'side_effecting',
    does: ['schedule'],
    async run({ id: wanted }, { id: call, caller }) {
      const schedule = await scheduleOf(documents, wanted)
      assertOwn(schedule)
      await documents.update({ caller, call, name: 'schedule.delete' }, scheduleCategory, wanted, async () =>
        withoutSchedule(documents, wanted),
      )
      return { output: { deleted: wanted }, text: `Deleted ${schedule.name}.`, labels: schedule.labels }
    },
  })
}

function triggerCall({ documents, schedules }: ScheduleCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'schedule.trigger',
    does: ['schedule'],
    routes: [{ method: 'POST', path: '/schedules/{id}/trigger' }],
    summary: 'Runs a schedule now, in addition to its times.',
    input: z.strictObject({ id }),
    output: z.object({ turn: z.string() }),
    example: { id: '01890a5d-ac96-774b-bcce-b302099a8057' },
    effect: 'once',
    async run({ id: wanted }) {
      const schedule = await scheduleOf(documents, wanted)
      const turn = await (await schedules()).trigger(schedule)
      return { output: { turn }, text: `${schedule.name} runs as soon as there is a place for it.`, labels: schedule.labels }
    },
  })
}

const foundSchedules = z.strictObject({ schedules: z.array(scheduleView).readonly(), total: z.number() })

function searchCall({ documents }: ScheduleCallDeps): Call {
  return defineCall({
    ...reads,
    name: 'schedule.search',
    routes: [{ method: 'GET', path: '/schedules', list: 'schedules' }],
    summary: 'Lists schedules with their next and last runs.',
    input: z.strictObject({
      name: z.string().max(100).default('').describe('Words of the name.'),
      status: z.enum(['', 'active', 'paused', 'completed', 'disabled']).default(''),
      limit: z.int().min(1).max(100).default(20),
      offset: z.int().min(0).default(0),
    }),
    output: foundSchedules,
    example: { name: '', status: 'active', limit: 20, offset: 0 },
    recordOutput: ({ total }) => ({ total }),
    async run({ name, status, limit, offset }) {
      const all = (await documents.all<Schedule>(scheduleCategory)).map(({ value }) => value)
      const words = name.toLowerCase().split(/\s+/u)
      const found = all
        .filter(
          (schedule) => (status === '' || schedule.status === status) && words.every((word) => schedule.name.toLowerCase().includes(word)),
        )
        .toSorted((a, b) => (a.next_at ?? Infinity) - (b.next_at ?? Infinity) || a.created_at - b.created_at)
      const shown = found.slice(offset, offset + limit)
      const more =
        found.length > offset + shown.length ? `\n${found.length - offset - shown.length} more: offset ${offset + shown.length}` : ''
      const text =
        shown.map((schedule) => `${schedule.id}  ${schedule.name}: ${describe(schedule)}`).join('\n') || 'There is no such schedule.'
      return { output: { schedules: shown.map(viewOf), total: found.length }, text: `${text}${more}`, labels: labelsOf(shown) }
    },
  })
}

function runsCall({ documents }: ScheduleCallDeps): Call {
  return defineCall({
    ...reads,
    name: 'schedule.runs',
    routes: [{ method: 'GET', path: '/schedules/{id}/runs', list: 'runs' }],
    summary: 'Lists the newest runs of a schedule.',
    input: z.strictObject({ id, limit: z.int().min(1).max(100).default(5) }),
    output: z.strictObject({ runs: z.array(scheduleRun) }),
    example: { id: '01890a5d-ac96-774b-bcce-b302099a8057', limit: 5 },
    labels: { adds: ['untrusted'], sink: false },
    recordOutput: ({ runs }) => ({ runs: runs.length }),
    async run({ id: wanted, limit }) {
      await scheduleOf(documents, wanted)
      const runs = (await runsOf(documents, wanted)).toReversed().slice(0, limit)
      const text = runs
        .map((run) => `${new Date(run.due_at).toISOString()}  ${run.status}  ${run.turn}  ${run.summary.split('\n', 1)[0]}`)
        .join('\n')
      return {
        output: { runs },
        text: text || 'It has not run yet.',
        labels: runs.reduce<Labels>((all, run) => joinLabels(all, repliedBy(run)), []),
      }
    },
  })
}

const outputPart = z.strictObject({ text: z.string(), total_bytes: z.number(), remaining_bytes: z.number() })

function outputCall({ outcomeOf, documents }: ScheduleCallDeps): Call {
  return defineCall({
    ...reads,
    name: 'schedule.run_output',
    routes: [{ method: 'GET', path: '/schedules/runs/{turn}' }],
    summary: 'Reads the whole reply of a run.',
    input: z.strictObject({
      turn: z.string().min(1).max(64).describe('Turn of the run, as schedule.runs names it.'),
      from_byte: z.int().min(0).default(0),
      max_bytes: z.int().min(200).max(8_000).default(4_000),
    }),
    output: outputPart,
    example: { turn: '01890a5d-ac96-874b-acce-b302099a8057', from_byte: 0, max_bytes: 4_000 },
    labels: { adds: ['untrusted'], sink: false },
    recordOutput: ({ total_bytes }) => ({ total_bytes }),
    async run({ turn, from_byte: from, max_bytes: max }) {
      const runs = await documents.all<ScheduleRun>(runCategory)
      const run = runs.find(({ value }) => value.turn === turn)?.value
      if (run === undefined) throw new OxbowError('not_found', `There is no run with the turn ${turn}.`, { hint: 'See schedule.runs.' })
      const outcome = await outcomeOf(run.turn)
      const reply = typeof outcome?.['reply'] === 'string' ? outcome['reply'] : run.summary
      const bytes = Buffer.from(reply)
      const to = Math.min(bytes.length, from + max)
      const text = bytes.toString('utf8', from, to)
      return { output: { text, total_bytes: bytes.length, remaining_bytes: bytes.length - to }, text, labels: repliedBy(run) }
    },
  })
}

function forecastCall({ budgets, documents, config }: ScheduleCallDeps): Call {
  return defineCall({
    ...reads,
    rare: true,
    name: 'budget.forecast',
    routes: [{ method: 'GET', path: '/budgets/forecast' }],
    summary: 'Forecasts what the next run of a schedule takes, and whether the budgets cover it.',
    input: z.strictObject({ schedule: z.string().min(1).max(64).describe('Id of the schedule.') }),
    output: forecastSchema,
    example: { schedule: '01890a5d-ac96-774b-bcce-b302099a8057' },
    right: 'system.read',
    audience: ['terminal'],
    async run({ schedule: wanted }, { clock }) {
      return { output: await forecast({ budgets, documents, clock, agent: config.agent.name }, await scheduleOf(documents, wanted)) }
    },
  })
}

async function scheduleOf(documents: Documents, wanted: string): Promise<Schedule> {
  const found = await documents.get<Schedule>(scheduleCategory, wanted)
  if (found !== null) return found.value
  throw new OxbowError('not_found', `There is no schedule ${wanted}.`, { hint: 'List them with schedule.search.' })
}

/** @throws OxbowError `denied` for one of the configuration */
function assertOwn({ name, configured }: Schedule): void {
  if (configured === undefined) return
  throw new OxbowError('denied', `${name} stands as [[schedule]] in a configuration file, which says what it is.`, {
    hint: 'Edit the file: `oxbow config edit`; `oxbow config explain schedule` names the one that counts. `enabled = false` pauses it.',
  })
}

function viewOf(schedule: Schedule): ScheduleView {
  const {
    as_bounds: _bounds,
    counted_from: _from,
    due_after: _after,
    queued: _queued,
    retry: _retry,
    deleted_sessions: _deleted,
    configured,
    ...view
  } = schedule
  return { ...view, next_local: localText(schedule), source: configured === undefined ? 'call' : 'config' }
}

function describe(schedule: Schedule): string {
  const next = localText(schedule)
  return `${cadenceText(schedule.cadence)}, ${schedule.status}${next === null ? '' : `, next ${next}`}`
}
