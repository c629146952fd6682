/** Calls of the process of channels, with its own right: nobody else makes them. Each says what a platform has said, or what was done there. */
import { z } from 'zod'
import type { Core } from '../../kernel/index.ts'
import { type CallId, type JsonObject, OxbowError, type SessionId } from '../../base/index.ts'
import { type Call, defineCall, maxPieceBytes } from '../../protocol/index.ts'
import { sectionOf } from '../../config/index.ts'
import {
  accountSchema,
  announcedSchema,
  channelName,
  decidedSchema,
  deliveryId,
  deliverySchema,
  partSchema,
  pieceHash,
  placeFields,
  platformId,
  type Received,
  receivedSchema,
} from './channel-schemas.ts'
import { ofCall, ofProcess } from './channel-deps.ts'
import { isCommand } from './commands.ts'
import { channelsConfig } from './config.ts'
import type { LoadChannels } from './open-channels.ts'
import { isForUs } from './receiving.ts'
import { answerCalls } from './turns/answer-calls.ts'

/** @param core absent fields where calls are only described */
export function processCalls(core: Pick<Core, 'blobs' | 'config'>, load: LoadChannels): readonly Call[] {
  return [
    wantsCall(load),
    receiveCall(core, load),
    outboxCall(load),
    attemptCall(load),
    tellCall(load),
    pressCall(load),
    askCall(load),
    ...answerCalls(load),
    movedCall(load),
    sayCall(load),
    pieceCall(() => core.blobs),
    readCall(),
    placesCall(load),
  ]
}

/**
 * Of what was said in a group to others, nothing is kept, unless the person wants that; and nothing of what becomes no turn: any number of lists
 * can come, and of mails that anybody may have written.
 */
function isForOthers(core: Pick<Core, 'config'>, message: Received): boolean {
  if (message.automatic !== '' || !message.is_verified) return true
  return !isForUs(core, message) && !isCommand(message) && !sectionOf(channelsConfig, core.config).read_group
}

function wantsCall(load: LoadChannels): Call {
  return defineCall({
    ...ofProcess,
    name: 'channel.wants',
    summary: 'Says whether the files of a message are to be read: not from strangers, and not what is for others.',
    tier: 'read_only',
    effect: 'none',
    input: announcedSchema,
    output: z.strictObject({ files: z.boolean() }),
    example: {
      channel: 'telegram',
      space: '',
      chat: '1000',
      thread: '',
      kind: 'direct',
      sender: '1000',
      is_verified: true,
      at: 0,
      automatic: '',
      is_for_us: false,
    },
    recordOutput: (output) => ({ ...output }),
    async run(input) {
      const channels = await load()
      return { output: { files: await channels.wantsFiles(await channels.get(input.channel), input) } }
    },
  })
}

function receiveCall(core: Pick<Core, 'config'>, load: LoadChannels): Call {
  return defineCall({
    ...ofProcess,
    name: 'channel.receive',
    summary: 'Takes in a message of a platform: it is in the journal when this is answered.',
    input: receivedSchema,
    output: decidedSchema,
    example: {
      channel: 'telegram',
      space: '',
      chat: '1000',
      thread: '',
      kind: 'direct',
      message: '7',
      sender: '1000',
      shown: 'Ada',
      is_bot: false,
      is_verified: true,
      at: 0,
      text: 'Hello',
      change: 'new',
      mentions_us: false,
      replies_to_us: false,
      quoted: [],
      files: [],
      automatic: '',
    },
    recordInput: (input) =>
      (isForOthers(core, input) ? { ...input, shown: '', text: '', quoted: [], files: [] } : input) as unknown as JsonObject,
    recordOutput: (output) => ({ ...output }),
    async run(input, context) {
      const channels = await load()
      return { output: await channels.receive(ofCall(context, 'channel.receive'), input) }
    },
  })
}

const longestWaitS = 600

