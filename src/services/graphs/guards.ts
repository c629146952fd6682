/**
 * Guards of edges: conditions over the state, as data. A guard is total: it holds or does not, for every state; what is not there has no
 * value, so that every comparison with it fails, and `ne` holds.
 *
 *     { field = "score", gte = 8 }                       eq, ne, lt, lte, gt, gte: with a value, or { field = "other" }
 *     { field = "verdict", in = ["good", "fair"] }       in: a list, or the list in { field = "…" }
 *     { field = "error", exists = false }                exists: is there and not null
 *     { field = "title", matches = "^draft" }            matches: a pattern of RE2, in time linear in the text
 *     { and = [ … ] }, { or = [ … ] }, { not = { … } }
 */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { assertNever, isObject, type Json, errorMessage, OxbowError } from '../../base/index.ts'
import { maxGraphDepth, maxGraphEdges, maxMatchedCharacters, maxPatternCharacters } from './limits.ts'

const comparisons = ['eq', 'ne', 'lt', 'lte', 'gt', 'gte'] as const
type Comparison = (typeof comparisons)[number]

/** A value, or the field that has it. */
type Operand = Json | { readonly field: string }

interface Test extends Partial<Readonly<Record<Comparison, Operand>>> {
  readonly field: string
  readonly in?: readonly Json[] | { readonly field: string }
  readonly exists?: boolean
  readonly matches?: string
}

/** A condition over the state, which decides whether an edge is taken. */
export type Guard = Test | { readonly and: readonly Guard[] } | { readonly or: readonly Guard[] } | { readonly not: Guard }

const operators = [...comparisons, 'in', 'exists', 'matches'] as const
const fieldPath = z
  .string()
  .max(200)
  .regex(/^[a-z][a-z0-9_]*(?:\.[^\s.]+)*$/i, 'must name a state field, or a path into it')
const fieldOperand = z.strictObject({ field: fieldPath })
const scalar = z.union([z.string(), z.number(), z.boolean()])
const operand = z.union([scalar, z.array(scalar).max(100), fieldOperand])

const testSchema = z
  .strictObject({
    field: fieldPath,
    ...Object.fromEntries(comparisons.map((operator) => [operator, operand.optional()])),
    in: z.union([z.array(scalar).max(100), fieldOperand]).optional(),
    exists: z.boolean().optional(),
    matches: z.string().max(maxPatternCharacters).optional(),
  })
  .refine(
    (found) => operators.filter((operator) => (found as Record<string, unknown>)[operator] !== undefined).length === 1,
    `needs exactly one of ${operators.join(', ')}`,
  )

/** By the keys that it has, so that an error is about the form that was meant. */
export const guardSchema: z.ZodType<Guard> = z.custom<Guard>((value) => guardProblem(value, 0) === null, {
  error: ({ input }) => guardProblem(input, 0) ?? '',
})

function guardProblem(value: unknown, depth: number): string | null {
  if (depth > maxGraphDepth) return `nests deeper than ${maxGraphDepth} conditions`
  if (!isObject(value)) return 'must be a condition such as { field = "score", gte = 8 }'
  const keys = Object.keys(value)
  const [key = ''] = keys
  if (keys.length === 1 && (key === 'and' || key === 'or')) {
    const parts = value[key]
    if (!Array.isArray(parts) || parts.length === 0 || parts.length > maxGraphEdges)
      return `\`${key}\` needs a list of 1 to ${maxGraphEdges} conditions`
    return parts.map((part) => guardProblem(part, depth + 1)).find((problem) => problem !== null) ?? null
  }
  if (keys.length === 1 && key === 'not') return guardProblem(value['not'], depth + 1)
  const parsed = testSchema.safeParse(value)
  if (parsed.success) return null
  const [issue] = parsed.error.issues
  return `${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is no condition'}`.trim()
}

/** @returns the tests of a guard, each with its fields */
export function testsOf(guard: Guard): readonly Test[] {
  if ('and' in guard) return guard.and.flatMap(testsOf)
  if ('or' in guard) return guard.or.flatMap(testsOf)
  return 'not' in guard ? testsOf(guard.not) : [guard]
}

/** @returns the fields that a test reads */
export function fieldsOfTest(found: Test): readonly string[] {
  const others = [...comparisons, 'in' as const].flatMap((operator) => {
    const value = found[operator]
    return isField(value) ? [value.field] : []
  })
  return [found.field, ...others]
}

/** Reads a value of the state by its path; undefined if it is absent. */
export type ReadField = (path: string) => Json | undefined

/** @throws OxbowError `limit_reached` for a text too long to match */
export async function holds(guard: Guard, read: ReadField): Promise<boolean> {
  if ('not' in guard) return !(await holds(guard.not, read))
  if ('and' in guard || 'or' in guard) {
    const isAnd = 'and' in guard
    for (const part of isAnd ? guard.and : guard.or) if ((await holds(part, read)) !== isAnd) return !isAnd
    return isAnd
  }
  return passes(guard, read)
}

async function passes(guard: Test, read: ReadField): Promise<boolean> {
  const value = read(guard.field)
  if (guard.exists !== undefined) return (value !== undefined && value !== null) === guard.exists
  if (guard.matches !== undefined) return typeof value === 'string' && matches(guard.matches, value, guard.field)
  if (guard.in !== undefined) {
    const list = isField(guard.in) ? read(guard.in.field) : guard.in
    return value !== undefined && Array.isArray(list) && list.some((item) => isDeepStrictEqual(item, value))
  }
  const comparison = comparisons.find((operator) => guard[operator] !== undefined)
  if (comparison === undefined) return false
  const other = guard[comparison]
  return compare(comparison, value, isField(other) ? read(other.field) : other)
}

/** Numbers and texts have an order, each among themselves; other values are only equal or not. */
function compare(comparison: Comparison, a: Json | undefined, b: Json | undefined): boolean {
  if (comparison === 'eq') return a !== undefined && isDeepStrictEqual(a, b)
  if (comparison === 'ne') return a === undefined || !isDeepStrictEqual(a, b)
  const isOrdered = (typeof a === 'number' && typeof b === 'number') || (typeof a === 'string' && typeof b === 'string')
  if (!isOrdered) return false
  switch (comparison) {
    case 'lt':
      return a < b
    case 'lte':
      return a <= b
    case 'gt':
      return a > b
    case 'gte':
      return a >= b
    default:
      return assertNever(comparison)
  }
}

function isField(value: unknown): value is { readonly field: string } {
  return isObject(value) && typeof value['field'] === 'string'
}

async function matches(pattern: string, value: string, field: string): Promise<boolean> {
  if (value.length > maxMatchedCharacters)
    throw new OxbowError('limit_reached', `${field} has ${value.length} characters, too many to match a pattern.`, {
      hint: `Patterns are matched with at most ${maxMatchedCharacters} characters: save a shorter part, or use another condition.`,
    })
  const { RE2JS } = await import('re2js')
  return RE2JS.compile(pattern).matcher(value).find()
}

/** @returns what is wrong with a pattern; null: nothing */
export async function patternProblem(pattern: string): Promise<string | null> {
  const { RE2JS } = await import('re2js')
  try {
    RE2JS.compile(pattern)
    return null
  } catch (error) {
    return errorMessage(error)
  }
}
