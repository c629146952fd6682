/**
 * How runs of graphs begin: anew, after a restart, or again when a person resumes one that has ended; and how the oldest are forgotten.
 * What a beginning changes is returned, so that it is recorded at once.
 */
import { carve, type DocumentChange, type Documents } from '../../kernel/index.ts'
import { type CallId, type Clock, type JsonObject, OxbowError } from '../../base/index.ts'
import { starterOf } from '../../runs/index.ts'
import type { Caller, Labels } from '../../protocol/index.ts'
import { forget, takeInputs } from './graph-branches.ts'
import { outerNodes } from './graph-check.ts'
import type { Graph } from './graph-definition.ts'
import type { LoadedGraphs } from './graph-load.ts'
import { type Path, type EngineDeps, type LiveRun } from './graph-path.ts'
import {
  fieldChanges,
  graphCategory,
  type GraphPath,
  type GraphRun,
  graphVersionCategory,
  pathChange,
  readPaths,
  runChange,
  runOf,
  sessionOfRun,
  withoutPaths,
} from './graph-record.ts'
import { maxEndedGraphRuns } from './limits.ts'

/** The call by which somebody starts or changes a run. */
export interface GraphBy {
  readonly caller: Caller
  readonly call: CallId
  readonly name: string
}

export interface GraphRequest {
  readonly graph: string
  readonly input: JsonObject
  /** Entries of rights that whoever starts it can pass on. */
  readonly rights: readonly string[]
  /** What it has of them if its definition names none. */
  readonly usual: readonly string[]
  /** The weakest isolation that its agents run with; empty: any. */
  readonly tier: GraphRun['tier']
  readonly labels: Labels
  /** Whether its end is mail to the session that starts it. */
  readonly mail: boolean
}

interface BeginDeps extends Pick<EngineDeps, 'narrow' | 'schemas'> {
  readonly clock: Clock
}

export async function prepareRun(
  deps: BeginDeps,
  { call, caller }: GraphBy,
  request: GraphRequest,
  { graphs, versions }: LoadedGraphs,
): Promise<{ readonly record: GraphRun; readonly root: Path; readonly changes: readonly DocumentChange[] }> {
  const graph = graphs.get(request.graph)!
  const now = deps.clock.now()
  const id = runOf(call)
  const record: GraphRun = {
    id,
    graph: request.graph,
    versions,
    session: sessionOfRun(id),
    home: caller.session,
    starter: starterOf(caller),
    rights: deps.narrow(request.rights, graph.rights === undefined ? request.usual : [...graph.rights, ...delegating(graph)]),
    tier: request.tier,
    labels: request.labels,
    status: 'running',
    failure: null,
    output: {},
    text: '',
    report: request.mail ? 'due' : 'none',
    resumed: 0,
    created_at: now,
    ended_at: null,
    deadline: graph.timeout_s === undefined ? null : now + graph.timeout_s * 1_000,
    budget: graph.budget,
  }
  const fields = await takeInputs(graph, request.graph, request.input, deps)
  const path: GraphPath = {
    run: id,
    key: '',
    graph: request.graph,
    node: graph.start,
    step: 0,
    attempt: 0,
    since: now,
    visits: { [graph.start]: 1 },
    inner: 0,
    within: 0,
    join: '',
    status: 'running',
    failure: null,
    output: {},
  }
  const root: Path = { record: path, graph, fields, parent: null, rights: record.rights, resumed: false }
  return {
    record,
    root,
    changes: [runChange(record), pathChange(path), ...fieldChanges(path, Object.fromEntries(fields)), ...carving(record, now)],
  }
}

/** A graph with agents delegates, also where its definition does not say so. */
function delegating({ nodes }: Graph): readonly string[] {
  return Object.values(nodes).some(({ type }) => type === 'agent') ? ['agent.spawn'] : []
}

/** What it uses comes out of the budgets of whoever started it, also without a budget of its own. */
export function carving({ id, budget = {}, session, home, starter }: GraphRun, since: number): readonly DocumentChange[] {
  return [carve('run', id, budget, since, { session, above: home, actor: starter })]
}

