/** What a person does with channels and identities. */
import { z } from 'zod'
import type { Core } from '../../kernel/index.ts'
import { OxbowError } from '../../base/index.ts'
import { type Call, defineCall } from '../../protocol/index.ts'
import { linkedText, manageRight, newDelivery, readRight } from './channel-records.ts'
import { type Delivery, identitySchema, roleSchema } from './channel-schemas.ts'
import { identityCalls } from './identity-calls.ts'
import { ofCall } from './channel-deps.ts'
import { addCall } from './setup/add-channel.ts'
import { channelKind } from './setup/channel-kinds.ts'
import { channelView, viewOf, viewsOf } from './channel-views.ts'
import { listMs, tryMs } from './limits.ts'
import type { Channels, LoadChannels } from './open-channels.ts'

const shared = { audience: ['terminal'], labels: { adds: [], sink: false }, timeoutMs: 30_000 } as const satisfies Partial<Call>
const reads = { ...shared, tier: 'read_only', right: readRight, effect: 'none' } as const
const writes = { ...shared, tier: 'side_effecting', right: manageRight, effect: 'idempotent' } as const

const channel = z.string().min(1).max(50).describe('Name of the channel.')

export function channelCalls(core: Pick<Core, 'clock' | 'random' | 'config' | 'secrets'>, load: LoadChannels): readonly Call[] {
  return [
    addCall(core, load),
    listCall(load),
    testCall(load),
    stateCall(load, 'channel.pause', 'paused', 'Stops a channel: nothing is received or sent until it goes on.'),
    stateCall(load, 'channel.resume', 'on', 'Lets a channel go on, with what came meanwhile.'),
    removeCall(load),
    pairCall(load),
    approveCall(core, load),
    deliverCall(core, load),
    notifyCall(load),
    logCall(load),
    retryCall(load),
    ...identityCalls(load),
  ]
}

function listCall(load: LoadChannels): Call {
  return defineCall({
    ...reads,
    name: 'channel.list',
    routes: [{ method: 'GET', path: '/channels', list: '' }],
    summary: 'Lists the channels: their state, what waits, and why one is off.',
    input: z.strictObject({}),
    output: z.array(channelView),
    example: {},
    recordOutput: (output) => ({ channels: output.length }),
    async run(_, { signal }) {
      const channels = await load()
      // A guest that was started for this call is told why one is off, too.
      const on = (await channels.all()).filter(({ state }) => state === 'on')
      await Promise.all(on.map(({ name }) => channels.settled(name, listMs, signal)))
      return { output: [...(await viewsOf(channels))] }
    },
  })
}

function testCall(load: LoadChannels): Call {
  return defineCall({
    ...writes,
    name: 'channel.test',
    summary: 'Connects a channel anew, and says whether that works.',
    input: z.strictObject({ channel }),
    output: channelView,
    example: { channel: 'telegram' },
    recordOutput: ({ name, state, why }) => ({ name, state, why }),
    async run({ channel: name }, context) {
      const channels = await load()
      const { state } = await channels.get(name)
      if (state === 'paused') throw new OxbowError('bad_input', `${name} is paused.`, { hint: `oxbow channel resume ${name}` })
      await channels.set(ofCall(context, 'channel.test'), name, 'on')
      await channels.settled(name, tryMs, context.signal)
      return { output: await viewOf(channels, name) }
    },
  })
}

function stateCall(load: LoadChannels, name: 'channel.pause' | 'channel.resume', state: 'paused' | 'on', summary: string): Call {
  return defineCall({
    ...writes,
    name,
    summary,
    input: z.strictObject({ channel }),
    output: channelView,
    example: { channel: 'telegram' },
    recordOutput: (output) => ({ name: output.name, state: output.state }),
    async run({ channel: which }, context) {
      const channels = await load()
      await channels.set(ofCall(context, name), which, state)
      if (state === 'on') await channels.settled(which, tryMs, context.signal)
      return { output: await viewOf(channels, which) }
    },
  })
}