function outboxCall(load: LoadChannels): Call {
  return defineCall({
    ...ofProcess,
    name: 'channel.outbox',
    summary: 'Waits for what is to be delivered, and lists what has been added.',
    tier: 'read_only',
    effect: 'none',
    timeoutMs: (longestWaitS + 30) * 1_000,
    input: z.strictObject({
      seen: z.number().default(0).describe('The version that was seen last: waits until there is another one. 0: all that is open.'),
      wait_s: z.int().min(0).max(longestWaitS).default(0).describe('How long to wait.'),
    }),
    output: z.strictObject({
      version: z.number(),
      deliveries: z.array(deliverySchema).readonly(),
      linked_at: z.number().describe('When somebody was linked last: who was a stranger may be none any more.'),
    }),
    example: { seen: 0, wait_s: 0 },
    recordOutput: ({ version, deliveries }) => ({ version, deliveries: deliveries.length }),
    async run({ seen, wait_s }, { signal }) {
      const { outbox, identities } = await load()
      const version = await outbox.changedSince(seen, wait_s * 1_000, signal)
      const [deliveries, linkedAt] = await Promise.all([outbox.open(seen), identities.linkedAt()])
      return { output: { version, deliveries, linked_at: linkedAt } }
    },
  })
}

function attemptCall(load: LoadChannels): Call {
  return defineCall({
    ...ofProcess,
    name: 'channel.attempt',
    summary: 'Records that sending a part of a delivery begins.',
    input: z.strictObject({ delivery: deliveryId, part: z.int().min(0).max(100) }),
    output: z.strictObject({
      before: partSchema.nullable().describe('The attempt before it; null: it is the first.'),
    }),
    example: { delivery: '01890a5d', part: 0 },
    recordOutput: (output) => output as unknown as JsonObject,
    async run({ delivery: id, part }, context) {
      return { output: { before: await (await load()).outbox.attempt(ofCall(context, 'channel.attempt'), id, part) } }
    },
  })
}

function tellCall(load: LoadChannels): Call {
  return defineCall({
    ...ofProcess,
    name: 'channel.sent',
    summary: 'Records what has become of a delivery, or of a part of it.',
    input: z.strictObject({
      delivery: deliveryId,
      part: z.int().min(0).max(100).optional(),
      id: platformId.min(1).optional().describe('Id of the part on the platform.'),
      end: z
        .strictObject({ state: z.enum(['done', 'lost', 'dead']), why: z.string().max(300).default('') })
        .optional()
        .describe('`lost`: nobody knows whether it has arrived. `dead`: it cannot be delivered.'),
    }),
    output: z.strictObject({}),
    example: { delivery: '01890a5d', part: 0, id: '101' },
    async run({ delivery: id, ...told }, context) {
      const { outbox, questions } = await load()
      await outbox.tell(ofCall(context, 'channel.sent'), id, told)
      if (told.end?.state === 'lost') {
        const lost = await outbox.find(id)
        if (lost !== null) await questions.tellLost(lost)
      }
      return { output: {} }
    },
  })
}

function pressCall(load: LoadChannels): Call {
  return defineCall({
    ...ofProcess,
    name: 'channel.press',
    summary: 'Judges a button that was pressed, and decides what waits where whoever pressed it may.',
    input: z.strictObject({ ...placeFields, message: platformId.min(1), sender: platformId.min(1), data: z.string().max(64) }),
    output: z.strictObject({ text: z.string().describe('Shown to the one who pressed, and to nobody else; empty: nothing.') }),
    example: { channel: 'telegram', space: '', chat: '1000', thread: '', message: '7', sender: '1000', data: '0'.repeat(32) },
    recordOutput: (output) => ({ ...output }),
    async run(input, context) {
      const { questions } = await load()
      return { output: { text: await questions.press(ofCall(context, 'channel.press'), input) } }
    },
  })
}

function askCall(load: LoadChannels): Call {
  return defineCall({
    ...ofProcess,
    name: 'channel.ask',
    summary: 'Has a call that waits for approval shown where somebody may decide it.',
    input: z.strictObject({ session: z.string().min(1).max(100), call: z.string().min(1).max(200) }),
    output: z.strictObject({ asked: z.boolean() }),
    example: { session: '01890a5d-ac96-774b-bcce-b302099a8057', call: '01890a5d-ac96-774b-bcce-b302099a8057.0' },
    recordOutput: (output) => ({ ...output }),
    async run({ session, call }, context) {
      const { questions } = await load()
      return { output: { asked: await questions.ask(ofCall(context, 'channel.ask'), session as SessionId, call as CallId) } }
    },
  })
}

