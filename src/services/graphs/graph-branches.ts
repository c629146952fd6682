/**
 * Paths below a path: the branches of a map, and the graph in a node. Each has a key that follows from its place, so that a restart finds
 * it; while they are walked, the path above stands still. They are forgotten when the node above has finished.
 */
import type { DocumentChange } from '../../kernel/index.ts'
import { type JsonObject, ownValue, OxbowError } from '../../base/index.ts'
import type { Graph, JoinNode, MapNode, SubgraphNode } from './graph-definition.ts'
import { checkFields, Interrupted, type Path, PathFailed, readerOf, type EngineDeps, type LiveRun } from './graph-path.ts'
import { fieldChanges, type GraphFailure, type GraphPath, pathChange, withoutPaths } from './graph-record.ts'
import { maxGraphDepth, maxGraphVisits } from './limits.ts'
import { fill, textOf } from './templates.ts'

interface BranchDeps extends EngineDeps {
  readonly walk: (path: Path, signal: AbortSignal) => Promise<GraphPath>
}

/** Runs the branches of a map, as many at once as it allows. @returns what its join collects */
export async function fanOut(deps: BranchDeps, run: LiveRun, path: Path, node: MapNode, outer: AbortSignal): Promise<JsonObject> {
  const join = ownValue(path.graph.nodes, node.join) as JoinNode
  const branches = await enterAll(deps, run, path, branchesOf(deps, path, node))
  const race = createRace(join, branches)
  const stop = new AbortController()
  const signal = AbortSignal.any([outer, stop.signal])
  let next = 0
  const lane = async (): Promise<void> => {
    for (let at = next++; at < branches.length && !signal.aborted && !race.isSettled(); at = next++) {
      try {
        await deps.walk(branches[at]!, signal)
      } catch (error) {
        // Its siblings have ended it, or its failure is in its record.
        if (!(error instanceof PathFailed) && !(error instanceof Interrupted && !outer.aborted)) {
          stop.abort('cancelled')
          throw error
        }
      }
      if (race.isSettled()) stop.abort('cancelled')
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(node.parallel, branches.length) }, lane))
  if (outer.aborted) throw new Interrupted()
  for (const each of lanes) if (each.status === 'rejected') throw each.reason
  const failure = race.failure()
  if (failure !== null) throw new PathFailed(failure)
  const joined = race.joined()
  return Object.fromEntries(
    Object.entries(join.collect).map(([field, from]) => [field, joined.flatMap((branch) => keep(readerOf(branch)(from)))]),
  )
}

const keep = <Value>(value: Value | undefined): readonly Value[] => (value === undefined ? [] : [value])

/** How far the branches are, by what the join needs. */
function createRace({ need, on_failure: onFailure }: JoinNode, branches: readonly Path[]) {
  const all = branches.length
  const needed = need === 'all' ? (onFailure === 'fail' ? all : 0) : need === 'any' ? 1 : need
  const joined = (): readonly Path[] => branches.filter(({ record }) => record.status === 'joined')
  const failures = (): readonly GraphFailure[] =>
    branches.flatMap(({ record }) => (record.status === 'failed' ? keep(record.failure ?? undefined) : []))
  const isWon = (): boolean => need !== 'all' && joined().length >= needed
  const isLost = (): boolean => all - failures().length < needed
  return {
    joined,
    isSettled: () => isWon() || (onFailure === 'fail' && need === 'all' ? failures().length > 0 : isLost()),
    failure(): GraphFailure | null {
      if (joined().length >= needed) return null
      const [first] = failures()
      if (first !== undefined) return first
      const message = `${all} branches cannot have ${needed} successes.`
      return { code: 'tool_failed', message, hint: 'Lower `need` at the join, or lead past the map with a guard.', node: '' }
    },
  }
}

function branchesOf({ clock, narrow }: EngineDeps, path: Path, node: MapNode): readonly Path[] {
  const since = clock.now()
  const rights = narrow(path.rights, node.rights)
  const begin = (at: number, to: string): Path => newPath(path, keyBelow(path.record, at), { node: to, join: node.join, since }, { rights })
  if (node.branches !== undefined) return node.branches.map((to, i) => begin(i, to))
  const items = readerOf(path)(node.over ?? '')
  if (!Array.isArray(items))
    throw new OxbowError('bad_input', `${node.over} is not a list, and a map goes over its items.`, { hint: 'Save a list there before.' })
  if (items.length > maxGraphVisits)
    throw new OxbowError('limit_reached', `${node.over} has ${items.length} items, more than ${maxGraphVisits}.`, {
      hint: 'Go over a part of them, or give several to each branch.',
    })
  return items.map((item, i) => {
    const branch = begin(i, node.to ?? '')
    branch.fields.set(node.as ?? '', item)
    return branch
  })
}

