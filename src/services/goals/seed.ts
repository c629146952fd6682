/**
 * The seed of a goal: what is to be reached, within which constraints, and how that is checked. It never changes: it is a document whose name
 * is the hash of its content, and an edit or an evolution is another one that names its parent. Criteria are checks that can be run; one
 * without a check is judged by a model, and says so.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type Json, jsonIn, type JsonObject, nestsDeeper, OxbowError } from '../../base/index.ts'
import { maxCheckRuns, maxCheckSeconds, maxConstraints, maxCriteria, maxPatternCharacters, maxSeedBytes, maxTasks } from './limits.ts'

const sentence = z.string().trim().min(1).max(2_000)
const path = z.string().min(1).max(1_000)
const pattern = z.string().min(1).max(maxPatternCharacters)
const command = z.string().min(1).max(8_000)
const timeout = z.int().min(1).max(maxCheckSeconds).default(60)
const runs = z.int().min(1).max(maxCheckRuns).default(2).describe('How often it runs; all runs must agree, or it depends on chance.')

const checkSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('command'), command, exit_code: z.int().min(0).max(255).default(0), timeout_s: timeout, runs }),
  z.strictObject({ kind: z.literal('file'), path, exists: z.boolean().default(true), contains: z.string().max(8_000).default('') }),
  z.strictObject({ kind: z.literal('pattern'), path, pattern, matches: z.boolean().default(true) }),
  z.strictObject({ kind: z.literal('schema'), path, schema: z.record(z.string(), z.json()) }),
  z.strictObject({
    kind: z.literal('http'),
    url: z.url({ protocol: /^https?$/ }).max(2_000),
    status: z.int().min(100).max(599).default(200),
    contains: z.string().max(8_000).default(''),
  }),
  z
    .strictObject({
      kind: z.literal('number'),
      command,
      pattern: pattern.optional().describe('Its first group is the number; absent: the last number that the command prints.'),
      at_least: z.number().optional(),
      at_most: z.number().optional(),
      timeout_s: timeout,
      runs,
    })
    .refine(({ at_least: low, at_most: high }) => low !== undefined || high !== undefined, 'needs at_least or at_most'),
])

export type Check = z.infer<typeof checkSchema>

const criterionSchema = z.strictObject({
  text: sentence,
  check: checkSchema.nullable().default(null).describe('Null: only a model can judge it.'),
})

export type Criterion = z.infer<typeof criterionSchema>

const taskSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/i, 'must be a plain name'),
  goal: sentence,
  needs: z.array(z.string()).max(maxTasks).default([]),
})

/** What a person or a model writes of a seed. */
const seedContent = z
  .strictObject({
    goal: sentence,
    constraints: z.array(sentence).max(maxConstraints).default([]),
    criteria: z.array(criterionSchema).min(1).max(maxCriteria),
    tests: z.array(path).max(100).default([]).describe('Files and folders of tests that nobody who works on the goal may change.'),
    tasks: z.array(taskSchema).max(maxTasks).default([]).describe('Parts of the work with what each needs; empty: one agent does it all.'),
  })
  .superRefine(({ tasks }, context) => {
    const problem = taskProblem(tasks)
    if (problem !== '') context.addIssue(`tasks: ${problem}`)
  })

export type SeedContent = z.infer<typeof seedContent>

export const seedSchema = z.strictObject({
  ...seedContent.shape,
  request: z.string().describe('What the person asked for, in their words.'),
  answers: z.array(z.strictObject({ question: z.string(), answer: z.string() })).readonly(),
  assumptions: z.array(z.string()).readonly(),
  generation: z.int(),
  parent: z.string().describe('Hash of the seed that it was made from; empty: none.'),
  by: z.enum(['model', 'person', 'kernel']),
})

export type Seed = z.infer<typeof seedSchema>

/** @returns the hash under which a seed is kept: of its content in one form, whatever the order of its fields */
export function seedHash(seed: Seed): string {
  return createHash('sha256')
    .update(JSON.stringify(ordered(seed as unknown as Json)))
    .digest('hex')
}

function ordered(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(ordered)
  if (value === null || typeof value !== 'object') return value
  const fields = Object.entries(value as JsonObject).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return fields.map(([name, inner]) => [name, ordered(inner)])
}

/** @returns what is wrong with a graph of tasks; empty: nothing */
function taskProblem(tasks: readonly { readonly id: string; readonly needs: readonly string[] }[]): string {
  const byId = new Map(tasks.map((task) => [task.id, task]))
  if (byId.size < tasks.length) return 'two have the same id'
  const done = new Set<string>()
  for (let left = [...tasks]; left.length > 0;) {
    const missing = left.flatMap(({ needs }) => needs).find((need) => !byId.has(need))
    if (missing !== undefined) return `a task needs ${missing.slice(0, 40)}, which is not a task`
    const ready = left.filter(({ needs }) => needs.every((need) => done.has(need)))
    if (ready.length === 0) return `they need each other: ${left.map(({ id }) => id).join(', ')}`
    for (const { id } of ready) done.add(id)
    left = left.filter(({ id }) => !done.has(id))
  }
  return ''
}

export type Read<Value> = { readonly value: Value } | { readonly problem: string }

/** Reads what a model has answered as a seed. Never throws. */
export function readSeed(answer: string): Read<SeedContent> {
  if (answer.length > maxSeedBytes) return { problem: `it is longer than ${maxSeedBytes / 1024} KiB` }
  const value = jsonIn(answer)
  return value === undefined ? { problem: 'it is not one JSON value' } : checkSeed(value)
}

/** As `readSeed`, of a value. */
export function checkSeed(value: unknown): Read<SeedContent> {
  if (nestsDeeper(value, 32)) return { problem: 'it nests too deep' }
  const parsed = seedContent.safeParse(value)
  if (!parsed.success) return { problem: problemsOf(parsed.error) }
  const bytes = Buffer.byteLength(JSON.stringify(parsed.data))
  return bytes > maxSeedBytes ? { problem: `it has ${bytes} bytes; at most ${maxSeedBytes} are allowed` } : { value: parsed.data }
}

export function problemsOf({ issues }: z.ZodError): string {
  return issues
    .slice(0, 5)
    .map(({ path: at, message }) => `${at.join('.') || 'as a whole'}: ${message}`)
    .join('; ')
}

/** @throws OxbowError `bad_input` */
export function takeSeed(value: unknown): SeedContent {
  const read = checkSeed(value)
  if ('value' in read) return read.value
  throw new OxbowError('bad_input', `This cannot be a seed: ${read.problem}.`, {
    hint: '`oxbow goal show ID --json` has the present one; docs/goals.md lists its fields and kinds of checks.',
  })
}

/** What evolves keeps every criterion with its check, and the tests: a goal is not reached by asking for less. */
export function evolved(parent: Seed, next: SeedContent): SeedContent {
  const kept = new Set(parent.criteria.map(({ text, check }) => JSON.stringify([text, check])))
  const added = next.criteria.filter(({ text, check }) => !kept.has(JSON.stringify([text, check])))
  return {
    goal: parent.goal,
    constraints: [...new Set([...parent.constraints, ...next.constraints])].slice(0, maxConstraints),
    criteria: [...parent.criteria, ...added].slice(0, Math.max(maxCriteria, parent.criteria.length)),
    tests: [...new Set([...parent.tests, ...next.tests])].slice(0, 100),
    tasks: next.tasks,
  }
}

export const judgedOf = ({ criteria }: Pick<SeedContent, 'criteria'>): readonly Criterion[] =>
  criteria.filter(({ check }) => check === null)
