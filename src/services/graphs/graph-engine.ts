/**
 * Walks the paths of a run. A step is: the work of a node, what it saves, the edge that is taken, and one record of all of it. So a node
 * that has finished never runs again; one that a crash interrupts runs again with the same calls: calls that have ended return
 * what is recorded, and a call of effect `once` that may have run fails with `outcome_unknown`.
 */
import { assertNever, type ErrorCode, type Json, type JsonObject, ownValue, OxbowError, setOwn, toFailure } from '../../base/index.ts'
import { fanOut, forget, nest } from './graph-branches.ts'
import type { GraphNode } from './graph-definition.ts'
import {
  advance,
  checkFields,
  type EngineDeps,
  failureAt,
  Interrupted,
  type LiveRun,
  nodeOf,
  type Path,
  PathFailed,
  readerOf,
} from './graph-path.ts'
import { type GraphPath, pathChange } from './graph-record.ts'
import { holds, type ReadField } from './guards.ts'
import { maxGraphVisits } from './limits.ts'
import { fill, fillText, partOf } from './templates.ts'

/** @returns the record of the path at its end: at its join, or at an end node. @throws PathFailed, Interrupted */
export async function walk(deps: EngineDeps, run: LiveRun, path: Path, signal: AbortSignal): Promise<GraphPath> {
  while (path.record.status === 'running') {
    if (signal.aborted) throw new Interrupted()
    await step(deps, run, path, signal)
    run.changed()
  }
  return path.record
}

async function step(deps: EngineDeps, run: LiveRun, path: Path, signal: AbortSignal): Promise<void> {
  const at = path.record.node
  const node = nodeOf(path)
  try {
    assertVisits(run, path, node)
    const { result, set } = await visit(deps, run, path, node, signal)
    if (node.type === 'end') return await end(deps, run, path, result)
    await moveOn(deps, run, path, await nextOf(path, node, set), set)
  } catch (error) {
    if (error instanceof Interrupted || signal.aborted) throw new Interrupted()
    const failure =
      error instanceof PathFailed ? error.failure : failureAt(at, toFailure(error, 'internal_failure', 'The log has details.'))
    if (node.on_error !== undefined && !(error instanceof VisitsUsed)) {
      const { code, message } = failure
      return moveOn(deps, run, path, node.on_error, { error: { code, message, node: failure.node } })
    }
    path.record = { ...path.record, status: 'failed', failure }
    await deps.put(run.record, [pathChange(path.record)])
    throw new PathFailed(failure)
  }
}

class VisitsUsed extends OxbowError {}

function assertVisits(run: LiveRun, { graph, record }: Path, { max_visits: max = maxGraphVisits }: GraphNode): void {
  const most = Math.min(graph.max_visits, maxGraphVisits)
  const own = ownValue(record.visits, record.node) ?? 0
  const hint = 'Lead elsewhere with a guard on `visits`, or raise max_visits; `oxbow graph resume` begins to count anew.'
  if (own > max) throw new VisitsUsed('limit_reached', `The node ${record.node} was visited ${max} times.`, { hint })
  if (run.visits > most) throw new VisitsUsed('limit_reached', `The run has visited ${most} nodes.`, { hint })
}

async function moveOn(deps: EngineDeps, run: LiveRun, path: Path, to: string, set: Readonly<Record<string, Json>>): Promise<void> {
  if (to !== path.record.join) run.visits += 1
  const gone = forget(run, path)
  await advance(path, to, set, { now: deps.clock.now(), gone, put: (changes) => deps.put(run.record, changes) })
}

async function end({ put }: EngineDeps, run: LiveRun, path: Path, output: JsonObject): Promise<void> {
  path.record = { ...path.record, status: 'ended', output }
  // The end of the root is in the record of the end of the run.
  if (path.record.key !== '') await put(run.record, [pathChange(path.record)])
}

interface Visit {
  readonly result: JsonObject
  readonly set: Readonly<Record<string, Json>>
}

/** Tries until it succeeds or no try is left. */
async function visit(deps: EngineDeps, run: LiveRun, path: Path, node: GraphNode, signal: AbortSignal): Promise<Visit> {
  for (;;) {
    try {
      return await attempt(deps, run, path, node, signal)
    } catch (error) {
      if (error instanceof Interrupted || signal.aborted) throw new Interrupted()
      const { code } = error instanceof PathFailed ? error.failure : toFailure(error, 'internal_failure', '')
      if (!isWorthRetrying(code) || path.record.attempt >= node.retries) throw error
      await deps.runs.sleep(deps.clock.now() + node.retry_delay_s * 1_000 * 2 ** path.record.attempt, signal)
      Object.assign(path, { record: { ...path.record, attempt: path.record.attempt + 1, since: deps.clock.now() }, resumed: false })
      await deps.put(run.record, [pathChange(path.record)])
    }
  }
}

