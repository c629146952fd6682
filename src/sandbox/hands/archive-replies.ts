/** What hands may say about archives. */
import { z } from 'zod'
import type { ArchiveOps } from '../../types/index.ts'

const count = z.int().nonnegative()

export const archiveReplies: { readonly [Op in keyof ArchiveOps]: z.ZodType<ArchiveOps[Op]['output']> } = {
  archive: z.strictObject({ content: z.instanceof(Uint8Array), done: z.boolean(), skipped: count }),
  unpack: z.strictObject({ bytes: count, files: count, folders: count, links: count }),
}
