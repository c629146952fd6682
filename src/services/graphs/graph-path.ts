/**
 * A path of a run, as it is in memory: where it is, what its fields hold, and how a change of it is recorded. A branch of a map sees the
 * fields of the path that it branched from, which stands still meanwhile; what it sets is its own.
 */
import type { DocumentChange } from '../../kernel/index.ts'
import type { Runs } from '../../runs/index.ts'
import {
  type Clock,
  isObject,
  type Json,
  type JsonObject,
  ownValue,
  OxbowError,
  problemLines,
  type SchemaChecker,
  truncate,
} from '../../base/index.ts'
import { type Graph, type GraphNode, reservedFields } from './graph-definition.ts'
import { fieldChanges, type GraphFailure, type GraphPath, type GraphRun, pathChange } from './graph-record.ts'
import type { ReadField } from './guards.ts'
import { maxGraphStateBytes, maxGraphValueBytes } from './limits.ts'
import { partOf } from './templates.ts'

export interface Path {
  record: GraphPath
  readonly graph: Graph
  /** Fields that it has set. */
  readonly fields: Map<string, Json>
  /** The path that it branched from; null: it has a state of its own. */
  readonly parent: Path | null
  /** Entries of rights of its nodes. */
  readonly rights: readonly string[]
  /** Its visit may have calls from before a restart. */
  resumed: boolean
}

export function nodeOf({ graph, record }: Path): GraphNode {
  const node = Object.hasOwn(graph.nodes, record.node) ? graph.nodes[record.node] : undefined
  if (node === undefined)
    throw new OxbowError('not_found', `There is no node ${record.node}.`, { hint: 'Resume from a node of the graph.' })
  return node
}

/** Reads the state: what the path has set, what those before it have, what the definition begins with. */
export function readerOf(path: Path): ReadField {
  return (reference) => {
    const [field = '', ...steps] = reference.split('.')
    if (field === 'visits') return ownValue(path.record.visits, steps[0] ?? '') ?? 0
    return partOf(valueOf(path, field), steps)
  }
}

function valueOf(path: Path, field: string): Json | undefined {
  for (let at: Path | null = path; at !== null; at = at.parent) if (at.fields.has(field)) return at.fields.get(field)
  return Object.hasOwn(path.graph.state, field) ? path.graph.state[field]?.['default'] : undefined
}

/** All fields that have a value. */
export function stateOf(path: Path): JsonObject {
  const read = readerOf(path)
  const names = [...Object.keys(path.graph.state), 'error']
  return Object.fromEntries(names.flatMap((name) => (read(name) === undefined ? [] : [[name, read(name)!]])))
}

/** @throws OxbowError `bad_input` for a value that its schema does not allow, `limit_reached` for one that is too large */
export async function checkFields(
  { graph, fields }: Pick<Path, 'graph' | 'fields'>,
  changes: Readonly<Record<string, Json>>,
  schemas: Pick<SchemaChecker, 'validate'>,
): Promise<void> {
  for (const [field, value] of Object.entries(changes)) {
    const bytes = bytesOf(value)
    if (bytes > maxGraphValueBytes)
      throw new OxbowError('limit_reached', `The state field ${field} would have ${bytes} bytes, more than ${maxGraphValueBytes}.`, {
        hint: 'Keep large values in files, and their paths in the state.',
      })
    const schema = ownValue(graph.state, field)
    if (schema === undefined || reservedFields.has(field)) continue
    const problems = hasPlainType(schema, value) === true ? [] : await schemas.validate(schema, value)
    if (problems.length > 0)
      throw new OxbowError('bad_input', `The state field ${field} cannot have this value:\n${problemLines(problems.slice(0, 5))}`, {
        hint: `Correct [state.${field}], or what the node saves there.`,
      })
  }
  const kept = [...fields].reduce((sum, [field, value]) => sum + (Object.hasOwn(changes, field) ? 0 : bytesOf(value)), 0)
  const all = Object.values(changes).reduce<number>((sum, value) => sum + bytesOf(value), kept)
  if (all > maxGraphStateBytes)
    throw new OxbowError('limit_reached', `The state would have ${all} bytes, more than ${maxGraphStateBytes}.`, {
      hint: 'Keep large values in files, and their paths in the state.',
    })
}