function movedCall(load: LoadChannels): Call {
  const place = z.strictObject({ space: platformId.default(''), chat: platformId.min(1) })
  return defineCall({
    ...ofProcess,
    name: 'channel.moved',
    summary: 'Says that a group has another id: its sessions, and who may speak there, move along.',
    input: z.strictObject({ channel: channelName, from: place, to: place }),
    output: z.strictObject({ moved: z.int() }),
    example: { channel: 'telegram', from: { space: '', chat: '-1000' }, to: { space: '', chat: '-1001000' } },
    recordOutput: (output) => ({ ...output }),
    async run({ channel, from, to }, context) {
      const { chats } = await load()
      return { output: { moved: await chats.move(ofCall(context, 'channel.moved'), channel, from, to) } }
    },
  })
}

function sayCall(load: LoadChannels): Call {
  return defineCall({
    ...ofProcess,
    name: 'channel.say',
    summary: 'Says how a channel is: connected, or why not.',
    input: z.strictObject({
      channel: channelName,
      state: z.enum(['starting', 'up', 'down', 'failed']),
      why: z.string().max(1_000).default(''),
      self: accountSchema.nullable().default(null),
    }),
    output: z.strictObject({}),
    example: { channel: 'telegram', state: 'up', why: '', self: null },
    event: () => ({ kind: 'channel_state', fields: {} }),
    async run({ channel, self, ...state }, context) {
      const channels = await load()
      await channels.say(ofCall(context, 'channel.say'), channel, state, self)
      return { output: {} }
    },
  })
}

const maxPieceCharacters = Math.ceil(maxPieceBytes / 3) * 4

function pieceCall(blobs: () => Core['blobs']): Call {
  return defineCall({
    ...ofProcess,
    name: 'channel.put',
    summary: 'Stores a piece of a file that came with a message.',
    input: z.strictObject({ data: z.string().min(1).max(maxPieceCharacters).describe('The piece as base64.') }),
    output: z.strictObject({ piece: z.string(), bytes: z.int() }),
    example: { data: 'aGVsbG8=' },
    recordInput: ({ data }) => ({ base64_characters: data.length }),
    recordOutput: (output) => ({ ...output }),
    async run({ data }) {
      const bytes = Buffer.from(data, 'base64')
      return { output: { piece: await blobs().keep(bytes), bytes: bytes.length } }
    },
  })
}

function readCall(): Call {
  return defineCall({
    ...ofProcess,
    name: 'channel.read',
    summary: 'Reads a piece of a file that an agent sends to a chat, as base64.',
    tier: 'read_only',
    effect: 'none',
    input: z.strictObject({ piece: pieceHash }),
    output: z.strictObject({ data: z.string() }),
    example: { piece: '0'.repeat(64) },
    reveals: true,
    recordOutput: ({ data }) => ({ base64_characters: data.length }),
    async run({ piece }, { blobs }) {
      const bytes = await blobs.read(piece)
      if (bytes === null || bytes.length > maxPieceBytes)
        throw new OxbowError('not_found', `There is no piece ${piece}.`, { hint: 'Use a hash from the `pieces` of the record.' })
      return { output: { data: Buffer.from(bytes).toString('base64') } }
    },
  })
}

/** Chats and people whose histories are read after a pause: more would take minutes. */
const mostPlaces = 200

function placesCall(load: LoadChannels): Call {
  return defineCall({
    ...ofProcess,
    name: 'channel.places',
    summary: 'Lists the chats of a channel, and people with no chat of their own, so that what they have said while nothing ran is found.',
    tier: 'read_only',
    effect: 'none',
    input: z.strictObject({ channel: channelName }),
    output: z.strictObject({
      chats: z.array(z.strictObject({ space: platformId, chat: platformId, thread: platformId, kind: z.enum(['direct', 'group']) })),
      people: z.array(platformId),
    }),
    example: { channel: 'telegram' },
    recordOutput: ({ chats, people }) => ({ chats: chats.length, people: people.length }),
    async run({ channel: name }) {
      const { chats, identities } = await load()
      const known = (await chats.all()).filter(({ channel }) => channel === name)
      const newest = known.toReversed().slice(0, mostPlaces)
      const met = new Set(newest.flatMap(({ kind, person }) => (kind === 'direct' ? [person] : [])))
      const others = (await identities.all(name)).filter(({ id }) => !met.has(id))
      const people = others.slice(0, mostPlaces).map(({ sender }) => sender)
      return { output: { chats: newest.map(({ space, chat, thread, kind }) => ({ space, chat, thread, kind })), people } }
    },
  })
}
