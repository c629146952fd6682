/** What scripts have instead of a clock, chance and a keyboard: calls, so that what they return is on record. Only programs make them. */
import { z } from 'zod'
import { modelRight, processRight } from '../../kernel/index.ts'
import type { Runs } from '../../runs/index.ts'
import { fenced, type Json, jsonIn, OxbowError, problemLines, type Random, type SchemaChecker, toError } from '../../base/index.ts'
import { type Call, type CallContext, defineCall, jsonObjectSchema } from '../../protocol/index.ts'
import { maxJudgementTries, maxProgramSeconds } from './limits.ts'
import { judgementCall } from './program-rights.ts'

export interface ScriptCallDeps {
  readonly random: Random
  readonly runs: () => Promise<Pick<Runs, 'sleep'>>
  readonly schemas: Pick<SchemaChecker, 'validate'>
}

const own = {
  tier: 'read_only',
  right: processRight,
  effect: 'idempotent',
  audience: ['runtime'],
  labels: { adds: [], sink: false },
  timeoutMs: 10_000,
} as const satisfies Partial<Call>

export function scriptCalls(deps: ScriptCallDeps): readonly Call[] {
  return [nowCall(), randomCall(deps), waitCall(deps), questionCall(), askCall(deps)]
}

function nowCall(): Call {
  return defineCall({
    ...own,
    name: 'program.now',
    summary: 'Tells a script the time.',
    input: z.strictObject({}),
    output: z.strictObject({ at: z.number().describe('Unix milliseconds.') }),
    example: {},
    run: async (_, { clock }) => ({ output: { at: clock.now() }, text: '' }),
  })
}

function randomCall({ random }: ScriptCallDeps): Call {
  return defineCall({
    ...own,
    name: 'program.random',
    summary: 'Gives a script a random number.',
    input: z.strictObject({}),
    output: z.strictObject({ value: z.number().describe('From 0 to less than 1.') }),
    example: {},
    async run() {
      const bytes = random.bytes(6)
      const whole = bytes.reduce((sum, byte) => sum * 256 + byte, 0)
      return { output: { value: whole / 2 ** 48 }, text: '' }
    },
  })
}

function waitCall({ runs }: ScriptCallDeps): Call {
  return defineCall({
    ...own,
    name: 'program.wait',
    waitsFor: 'event',
    summary: 'Lets a script wait until a time, for days if it must.',
    input: z.strictObject({ until: z.number().describe('Unix milliseconds.') }),
    output: z.strictObject({ at: z.number().describe('Unix milliseconds.') }),
    example: { until: 1_900_000_000_000 },
    timeoutMs: Infinity,
    async run({ until }, { clock, signal }) {
      if (until - clock.now() > maxProgramSeconds * 1_000)
        throw new OxbowError('limit_reached', `A script waits ${maxProgramSeconds / 86_400} days at most.`, {
          hint: 'Wait in several steps.',
        })
      if (until > clock.now()) await (await runs()).sleep(until, signal)
      return { output: { at: clock.now() }, text: '' }
    },
  })
}

const questionInput = z
  .strictObject({
    question: z.string().min(1).max(8_000),
    choices: z.array(z.string().min(1).max(200)).max(20).readonly().default([]),
    answer: z.json().optional(),
  })
  .refine(
    ({ choices, answer }) => answer === undefined || choices.length === 0 || choices.some((each) => each === answer),
    'the answer must be one of the choices',
  )

function questionCall(): Call {
  return defineCall({
    ...own,
    name: 'program.question',
    summary: 'Asks the person, for a script.',
    input: questionInput,
    output: z.strictObject({ answer: z.json() }),
    example: { question: 'Publish it?', choices: ['yes', 'no'] },
    asks: ({ question }) => question,
    run: async ({ choices, answer = choices[0] ?? 'yes' }) => ({ output: { answer }, text: '' }),
  })
}

const askInput = z.strictObject({
  prompt: z.string().min(1).max(400_000),
  schema: jsonObjectSchema().optional().describe('JSON Schema of the answer; absent: a text.'),
  system: z.string().max(20_000).default(''),
  model: z.string().max(200).default('').describe('Empty: the usual one.'),
  max_tokens: z.int().min(1).optional(),
})

function askCall(deps: ScriptCallDeps): Call {
  return defineCall({
    ...own,
    name: judgementCall,
    summary: 'Asks a model for a judgement, for a script.',
    input: askInput,
    output: z.strictObject({ value: z.custom<Json>() }),
    example: { prompt: 'Is this a complaint? …', schema: { type: 'boolean' }, system: '', model: '' },
    right: modelRight,
    labels: { adds: [], sink: true },
    timeoutMs: 600_000,
    run: async (input, context) => ({ output: { value: await judge(deps, context, input) } }),
  })
}

async function judge({ schemas }: ScriptCallDeps, context: CallContext, input: z.infer<typeof askInput>): Promise<Json> {
  const { prompt, schema, system, model, max_tokens } = input
  let correction = ''
  for (let tried = 0; tried < maxJudgementTries; tried++) {
    const form =
      schema === undefined ? '' : `\n\nAnswer with one JSON value that matches this schema, and nothing else: ${JSON.stringify(schema)}`
    const request = {
      model,
      system,
      text: prompt + form + correction,
      ...(max_tokens && { max_tokens }),
      ...(schema && { output: { name: 'answer', schema } }),
    }
    const outcome = await context.call(context.caller.actor, 'model.complete', request)
    if (outcome.status !== 'ok') throw toError(outcome.failure)
    const { text } = outcome.output as { readonly text: string }
    if (schema === undefined) return text
    const value = jsonIn(text)
    const problems = value === undefined ? [{ path: '', message: 'is not JSON' }] : await schemas.validate(schema, value)
    if (value !== undefined && problems.length === 0) return value
    correction = `\n\nThis answer did not match the schema:\n${fenced(text, context.id)}\n${problemLines(problems)}\nAnswer again.`
  }
  throw new OxbowError('tool_failed', `The model gave no answer that matches the schema in ${maxJudgementTries} tries.`, {
    hint: 'Ask a simpler question, or allow more in the schema.',
  })
}
