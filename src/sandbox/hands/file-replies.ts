/** What hands may say about files. */
import { z } from 'zod'
import type { FileOps } from '../../types/index.ts'

const count = z.int().nonnegative()
const path = z.string().max(8_192)
const hash = z.string().regex(/^(?:[0-9a-f]{12})?$/)
const lines = z.array(z.string())
const patched = z.strictObject({
  path,
  from: path,
  change: z.enum(['created', 'changed', 'deleted', 'moved']),
  added: count,
  removed: count,
  hunks: count,
  shifted: count,
  hash,
  was: hash,
})

export const fileReplies: { readonly [Op in keyof FileOps]: z.ZodType<FileOps[Op]['output']> } = {
  read: z.strictObject({ text: z.string(), fromLine: count, lines: count, totalLines: count, bytes: count, truncated: z.boolean(), hash }),
  bytes: z.strictObject({ content: z.instanceof(Uint8Array), offset: count, totalBytes: count }),
  list: z.strictObject({
    entries: z.array(z.strictObject({ path, kind: z.enum(['file', 'folder', 'link', 'other']), bytes: count })),
    truncated: z.boolean(),
  }),
  search: z.strictObject({
    matches: z.array(z.strictObject({ path, line: count, text: z.string(), before: lines, after: lines })),
    filesSearched: count,
    truncated: z.boolean(),
  }),
  write: z.strictObject({ bytes: count, created: z.boolean(), hash, was: hash }),
  put: z.strictObject({ bytes: count, created: z.boolean(), hash, was: hash }),
  stat: z.strictObject({
    kind: z.enum(['file', 'folder', 'link', 'other', 'missing']),
    bytes: count,
    modifiedMs: z.number(),
    executable: z.boolean(),
    linkTarget: path,
  }),
  edit: z.strictObject({ replaced: count, firstLine: count, hash, was: hash }),
  patch: z.strictObject({ files: z.array(patched) }),
  move: z.strictObject({ kind: z.enum(['file', 'folder', 'link']), replaced: z.boolean() }),
  delete: z.strictObject({ deleted: count }),
}
