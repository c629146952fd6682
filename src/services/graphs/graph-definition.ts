/**
 * The definition of a state graph, as a person writes it in `graphs/NAME.toml`: typed state, nodes that do something, and edges that are
 * chosen by guards. It is data: there are no expressions beyond `${field.path}`, which inserts a value, and guards (`guards.ts`).
 */
import { limitsSchema } from '../../protocol/index.ts'
import { z } from 'zod'
import { isObject, type Json, type JsonObject, nestsDeeper, OxbowError, protoKeys } from '../../base/index.ts'
import type { OutputOf } from '../../protocol/index.ts'
import {
  maxGraphBytes,
  maxGraphEdges,
  maxGraphEntries,
  maxGraphFields,
  maxGraphNesting,
  maxGraphNodes,
  maxGraphParallel,
  maxGraphRetries,
  maxGraphSeconds,
  maxGraphVisits,
} from './limits.ts'
import { guardSchema } from './guards.ts'

/** A value whose texts may hold `${field.path}`. */
export type Template = Json

/** Names of nodes and of state fields. */
const name = z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, 'must be a lower-case name of at most 40 letters, digits and _')
const fieldName = name.refine((field) => !reservedFields.has(field), 'is a name that every graph has already')
const json = z.custom<Json>((value) => value !== undefined && isJson(value), 'must be text, a number, true, false, a list or a table')
const object = z.custom<JsonObject>((value) => isObject(value) && isJson(value), 'must be a table')
const text = (max: number) => z.string().max(max)
const reference = z.string().regex(/^[a-z][a-z0-9_]*(?:\.[^\s.]{1,100}){0,10}$/i, 'must be a name, or a path such as result.items.0')
const seconds = z.number().positive().max(maxGraphSeconds)
/** A call of the system, as a node makes it before, during or after its work. */
const step = z.strictObject({ call: text(100).min(1), input: object.default({}) })
export type CallStep = z.infer<typeof step>
const steps = z.array(step).max(maxGraphEntries).default([])

/** Fields that a run sets itself: the last failure, and how often each node was visited. */
export const reservedFields: ReadonlySet<string> = new Set(['error', 'visits'])

const base = {
  description: text(1_000).default(''),
  /** The only successor. */
  next: name.optional(),
  /** In order: the first whose guard holds is taken. */
  edges: z
    .array(z.strictObject({ when: guardSchema, to: name }))
    .max(maxGraphEdges)
    .default([]),
  /** Where no guard holds. */
  else: name.optional(),
  /** Where a failure leads, instead of ending the run; the state has it as `error`. */
  on_error: name.optional(),
  /** State fields that get a part of the result: `{ field = "part.of.result" }`. */
  save: z.record(fieldName, reference).default({}),
  /** State fields that get a value after the work. */
  set: z.record(fieldName, json).default({}),
  entry: steps,
  exit: steps,
  max_visits: z.int().min(1).max(maxGraphVisits).optional(),
  timeout_s: seconds.optional(),
  retries: z.int().min(0).max(maxGraphRetries).default(0),
  retry_delay_s: z.number().min(0).max(86_400).default(1),
  /** Of the rights of the run, those that the node has; absent: all of them. */
  rights: z.array(text(600)).max(100).optional(),
}

const goal = text(8_000).min(1)

const nodeSchema = z.discriminatedUnion('type', [
  z.strictObject({
    ...base,
    type: z.literal('agent'),
    /** Name of its definition. */
    agent: text(100).default(''),
    goal,
    key_facts: z.array(text(500)).max(50).default([]),
    result: object.optional(),
    model: text(200).default(''),
    budget: limitsSchema.optional(),
    max_turns: z.int().min(1).max(100).optional(),
  }),
  z.strictObject({ ...base, type: z.literal('call'), call: text(100).min(1), input: object.default({}) }),
  z
    .strictObject({
      ...base,
      type: z.literal('map'),
      /** The field with the items, and the one that holds the item of a branch. */
      over: reference.optional(),
      as: fieldName.optional(),
      /** First node of the branch of each item. */
      to: name.optional(),
      /** First nodes of branches, instead of one for each item. */
      branches: z.array(name).min(1).max(maxGraphParallel).optional(),
      /** The node where the branches end. */
      join: name,
      parallel: z.int().min(1).max(maxGraphParallel).default(8),
    })
    .refine(
      ({ over, as, to, branches }) =>
        branches === undefined
          ? over !== undefined && as !== undefined && to !== undefined
          : over === undefined && as === undefined && to === undefined,
      'needs `over`, `as` and `to`, or `branches`',
    ),
  z.strictObject({
    ...base,
    type: z.literal('join'),
    /** State fields that get the list of what each branch has in a field. */
    collect: z.record(fieldName, reference).default({}),
    /** How many branches must succeed; the others are cancelled then. */
    need: z.union([z.enum(['all', 'any']), z.int().min(1).max(maxGraphVisits)]).default('all'),
    /** Whether a failed branch ends the others. */
    on_failure: z.enum(['fail', 'continue']).default('fail'),
  }),
  z.strictObject({ ...base, type: z.literal('ask'), question: goal, choices: z.array(text(200).min(1)).max(20).default([]) }),
  z
    .strictObject({
      ...base,
      type: z.literal('wait'),
      seconds: z.union([z.number().min(0).max(maxGraphSeconds), text(200)]).optional(),
      /** A date of ISO 8601. */
      until: text(200).optional(),
    })
    .refine((node) => (node.seconds === undefined) !== (node.until === undefined), 'needs `seconds` or `until`, not both'),
  z.strictObject({ ...base, type: z.literal('graph'), graph: text(100).min(1), input: object.default({}) }),
  z.strictObject({
    ...base,
    type: z.literal('end'),
    status: z.enum(['success', 'failure']).default('success'),
    output: object.default({}),
    text: text(8_000).default(''),
  }),
])
export type GraphNode = z.infer<typeof nodeSchema>
type NodeOf<Type extends GraphNode['type']> = Extract<GraphNode, { type: Type }>
export type AgentNode = NodeOf<'agent'>
export type CallNode = NodeOf<'call'>
export type MapNode = NodeOf<'map'>
export type JoinNode = NodeOf<'join'>
export type AskNode = NodeOf<'ask'>
export type WaitNode = NodeOf<'wait'>
export type SubgraphNode = NodeOf<'graph'>

