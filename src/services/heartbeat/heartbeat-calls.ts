/** The calls about the heartbeat. Only people make them: it acts without being asked. */
import { z } from 'zod'
import type { Core } from '../../kernel/index.ts'
import { type Call, defineCall } from '../../protocol/index.ts'
import { nextDue } from '../../runs/index.ts'
import { OxbowError, timeInUtc } from '../../base/index.ts'
import { assertKnownRights } from '../known-rights.ts'
import type { HeartbeatPort } from './heartbeat.ts'
import { type Heartbeat } from './heartbeat-record.ts'
import { quietHours, quietUntil } from '../quiet-hours.ts'

type Load = () => Promise<HeartbeatPort>

const shared = {
  audience: ['terminal'],
  right: 'schedule.write',
  labels: { adds: [], sink: false },
  timeoutMs: 30_000,
} as const satisfies Partial<Call>
const writes = { ...shared, tier: 'side_effecting', does: ['schedule'], effect: 'idempotent' } as const

const heartbeatView = z.strictObject({
  on: z.boolean(),
  every_s: z.number(),
  rights: z.array(z.string()).readonly().describe('Within which it acts; what needs others it proposes.'),
  quiet: quietHours.nullable(),
  messages_a_day: z.int(),
  tokens_a_day: z.int(),
  next_at: z.number().nullable(),
  snoozed_until: z.number().nullable(),
  sent_today: z.int(),
  tokens_today: z.int(),
  messages: z.array(z.strictObject({ at: z.number(), text: z.string() })).readonly(),
  last: z
    .strictObject({
      at: z.number(),
      came_to: z
        .enum(['unchanged', 'quiet', 'nothing', 'message', 'kept', 'failed'])
        .describe('`unchanged`: no model was asked. `kept`: too many messages that day, so it comes with the next.'),
      why: z.string(),
    })
    .nullable(),
})

type HeartbeatView = z.infer<typeof heartbeatView>

export function heartbeatCalls(load: Load, { clock, registry }: Pick<Core, 'clock' | 'registry'>): readonly Call[] {
  const now = (): number => clock.now()
  return [showCall(load, now), onCall(load, registry, now), offCall(load, now), nowCall(load, now), snoozeCall(load, now)]
}

async function viewOf(heart: Heartbeat, now: number): Promise<{ readonly output: HeartbeatView; readonly text: string }> {
  const { on, every_s, rights, quiet, messages_a_day, tokens_a_day, sent_today, tokens_today, messages, last, forced } = heart
  const snoozed = on && heart.snoozed_until > now ? heart.snoozed_until : null
  const planned = Math.max(heart.next_at, heart.snoozed_until, now)
  const next = forced ? now : on ? await afterQuiet(planned, quiet) : null
  const lines = [
    on ? `It is on, every ${Math.round(every_s / 60)} minutes. Next: ${timeInUtc(next ?? now, 'minute')}.` : 'It is off.',
    ...(snoozed === null ? [] : [`Snoozed until ${timeInUtc(snoozed, 'minute')}.`]),
    ...(rights.length === 0 ? ['It only proposes.'] : [`It may use ${rights.join(', ')}.`]),
    ...(quiet === null ? [] : [`Quiet from ${quiet.from} to ${quiet.to}${quiet.time_zone === '' ? '' : ` ${quiet.time_zone}`}.`]),
    `Today: ${sent_today} of ${messages_a_day} messages, ${tokens_today} of ${tokens_a_day} tokens.`,
    ...(last === null ? [] : [`Last: ${timeInUtc(last.at, 'minute')}, ${last.came_to}${last.why === '' ? '' : `: ${last.why}`}.`]),
    ...messages.slice(-5).map(({ at, text }) => `[${timeInUtc(at, 'minute')}] ${text}`),
  ]
  const output = {
    on,
    every_s,
    rights,
    quiet,
    messages_a_day,
    tokens_a_day,
    next_at: next,
    snoozed_until: snoozed,
    sent_today,
    tokens_today,
    messages,
    last,
  }
  return { output, text: lines.join('\n') }
}

const afterQuiet = async (at: number, quiet: Heartbeat['quiet']): Promise<number> =>
  quiet === null ? at : ((await quietUntil(at, quiet)) ?? at)

const recorded = ({ on, messages }: HeartbeatView) => ({ on, messages: messages.length })

