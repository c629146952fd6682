/** The calls of the event bus: watch what happens, from a cursor or as a durable subscriber, and publish events of one's own. */
import { z } from 'zod'
import type { Core, Documents } from '../../kernel/index.ts'
import { OxbowError } from '../../base/index.ts'
import type { EventFilter } from './event-bus.ts'
import {
  type Call,
  type CallContext,
  defineCall,
  eventPage,
  joinLabels,
  jsonSchema,
  labelsIn,
  type Labels,
  labelSchema,
} from '../../protocol/index.ts'
import type { EventBus } from './event-bus.ts'

/** Durable subscribers of one actor. */
const maxSubscribers = 100

const maxEventWaitS = 60

/** Events of one request, and the longest that it waits for one. */
const maxEventsRead = 1_000

/** Bytes of the data of a published event. */
const maxEventBytes = 2_048

type EventCallDeps = Pick<Core, 'documents' | 'sessions'> & { readonly eventBus: () => Promise<EventBus> }

/** A durable subscriber, in `system/subscribers`, under the name that `keyOf` gives. */
interface Subscriber extends EventFilter {
  /** What it has confirmed. */
  readonly cursor: number
  /** Actor that made it; others do not see it, but for people. */
  readonly owner: string
  /** What those who made or moved it had read: who finds it again learns that they did. Absent: nothing. */
  readonly labels?: Labels
}

const category = 'system/subscribers'
const kinds = z
  .array(z.string().regex(/^[a-z][a-z_]{0,60}\*?$/, 'must be a kind, or the beginning of some with a star, such as agent_*'))
  .max(50)
  .default([])
  .describe('Kinds of events, e.g. `turn_ended`, `approval_*`, or `build_*` of your own; empty: all.')
const session = z.string().max(64).default('').describe('Only of this session.')
const subscriberName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,60}$/i, 'must be a plain name')

const shared = {
  audience: ['terminal', 'model'],
  tier: 'read_only',
  right: 'events.read',
  labels: { adds: [], sink: false },
  timeoutMs: (maxEventWaitS + 10) * 1_000,
} as const satisfies Partial<Call>

export function eventCalls(deps: EventCallDeps): readonly Call[] {
  return [nextCall(deps), subscribeCall(deps), unsubscribeCall(deps), publishCall(deps)]
}

function nextCall({ eventBus, ...deps }: EventCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'events.next',
    waitsFor: 'event',
    routes: [{ method: 'GET', path: '/subscribers/{subscriber}' }],
    summary: 'Returns the events after a cursor or of a subscriber; if there are no new events, waits for the next one.',
    input: z.strictObject({
      subscriber: z
        .union([subscriberName, z.literal('')])
        .default('')
        .describe('Subscriber whose events to return.'),
      after: z.int().nonnegative().optional().describe('Without a subscriber: the cursor; default: now.'),
      before: z.int().positive().optional().describe('Instead of `after`: the newest events before this cursor, without waiting.'),
      ack: z.int().nonnegative().optional().describe('With a subscriber: the cursor up to which everything is done with.'),
      kinds,
      session,
      limit: z.int().min(1).max(maxEventsRead).default(100),
      wait_s: z.number().min(0).max(maxEventWaitS).default(0).describe('Seconds to wait.'),
    }),
    output: eventPage,
    example: { subscriber: '', after: 0, kinds: ['turn_ended'], session: '', limit: 100, wait_s: 0 },
    effect: 'none',
    recordOutput: ({ events, cursor }) => ({ events: events.length, cursor }),
    async run({ subscriber, after, before, ack, limit, wait_s: waitS, ...filter }, context) {
      const bus = await eventBus()
      const own = subscriber === '' ? null : await acknowledge(deps, context, subscriber, ack)
      const page =
        own === null && before !== undefined
          ? await bus.before(before, filter, limit)
          : await bus.after(own?.cursor ?? after ?? (await bus.now()), own ?? filter, limit, waitS * 1_000, context.signal)
      // A subscriber gets an event again until it confirms it.
      const text = page.events.map((event) => JSON.stringify(event)).join('\n') || 'Nothing has happened.'
      return {
        output: page,
        text,
        labels: page.events.reduce<Labels>((all, { fields }) => joinLabels(all, labelsIn(fields)), own?.labels ?? []),
      }
    },
  })
}

/** @returns the subscriber, what it confirms noted */
async function acknowledge(
  { documents, sessions }: Pick<EventCallDeps, 'documents' | 'sessions'>,
  { caller, id }: CallContext,
  name: string,
  ack: number | undefined,
): Promise<Subscriber> {
  const key = await keyOf(documents, caller.actor, name)
  const found = await documents.get<Subscriber>(category, key)
  if (found === null) throw unknownSubscriber(name)
  if (ack === undefined || ack <= found.value.cursor) return found.value
  const labels = joinLabels(found.value.labels ?? [], sessions.held(caller))
  const changed = await documents.change<Subscriber>({ caller, call: id, name: 'events.next' }, category, key, (current) =>
    current === null ? undefined : { ...current.value, labels, cursor: Math.max(ack, current.value.cursor) },
  )
  if (changed === null) throw unknownSubscriber(name)
  return changed
}

