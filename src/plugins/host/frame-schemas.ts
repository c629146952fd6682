/** What a host may send: replies and calls, checked before use. Limits on numbers and lengths apply to one plugin. */
import { z } from 'zod'
import { type ErrorCode, isObject, type JsonObject, parseForeignJson, truncate } from '../../base/index.ts'
import { type PluginExports, pluginExports, pluginHooks, type PluginOp, type PluginOps, pluginTests } from '../../protocol/index.ts'
import { maxFailureText } from './limits.ts'

const maxParts = 500
const maxNameChars = 100
const maxTextChars = 1024 * 1024

const name = z.string().min(1).max(maxNameChars)
const text = z.string().max(maxTextChars)
const object = z.custom<JsonObject>((value) => isObject(value), 'must be a JSON object')
const list = <Part extends z.ZodType>(part: Part): z.ZodArray<Part> => z.array(part).max(maxParts)
const nothing = z.strictObject({})

const provided = z.strictObject({ name, text, values: object, data: object, problem: z.string().max(maxFailureText) })
const headers = z.record(z.string().max(200), z.string().max(8_000))

const outputs: { readonly [Op in PluginOp]: z.ZodType<PluginOps[Op]['output']> } = {
  describe: pluginExports,
  start: nothing,
  action: z.strictObject({ ok: z.boolean(), text, data: object, values: object }),
  provide: z.strictObject({ provided: list(provided) }),
  evaluate: z.strictObject({ ran: z.boolean(), data: object }),
  service: nothing,
  model: z.strictObject({ result: z.json() }),
  route: z.strictObject({ status: z.int().min(200).max(599), headers, body: z.base64() }),
  task: z.strictObject({ text }),
  event: nothing,
  hook: z.strictObject({
    verdict: z.enum(['pass', 'change', 'refuse', 'approve']),
    value: z.json(),
    reason: z.string().max(maxFailureText),
    failed: list(z.string().max(maxFailureText)).exactOptional(),
  }),
  test: pluginTests,
  health: z.strictObject({ memory_bytes: z.number().nonnegative(), services: list(name) }),
  forget: z.strictObject({ rows: z.int().nonnegative() }),
  drain: nothing,
}

/** Codes that a plugin may fail with. Others could make the kernel act: `store_full` turns it read-only. */
const codes = [
  'bad_input',
  'not_found',
  'cancelled',
  'limit_reached',
  'denied',
  'timeout',
  'tool_failed',
] as const satisfies readonly ErrorCode[]
const failure = z.strictObject({ code: z.enum(codes), message: z.string().max(maxFailureText), hint: z.string().max(maxFailureText) })
const reply = z.union([z.strictObject({ ok: object, services: list(name).optional() }), z.strictObject({ failure })])
const callRequest = z.strictObject({
  op: z.literal('call'),
  input: z.strictObject({ for: z.int().nonnegative(), name: z.string().max(200), input: object }),
})

export type HostCall = z.infer<typeof callRequest>['input']
type HostFailure = z.infer<typeof failure>

/** The reply of a plugin's host, which is untrusted: `garbage` fits no schema. */
export type HostReply<Op extends PluginOp> =
  | { readonly kind: 'ok'; readonly output: PluginOps[Op]['output']; readonly services: readonly string[] }
  | { readonly kind: 'failed'; readonly failure: HostFailure }
  | { readonly kind: 'garbage'; readonly problem: string }

/** Never throws. */
export function parseHostReply<Op extends PluginOp>(op: Op, message: string): HostReply<Op> {
  const parsed = reply.safeParse(jsonOf(message))
  if (!parsed.success) return { kind: 'garbage', problem: 'a reply is neither a result nor a failure' }
  if ('failure' in parsed.data) return { kind: 'failed', failure: parsed.data.failure }
  const { ok, services = [] } = parsed.data
  const output = (outputs[op] as z.ZodType<PluginOps[Op]['output']>).safeParse(ok)
  return output.success
    ? { kind: 'ok', output: output.data, services }
    : { kind: 'garbage', problem: `a reply to ${op} has the wrong form${whereOf(output.error)}` }
}

const maxPathChars = 100

/** @returns the first field that is wrong, for who writes the plugin */
function whereOf({ issues: [first] }: z.ZodError): string {
  if (first === undefined || first.path.length === 0) return ''
  return `: ${truncate(first.path.join('.'), maxPathChars)} (${truncate(first.message, maxPathChars)})`
}

/** @returns the call, or null if the message is not a call. Never throws. */
export function parseHostCall(message: string): HostCall | null {
  const parsed = callRequest.safeParse(jsonOf(message))
  return parsed.success ? parsed.data.input : null
}

/** @returns what a plugin has, from where it is kept; null for anything else */
export function parseExports(value: unknown): PluginExports | null {
  const parsed = pluginExports.safeParse(value)
  return parsed.success ? parsed.data : null
}

/** @returns hooks from where they are kept @throws ZodError for anything else */
export function parseGuards(value: unknown): PluginExports['hooks'] {
  return pluginHooks.parse(value)
}

/** @returns undefined for what is no JSON */
function jsonOf(message: string): unknown {
  try {
    return parseForeignJson(message)
  } catch {
    return undefined
  }
}