function showCall(load: Load, now: () => number): Call {
  return defineCall({
    ...shared,
    name: 'heartbeat.show',
    summary: 'Shows the heartbeat: whether it is on, when it looks next, and its messages.',
    input: z.strictObject({
      wait_s: z.number().min(0).max(60).default(0).describe('Seconds to wait until it has looked.'),
      seen: z.number().min(0).default(0).describe('Time of the last look that is known.'),
    }),
    output: heartbeatView,
    example: { wait_s: 0, seen: 0 },
    tier: 'read_only',
    effect: 'none',
    timeoutMs: 90_000,
    recordOutput: recorded,
    async run({ wait_s: seconds, seen }, { signal }) {
      const port = await load()
      const hasLooked = ({ last, forced }: Heartbeat): boolean => !forced && (last?.at ?? 0) !== seen
      if (seconds > 0) await port.until(hasLooked, seconds * 1_000, signal)
      return { ...(await viewOf(await port.read(), now())), labels: await port.labels() }
    },
  })
}

function onCall(load: Load, registry: Core['registry'], now: () => number): Call {
  return defineCall({
    ...writes,
    name: 'heartbeat.on',
    summary: 'Lets an agent look at HEARTBEAT.md and the open goals at intervals.',
    input: z.strictObject({
      every_s: z.int().min(60).max(86_400).default(1_800).describe('Seconds between looks.'),
      rights: z.array(z.string().max(100)).max(50).default([]).describe('Rights within which it acts; without any it only proposes.'),
      quiet: quietHours.optional().describe('When it does not look.'),
      messages_a_day: z.int().min(0).max(1_000).default(5).describe('Messages of a day; what is left comes with the next day’s first.'),
      tokens_a_day: z.int().min(0).max(1_000_000_000).default(100_000).describe('Tokens that it may use in a day.'),
    }),
    output: heartbeatView,
    example: { every_s: 1_800, rights: ['file.write'], messages_a_day: 5, tokens_a_day: 100_000 },
    recordOutput: recorded,
    async run({ quiet, ...settings }, { id, caller }) {
      // Refuse what is no right, and a zone that does not exist.
      assertKnownRights(registry, settings.rights)
      if (quiet !== undefined) await nextDue({ type: 'cron', expression: '0 0 * * *', time_zone: quiet.time_zone }, now(), now())
      const port = await load()
      const next_at = now() + settings.every_s * 1_000
      const changed = { ...settings, quiet: quiet ?? null, on: true, next_at, planned_at: now(), snoozed_until: 0 }
      return viewOf(await port.change({ caller, call: id, name: 'heartbeat.on' }, () => changed), now())
    },
  })
}

function offCall(load: Load, now: () => number): Call {
  return defineCall({
    ...writes,
    name: 'heartbeat.off',
    summary: 'Ends the heartbeat.',
    input: z.strictObject({}),
    output: heartbeatView,
    example: {},
    recordOutput: recorded,
    run: async (_, { id, caller }) =>
      viewOf(await (await load()).change({ caller, call: id, name: 'heartbeat.off' }, () => ({ on: false, forced: false })), now()),
  })
}

function nowCall(load: Load, now: () => number): Call {
  return defineCall({
    ...writes,
    name: 'heartbeat.now',
    summary: 'Lets the heartbeat look once now, also where it is off or nothing has changed, and in quiet hours.',
    input: z.strictObject({}),
    output: heartbeatView,
    example: {},
    recordOutput: recorded,
    run: async (_, { id, caller }) =>
      viewOf(await (await load()).change({ caller, call: id, name: 'heartbeat.now' }, () => ({ forced: true, snoozed_until: 0 })), now()),
  })
}

function snoozeCall(load: Load, now: () => number): Call {
  return defineCall({
    ...writes,
    name: 'heartbeat.snooze',
    summary: 'Keeps the heartbeat from looking for a while.',
    input: z.strictObject({
      seconds: z
        .int()
        .min(60)
        .max(31 * 86_400)
        .default(3_600)
        .describe('How long.'),
    }),
    output: heartbeatView,
    example: { seconds: 3_600 },
    recordOutput: recorded,
    async run({ seconds }, { id, caller }) {
      const until = now() + seconds * 1_000
      return viewOf(
        await (
          await load()
        ).change({ caller, call: id, name: 'heartbeat.snooze' }, ({ on }) => {
          if (!on) throw new OxbowError('bad_input', 'The heartbeat is off.', { hint: 'Turn it on: oxbow heartbeat on' })
          return { snoozed_until: until, planned_at: now() }
        }),
        now(),
      )
    },
  })
}