function removeCall(load: LoadChannels): Call {
  return defineCall({
    ...writes,
    name: 'channel.remove',
    summary: 'Removes a channel, with its token and what it has not delivered. Its sessions stay.',
    does: ['delete'],
    input: z.strictObject({ channel }),
    output: z.strictObject({ removed: z.string() }),
    example: { channel: 'telegram' },
    async run({ channel: name }, context) {
      await (await load()).remove(ofCall(context, 'channel.remove'), name)
      return { output: { removed: name } }
    },
  })
}

function pairCall(load: LoadChannels): Call {
  return defineCall({
    ...writes,
    name: 'channel.pair',
    summary: 'Makes a code, good once and for ten minutes, by which somebody becomes linked.',
    effect: 'once',
    input: z.strictObject({ channel, role: roleSchema.default('owner') }),
    output: z.strictObject({ channel: z.string(), link: z.string(), code: z.string(), expires_at: z.number(), role: roleSchema }),
    example: { channel: 'telegram', role: 'owner' },
    reveals: true,
    // The code itself is shown, and nowhere kept.
    recordOutput: ({ expires_at, role: given }) => ({ expires_at, role: given }),
    async run({ channel: name, role: given }, context) {
      const channels = await load()
      await mayPair(channels, name, context.signal)
      const { self } = await channels.get(name)
      const { code, token, expires_at } = await channels.identities.pair(ofCall(context, 'channel.pair'), name, given)
      return {
        output: {
          channel: name,
          link: (self?.link ?? '').replace('CODE', token),
          code: `${code.slice(0, 4)}-${code.slice(4)}`,
          expires_at,
          role: given,
        },
      }
    },
  })
}

/** @throws OxbowError where nobody would read the code */
async function mayPair(channels: Channels, name: string, signal: AbortSignal): Promise<void> {
  const { kind, state } = await channels.get(name)
  if (channelKind(kind).isWebhook === true)
    throw new OxbowError('bad_input', 'Nobody is linked to a webhook.', { hint: 'Whoever has its secret may post to it, as a member.' })
  if (state === 'paused') throw new OxbowError('bad_input', `${name} is paused.`, { hint: `oxbow channel resume ${name}` })
  await channels.settled(name, tryMs, signal)
  const health = channels.health(name)
  if (health.state === 'failed')
    throw new OxbowError('bad_config', `${name} does not work: ${health.why}`, {
      hint: `Mend that first, then: oxbow channel test ${name}`,
    })
}

function approveCall(core: Pick<Core, 'clock'>, load: LoadChannels): Call {
  return defineCall({
    ...writes,
    name: 'channel.approve',
    summary: 'Links the stranger who was shown a code.',
    input: z.strictObject({ code: z.string().min(8).max(12), role: roleSchema.default('member') }),
    output: identitySchema,
    example: { code: 'K7QM-2ZPA', role: 'member' },
    recordOutput: ({ id, role: given }) => ({ id, role: given }),
    async run({ code, role: given }, context) {
      const { identities, outbox } = await load()
      const of = ofCall(context, 'channel.approve')
      const { identity, chat } = await identities.approve(of, code, given)
      const { channel: name, space, role: has } = identity
      const where = { channel: name, space, chat, thread: '' }
      await outbox.make(of, newDelivery(context.id, { ...where, kind: 'notice', text: linkedText(has), made_at: core.clock.now() }))
      return { output: identity }
    },
  })
}

