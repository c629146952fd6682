/** What hands may say about the browser: bounded above all, since pages decide what it is. */
import { z } from 'zod'
import type { BrowserOps } from '../../types/index.ts'
import { maxBrowserNotes, maxBrowserPageBytes, maxBrowserTabs, maxKnownDownloads } from '../limits.ts'

const count = z.int().nonnegative()
const url = z.string().max(8_192)
const title = z.string().max(1_000)
const tab = z.string().regex(/^t\d{1,6}$/)
/** Made by hands alone, so of a known form: nothing that a page says can name another place. */
const path = z
  .string()
  .max(300)
  .regex(/^\/tmp\/(?:downloads|screenshots)\/[^./\p{Cc}][^/\p{Cc}]*$/u)

const view = {
  tab,
  url,
  title,
  status: z.int().min(100).max(999).nullable(),
  shows: z.enum(['tree', 'changes', 'text', 'nothing']),
  text: z.string().max(maxBrowserPageBytes),
  fromByte: count,
  nextByte: count.nullable(),
  totalBytes: count,
  notes: z.array(z.string().max(1_000)).max(maxBrowserNotes),
}

export const browserReplies: { readonly [Op in keyof BrowserOps]: z.ZodType<BrowserOps[Op]['output']> } = {
  browserOpen: z.strictObject(view),
  browserAct: z.strictObject(view),
  browserLook: z.strictObject(view),
  browserPicture: z.strictObject({ ...view, path, bytes: count, width: count, height: count }),
  browserTabs: z.strictObject({
    tabs: z.array(z.strictObject({ tab, current: z.boolean(), url, title })).max(maxBrowserTabs),
  }),
  browserDownloads: z.strictObject({
    downloads: z
      .array(
        z.strictObject({
          path: z.union([z.literal(''), path]),
          url,
          bytes: count,
          state: z.enum(['running', 'done', 'failed']),
          problem: z.string().max(300),
        }),
      )
      .max(maxKnownDownloads),
  }),
}