/** The paths of a run as documents have them, each with the one above it. */
export async function restorePaths(
  { documents }: { readonly documents: Pick<Documents, 'list'> },
  record: GraphRun,
  graphs: ReadonlyMap<string, Graph>,
): Promise<Map<string, Path>> {
  const kept = await readPaths(documents, record.id)
  const paths = new Map<string, Path>()
  const keys = [...kept.keys()].sort((a, b) => a.split('/').length - b.split('/').length)
  for (const key of keys) {
    const { record: path, fields } = kept.get(key)!
    const graph = graphs.get(path.graph)
    if (graph === undefined) continue
    // Rights and the path above follow from the node above, when it is entered again.
    paths.set(key, { record: path, graph, fields: new Map(fields), parent: null, rights: key === '' ? record.rights : [], resumed: true })
  }
  return paths
}

export function resumedRun({ clock }: BeginDeps, record: GraphRun, timeoutS: number | undefined): GraphRun {
  const deadline = timeoutS === undefined ? null : clock.now() + timeoutS * 1_000
  return { ...record, status: 'running', failure: null, ended_at: null, deadline, resumed: record.resumed + 1 }
}

/**
 * The root begins its node again, or another one.
 * @returns the changes @throws OxbowError `bad_input` for a node in the branches of a map, `not_found` for none
 */
export function reopenRoot({ clock }: BeginDeps, run: GraphRun, paths: Map<string, Path>, from: string): readonly DocumentChange[] {
  const root = paths.get('')
  if (root === undefined) throw unknownRun(run.id)
  const since = clock.now()
  const base = { ...root.record, status: 'running', failure: null, output: {}, since } as const
  if (from === '') {
    const node = root.record.node
    root.record = { ...base, attempt: base.attempt + 1, visits: { ...base.visits, [node]: 1 } }
    root.resumed = false
    return [pathChange(root.record)]
  }
  assertOuter(root.graph, from)
  const gone = forget({ paths } as LiveRun, root)
  root.record = { ...base, node: from, step: base.step + 1, attempt: 0, visits: { [from]: 1 }, inner: 0 }
  root.resumed = false
  return [pathChange(root.record), ...gone]
}

function assertOuter(graph: Graph, from: string): void {
  if (!Object.hasOwn(graph.nodes, from))
    throw new OxbowError('not_found', `The graph of the run has no node ${from}.`, {
      hint: `It has ${Object.keys(graph.nodes).join(', ')}.`,
    })
  if (!outerNodes(graph).has(from))
    throw new OxbowError('bad_input', `The node ${from} belongs to the branches of a map.`, {
      hint: 'Resume from the map, or a node outside.',
    })
}

/** @returns changes that delete the oldest runs beyond those that are kept, with texts that no other run needs */
export async function surplusRuns(
  { documents }: { readonly documents: Pick<Documents, 'list'> },
  runs: readonly GraphRun[],
): Promise<readonly DocumentChange[]> {
  const ended = runs
    .filter(({ status, report: due }) => status !== 'running' && due !== 'due')
    .sort((a, b) => (a.ended_at ?? 0) - (b.ended_at ?? 0))
  const old = ended.slice(0, Math.max(0, ended.length - maxEndedGraphRuns))
  if (old.length === 0) return []
  const kept = new Set(runs.filter((run) => !old.includes(run)).flatMap(({ versions }) => Object.values(versions)))
  const texts = new Set(old.flatMap(({ versions }) => Object.values(versions)).filter((hash) => !kept.has(hash)))
  const paths = (await Promise.all(old.map(({ id }) => readPaths(documents, id)))).flatMap((each) => withoutPaths(each.values()))
  return [
    ...old.map(({ id }) => ({ category: graphCategory, name: id, value: null })),
    ...[...texts].map((hash) => ({ category: graphVersionCategory, name: hash, value: null })),
    ...paths,
  ]
}

export function unknownRun(id: string): OxbowError {
  return new OxbowError('not_found', `There is no run ${id} of a graph.`, { hint: 'See `oxbow graph runs`.' })
}
