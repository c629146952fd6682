/** A goal as calls show it: where it is, what it asks, its seed, and its newest generations. */
import { z } from 'zod'
import { idOrEmpty, idSchema, labelSchema, evident, limitsSchema } from '../../protocol/index.ts'
import { maxGenerations, maxJudges, maxRequestCharacters } from './limits.ts'
import { questionSchema, scoresSchema } from './interview.ts'
import { seedSchema } from './seed.ts'
import { endReasons } from './stop-rules.ts'

const goalPhases = ['interview', 'asking', 'seed', 'review', 'execute', 'check', 'judge', 'evolve', 'finish'] as const
export type GoalPhase = (typeof goalPhases)[number]

const goalStatuses = ['running', 'paused', 'reached', 'ended', 'failed'] as const
/** `reached`: it passed. `ended`: a rule or a person ended it before. `failed`: it could not go on. */
export type GoalStatus = (typeof goalStatuses)[number]

const verdict = z.strictObject({ passed: z.boolean(), score: z.number(), notes: z.array(z.string()).readonly() })

const outcome = z.strictObject({ passed: z.boolean(), score: z.number() })

const round = z.strictObject({
  questions: z.array(questionSchema).readonly(),
  scores: scoresSchema,
  ambiguity: z.number().describe('1 − (0.4 goal + 0.3 constraints + 0.3 success); from 0.2 down nothing is asked.'),
  answers: z.array(z.string()).readonly(),
})

const generationView = z.strictObject({
  number: z.int().describe('From 1.'),
  seed: z.string().describe('Hash of its seed.'),
  branch: z.string(),
  commit: z.string().describe('Version with its files; empty: it is not that far.'),
  tasks: z.array(z.strictObject({ task: z.string(), status: z.string(), session: z.string(), reason: z.string() })).readonly(),
  changed: z.array(z.string()).readonly(),
  checks: z
    .array(
      z.strictObject({
        text: z.string(),
        check: z.string(),
        status: z.enum(['passed', 'failed', 'flaky', 'error']),
        evidence: z.string(),
        wrote: z.array(z.string()).readonly().describe('Files that the check has changed.'),
      }),
    )
    .readonly(),
  review: z
    .strictObject({ review: verdict.nullable(), judges: z.array(verdict.nullable()).readonly(), quorum: z.int() })
    .nullable()
    .describe('Null: nothing had to be judged by a model, or a check has failed. A judge that is null gave no verdict.'),
  outcome: outcome.nullable(),
  notes: z.array(z.string()).readonly(),
  began_at: z.number(),
  ended_at: z.number().nullable(),
})

export type GenerationView = z.infer<typeof generationView>

export const goalSummary = z.strictObject({
  id: idSchema('TurnId'),
  request: z.string(),
  status: z.enum(goalStatuses),
  phase: z.enum(goalPhases),
  generation: z.int().describe('The present one, from 1.'),
  best: z.strictObject({ generation: z.int(), score: z.number(), passed: z.boolean() }).nullable(),
  waiting_for: z
    .string()
    .describe('`an answer` or `an approval` of a person; `a place`: as many agents as may are running; empty: nothing.'),
  created_at: z.number(),
  ended_at: z.number().nullable(),
})

export type GoalSummary = z.infer<typeof goalSummary>

export const goalView = goalSummary.extend({
  session: idSchema('SessionId'),
  home: idOrEmpty('SessionId').describe('Session that started it; empty: a person outside of any session.'),
  labels: z.array(labelSchema()).readonly(),
  options: z.strictObject({ just_do_it: z.boolean(), review: z.boolean(), max_generations: z.int(), judges: z.int() }),
  deadline: z.number().nullable(),
  step: z.int(),
  failure: z.string().describe('Why the last try of this step failed; empty: it did not.'),
  rounds: z.array(round).readonly(),
  questions: z.array(questionSchema).readonly().describe('What is asked now.'),
  seed_hash: z.string(),
  seed: seedSchema.nullable(),
  generations: z.array(generationView).readonly().describe('The newest, the oldest of them first; goal.lineage has all.'),
  generations_total: z.int(),
  spent: z.strictObject({ tokens: z.int(), micro_dollars: z.int() }),
  end: z
    .strictObject({
      reason: z.enum(endReasons),
      text: z.string(),
      merged: z.string().describe('Version of the workspace that has it; empty: nothing was merged.'),
      branch: z.string().describe('Branch that has the best generation; empty: it was merged, or no generation was made.'),
    })
    .nullable(),
})

export type GoalView = z.infer<typeof goalView>

export const lineageView = z.strictObject({
  number: z.int(),
  seed: z.string(),
  parent: z.string().describe('Hash of the seed before; empty: it is the first.'),
  by: z
    .enum(['model', 'person', 'kernel'])
    .describe('`kernel`: no model gave a better one that could be read, so it is the same with what was found.'),
  score: z.number().nullable(),
  passed: z.boolean(),
  notes: z.array(z.string()).readonly(),
  best: z.boolean(),
})

export const startInput = z.strictObject({
  request: z.string().trim().min(1).max(maxRequestCharacters).describe('What is to be reached.'),
  seed: z.json().optional().describe('Goal, constraints and criteria, instead of an interview; see docs/goals.md.'),
  just_do_it: z.boolean().default(false).describe('Ask nothing.'),
  review: z.boolean().default(false).describe('The person looks at the seed before anybody works.'),
  max_generations: z.int().min(1).max(maxGenerations).optional().meta(evident('Tries; default: `goals.max_generations`.')),
  judges: z.int().min(0).max(maxJudges).optional().meta(evident('Judges after the review; default: `goals.judges`.')),
  deadline_s: z
    .int()
    .min(1)
    .max(31 * 86_400)
    .optional()
    .meta(evident('Seconds until it ends.')),
  budget: limitsSchema.optional().meta(evident('Its share of your budget.')),
})

export type StartInput = z.infer<typeof startInput>
