/** The vendors' request types as schemas. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

export interface RequestSchema {
  readonly wire: string
  readonly package: string
  /** Of the package that the schema was made from. */
  readonly version: string
  readonly schema: z.ZodType
}

/**
 * Fields that compatible services add to the protocol and demand back; the vendor's own endpoint never sends them, so they
 * never go there. They are taken out before the types are asked.
 */
const extensions: Readonly<Record<string, ReadonlySet<string>>> = {
  'openai-chat': new Set(['reasoning_content', 'reasoning', 'reasoning_details', 'extra_content']),
}

export function loadRequestSchemas(): readonly RequestSchema[] {
  const lines = readFileSync(new URL('request-schemas.jsonl', import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
  return lines.map((line) => {
    const { schema, ...from } = JSON.parse(line) as Omit<RequestSchema, 'schema'> & { schema: Parameters<typeof z.fromJSONSchema>[0] }
    return { ...from, schema: z.fromJSONSchema(schema) }
  })
}

/** @returns what is wrong with a body, or an empty list. */
export function schemaFaults({ wire, schema }: RequestSchema, body: unknown): readonly string[] {
  const parsed = schema.safeParse(extensions[wire] === undefined ? body : without(body, extensions[wire]))
  return parsed.success ? [] : faultsIn(parsed.error.issues)
}

function without(value: unknown, names: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) return value.map((each) => without(each, names))
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([name]) => !names.has(name))
  return Object.fromEntries(kept.map(([name, each]) => [name, without(each, names)]))
}

/** Of a choice, the branch that came furthest is the one that was meant. */
function faultsIn(issues: readonly z.core.$ZodIssue[], at: readonly PropertyKey[] = []): string[] {
  return issues.flatMap((issue) => {
    const path = [...at, ...issue.path]
    if (issue.code !== 'invalid_union') return [`${path.join('.')}: ${issue.message}`]
    const depth = (branch: readonly z.core.$ZodIssue[]): number => Math.max(0, ...branch.map(({ path: { length } }) => length))
    const [nearest] = issue.errors.toSorted((a, b) => depth(b) - depth(a) || a.length - b.length)
    return nearest === undefined ? [`${path.join('.')}: ${issue.message}`] : faultsIn(nearest, path)
  })
}
