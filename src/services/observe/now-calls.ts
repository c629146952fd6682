/** What terminals that stay open show: everything that runs or waits at the moment, and what models cost by the hour. */
import { z } from 'zod'
import type { Core } from '../../kernel/index.ts'
import type { Runs, RunsPort } from '../../runs/index.ts'
import type { Clock } from '../../base/index.ts'
import { admissionState, type Call, defineCall, hourOf, idOrEmpty, keptHours, idSchema, resourceSample } from '../../protocol/index.ts'

interface NowCallDeps extends Pick<Core, 'store' | 'running' | 'lanes' | 'sessions' | 'approvals'> {
  readonly runs: () => Promise<Runs>
}

const nowView = z.strictObject({
  at: z.number().describe('Unix milliseconds of this view.'),
  turns: z
    .array(
      z.strictObject({
        session: idSchema('SessionId'),
        turn: idSchema('TurnId'),
        title: z.string(),
        since: z.number(),
        waiting: z.int().describe('Messages that wait in its session.'),
      }),
    )
    .describe('Turns that run, the oldest first.'),
  calls: z
    .array(
      z.strictObject({
        call: idSchema('CallId'),
        name: z.string(),
        actor: z.string(),
        session: idOrEmpty('SessionId'),
        turn: idOrEmpty('TurnId'),
        elapsed_ms: z.number(),
      }),
    )
    .describe('Calls that run, the oldest first, without this one and short ones outside of sessions.'),
  approvals: z
    .array(z.strictObject({ call: idSchema('CallId'), session: idOrEmpty('SessionId'), name: z.string(), since: z.number() }))
    .describe('Calls that wait for a person, the oldest first.'),
  admission: admissionState.describe('The queue of agents and of runs of schedules.'),
  next_at: z.number().nullable().describe('When the next run of a schedule, an agent or a graph goes on by itself. Null: none does.'),
})

const shared = {
  tier: 'read_only',
  right: 'system.read',
  effect: 'none',
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: 10_000,
} as const satisfies Partial<Call>

export function nowCalls(deps: NowCallDeps): readonly Call[] {
  return [nowCall(deps), usageCall(deps)]
}

/** Followers that wait for the next event do nothing. */
const idleCall = 'events.next'
/** A call outside of sessions is shown when it takes this long: short ones are reads, such as by a page that shows this. */
const longMs = 3_000

function nowCall({ running, lanes, sessions, approvals, runs }: NowCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'system.now',
    routes: [{ method: 'GET', path: '/now' }],
    summary: 'Shows what runs and waits at the moment: turns, calls, approvals and the queue of agents.',
    input: z.strictObject({}),
    output: nowView,
    example: {},
    recordOutput: ({ turns, calls }) => ({ turns: turns.length, calls: calls.length }),
    async run(_, { id, clock }) {
      const turns = await Promise.all(
        lanes.running().map(async (turn) => ({ ...turn, title: (await sessions.load(turn.session).catch(() => null))?.title ?? '' })),
      )
      const calls = running
        .all()
        .filter(({ call, name, session, elapsedMs }) => call !== id && name !== idleCall && (session !== '' || elapsedMs >= longMs))
        .map(({ call, name, actor, session, turn, elapsedMs }) => ({ call, name, actor, session, turn, elapsed_ms: elapsedMs }))
      const asking = approvals.pending().map(({ call, session, name, at }) => ({ call, session, name, since: at }))
      const { queue, next } = await runs()
      return { output: { at: clock.now(), turns, calls, approvals: asking, admission: queue.state(), next_at: next() } }
    },
  })
}

const hourSchema = z.strictObject({
  at: z.number().describe('When it began, unix milliseconds.'),
  micro_dollars: z.int(),
  tokens: z.int(),
  calls: z.int().describe('Requests to models.'),
  ms: z.number().describe('The sum of their durations.'),
})

type Hour = z.infer<typeof hourSchema>

const usageSeries = z.strictObject({
  from: z.number().describe('When the first hour that was looked at began.'),
  hours: z.array(hourSchema).describe('Hours in which models were used, oldest first.'),
})

const hourMs = 3_600_000

function usageCall(deps: NowCallDeps): Call {
  const readHour = createHourReader(deps)
  return defineCall({
    ...shared,
    name: 'usage.series',
    routes: [{ method: 'GET', path: '/usage' }],
    summary: 'Shows what models were used for in each of the last hours: money, tokens, requests and their duration.',
    input: z.strictObject({ hours: z.int().min(1).max(keptHours).default(24).describe('Hours to return, at most 31 days.') }),
    output: usageSeries,
    example: { hours: 24 },
    recordOutput: ({ hours }) => ({ hours: hours.length }),
    async run({ hours }, { clock }) {
      const last = hourOf(clock.now()).since
      const from = last - (hours - 1) * hourMs
      const read = await Promise.all(Array.from({ length: hours }, (_, i) => readHour(from + i * hourMs, clock)))
      return { output: { from, hours: read.filter((hour) => hour !== null) } }
    },
  })
}

/** Hours that are over by a while do not change: they are read once. */
function createHourReader(deps: Pick<NowCallDeps, 'store'>): (at: number, clock: Clock) => Promise<Hour | null> {
  const known = new Map<string, { readonly since: number; readonly hour: Hour | null }>()
  return async (at, clock) => {
    const { name, since } = hourOf(at)
    const kept = known.get(name)
    if (kept?.since === since) return kept.hour
    const use = await deps.store.used(name)
    const hour =
      use?.since === since ? { at: since, micro_dollars: use.microDollars, tokens: use.tokens, calls: use.calls, ms: use.ms } : null
    if (clock.now() - since > 2 * hourMs) known.set(name, { since, hour })
    return hour
  }
}

const resourceView = z.strictObject({
  now: resourceSample,
  overloads: z.array(z.string()).readonly().describe('What is over its threshold, in words.'),
  history: z.array(resourceSample).describe('Newest first.'),
})

export type ResourceView = z.infer<typeof resourceView>

export function resourcesCall(runs: () => Promise<RunsPort>): Call {
  return defineCall({
    name: 'resources.show',
    routes: [{ method: 'GET', path: '/resources' }],
    rare: true,
    summary: 'Shows what the machine and this guest use: processor, memory, load, disk, event-loop delay, open files.',
    input: z.strictObject({ history: z.int().min(0).max(10_000).default(0).describe('Number of earlier samples to return.') }),
    output: resourceView,
    example: { history: 10 },
    tier: 'read_only',
    right: 'system.read',
    effect: 'none',
    audience: ['model', 'terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    recordOutput: ({ now, overloads }) => ({ cpu_percent: now.cpu_percent, memory_used_mb: now.memory_used_mb, overloads: [...overloads] }),
    async run({ history }) {
      const { resources } = await runs()
      const now = await resources.snapshot()
      return { output: { now, overloads: resources.overloads(), history: resources.history().slice(0, history) } }
    },
  })
}