/** Runs another graph as a node: with a state of its own, and never with more rights. */
export async function nest(deps: BranchDeps, run: LiveRun, path: Path, node: SubgraphNode, signal: AbortSignal): Promise<JsonObject> {
  const graph = run.graphs.get(node.graph)
  if (graph === undefined) throw new OxbowError('not_found', `There is no graph ${node.graph}.`, { hint: 'See `oxbow graph list`.' })
  const rights = deps.narrow(deps.narrow(path.rights, node.rights), graph.rights)
  const key = keyBelow(path.record, 'graph')
  const known = run.paths.get(key)
  const fields = known?.fields ?? (await inputsOf(deps, path, node, graph))
  const begun = newPath(
    path,
    key,
    { node: graph.start, graph: node.graph, since: deps.clock.now() },
    { rights, graph, fields, parent: null },
  )
  const [below] = await enterAll(deps, run, path, [begun])
  const { status, failure, output } = below!.record.status === 'running' ? await deps.walk(below!, signal) : below!.record
  if (status === 'failed' && failure !== null) throw new PathFailed(failure)
  if (output['status'] === 'failure' && !Object.values(node.save).some((part) => part === 'status'))
    throw new OxbowError('tool_failed', `The graph ${node.graph} ended with a failure: ${textOf(output['text'] ?? '')}`, {
      hint: 'Save its `status` and branch on it, or set on_error.',
    })
  return output
}

async function inputsOf(deps: EngineDeps, path: Path, node: SubgraphNode, graph: Graph): Promise<Path['fields']> {
  const input = fill(node.input, readerOf(path)) as JsonObject
  return takeInputs(graph, node.graph, input, deps)
}

/** @returns the fields with which a graph begins @throws OxbowError `bad_input` for what it does not take, or lacks */
export async function takeInputs(
  graph: Graph,
  name: string,
  input: JsonObject,
  { schemas }: Pick<EngineDeps, 'schemas'>,
): Promise<Path['fields']> {
  const unknown = Object.keys(input).find((field) => !graph.inputs.includes(field))
  if (unknown !== undefined)
    throw new OxbowError('bad_input', `The graph ${name} takes no input ${unknown}.`, {
      hint: graph.inputs.length === 0 ? 'It takes none.' : `It takes ${graph.inputs.join(', ')}.`,
    })
  const missing = graph.inputs.find((field) => !Object.hasOwn(input, field) && ownValue(graph.state, field)?.['default'] === undefined)
  if (missing !== undefined)
    throw new OxbowError('bad_input', `The graph ${name} needs the input ${missing}.`, { hint: `Set it: --set ${missing}=VALUE.` })
  await checkFields({ graph, fields: new Map() }, input, schemas)
  return new Map(Object.entries(input))
}

function newPath(
  parent: Path,
  key: string,
  change: Partial<GraphPath> & Pick<GraphPath, 'node' | 'since'>,
  more: Partial<Path> & Pick<Path, 'rights'>,
): Path {
  const { run, graph, attempt } = parent.record
  const base = { run, key, graph, step: 0, attempt: 0, join: '', status: 'running', failure: null, output: {}, inner: 0 } as const
  const record: GraphPath = { ...base, within: attempt, ...change, visits: { [change.node]: 1 } }
  return { record, graph: parent.graph, fields: new Map(), parent, resumed: false, ...more }
}

function keyBelow({ key, step }: GraphPath, name: string | number): string {
  const below = `${key}${step}.${name}/`
  if (below.split('/').length > maxGraphDepth + 1)
    throw new OxbowError('limit_reached', `Maps and graphs nest deeper than ${maxGraphDepth} levels.`, { hint: 'Flatten the graph.' })
  return below
}

/** Begins paths, all in one record; those that are known go on where they were, and begin their node again with a new try of the node above. */
async function enterAll({ put, clock }: EngineDeps, run: LiveRun, above: Path, begun: readonly Path[]): Promise<readonly Path[]> {
  const changes: DocumentChange[] = []
  const entered = begun.map((path) => {
    const known = run.paths.get(path.record.key)
    if (known === undefined) {
      run.visits += 1
      run.paths.set(path.record.key, path)
      changes.push(pathChange(path.record), ...fieldChanges(path.record, Object.fromEntries(path.fields)))
      return path
    }
    const { status, within, attempt } = known.record
    const isOver = status === 'joined' || status === 'ended'
    const own: Path = { ...path, record: known.record, fields: known.fields, resumed: known.resumed }
    run.paths.set(path.record.key, own)
    if (isOver || within === above.record.attempt) return own
    own.record = { ...own.record, status: 'running', failure: null, attempt: attempt + 1, within: above.record.attempt, since: clock.now() }
    own.resumed = false
    changes.push(pathChange(own.record))
    return own
  })
  if (changes.length > 0) await put(run.record, changes)
  return entered
}

/** Forgets the paths below the node at which a path is, when it leaves it. @returns the changes that delete them */
export function forget(run: LiveRun, path: Path): readonly DocumentChange[] {
  const prefix = `${path.record.key}${path.record.step}.`
  const below = [...run.paths.values()].filter(({ record }) => record.key.startsWith(prefix))
  let visits = path.record.inner
  for (const { record } of below) {
    run.paths.delete(record.key)
    visits += visitsOf(record)
  }
  path.record = { ...path.record, inner: visits }
  return withoutPaths(below)
}

/** Visits of a path, and of those below it that are forgotten. */
export function visitsOf({ visits, inner }: GraphPath): number {
  return Object.values(visits).reduce((sum, count) => sum + count, inner)
}
