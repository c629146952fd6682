/** What hands may say. Everything in a sandbox may be in a stranger's hands, so each reply is parsed against a schema and its sizes. */
import { z } from 'zod'
import { OxbowError } from '../types/index.ts'
import type { ErrorCode, HandsOp, HandsOps } from '../types/index.ts'
import { maxFailureText } from './limits.ts'

const count = z.int().nonnegative()
const path = z.string().max(8_192)
const lines = z.array(z.string())
const patched = z.strictObject({
  path,
  from: path,
  change: z.enum(['created', 'changed', 'deleted', 'moved']),
  added: count,
  removed: count,
  hunks: count,
  shifted: count,
})

/** Not by a pattern: it would need a stack as long as the text. */
function isBase64(said: string): boolean {
  return Buffer.from(said, 'base64').toString('base64') === said
}

const outputs: { readonly [Op in HandsOp]: z.ZodType<HandsOps[Op]['output']> } = {
  read: z.strictObject({ text: z.string(), fromLine: count, lines: count, totalLines: count, bytes: count, truncated: z.boolean() }),
  bytes: z
    .strictObject({ base64: z.string().refine(isBase64), offset: count, bytes: count, totalBytes: count })
    .refine((range) => Buffer.byteLength(range.base64, 'base64') === range.bytes),
  list: z.strictObject({
    entries: z.array(z.strictObject({ path, kind: z.enum(['file', 'folder', 'link', 'other']), bytes: count })),
    truncated: z.boolean(),
  }),
  search: z.strictObject({
    matches: z.array(z.strictObject({ path, line: count, text: z.string(), before: lines, after: lines })),
    filesSearched: count,
    truncated: z.boolean(),
  }),
  write: z.strictObject({ bytes: count, created: z.boolean() }),
  edit: z.strictObject({ replaced: count, firstLine: count }),
  patch: z.strictObject({ files: z.array(patched) }),
  move: z.strictObject({ kind: z.enum(['file', 'folder', 'link']), replaced: z.boolean() }),
  delete: z.strictObject({ deleted: count }),
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

/** Codes that hands have a reason to use. Others could make the kernel do something: `store_full` turns it read-only. */
const handsCodes = [
  'bad_input',
  'not_found',
  'cancelled',
  'limit_reached',
  'tool_failed',
  'edit_mismatch',
  'not_text',
  'path_refused',
  'sandbox_missing',
  'sandbox_failed',
] as const satisfies readonly ErrorCode[]

const text = z.string().max(maxFailureText)
const failure = z.strictObject({ code: z.enum(handsCodes), message: text, hint: text })

export type HandsReply<Op extends HandsOp> =
  | { readonly kind: 'ok'; readonly output: HandsOps[Op]['output'] }
  | { readonly kind: 'failed'; readonly error: OxbowError }
  | { readonly kind: 'garbage'; readonly problem: string }

/** Never throws. */
export function parseReply<Op extends HandsOp>(op: Op, message: string): HandsReply<Op> {
  let body: unknown
  try {
    body = JSON.parse(message)
  } catch {
    return { kind: 'garbage', problem: 'a reply is no JSON' }
  }
  const refused = z.strictObject({ failure }).safeParse(body)
  if (!refused.success) {
    const output: z.ZodType<HandsOps[Op]['output']> = outputs[op]
    const reply = z.strictObject({ ok: output }).safeParse(body)
    return reply.success ? { kind: 'ok', output: reply.data.ok } : { kind: 'garbage', problem: `a reply to ${op} has the wrong shape` }
  }
  const { code, message: what, hint } = refused.data.failure
  return { kind: 'failed', error: new OxbowError(code, what, { hint }) }
}
