/** What terminals that stay open show: everything that runs or waits at the moment, and what models cost by the hour. */
import { z } from 'zod'
import { type AdmissionState, type Core, hourOf, keptHours, type ResourceSample } from '../../kernel/index.ts'
import type { Call, CallId, Clock, SessionId, TurnId } from '../../types/index.ts'

type NowCallDeps = Pick<Core, 'store' | 'running' | 'lanes' | 'sessions' | 'approvals' | 'admission'>

interface NowView {
  /** Unix milliseconds of this view. */
  readonly at: number
  /** Turns that run, the oldest first. `waiting`: messages that wait in their sessions. */
  readonly turns: readonly {
    readonly session: SessionId
    readonly turn: TurnId
    readonly title: string
    readonly since: number
    readonly waiting: number
  }[]
  /** Calls that run, the oldest first, without this one and short ones outside of sessions. */
  readonly calls: readonly {
    readonly call: CallId
    readonly name: string
    readonly actor: string
    readonly session: SessionId | ''
    readonly turn: TurnId | ''
    readonly elapsed_ms: number
  }[]
  /** Calls that wait for a person, the oldest first. */
  readonly approvals: readonly { readonly call: CallId; readonly session: SessionId; readonly name: string; readonly since: number }[]
  /** The queue of agents and of runs of schedules. */
  readonly admission: AdmissionState
}

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
/** A call outside of sessions is shown when it takes this long: short ones are reads, such as those of a page that shows this. */
const longMs = 3_000

function nowCall({ running, lanes, sessions, approvals, admission }: NowCallDeps): Call<object, NowView> {
  return {
    ...shared,
    name: 'system.now',
    summary: 'Shows what runs and waits at the moment: turns, calls, approvals and the queue of agents.',
    input: z.strictObject({}),
    output: z.custom<NowView>(),
    example: {},
    recordOutput: ({ turns, calls }) => ({ turns: turns.length, calls: calls.length }),
    async run(_, { id, clock }) {
      const turns = await Promise.all(
        lanes.running().map(async (turn) => ({ ...turn, title: (await sessions.load(turn.session).catch(() => null))?.title ?? '' })),
      )
      const calls = running
        .all()
        .filter(({ call, name, session, elapsedMs }) => call !== id && name !== idleCall && (session !== '' || elapsedMs >= longMs))
        .map(({ elapsedMs, ...call }) => ({ ...call, elapsed_ms: elapsedMs }))
      const asking = approvals.pending().map(({ call, session, name, at }) => ({ call, session, name, since: at }))
      return { output: { at: clock.now(), turns, calls, approvals: asking, admission: (await admission()).state() } }
    },
  }
}

interface Hour {
  /** When it began, unix milliseconds. */
  readonly at: number
  readonly micro_dollars: number
  readonly tokens: number
  /** Requests to models, and the sum of their durations in milliseconds. */
  readonly calls: number
  readonly ms: number
}

interface Usage {
  /** When the first hour that was looked at began. */
  readonly from: number
  /** Hours in which models were used, oldest first. */
  readonly hours: readonly Hour[]
}

const hourMs = 3_600_000

function usageCall(deps: NowCallDeps): Call<{ hours: number }, Usage> {
  const readHour = createHourReader(deps)
  return {
    ...shared,
    name: 'usage.series',
    summary: 'Shows what models were used for in each of the last hours: money, tokens, requests and their duration.',
    input: z.strictObject({ hours: z.int().min(1).max(keptHours).default(24).describe('Hours to return, at most 31 days.') }),
    output: z.custom<Usage>(),
    example: { hours: 24 },
    recordOutput: ({ hours }) => ({ hours: hours.length }),
    async run({ hours }, { clock }) {
      const last = hourOf(clock.now()).since
      const from = last - (hours - 1) * hourMs
      const read = await Promise.all(Array.from({ length: hours }, (_, i) => readHour(from + i * hourMs, clock)))
      return { output: { from, hours: read.filter((hour) => hour !== null) } }
    },
  }
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

export interface ResourceView {
  readonly now: ResourceSample
  /** What is over its threshold, in words. */
  readonly overloads: readonly string[]
  /** Newest first. */
  readonly history: readonly ResourceSample[]
}

export function resourcesCall({ resources }: Pick<Core, 'resources'>): Call<{ history: number }, ResourceView> {
  return {
    name: 'resources.show',
    rare: true,
    summary: 'Shows what the machine and this guest use: processor, memory, load, disk, event-loop delay, open files.',
    input: z.strictObject({ history: z.int().min(0).max(10_000).default(0).describe('Number of earlier samples to return.') }),
    output: z.custom<ResourceView>(),
    example: { history: 10 },
    tier: 'read_only',
    right: 'system.read',
    effect: 'none',
    audience: ['model', 'terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    recordOutput: ({ now, overloads }) => ({ cpu_percent: now.cpu_percent, memory_used_mb: now.memory_used_mb, overloads: [...overloads] }),
    async run({ history }) {
      const now = await resources.snapshot()
      return { output: { now, overloads: resources.overloads(), history: resources.history().slice(0, history) } }
    },
  }
}
