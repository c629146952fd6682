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
import {
  type Call,
  type ClientResult,
  type ClientTools,
  type ConversationItem,
  type Tier,
  toolCallId,
  toolCallsOf,
  toolPlace,
  turnCall,
  turnRight,
} from '../../protocol/index.ts'
import { maxInputBytes, type Registry } from '../calls/registry.ts'
import { clientAsk, clientReply, processRight } from '../policy/policy.ts'

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

const tiers = z.enum(['read_only', 'side_effecting', 'privileged'])

const toolSpec = z.strictObject({
  name: toolName.describe('Name by which the model calls it; no tool of Oxbow may have it.'),
  description: z.string().max(8_000).describe('What it does, for the model.'),
  parameters: jsonSchema.describe('JSON Schema of its arguments.'),
  tier: tiers.optional().describe('Judges its calls, as `[approval]` says; default `read_only`.'),
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

export function clientCalls(): readonly Call[] {
  return [askCall(), answerCall(), replyCall()]
}

interface AskInput {
  readonly tool: string
  readonly call: CallId
  readonly arguments: string
  /** Of the tool; absent: `read_only`. */
  readonly tier?: Tier | undefined
}

function askCall(): Call<AskInput, { tool: string }> {
  return {
    name: clientAsk,
    forModel: true,
    summary: 'Asks the program that sent the message to run one of its own tools.',
    input: z.strictObject({
      tool: z.string(),
      call: z.custom<CallId>((id) => typeof id === 'string'),
      arguments: z.string(),
      tier: tiers.optional(),
    }),
    output: z.strictObject({ tool: z.string() }),
    example: { tool: 'get_weather', call: '01890a5d-ac96-774b-bcce-b302099a8057.0' as CallId, arguments: '{"city":"Oslo"}' },
    tier: 'read_only',
    tierOf: ({ tier = 'read_only' }) => tier,
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: true },
    timeoutMs: 10_000,
    run: async ({ tool }) => ({ output: { tool }, text: '' }),
  }
}

interface AnswerInput {
  readonly tool: string
  readonly text: string
  readonly ok: boolean
  /** It was not asked. */
  readonly refused: boolean
}

function answerCall(): Call<AnswerInput, { tool: string }> {
  return {
    name: 'client.answer',
    summary: 'Records the result of a tool that the program ran.',
    input: z.strictObject({ tool: z.string(), text: z.string().max(maxInputBytes), ok: z.boolean(), refused: z.boolean() }),
    output: z.strictObject({ tool: z.string() }),
    example: { tool: 'get_weather', text: 'Rain.', ok: true, refused: false },
    tier: 'side_effecting',
    right: turnRight,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    recordInput: ({ tool, ok, refused, text }) => ({ tool, ok, refused, characters: text.length }),
    recordOutput: ({ tool }) => ({ tool }),
    async run({ tool, text, ok, refused }, { id }) {
      if (toolPlace(id) === null)
        throw new OxbowError('bad_input', 'A result needs the id of its tool call.', { hint: 'Send it with a message.' })
      return { output: { tool }, text, ok, labels: refused ? [] : ['untrusted'] }
    },
  }
}

interface ReplyInput {
  /** Whose result it is. */
  readonly call: string
  readonly name: string
}

function replyCall(): Call<ReplyInput, ReplyInput> {
  return {
    name: clientReply,
    summary: 'Passes the result of a call on to the program of a key, whose model is outside of this guest.',
    input: z.strictObject({ call: z.string(), name: z.string() }),
    output: z.strictObject({ call: z.string(), name: z.string() }),
    example: { call: '01890a5d-ac96-774b-bcce-b302099a8057', name: 'lookup' },
    tier: 'read_only',
    right: processRight,
    effect: 'none',
    audience: ['runtime'],
    labels: { adds: [], sink: true, toProgram: true },
    timeoutMs: 10_000,
    run: async (input) => ({ output: input, text: '' }),
  }
}
