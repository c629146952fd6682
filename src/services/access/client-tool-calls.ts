/** The calls by which tools of programs pass the gate, where the program runs them: see `client-calls.ts` of the kernel, which makes them. */
import { z } from 'zod'
import { clientAsk, clientReply, maxInputBytes, processRight, toolTiers } from '../../kernel/index.ts'
import { type CallId, OxbowError } from '../../base/index.ts'
import { type Call, defineCall, toolPlace, turnRight } from '../../protocol/index.ts'

export function clientCalls(): readonly Call[] {
  return [askCall(), answerCall(), replyCall()]
}

function askCall(): Call {
  return defineCall({
    name: clientAsk,
    forModel: true,
    summary: 'Asks the program that sent the message to run one of its own tools.',
    input: z.strictObject({
      tool: z.string(),
      call: z.custom<CallId>((id) => typeof id === 'string'),
      arguments: z.string(),
      tier: toolTiers.optional(),
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
  })
}

function answerCall(): Call {
  return defineCall({
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
  })
}

function replyCall(): Call {
  return defineCall({
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
  })
}