/**
 * Each actor has names of its own, so that none learns which names others use. A person also finds the names of others.
 * @returns the name of the document, whether there is one or not
 */
async function keyOf(documents: Documents, actor: string, name: string): Promise<string> {
  const own = `${actor}/${name}`
  if ((await documents.get(category, own)) !== null) return own
  // Of a version in which all had their names together.
  const older = await documents.get<Subscriber>(category, name)
  if (older?.value.owner === actor) return name
  if (!actor.startsWith('user:')) return own
  const others = await documents.all<Subscriber>(category)
  return others.find((other) => other.name === name || other.name.endsWith(`/${name}`))?.name ?? own
}

function unknownSubscriber(name: string): OxbowError {
  return new OxbowError('not_found', `There is no subscriber ${name}.`, { hint: 'Make it with events.subscribe.' })
}

function subscribeCall({ eventBus, documents, sessions }: EventCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'events.subscribe',
    routes: [{ method: 'POST', path: '/subscribers', status: 201 }],
    summary: 'Makes a subscriber: events from now on are kept for it until it confirms them.',
    input: z.strictObject({ name: subscriberName, kinds, session }),
    output: z.object({ cursor: z.int() }),
    example: { name: 'nightly', kinds: ['turn_ended'], session: '' },
    tier: 'side_effecting',
    does: [],
    effect: 'idempotent',
    compensation: ({ input: { name = '' } }) => ({ call: 'events.unsubscribe', input: { name } }),
    async run({ name, ...filter }, { caller, id }) {
      const cursor = await (await eventBus()).now()
      const key = await keyOf(documents, caller.actor, name)
      const own = (await documents.all<Subscriber>(category)).filter(({ value }) => value.owner === caller.actor)
      if (own.length >= maxSubscribers && own.every((other) => other.name !== key))
        throw new OxbowError('limit_reached', `There are ${own.length} subscribers.`, { hint: 'Remove one with events.unsubscribe.' })
      let known: Labels = []
      const kept = await documents.change<Subscriber>({ caller, call: id, name: 'events.subscribe' }, category, key, (current) => {
        known = current?.value.labels ?? []
        const labels = joinLabels(known, sessions.held(caller))
        return { ...filter, labels, owner: current?.value.owner ?? caller.actor, cursor: current?.value.cursor ?? cursor }
      })
      const from = kept?.cursor ?? cursor
      return { output: { cursor: from }, text: `Events from ${from} on are kept for ${name}.`, labels: known }
    },
  })
}

function unsubscribeCall({ documents }: EventCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'events.unsubscribe',
    routes: [{ method: 'DELETE', path: '/subscribers/{name}' }],
    summary: 'Removes a subscriber.',
    input: z.strictObject({ name: subscriberName }),
    output: z.object({ existed: z.boolean() }),
    example: { name: 'nightly' },
    tier: 'side_effecting',
    does: [],
    effect: 'idempotent',
    async run({ name }, { caller, id }) {
      const key = await keyOf(documents, caller.actor, name)
      let gone: Subscriber | null = null
      await documents.change<Subscriber>({ caller, call: id, name: 'events.unsubscribe' }, category, key, (current) => {
        gone = current?.value ?? null
        return current === null ? undefined : null
      })
      const { labels = [] } = (gone ?? {}) as Partial<Subscriber>
      const existed = gone !== null
      return { output: { existed }, text: existed ? `Removed ${name}.` : `There was no subscriber ${name}.`, labels }
    },
  })
}

const published = z.strictObject({ kind: z.string(), data: jsonSchema(), labels: z.array(labelSchema()).readonly() })

function publishCall({ sessions }: EventCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'events.publish',
    routes: [{ method: 'POST', path: '/events', status: 201 }],
    event: ({ kind, data = null, labels = [] }) => ({ kind: `custom_${kind as string}`, fields: { data, labels } }),
    summary: 'Publishes an event of your own, which subscribers receive as custom_<kind>.',
    input: z.strictObject({
      kind: z.string().regex(/^[a-z][a-z_]{0,40}$/, 'must be lower-case letters and underscores'),
      data: z
        .json()
        .default(null)
        .refine((data) => Buffer.byteLength(JSON.stringify(data)) <= maxEventBytes, `must have at most ${maxEventBytes} bytes`),
    }),
    output: published,
    example: { kind: 'build_done', data: { version: 3 } },
    tier: 'side_effecting',
    does: [],
    right: 'events.publish',
    effect: 'idempotent',
    // The event is in the outcome, where subscribers read it.
    recordInput: ({ kind }) => ({ kind }),
    recordOutput: ({ kind, data, labels }) => ({ kind, data, labels }),
    run: async ({ kind, data }, { caller }) => ({
      output: { kind, data, labels: sessions.held(caller) },
      text: `Published custom_${kind}.`,
    }),
    // Publishing gives back what was published, and nothing else.
    planned: async ({ kind, data }, _plan, { caller }) => ({
      output: { kind, data, labels: sessions.held(caller) },
      text: `Published custom_${kind}.`,
    }),
  })
}