const graphSchema = z.strictObject({
  description: text(2_000).default(''),
  start: name,
  /** State fields that whoever starts it sets. */
  inputs: z.array(fieldName).max(maxGraphFields).default([]),
  rights: z.array(text(600)).max(100).optional(),
  budget: limitsSchema.optional(),
  timeout_s: seconds.optional(),
  max_visits: z.int().min(1).max(maxGraphVisits).default(maxGraphVisits),
  /** JSON Schemas; `default` is the first value. */
  state: z
    .record(fieldName, object)
    .refine((fields) => Object.keys(fields).length <= maxGraphFields, `has more than ${maxGraphFields} fields`)
    .default({}),
  nodes: z.record(name, nodeSchema).refine((nodes) => Object.keys(nodes).length <= maxGraphNodes, `has more than ${maxGraphNodes} nodes`),
})
export type Graph = z.infer<typeof graphSchema>

/** What is wrong with a definition: where, what, and what to do. */
export type GraphProblem = OutputOf<'graph.check'>['problems'][number]

export type ParsedGraph =
  | { readonly graph: Graph; readonly problems: readonly [] }
  | { readonly graph: null; readonly problems: readonly GraphProblem[] }

/** Only the shape; `graph-check.ts` judges how the nodes are connected. Never throws, whatever the text. */
export async function parseGraph(source: string): Promise<ParsedGraph> {
  const refused = (at: string, message: string, hint: string): ParsedGraph => ({ graph: null, problems: [{ at, message, hint }] })
  if (source.length * 3 > maxGraphBytes && Buffer.byteLength(source) > maxGraphBytes)
    return refused('', `It has more than ${maxGraphBytes / 1_024} KiB.`, 'Move large values to files, and split it into graphs.')
  const { parse } = await import('smol-toml')
  let value: unknown
  try {
    value = plain(parse(source))
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n', 1)[0] : String(error)
    return refused('', `It is not valid TOML: ${why}.`, 'Correct the text; docs/graphs.md has examples.')
  }
  if (nestsDeeper(value, maxGraphNesting))
    return refused('', `It nests deeper than ${maxGraphNesting} levels.`, 'Split conditions and values into several nodes.')
  const [named] = protoKeys(value)
  if (named !== undefined) return refused(named.join('.'), 'Nothing can have this name.', 'Choose another one.')
  const parsed = graphSchema.safeParse(value)
  if (parsed.success) return { graph: parsed.data, problems: [] }
  const problems = parsed.error.issues.slice(0, maxProblems).map((issue): GraphProblem => ({
    at: issue.path.join('.').slice(0, 200),
    message: issue.message.slice(0, 500),
    hint: issue.code === 'unrecognized_keys' ? 'Remove it, or correct its name: docs/graphs.md lists every field.' : 'See docs/graphs.md.',
  }))
  return { graph: null, problems }
}

const maxProblems = 10

/** Dates of TOML as text, and tables with a prototype, so that values are plain JSON. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? Number(part) : part)))
}

function isJson(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object') return typeof value === 'string' || typeof value === 'boolean'
  return value !== null && Object.values(value).every(isJson)
}

/** @throws OxbowError `bad_input` that names the first problems */
export function refuseGraph(graph: string, problems: readonly GraphProblem[]): OxbowError {
  const shown = problems.slice(0, 5).map(problemText)
  const more = problems.length > shown.length ? `\n- and ${problems.length - shown.length} more` : ''
  return new OxbowError('bad_input', `The graph ${graph} cannot run:\n${shown.map((line) => `- ${line}`).join('\n')}${more}`, {
    hint: `${problems[0]?.hint ?? ''} \`oxbow graph check ${graph}\` shows all.`.trim(),
  })
}

export function problemText({ at, message }: GraphProblem): string {
  return at === '' ? message : `${at}: ${message}`
}
