/** What is counted of plugins since the guest has started, for `plugin.info`; the types follow from the schemas. */
import { z } from 'zod'

const stateCounts = z.strictObject({
  hits: z.int(),
  misses: z.int(),
  hit_ratio: z.number().describe('Of all lookups; 0 before the first.'),
  entries: z.int(),
  bytes: z.int(),
})

export type StateCounts = z.infer<typeof stateCounts>

const eventCounts = z.strictObject({
  delivered: z.int(),
  failed: z.int(),
  lost: z.int().describe('Those that its queue did not hold.'),
})

export type EventCounts = z.infer<typeof eventCounts>

export const pluginCounts = z.strictObject({ states: stateCounts.describe('Of all plugins together.'), events: eventCounts })

export type PluginCounts = z.infer<typeof pluginCounts>
