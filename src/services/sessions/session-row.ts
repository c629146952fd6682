/** The row of a session, as the outcomes of calls change it. */
import { z } from 'zod'
import type { JsonObject } from '../../base/index.ts'
import { idOrEmpty, idSchema } from '../../protocol/index.ts'

/** The change to a session's row. It is recorded, so that the row can be derived from the journal. */
export const changedRow = z.strictObject({
  session: idSchema('SessionId'),
  change: z
    .strictObject({
      title: z.string(),
      createdAt: z.number(),
      activeAt: z.number(),
      labels: z.string(),
      origins: z.string(),
      scratchpad: z.string(),
      archived: z.number().describe('When it was archived; 0: it no longer is.'),
      deleted: z.number().describe('When it was deleted.'),
      parent: idSchema('SessionId'),
      forked: z.int(),
      summary: idOrEmpty('CallId'),
    })
    .partial(),
})

type Changed = z.infer<typeof changedRow>

/** What calls have whose outcome changes the row of a session. */
export const recordsRow: {
  readonly output: typeof changedRow
  readonly projection: 'session'
  readonly recordOutput: (output: Changed) => JsonObject
} = {
  output: changedRow,
  projection: 'session' as const,
  recordOutput: (output: Changed): JsonObject => ({ ...output, change: { ...output.change } as JsonObject }),
}