const finalCodes: ReadonlySet<ErrorCode> = new Set([
  'denied',
  'budget_exhausted',
  'outcome_unknown',
  'cancelled',
  'unknown_call',
  'store_full',
])

function isWorthRetrying(code: ErrorCode): boolean {
  return !finalCodes.has(code)
}

async function attempt(deps: EngineDeps, run: LiveRun, path: Path, node: GraphNode, outer: AbortSignal): Promise<Visit> {
  using limit = timeLimit(deps, path.record, node, outer)
  const { signal } = limit
  try {
    await deps.around(run, path, node, 'entry', signal)
    const result = await work(deps, run, path, node, signal)
    await deps.around(run, path, node, 'exit', signal)
    const set = savedOf(path, node, result)
    await checkFields(path, set, deps.schemas)
    return { result, set }
  } catch (error) {
    if (limit.isOver() && !outer.aborted)
      throw new OxbowError('timeout', `The node ${path.record.node} took longer than ${node.timeout_s} s.`, {
        hint: 'Raise its timeout_s, or set on_error.',
      })
    throw error
  }
}

/** The rest of the time that this try has; a restart does not begin it anew. */
function timeLimit({ runs }: EngineDeps, { since }: GraphPath, { timeout_s: limitS }: GraphNode, outer: AbortSignal) {
  const over = new AbortController()
  const alarm = limitS === undefined ? null : runs.at(since + limitS * 1_000, () => over.abort('cancelled'))
  return {
    signal: limitS === undefined ? outer : AbortSignal.any([outer, over.signal]),
    isOver: () => over.signal.aborted,
    [Symbol.dispose]: () => alarm?.[Symbol.dispose](),
  }
}

async function work(deps: EngineDeps, run: LiveRun, path: Path, node: GraphNode, signal: AbortSignal): Promise<JsonObject> {
  const read = readerOf(path)
  switch (node.type) {
    case 'map':
      return fanOut({ ...deps, walk: (below, stop) => walk(deps, run, below, stop) }, run, path, node, signal)
    case 'graph':
      return nest({ ...deps, walk: (below, stop) => walk(deps, run, below, stop) }, run, path, node, signal)
    case 'join':
      return {}
    case 'end': {
      const output = fill(node.output, read) as JsonObject
      return { status: node.status, output, text: fillText(node.text, read) }
    }
    case 'agent':
    case 'call':
    case 'ask':
    case 'wait':
      return deps.work(run, path, node, signal)
    default:
      return assertNever(node)
  }
}

function savedOf(path: Path, node: GraphNode, result: JsonObject): Record<string, Json> {
  const set: Record<string, Json> = {}
  for (const [field, part] of Object.entries(node.save)) {
    const value = partOf(result, part.split('.'))
    if (value === undefined)
      throw new OxbowError('bad_input', `The result of ${path.record.node} has no ${part} to save as ${field}.`, {
        hint: `It has: ${Object.keys(result).join(', ')}. docs/graphs.md lists what each type returns.`,
      })
    setOwn(set, field, value)
  }
  // A map leaves to its join what its branches have collected.
  if (node.type === 'map') Object.assign(set, result)
  for (const [field, template] of Object.entries(node.set)) setOwn(set, field, fill(template, readerAfter(path, set)))
  return set
}

async function nextOf(path: Path, node: GraphNode, set: Readonly<Record<string, Json>>): Promise<string> {
  if (node.type === 'map') return node.join
  if (node.next !== undefined) return node.next
  const read = readerAfter(path, set)
  for (const { when, to } of node.edges) if (await holds(when, read)) return to
  if (node.else === undefined) throw new Error('a checked node leads on')
  return node.else
}

/** Reads the state as it is once these fields are set. */
function readerAfter(path: Path, set: Readonly<Record<string, Json>>): ReadField {
  const before = readerOf(path)
  return (reference) => {
    const [field = '', ...steps] = reference.split('.')
    return Object.hasOwn(set, field) ? partOf(set[field], steps) : before(reference)
  }
}
