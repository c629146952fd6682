/** What hands may say about commands. */
import { z } from 'zod'
import type { CommandOps } from '../../types/index.ts'

const count = z.int().nonnegative()

export const commandReplies: { readonly [Op in keyof CommandOps]: z.ZodType<CommandOps[Op]['output']> } = {
  exec: z.strictObject({
    exitCode: z.int().nullable(),
    signal: z.string().max(32).nullable(),
    timedOut: z.boolean(),
    stdout: z.string(),
    stderr: z.string(),
    stdoutBytes: count,
    stderrBytes: count,
    durationMs: count,
  }),
}
