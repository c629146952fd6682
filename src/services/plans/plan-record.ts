/**
 * What is kept of a plan, and what is shown of it. A plan does not change once it is made: its digest covers all that applying it would do.
 * How far it was applied is a document of its own; see `apply-run.ts`.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type Documents, sessionId } from '../../kernel/index.ts'
import { canonicalJson } from '../../base/index.ts'
import { failureSchema, idOrEmpty, idSchema, jsonSchema, labelSchema, evident, limitsSchema } from '../../protocol/index.ts'

export const applyCategory = 'system/plan_runs'
export const planCategory = 'system/plans'

const versions = z.record(z.string(), z.string())
const spend = z.strictObject({ tokens: z.int().nonnegative(), micro_dollars: z.int().nonnegative() })

const plannedEffect = z.strictObject({
  n: z.int().min(1).describe('Its place in the plan.'),
  call: z.string().describe('The call that applying makes.'),
  input: jsonSchema(),
  asks: z.boolean().describe('By policy a person is asked; applying the plan by its digest answers that.'),
  outside: z.boolean().describe('False: it changes notes, documents or settings of this guest only.'),
  answer: jsonSchema().describe('What stood for its result; null: nothing could, and the plan ends with it.'),
  made: z
    .array(z.union([z.string(), z.number()]))
    .readonly()
    .describe('Ids and versions in this answer in whose place applying puts the real ones.'),
  basis: versions.describe('What it depends on that is no file, with its versions.'),
  most: spend.describe('The most that it can cost.'),
})

/** A call that a plan makes when it is applied. */
export type PlannedEffect = z.infer<typeof plannedEffect>

const plannedFile = z.strictObject({ path: z.string(), change: z.enum(['added', 'changed', 'deleted']) })

export const planRecord = z.strictObject({
  id: idSchema('CallId'),
  digest: z.string().describe('Of all that applying it does; empty until it is made.'),
  state: z
    .enum(['making', 'ready', 'failed', 'applying', 'stopped', 'applied', 'dropped'])
    .describe('`stopped`: applying it has stopped in between, and goes on when it is applied again.'),
  text: z.string(),
  home: idOrEmpty('SessionId').describe('The session that it goes on from; empty: none.'),
  session: idOrEmpty('SessionId').describe('The session in which it was made.'),
  agent: z.string(),
  branch: z.string().describe('The branch of files that has its changes; empty: it changes no file.'),
  base: z.string().describe('The version of the files that it was made on.'),
  commit: z.string().describe('The version of its files.'),
  files: z.array(plannedFile).readonly(),
  total: z.int().describe('Files that it changes; `files` may list fewer.'),
  difference: z.string().describe('A unified difference of files, notes and documents.'),
  effects: z.array(plannedEffect).readonly().describe('In the order in which they are applied, after the files.'),
  ends: z.string().describe('Why it ends before the agent was done; empty: it was.'),
  reply: z.string(),
  labels: z.array(labelSchema()).readonly(),
  spent: spend.describe('What making it has cost.'),
  costs: z.strictObject({ least: spend, most: spend }).describe('What applying it costs.'),
  created_at: z.number(),
  failure: failureSchema().nullable(),
})

/** A plan, with how far it is. */
export type PlanRecord = Readonly<z.infer<typeof planRecord>>

/** @returns the digest of all that applying the plan does */
export function digestOf(plan: PlanRecord): string {
  const { id, text, home, session, agent, branch, base, commit, files, total, difference, effects } = plan
  const covered = [id, text, home, session, agent, branch, base, commit, files, total, difference, effects]
  return createHash('sha256').update(canonicalJson(covered)).digest('hex')
}

/** @returns the plans that can be read, oldest first: a record that is no plan is left out */
export async function readPlans(documents: Pick<Documents, 'all'>): Promise<readonly PlanRecord[]> {
  const all = await documents.all(planCategory)
  const plans = all.flatMap(({ value }) => planRecord.safeParse(value).data ?? [])
  return plans.sort((a, b) => a.created_at - b.created_at)
}

/** @returns null where there is no such plan, or its record cannot be read */
export async function readPlan(documents: Pick<Documents, 'get'>, id: string): Promise<PlanRecord | null> {
  const found = await documents.get(planCategory, id)
  return planRecord.safeParse(found?.value).data ?? null
}

export const makeInput = z.strictObject({
  text: z.string().trim().min(1).max(100_000).meta(evident('What is to be done.')),
  session: sessionId.optional().describe('Session that it goes on from, which stays as it is. Default: a new one.'),
  model: z.string().min(1).max(200).optional().describe('Model to use. Default: the configured one.'),
  budget: limitsSchema.optional().describe('What making it may use. Default: 500000 tokens.'),
})

export type MakeInput = z.infer<typeof makeInput>
