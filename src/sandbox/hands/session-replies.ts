/** What hands may say about sessions. */
import { z } from 'zod'
import type { SessionOps } from '../../types/index.ts'
import { maxListedSessions, maxSessionText } from '../limits.ts'

const count = z.int().nonnegative()
/** An id stands in sentences that a model reads: nothing else fits into it. */
const id = z.string().regex(/^(?:shell|job)-[0-9]{1,9}-[a-z0-9]{1,12}$/)
const exitCode = z.int().min(-1).max(255).nullable()
const ended = z.strictObject({ exitCode, signal: z.string().max(32).nullable() })
const prompt = z.strictObject({ exitCode }).nullable()
const size = z.int().min(1).max(1_000)

export const sessionReplies: { readonly [Op in keyof SessionOps]: z.ZodType<SessionOps[Op]['output']> } = {
  sessionOpen: z.strictObject({ id, terminal: z.boolean() }),
  sessionWrite: z.strictObject({ total: count }),
  sessionRead: z.strictObject({
    text: z.string().max(maxSessionText),
    from: count,
    next: count,
    total: count,
    dropped: count,
    ended: ended.nullable(),
    prompt,
  }),
  sessionResize: z.strictObject({ columns: size, rows: size }),
  sessionSignal: z.strictObject({ processes: count }),
  sessionClose: z.strictObject({ ended, total: count }),
  sessionList: z.strictObject({
    sessions: z
      .array(
        z.strictObject({
          id,
          kind: z.enum(['shell', 'job']),
          terminal: z.boolean(),
          command: z.string().max(1_000),
          cwd: z.string().max(8_192),
          ageMs: count,
          total: count,
          ended: ended.nullable(),
          prompt,
        }),
      )
      .max(maxListedSessions),
  }),
}
