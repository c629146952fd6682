/** Shapes that both calls and documents of channels have. */
import { z } from 'zod'
import { maxTextLength } from './limits.ts'

/** Owner: the person. Member: somebody with less than the person. Guest: somebody in named groups, who only reads. */
const roles = ['owner', 'member', 'guest'] as const
export const roleSchema = z
  .enum(roles)
  .describe('owner: you; member: somebody with less than you; guest: somebody who only reads, in named groups.')
export type Role = z.infer<typeof roleSchema>

export const channelName = z.string().min(1).max(50).describe('Name of the channel.')
export const platformId = z.string().max(300)
export const pieceHash = z.string().regex(/^[0-9a-f]{64}$/)

/** Where something is said. */
export const placeFields = {
  channel: channelName,
  space: platformId.default('').describe('Workspace, guild or domain; empty where the platform has none.'),
  chat: platformId.min(1).describe('Id of the chat.'),
  thread: platformId.default('').describe('Topic or thread; empty: the chat itself.'),
}

/** Somebody on a platform whom the person knows. */
export const identitySchema = z.strictObject({
  id: z.string(),
  channel: z.string(),
  space: z.string(),
  sender: z.string(),
  shown: z.string().describe('As the sender called themselves then; anybody can choose any name.'),
  role: roleSchema,
  rights: z.array(z.string()).readonly().describe('Within which its turns act; empty: what the role has.'),
  groups: z.array(z.string()).readonly().describe('Chats in which a guest may speak.'),
  linked_at: z.number(),
  by: z.string(),
})
export type Identity = z.infer<typeof identitySchema>

/** A file that came with a message, stored in pieces. */
const keptPieces = z.strictObject({
  name: z.string().max(300),
  pieces: z.array(pieceHash).max(100).readonly(),
  speech: z
    .enum(['own', 'others'])
    .optional()
    .describe('Audio that is heard first. `own`: the sender has recorded it for this message; `others`: it was passed on, or is any file.'),
})
export type KeptPieces = z.infer<typeof keptPieces>

/** A message as the process of channels has it from an adapter. */
export const receivedSchema = z.strictObject({
  ...placeFields,
  kind: z.enum(['direct', 'group']),
  message: platformId.min(1).describe('Id of the message on the platform.'),
  sender: platformId.min(1).describe('Id of the sender on the platform; names are no identity.'),
  shown: z.string().max(300).describe('As the sender is shown; anybody can choose any name.'),
  is_bot: z.boolean().default(false),
  is_verified: z.boolean().default(true).describe('Whether the platform vouches for the sender.'),
  at: z.number().describe('When it was sent, unix milliseconds; 0: the platform does not tell.'),
  text: z.string().max(maxTextLength),
  change: z.enum(['new', 'edited', 'deleted']).default('new'),
  mentions_us: z.boolean().default(false),
  replies_to_us: z.boolean().default(false),
  quoted: z.array(z.string().max(maxTextLength)).max(20).default([]).describe('Words of others in it.'),
  files: z.array(keptPieces).max(10).default([]).describe('Files in pieces that channel.put has stored.'),
  automatic: z.string().max(100).default('').describe('Why nobody is to answer it; empty: nothing says so.'),
})
export type Received = z.infer<typeof receivedSchema>

/** Of a message, by what is decided whether its files are read at all. */
export const announcedSchema = receivedSchema
  .pick({ channel: true, space: true, chat: true, thread: true, kind: true, sender: true, is_verified: true, at: true })
  .extend({
    automatic: receivedSchema.shape.automatic,
    is_for_us: z.boolean().describe('It mentions us, answers us, or is a command.'),
  })
export type Announced = z.infer<typeof announcedSchema>

/** What was decided of a message. */
export const decidedSchema = z.strictObject({
  became: z
    .enum(['turn', 'command', 'linked', 'changed', 'heard', 'missed', 'stranger', 'ignored', 'refused'])
    .describe('`refused`: not now; the same message later may be taken.'),
  why: z.string(),
  identity: z.string(),
  role: z.union([z.enum(roles), z.literal('')]),
  turn: z.string(),
  silent_until: z
    .number()
    .default(0)
    .describe('Over the rate: until then, unix milliseconds, nothing of the sender is taken in. 0: it is.'),
})
export type Decided = z.infer<typeof decidedSchema>

/** A part of a delivery: when sending it was begun, and its id on the platform, empty where that is not known. */
export const partSchema = z.strictObject({ at: z.number(), id: z.string() })
export type DeliveredPart = z.infer<typeof partSchema>

export const deliveryId: z.ZodString = z.string().min(1).max(100).describe('Id of the delivery.')

/** Something to be sent, with what is known of it. */
export const deliverySchema = z.strictObject({
  id: z.string(),
  channel: z.string(),
  space: z.string(),
  chat: z.string(),
  thread: z.string(),
  kind: z.enum(['reply', 'notice', 'question']),
  session: z.string().describe('Of a reply.'),
  turn: z.string(),
  cursor: z.number().describe('The record behind which its turn is.'),
  text: z.string().describe('Markdown; of a reply it is in the journal.'),
  file: z.strictObject({ name: z.string(), text: z.string() }).nullable(),
  buttons: z.array(z.array(z.strictObject({ label: z.string(), data: z.string() })).readonly()).readonly(),
  reply_to: z.string().describe('The message that it answers; empty: none.'),
  spoken: z.boolean().default(false).describe('Of a reply: it is also spoken.'),
  guarded: z.boolean().describe('Others than an owner read it: `channel.release` says what they are shown.'),
  parts: z.array(partSchema).readonly(),
  state: z
    .enum(['open', 'done', 'lost', 'dead'])
    .describe('`lost`: nobody knows whether it has arrived; `dead`: it could not be delivered.'),
  why: z.string(),
  made_at: z.number(),
  ended_at: z.number(),
})
export type Delivery = z.infer<typeof deliverySchema>

/** An account on a platform. */
export const accountSchema = z.strictObject({
  id: platformId,
  name: z.string().max(300),
  link: z.string().max(1_000).describe('By which people come to it; `CODE` in it stands for a code. Empty: none.'),
  console: z.string().max(20_000).describe('What the person must still do on the platform; empty: nothing.'),
})
export type Account = z.infer<typeof accountSchema>
