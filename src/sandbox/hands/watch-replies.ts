/** What hands may say about changes. */
import { z } from 'zod'
import type { WatchOps } from '../../types/index.ts'

export const watchReplies: { readonly [Op in keyof WatchOps]: z.ZodType<WatchOps[Op]['output']> } = {
  watch: z.strictObject({
    changes: z.array(z.strictObject({ path: z.string().max(8_192), kind: z.enum(['file', 'folder', 'link', 'other', 'missing']) })),
    overflow: z.boolean(),
  }),
}