function deliverCall(core: Pick<Core, 'clock'>, load: LoadChannels): Call {
  return defineCall({
    ...writes,
    name: 'channel.deliver',
    summary: 'Sends a text to a chat of a channel, once.',
    effect: 'once',
    input: z.strictObject({
      channel,
      space: z.string().max(300).default(''),
      chat: z.string().min(1).max(300).describe('Id of the chat, as `channel.log` shows it.'),
      thread: z.string().max(300).default(''),
      text: z.string().min(1).max(100_000).describe('In Markdown.'),
    }),
    output: z.strictObject({ delivery: z.string() }),
    example: { channel: 'telegram', space: '', chat: '1000', thread: '', text: 'The backup is done.' },
    labels: { adds: [], sink: true },
    recordOutput: (output) => ({ ...output }),
    async run({ text, ...place }, context) {
      const { outbox, get } = await load()
      await get(place.channel)
      const of = ofCall(context, 'channel.deliver')
      // Its own id is the delivery's: after a crash it is made once.
      await outbox.make(of, newDelivery(context.id, { ...place, kind: 'notice', text, made_at: core.clock.now() }))
      return { output: { delivery: context.id } }
    },
  })
}

function notifyCall(load: LoadChannels): Call {
  return defineCall({
    ...writes,
    name: 'channel.notify',
    summary: 'Tells the person something, along `notify.to`, at the end of quiet hours unless it is urgent.',
    effect: 'idempotent',
    input: z.strictObject({
      text: z.string().min(1).max(10_000).describe('In Markdown.'),
      urgent: z.boolean().default(false).describe('Does not wait for the end of quiet hours.'),
    }),
    output: z.strictObject({ notice: z.string() }),
    example: { text: 'The disk is nearly full.', urgent: true },
    recordOutput: (output) => ({ ...output }),
    async run({ text, urgent }, context) {
      const { notices } = await load()
      if (!(await notices.send(ofCall(context, 'channel.notify'), { id: context.id, text, urgent })))
        throw new OxbowError('bad_config', 'There is no place for notices to go.', {
          hint: 'Set notify.to in config.toml, such as ["telegram"].',
        })
      return { output: { notice: context.id } }
    },
  })
}

const logLine = z.strictObject({
  delivery: z.string(),
  kind: z.string(),
  chat: z.string(),
  state: z.string(),
  why: z.string(),
  parts: z.int(),
  made_at: z.number(),
})

const lineOf = ({ id, kind, chat, thread, state, why, parts, made_at }: Delivery) => ({
  delivery: id,
  kind,
  chat: thread === '' ? chat : `${chat}:${thread}`,
  state,
  why,
  parts: parts.length,
  made_at,
})

function logCall(load: LoadChannels): Call {
  return defineCall({
    ...reads,
    name: 'channel.log',
    summary: 'Lists what a channel has not delivered: what is under way, what was given up and why.',
    input: z.strictObject({ channel }),
    output: z.array(logLine),
    example: { channel: 'telegram' },
    recordOutput: (output) => ({ deliveries: output.length }),
    async run({ channel: name }) {
      const { outbox, get } = await load()
      await get(name)
      const open = (await outbox.open()).filter((each) => each.channel === name)
      return { output: [...(await outbox.failed(name)), ...open].map(lineOf) }
    },
  })
}

function retryCall(load: LoadChannels): Call {
  return defineCall({
    ...writes,
    name: 'channel.retry',
    summary: 'Sends again what was given up.',
    input: z.strictObject({
      channel,
      delivery: z.string().max(100).default('').describe('Id, or the beginning of it; empty: all that was given up.'),
    }),
    output: z.strictObject({ retried: z.int() }),
    example: { channel: 'telegram', delivery: '' },
    recordOutput: (output) => ({ ...output }),
    async run({ channel: name, delivery }, context) {
      const { outbox, get } = await load()
      await get(name)
      const dead = (await outbox.failed(name)).filter(({ id, state }) => (delivery === '' ? state === 'dead' : id.startsWith(delivery)))
      if (delivery !== '' && dead.length === 0)
        throw new OxbowError('not_found', `No delivery ${delivery} was given up.`, { hint: '`oxbow channel log` lists them.' })
      // Of those that were begun, what has arrived stays; the rest is reconciled first.
      for (const { id } of dead) await outbox.reopen(ofCall(context, 'channel.retry'), id, (it) => it)
      return { output: { retried: dead.length } }
    },
  })
}
