/** Schemas of the newest record of a journal, and of the newest head that was signed; the types follow from them. */
import { z } from 'zod'

/** The newest record of a chain; seq 0 for an empty one. */
export const chainHead = z.strictObject({ seq: z.int(), hash: z.string() })

export type ChainHead = z.infer<typeof chainHead>

export const newestHead = chainHead.extend({
  at: z.number().describe('When it was signed, unix milliseconds.'),
  n: z.int().describe('Heads that were signed so far; 0 where they are not counted.'),
  problem: z.string().describe('Why no further head is signed; empty: nothing is wrong.'),
})

export type NewestHead = z.infer<typeof newestHead>
