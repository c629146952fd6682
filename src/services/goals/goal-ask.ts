/**
 * The questions of a goal, as a call that always waits for a person: it is parked and decided like any other, in every terminal, and survives a
 * restart. Allowing it as it is means: go on without answers.
 */
import { z } from 'zod'
import { processRight } from '../../kernel/index.ts'
import { type CallId, type Json, type JsonObject, plural } from '../../base/index.ts'
import { type Call, defineCall, type PendingApproval } from '../../protocol/index.ts'
import { questionSchema, readAnswer } from './interview.ts'

const askName = 'goal.ask'

const askInput = z
  .strictObject({
    goal: z.string(),
    about: z.enum(['goal', 'seed']),
    text: z.string(),
    questions: z.array(questionSchema).readonly(),
    answers: z.array(z.json()).readonly().optional(),
  })
  .refine(
    ({ questions, answers = [] }) => answers.length === 0 || answers.length === questions.length,
    'needs an answer to each question, or none',
  )
  .refine(
    ({ questions, answers = [] }) => answers.every((answer, at) => 'value' in readAnswer(questions[at]!, answer)),
    'an answer does not fit its question',
  )

type AskInput = z.infer<typeof askInput>

export function askCall(): Call {
  return defineCall({
    name: askName,
    summary: 'Asks the person, for a goal.',
    input: askInput,
    output: z.strictObject({ answers: z.array(z.string()).readonly() }),
    example: {
      goal: '0fd2b0d1-53a1-8c77-a1d0-6f0d2f3d8a11',
      about: 'goal',
      text: 'Which of the two?',
      questions: [{ type: 'single', text: 'Which of the two?', choices: ['CSV', 'JSON'] }],
    },
    tier: 'read_only',
    right: processRight,
    asks: ({ text }) => text,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    async run({ questions, answers = [] }) {
      const said = answers.map((answer, at) => {
        const read = readAnswer(questions[at]!, answer)
        return 'value' in read ? read.value : ''
      })
      return { output: { answers: said }, text: said.join('\n') }
    },
  })
}

export interface OpenAsk {
  readonly call: CallId
  readonly asks: AskInput
}

/** @returns the question with which a goal waits; undefined: with none */
export function openAsk(pending: readonly PendingApproval[], goal: string): OpenAsk | undefined {
  for (const { call, name, input } of pending) {
    const asked = name === askName ? (JSON.parse(input) as AskInput) : null
    if (asked?.goal === goal) return { call, asks: asked }
  }
  return undefined
}

/** @returns the input with which it is decided, or what is wrong with the answers */
export function answered({ asks }: OpenAsk, answers: readonly Json[]): { readonly input: JsonObject } | { readonly problem: string } {
  const { questions } = asks
  if (answers.length > 0 && answers.length !== questions.length)
    return { problem: `It asks ${plural(questions.length, 'question')}, and ${plural(answers.length, 'answer')} came.` }
  for (const [at, answer] of answers.entries()) {
    const read = readAnswer(questions[at]!, answer)
    if ('problem' in read) return { problem: `The answer to “${questions[at]!.text}” does not fit: ${read.problem}.` }
  }
  return { input: { ...(asks as unknown as JsonObject), answers } }
}
