/**
 * Tools of the program that sent a message, which runs them itself. A turn in whose newest answer the model calls such tools ends with
 * these calls, and the program continues it with a message that has their results:
 *
 *   client.ask      at the end of the turn: whether the call may leave, by flow policy and approvals. A refusal is its result.
 *   client.answer   before the next turn: the result, recorded under the id of the tool call, so that it is part of the conversation.
 *   client.reply    the other way round: whether the result of a call that the model of a program made may leave (`foreign-calls.ts`).
 *
 * Nothing waits in between, so neither a restart nor a program that never returns needs care. What a program returns is untrusted.
 */
import { z } from 'zod'
import { type CallId, isObject, type JsonObject, nestsDeeper, OxbowError } from '../../base/index.ts'
import { type ClientResult, type ClientTools, type ConversationItem, toolCallId, toolCallsOf, turnCall } from '../../protocol/index.ts'
import type { Registry } from '../calls/registry.ts'

/** Tools of a program in one message: as many as OpenAI takes, with room for their schemas. Each request to a model carries them. */
const maxClientTools = 128

const maxClientToolBytes: number = 128 * 1024

/** Deeper schemas are no help to a model; recursion over hostile ones would exhaust the stack. */
const maxClientToolDepth = 32

const toolName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -')

const jsonSchema = z.custom<JsonObject>(
  (value) => isObject(value) && !nestsDeeper(value, maxClientToolDepth),
  'must be a JSON Schema that nests little',
)

/** Of a tool of a program. */
export const toolTiers = z.enum(['read_only', 'side_effecting', 'privileged'])

const toolSpec = z.strictObject({
  name: toolName.describe('Name by which the model calls it; no tool of Oxbow may have it.'),
  description: z.string().max(8_000).describe('What it does, for the model.'),
  parameters: jsonSchema.describe('JSON Schema of its arguments.'),
  tier: toolTiers.optional().describe('Judges its calls, as `[approval]` says; default `read_only`.'),
})

export const clientTools: z.ZodType<ClientTools> = z
  .strictObject({
    tools: z.array(toolSpec).max(maxClientTools).describe('Tools that the program runs.'),
    choice: z
      .union([z.enum(['none', 'required']), z.strictObject({ tool: toolName })])
      .optional()
      .describe('Whether the first answer of the turn must call a tool, or which one; `none`: no answer calls any.'),
    caution: z
      .enum(['ask', 'read_only'])
      .optional()
      .describe('Stricter than `[approval]` for this turn: calls of the model that change something ask, or are refused.'),
    serial: z.literal(true).optional().describe('One call at a time.'),
    output: z
      .strictObject({ name: toolName, schema: jsonSchema })
      .optional()
      .describe('The answer must be JSON of this schema, as far as the model supports that.'),
  })
  .refine(({ tools }) => new Set(tools.map(({ name }) => name)).size === tools.length, 'two tools have the same name')
  .refine((client) => JSON.stringify(client).length <= maxClientToolBytes, `the tools have more than ${maxClientToolBytes} characters`)

/** @throws OxbowError `bad_input` for a tool with the name of a call, which it would hide or be taken for */
export async function assertForeign({ tools, choice }: ClientTools, registry: Pick<Registry, 'find' | 'parse'>): Promise<void> {
  // Loads the descriptions.
  await registry.parse(turnCall, {})
  const own = tools.find(({ name }) => registry.find(name) !== undefined)
  if (own !== undefined)
    throw new OxbowError('bad_input', `The tool ${own.name} has the name of a tool of Oxbow.`, { hint: 'Give it another name.' })
  if (typeof choice === 'object' && tools.every(({ name }) => name !== choice.tool))
    throw new OxbowError('bad_input', `No tool of the request has the name ${choice.tool}.`, { hint: 'Choose one of `tools`.' })
}

/**
 * @param items the conversation
 * @returns the tools by the calls that the results answer
 * @throws OxbowError `bad_input` unless they answer exactly the calls with which the newest turn ended
 */
export function answeredTools(
  items: readonly ConversationItem[],
  results: readonly ClientResult[],
  registry: Pick<Registry, 'find'>,
): ReadonlyMap<CallId, string> {
  const at = items.findLastIndex(({ message }) => message.role !== 'tool')
  const generation = items[at]
  const calls = generation?.message.role === 'assistant' ? toolCallsOf(generation.message) : []
  const answered = new Set(items.slice(at + 1).map(({ call }) => call))
  const open = new Map(
    calls.flatMap(({ name }, index): readonly (readonly [CallId, string])[] => {
      const call = toolCallId(generation!.call, index)
      return registry.find(name) === undefined ? [[call, name]] : []
    }),
  )
  const foreign = results.find(({ call }) => !open.has(call))
  if (foreign !== undefined)
    throw new OxbowError('bad_input', `Nothing waits for a result of the call ${foreign.call.slice(0, 100)}.`, {
      hint: 'Send the results of the calls with which the newest turn ended, before any other message.',
    })
  const missing = [...open.keys()].find((call) => !answered.has(call) && results.every((result) => result.call !== call))
  if (missing !== undefined)
    throw new OxbowError('bad_input', `The result of the call ${missing} is missing.`, { hint: 'Send the results of all calls at once.' })
  return open
}
