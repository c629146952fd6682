/** Parses replies of hands. A hostile program may control everything in a sandbox, so each reply is checked against a schema and limits. */
import { z } from 'zod'
import { type ErrorCode, type Failure, OxbowError } from '../../base/index.ts'
import { joinContent } from '../../protocol/index.ts'
import { handsOperations } from '../../protocol/hands/hands-operations.ts'
import type { HandsOp, HandsOps } from '../../protocol/index.ts'
import { maxFailureText, maxReplyValues } from '../limits.ts'

export function isHandsOp(name: unknown): name is HandsOp {
  return typeof name === 'string' && Object.hasOwn(handsOperations, name)
}

/** @returns the request of an isolated guest, or null if it is invalid: an attacker may control the guest. */
export function parseRequest(op: HandsOp, body: unknown): object | null {
  const parsed = handsOperations[op].input.safeParse(body)
  return parsed.success ? parsed.data : null
}

/** Codes that hands use. Others could make the kernel act: `store_full` turns it read-only. */
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
/** As another node tells it: any other code is only that something failed there. */
export const failureElsewhere = failure.extend({ code: z.enum(handsCodes).catch('sandbox_failed') })

/** The text is untrusted: for a model it is fenced like a result. */
export function untrustedError({ code, message, hint }: Failure): OxbowError {
  return new OxbowError(code, message, { hint, data: { labels: ['untrusted'] } })
}

const refusal = z.strictObject({ failure })
const accepted = z.strictObject({ ok: z.looseObject({}), bytes: z.int().nonnegative().optional() })

export type HandsReply<Op extends HandsOp> =
  | { readonly kind: 'ok'; readonly output: HandsOps[Op]['output'] }
  | { readonly kind: 'failed'; readonly error: OxbowError }
  | { readonly kind: 'garbage'; readonly problem: string }

/** Never throws. */
export function parseReply<Op extends HandsOp>(op: Op, message: string, content: Buffer): HandsReply<Op> {
  if (holdsMoreValues(message, maxReplyValues)) return { kind: 'garbage', problem: 'a reply has too many values' }
  let body: unknown
  try {
    body = JSON.parse(message)
  } catch {
    return { kind: 'garbage', problem: 'a reply is not JSON' }
  }
  const refused = refusal.safeParse(body)
  if (!refused.success) {
    const output = handsOperations[op].output as unknown as z.ZodType<HandsOps[Op]['output']>
    const envelope = accepted.safeParse(body)
    const reply = envelope.success ? output.safeParse(joinContent(envelope.data.ok, envelope.data.bytes, content)) : envelope
    return reply.success ? { kind: 'ok', output: reply.data } : { kind: 'garbage', problem: `a reply to ${op} has the wrong shape` }
  }
  if (content.length > 0) return { kind: 'garbage', problem: 'a failure has bytes' }
  return { kind: 'failed', error: untrustedError(refused.data.failure) }
}

/**
 * Counted in the text before it is parsed: three bytes of it can become an array, which takes fifteen times that. Strings take no more than
 * their length, and are skipped.
 */
function holdsMoreValues(json: string, limit: number): boolean {
  if (json.length <= limit) return false
  let values = 0
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at]
    if (character === '"') at = endOfString(json, at)
    else if (character === ',' || character === '[' || character === '{') values += 1
    if (values > limit) return true
  }
  return false
}

/** @returns the index of the string's closing quotation mark; the end of the text if it has none */
function endOfString(json: string, begin: number): number {
  for (let end = json.indexOf('"', begin + 1); end >= 0; end = json.indexOf('"', end + 1)) {
    let slashes = 0
    while (json[end - 1 - slashes] === '\\') slashes += 1
    if (slashes % 2 === 0) return end
  }
  return json.length
}
