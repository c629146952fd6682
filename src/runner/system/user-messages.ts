/**
 * Lines between root's daemon and its part that runs as a user. What the user's part says is hostile input: whoever has that user id can make
 * it say anything, and gains nothing but the state of their own guest.
 */
import { z } from 'zod'
import { userSettings } from '../../protocol/index.ts'
import { maxUserLength } from '../limits.ts'

const text = z.string().max(2_000)
const head = z.strictObject({ seq: z.int().min(0), hash: z.string().max(200) })
const failure = z.object({ code: z.string().max(64), message: text, hint: text })

/** What a user's part reports. */
export const userReport = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('started'), pid: z.int(), url: z.string().max(300) }),
  z.strictObject({ type: z.literal('other'), pid: z.int(), url: z.string().max(300) }),
  z.strictObject({ type: z.literal('lost'), failure, pause_ms: z.number() }),
  z.strictObject({ type: z.literal('warning'), text }),
  z.strictObject({ type: z.literal('head'), head }),
  z.strictObject({
    type: z.literal('over'),
    why: z.enum(['stopped', 'idle', 'failed']),
    next_at: z.number().nullable(),
    failure: failure.nullable(),
  }),
])
export type UserReport = z.infer<typeof userReport>

/** The newest head that root has signed. */
const newest = z.object({ seq: z.int(), hash: z.string(), at: z.number(), n: z.int(), problem: z.string() }).nullable()

/** What root tells it. The end of its input stops it. */
export const userOrder = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('begin'),
    user: z.string().max(maxUserLength),
    version: z.string(),
    variables: z.record(z.string(), z.string()),
    settings: userSettings,
    newest,
  }),
  z.object({ type: z.literal('settings'), settings: userSettings }),
  z.object({ type: z.literal('sealed'), newest, problem: z.string() }),
])
export type UserOrder = z.infer<typeof userOrder>
