/**
 * The call registry: one description of each call, and what is made from it: the model's tools, help, and errors that tell
 * a model how to mend its call.
 */
import type { z } from 'zod'
import { type Call, type Failure, once, toolName, type ToolSpec } from '../types/index.ts'
import type { CallReference } from './call-reference.ts'
import { maxInputBytes, maxWhyLength } from './limits.ts'

export type Parsed = { readonly ok: true; readonly call: Call; readonly input: unknown } | { readonly ok: false; readonly failure: Failure }

export interface Registry {
  /** Of all calls, in the order in which they were described. */
  references(): readonly CallReference[]
  /** Finds by `family.verb` or by a model's spelling `family_verb`. */
  find(name: string): Call | undefined
  /** Resolves and checks. An input that is text is taken as JSON, as models write it. The others can be asked once this has been. */
  parse(name: string, input: unknown): Promise<Parsed>
  /** Tools for a caller that holds these rights. The same array for the same rights, so it can be cached by identity. */
  tools(rights: ReadonlySet<string>): readonly ToolSpec[]
}

type Loaded = Pick<typeof import('./call-reference.ts'), 'describeCall' | 'toToolSpec'> & { readonly byName: ReadonlyMap<string, Call> }

/** @param describe loads and makes the descriptions, for the first call: they are a third of what a start would load */
export function createRegistry(describe: () => Promise<readonly Call[]>): Registry {
  let loaded: Loaded | null = null
  const load = once(async (): Promise<Loaded> => {
    const [calls, reference] = await Promise.all([describe(), import('./call-reference.ts')])
    const byName = new Map(calls.flatMap((call) => [[call.name, call] as const, [toolName(call.name), call] as const]))
    return (loaded = { ...reference, byName })
  })
  const known = (): Loaded => {
    if (loaded === null) throw new Error('the registry is read before a call was made')
    return loaded
  }
  const all = (): readonly Call[] => [...new Set(known().byName.values())]
  const toolCache = new WeakMap<ReadonlySet<string>, readonly ToolSpec[]>()
  return {
    find: (name) => known().byName.get(name),
    references: () => all().map(known().describeCall),
    async parse(name, input) {
      const { byName } = loaded ?? (await load())
      const call = byName.get(name)
      if (call === undefined) return { ok: false, failure: unknownCall(name, all()) }
      if (typeof input === 'string' && input.length > maxInputBytes) return { ok: false, failure: tooLarge(call, input.length) }
      const value = typeof input === 'string' ? parseArguments(input) : { json: input }
      if ('problem' in value) return { ok: false, failure: badInput(call, `the arguments are not valid JSON (${value.problem})`) }
      const parsed = call.input.safeParse(value.json)
      return parsed.success ? { ok: true, call, input: parsed.data } : { ok: false, failure: badInput(call, explain(parsed.error)) }
    },
    tools(rights) {
      const made = toolCache.get(rights)
      if (made !== undefined) return made
      const tools = all()
        .filter((call) => call.audience.includes('model') && rights.has(call.right))
        .map(known().toToolSpec)
      toolCache.set(rights, tools)
      return tools
    },
  }
}

function parseArguments(text: string): { readonly json: unknown } | { readonly problem: string } {
  // Models send nothing at all for a tool without arguments.
  if (text.trim() === '') return { json: {} }
  try {
    return { json: JSON.parse(text) }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}

function explain(error: z.ZodError): string {
  const why = error.issues
    .slice(0, 5)
    .map((issue) => (issue.path.length === 0 ? issue.message : `field \`${issue.path.join('.')}\`: ${issue.message}`))
    .join('; ')
  // It names fields as they were called, and a refusal is told whole.
  return why.length <= maxWhyLength ? why : `${why.slice(0, maxWhyLength).toWellFormed()}…`
}

function badInput(call: Call, why: string): Failure {
  return {
    code: 'bad_input',
    message: `${toolName(call.name)} was not run: ${why}.`,
    hint: `Correct it and call again. A valid example: ${JSON.stringify(call.example)}`,
  }
}

function tooLarge(call: Call, length: number): Failure {
  return {
    code: 'limit_reached',
    message: `${toolName(call.name)} was not run: its arguments have ${length} characters, more than ${maxInputBytes}.`,
    hint: 'Do it in smaller parts, e.g. write a file in pieces.',
  }
}

function unknownCall(name: string, calls: readonly Call[]): Failure {
  const near = calls
    .map((call) => ({ name: toolName(call.name), distance: editDistance(toolName(call.name), name.slice(0, 60)) }))
    .filter((candidate) => candidate.distance <= 4)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map((candidate) => candidate.name)
  const shown = name.slice(0, 60)
  return {
    code: 'unknown_call',
    message: `There is no call named ${JSON.stringify(shown)}.`,
    hint: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : 'Use only the tools you were given.',
  }
}

/** Levenshtein distance over UTF-16 units, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