/**
 * The commonest schemas, a type and perhaps the type of a list's items, are judged here: they need no thread.
 * @returns whether the value has the type; null for a schema that says more
 */
export function hasPlainType(schema: Json | undefined, value: Json): boolean | null {
  if (!isObject(schema) || !Object.keys(schema).every((key) => plainKeys.has(key))) return null
  const { type, items } = schema
  const isOf = typeof type === 'string' && Object.hasOwn(plainTypes, type) ? plainTypes[type]!(value) : null
  if (isOf !== true || items === undefined) return isOf
  const each = Array.isArray(value) ? value.map((item: Json) => hasPlainType(items, item)) : []
  return each.includes(null) || hasPlainType(items, null) === null ? null : each.every(Boolean)
}

const plainKeys: ReadonlySet<string> = new Set(['type', 'items', 'default', 'description', 'title'])
const plainTypes: Readonly<Record<string, (value: Json) => boolean>> = {
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  number: (value) => typeof value === 'number',
  integer: (value) => Number.isInteger(value),
  array: (value) => Array.isArray(value),
  object: isObject,
}

function bytesOf(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value))
}

/** A run that is going on. */
export interface LiveRun {
  record: GraphRun
  readonly graphs: ReadonlyMap<string, Graph>
  /** All that are in documents, by key: those that are walked, and those that others wait for. */
  readonly paths: Map<string, Path>
  visits: number
  /** Calls of it that wait for a person. */
  asking: number
  /** It has moved on, or begins or ends to wait: those who look at it look again. */
  readonly changed: () => void
}

/** What a node's work is, and what ended it. */
interface NodeWork {
  /** @throws OxbowError, or `Interrupted` when the signal has aborted */
  (run: LiveRun, path: Path, node: GraphNode, signal: AbortSignal): Promise<JsonObject>
}

/** What the engine of a graph uses. */
export interface EngineDeps {
  readonly clock: Clock
  readonly schemas: Pick<SchemaChecker, 'validate'>
  readonly put: (run: GraphRun, changes: readonly DocumentChange[]) => Promise<void>
  /** What nodes do that is done by calls: all but map, join, graph and end. */
  readonly work: NodeWork
  /** Calls before and after the work of a node. */
  readonly around: (run: LiveRun, path: Path, node: GraphNode, part: 'entry' | 'exit', signal: AbortSignal) => Promise<void>
  /** Entries of rights that are in both. */
  readonly narrow: (rights: readonly string[], wanted: readonly string[] | undefined) => readonly string[]
  readonly runs: Pick<Runs, 'at' | 'sleep'>
}

export interface Recorder {
  /** Records changes of a run, all in one record. Resolves when they are durable. */
  put(changes: readonly DocumentChange[]): Promise<void>
}

/** The path is at its next node with what this one has set: the node never runs again. */
export async function advance(
  path: Path,
  to: string,
  set: Readonly<Record<string, Json>>,
  { now, put, gone = [] }: Recorder & { readonly now: number; readonly gone?: readonly DocumentChange[] },
): Promise<void> {
  const { record } = path
  const isAtJoin = to === record.join
  const visits = isAtJoin ? record.visits : { ...record.visits, [to]: (ownValue(record.visits, to) ?? 0) + 1 }
  const { answer: _answer, ...kept } = record
  const next: GraphPath = {
    ...kept,
    node: to,
    step: record.step + 1,
    attempt: 0,
    since: now,
    visits,
    status: isAtJoin ? 'joined' : 'running',
  }
  path.record = next
  for (const [field, value] of Object.entries(set)) path.fields.set(field, value)
  path.resumed = false
  await put([pathChange(next), ...fieldChanges(next, set), ...gone])
}

/** @returns the failure as the state and people see it */
export function failureAt(node: string, { code, message, hint }: Pick<GraphFailure, 'code' | 'message' | 'hint'>): GraphFailure {
  return { code, message: truncate(message, 2_000), hint: truncate(hint, 500), node }
}

/** The run was cancelled, or the guest stops: nothing more is recorded of the path. */
export class Interrupted extends Error {}

/** A path has failed, which is recorded. */
export class PathFailed extends Error {
  readonly failure: GraphFailure

  constructor(failure: GraphFailure) {
    super(failure.message)
    this.failure = failure
  }
}
