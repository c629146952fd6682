/**
 * The interview before a seed: how clear a request is, and what is to be asked. Ambiguity is 1 − (0.4 goal + 0.3 constraints + 0.3 success);
 * from 0.2 down nothing is asked. What a model answers is hostile input.
 */
import { z } from 'zod'
import { assertNever, type Json, jsonIn, nestsDeeper } from '../../base/index.ts'
import { maxAnswerCharacters, maxChoices, maxQuestionCharacters, maxQuestions, readyAmbiguity } from './limits.ts'
import { problemsOf, type Read } from './seed.ts'

export const questionSchema = z
  .strictObject({
    type: z.enum(['single', 'multi', 'text', 'yes_no']),
    text: z.string().trim().min(1).max(maxQuestionCharacters),
    choices: z.array(z.string().trim().min(1).max(200)).max(maxChoices).default([]),
  })
  .refine(({ type, choices }) => (type === 'single' || type === 'multi') === choices.length > 0, 'choices belong to single and multi')
  .refine(({ choices }) => new Set(choices).size === choices.length, 'two choices are the same')

export type Question = z.infer<typeof questionSchema>

const clarity = z.number().min(0).max(1)

export const scoresSchema = z.strictObject({ goal: clarity, constraints: clarity, success: clarity })

export type Scores = z.infer<typeof scoresSchema>

const interviewSchema = z.strictObject({
  kind: z.enum(['task', 'small_talk']).default('task'),
  reply: z.string().max(2_000).default(''),
  scores: scoresSchema,
  questions: z.array(questionSchema).max(maxQuestions).default([]),
})

export type Interview = z.infer<typeof interviewSchema>

/** @returns 0, nothing is open, to 1 */
export function ambiguityOf({ goal, constraints, success }: Scores): number {
  // Sums of tenths are not exact: a request that reaches the threshold exactly is clear.
  return Math.round((1 - (0.4 * goal + 0.3 * constraints + 0.3 * success)) * 1e9) / 1e9
}

export const isClear = (scores: Scores): boolean => ambiguityOf(scores) <= readyAmbiguity

/** Reads what a model has answered. Never throws. */
export function readInterview(answer: string): Read<Interview> {
  const value = answer.length > 64 * 1024 ? undefined : jsonIn(answer)
  if (value === undefined) return { problem: 'it is not one JSON value' }
  if (nestsDeeper(value, 16)) return { problem: 'it nests too deep' }
  const parsed = interviewSchema.safeParse(value)
  return parsed.success ? { value: parsed.data } : { problem: problemsOf(parsed.error) }
}

/** Where no model gives an answer that can be read: what a person is asked then. Its ambiguity is 0.76. */
export const generic: Interview = {
  kind: 'task',
  reply: '',
  scores: { goal: 0.3, constraints: 0.2, success: 0.2 },
  questions: [{ type: 'text', text: 'What is to be there when it is done, and how would you check that?', choices: [] }],
}

const greetings =
  /^(?:hi|hello|hey|hallo|thanks?|thank you|thx|ok|okay|bye|good (?:morning|day|evening|night)|how are you|how do you do|who are you|what'?s up)(?: there| oxbow| you| very much)?[\s!.,?)(:;-]*$/i

/** Words that ask for nothing: no model is asked about them. */
export const isSmallTalk = (request: string): boolean => greetings.test(request.trim())

/** The person wants no questions. */
export const isImpatient = (request: string): boolean => /\b(?:just do it|no questions(?:,? please)?|don'?t ask(?: me)?)\b/i.test(request)

const textOf = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** @returns an answer in the form of its question, as text; what is wrong with it otherwise */
export function readAnswer({ type, choices }: Question, answer: Json): Read<string> {
  const listed = choices.map((choice) => JSON.stringify(choice)).join(', ')
  const said = textOf(answer)
  switch (type) {
    case 'yes_no': {
      if (/^(?:y|yes|true)$/i.test(said)) return { value: 'yes' }
      return /^(?:n|no|false)$/i.test(said) ? { value: 'no' } : { problem: 'it takes yes or no' }
    }
    case 'single': {
      const chosen =
        choices.find((choice) => choice === answer) ?? choices.find((choice) => choice.toLowerCase() === said.trim().toLowerCase())
      return chosen === undefined ? { problem: `it takes one of ${listed}` } : { value: chosen }
    }
    case 'multi': {
      const given = Array.isArray(answer) ? (answer as readonly Json[]) : said.split(',')
      const names = given.map((each) => textOf(each).trim().toLowerCase()).filter((each) => each !== '')
      const chosen = choices.filter((choice) => names.includes(choice.toLowerCase()))
      return chosen.length < new Set(names).size
        ? { problem: `it takes some of ${listed}` }
        : { value: chosen.join(', ') || 'nothing of these' }
    }
    case 'text': {
      const text = said.trim()
      if (text === '') return { problem: 'it takes a text' }
      return text.length > maxAnswerCharacters ? { problem: `it takes at most ${maxAnswerCharacters} characters` } : { value: text }
    }
    default:
      return assertNever(type)
  }
}
