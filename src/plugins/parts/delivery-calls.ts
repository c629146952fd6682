/** What reaches plugins outside of turns: tasks when they are due, events when they happen, services when somebody needs them. */
import { z } from 'zod'
import type { EventCounts } from './plugin-counts.ts'
import { isObject, type JsonObject, nestsDeeper, OxbowError, truncate } from '../../base/index.ts'
import { type Call, labelOrigins, labelSchema, originOf, resyncEvent, defineCall, pluginRecords } from '../../protocol/index.ts'
import { noLabels, toldWith } from './turn-states.ts'
import { eventTimeoutMs, maxEventLevels, maxMessageChars, serviceTimeoutMs, taskTimeoutMs } from './limits.ts'
import { askPlugin, keptBy, lostAsUnknown, mayUse, ownReading, type PartDeps, pluginNamed, runtimePart, withheld } from './part-request.ts'

export const noEvents: EventCounts = { delivered: 0, failed: 0, lost: 0 }

/** @param counts by plugin */
export function deliveryCalls(deps: PartDeps, counts: Map<string, EventCounts>): readonly Call[] {
  return [taskCall(deps), eventCall(deps, counts), emitCall(), serviceCall(deps)]
}

/** Effect `once` and an id that follows from its due time: it runs once for each, whatever crashes in between. */
function taskCall(deps: PartDeps): Call {
  return defineCall({
    ...runtimePart,
    name: pluginRecords.task,
    summary: 'Runs a task of a plugin that is due.',
    input: z.strictObject({
      plugin: z.string().describe('The plugin.'),
      task: z.string().describe('Its task.'),
      due: z.number().describe('When it was due, unix milliseconds.'),
    }),
    output: z.strictObject({ text: z.string() }),
    example: { plugin: 'weather', task: 'refresh', due: 1_795_000_000_000 },
    tier: 'side_effecting',
    effect: 'once',
    timeoutMs: taskTimeoutMs,
    async run({ plugin: name, task, due }, context) {
      const plugin = pluginNamed(deps, name)
      const asked = askPlugin(deps, context, { plugin, timeoutMs: taskTimeoutMs }, 'task', { name: task, due })
      const { text } = await asked.catch((error: unknown) => {
        throw lostAsUnknown(error, name)
      })
      const shown = truncate(text, maxMessageChars).toWellFormed()
      const kept = await keptBy(deps, plugin)
      return { output: { text: shown }, text: shown, labels: kept.labels, origins: kept.from.map(({ from }) => from) }
    },
  })
}

function eventCall(deps: PartDeps, counts: Map<string, EventCounts>): Call {
  return defineCall({
    ...runtimePart,
    name: pluginRecords.event,
    summary: 'Delivers an event to a plugin that has subscribed to it.',
    input: z.strictObject({
      plugin: z.string().describe('The subscriber.'),
      name: z.string().describe('The event.'),
      payload: z.custom<JsonObject>(isObject).describe('What happened.'),
      labels: z.array(labelSchema()).optional().describe("Labels of what happened, in addition to its session's."),
    }),
    output: z.strictObject({ delivered: z.boolean() }),
    example: { plugin: 'weather', name: 'RUN_ENDED', payload: { status: 'completed' } },
    timeoutMs: eventTimeoutMs,
    // What happened is in the record that the event comes from.
    recordInput: ({ plugin, name }) => ({ plugin, name }),
    async run({ plugin: name, name: event, payload, labels = [] }, context) {
      const plugin = pluginNamed(deps, name)
      const told = toldWith(deps.heldBy(context.caller), { held: { labels, from: labelOrigins(labels, [originOf('call', event)]) } })
      if (!mayUse(context.caller, name) || withheld(plugin, told.labels) !== '') return { output: { delivered: false }, text: '' }
      const { delivered, failed, lost } = counts.get(name) ?? noEvents
      counts.set(name, { delivered, failed: failed + 1, lost })
      const asked = { plugin, timeoutMs: eventTimeoutMs, reads: ownReading(plugin), told }
      await askPlugin(deps, context, asked, 'event', { name: event, payload })
      const missed = event === resyncEvent ? Number(payload['lost']) : 0
      const now = counts.get(name)!
      counts.set(name, { delivered: now.delivered + 1, failed: now.failed - 1, lost: now.lost + missed })
      return { output: { delivered: true }, text: '' }
    },
  })
}

/** Its record is the event, which the kernel delivers to those that have subscribed to the name. */
function emitCall(): Call {
  return defineCall({
    ...runtimePart,
    forPlugins: true,
    name: pluginRecords.emit,
    summary: 'Emits an event to all plugins that have subscribed to it.',
    input: z.strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9_][A-Za-z0-9_:.-]{0,99}$/, 'letters, digits, and _ : . - only')
        .refine((name) => name !== resyncEvent, `${resyncEvent} is an event that only Oxbow emits`)
        .describe('One of those that Oxbow has, or one of your own.'),
      payload: z
        .custom<JsonObject>((value) => isObject(value) && !nestsDeeper(value, maxEventLevels), 'must be an object that is not too deep')
        .refine((value) => JSON.stringify(value).length <= maxMessageChars, `must be shorter than ${maxMessageChars} characters`)
        .default({})
        .describe('What happened.'),
    }),
    output: z.strictObject({}),
    example: { name: 'REACTION_RECEIVED', payload: { reaction: 'like' } },
    tier: 'side_effecting',
    effect: 'idempotent',
    timeoutMs: eventTimeoutMs,
    async run(_, { caller }) {
      if (!caller.actor.startsWith('plugin:'))
        throw new OxbowError('denied', 'Only plugins emit events by this call.', { hint: 'Use events.publish.' })
      return { output: {}, text: '' }
    },
  })
}

/** Starts a service where it does not run. Its host keeps it, and starts it again after a crash. */
function serviceCall(deps: PartDeps): Call {
  /** Of services that are being started: all who ask for one wait for the same start. */
  const starting = new Map<string, Promise<unknown>>()
  return defineCall({
    ...runtimePart,
    forPlugins: true,
    audience: ['runtime', 'terminal'],
    name: 'plugin.service',
    summary: 'Starts a service of a plugin, unless it runs.',
    input: z.strictObject({ plugin: z.string().describe('The plugin.'), type: z.string().describe('The type of the service.') }),
    output: z.strictObject({ phase: z.string() }),
    example: { plugin: 'telegram', type: 'telegram' },
    tier: 'side_effecting',
    effect: 'idempotent',
    timeoutMs: serviceTimeoutMs,
    async run({ plugin: name, type }, context) {
      const plugin = pluginNamed(deps, name)
      if (!mayUse(context.caller, name) && context.caller.actor !== `plugin:${name}`)
        throw new OxbowError('denied', `This needs the right plugin.${name}.`, { hint: 'A person can give it in config.toml.' })
      const services = deps.hosts.known(name)?.services ?? []
      if (!services.some((each) => each.type === type))
        throw new OxbowError('not_found', `The plugin ${name} has no service ${JSON.stringify(type)}.`, {
          hint: `It has ${services.map((each) => each.type).join(', ') || 'none'}.`,
        })
      const key = `${name}/${type}`
      const begun =
        starting.get(key) ?? askPlugin(deps, context, { plugin, timeoutMs: serviceTimeoutMs, told: noLabels }, 'service', { type })
      starting.set(key, begun)
      try {
        await begun
      } finally {
        if (starting.get(key) === begun) starting.delete(key)
      }
      return { output: { phase: deps.hosts.state(name).phase }, text: `The service ${type} of ${name} runs.` }
    },
  })
}
