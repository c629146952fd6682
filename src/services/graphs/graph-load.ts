/**
 * Loads a graph with those in its nodes, checked, by the texts that count now; a run keeps these texts by their hashes and goes on by
 * them after a restart, whatever has become of the files.
 */
import type { CallReference, DocumentChange, Documents } from '../../kernel/index.ts'
import { type JsonObject, OxbowError, type SchemaChecker } from '../../base/index.ts'
import { toolName } from '../../protocol/index.ts'
import type { Definition, DefinitionText } from '../../config/index.ts'
import type { Agents } from '../agents/service.ts'
import { checkGraph } from './graph-check.ts'
import { type CallStep, type Graph, type GraphProblem, parseGraph, problemText, refuseGraph } from './graph-definition.ts'
import { type GraphRun, graphVersionCategory } from './graph-record.ts'
import { maxGraphDepth } from './limits.ts'

export interface LoadDeps {
  readonly definitions: Pick<Agents['definitions'], 'find'>
  readonly documents: Pick<Documents, 'get'>
  readonly schemas: Pick<SchemaChecker, 'check' | 'validate'>
}

export interface LoadedGraphs {
  readonly graphs: ReadonlyMap<string, Graph>
  /** Hashes by name. */
  readonly versions: Readonly<Record<string, string>>
  /** Keeps the texts. */
  readonly changes: readonly DocumentChange[]
}

/** @throws OxbowError `not_found`, `denied` for a graph of the workspace that waits for approval, `bad_input` for one that cannot run */
export async function loadGraphs(name: string, deps: LoadDeps): Promise<LoadedGraphs> {
  const graphs = new Map<string, Graph>()
  const found = new Map<string, Definition>()
  const load = async (each: string, above: readonly string[]): Promise<void> => {
    if (above.includes(each))
      throw new OxbowError('bad_input', `Graphs contain each other: ${[...above, each].join(' → ')}.`, {
        hint: 'Use a cycle with max_visits within one graph.',
      })
    if (above.length >= maxGraphDepth)
      throw new OxbowError('limit_reached', `Graphs contain each other deeper than ${maxGraphDepth} levels.`, { hint: 'Flatten them.' })
    let graph = graphs.get(each)
    if (graph === undefined) {
      const definition = await deps.definitions.find('graphs', each)
      graph = await readGraph(definition, deps)
      graphs.set(each, graph)
      found.set(each, definition)
    }
    for (const node of Object.values(graph.nodes)) if (node.type === 'graph') await load(node.graph, [...above, each])
  }
  await load(name, [])
  const changes = [...found.values()].map(({ name: of, hash, toml }) => ({
    category: graphVersionCategory,
    name: hash,
    value: { name: of, toml } satisfies KeptVersion,
  }))
  return { graphs, versions: Object.fromEntries([...found].map(([each, { hash }]) => [each, hash])), changes }
}

interface KeptVersion {
  readonly name: string
  readonly toml: string
}

async function readGraph({ name, toml }: Pick<DefinitionText, 'name' | 'toml'>, deps: Pick<LoadDeps, 'schemas'>): Promise<Graph> {
  const { graph, problems } = await parseGraph(toml)
  if (graph === null) throw refuseGraph(name, problems)
  const found = await checkGraph(graph, deps)
  if (found.length > 0) throw refuseGraph(name, found)
  return graph
}

/** The graphs of a run, by the texts with which it began. */
export async function keptGraphs({ versions }: GraphRun, { documents }: Pick<LoadDeps, 'documents'>): Promise<ReadonlyMap<string, Graph>> {
  const graphs = new Map<string, Graph>()
  for (const [name, hash] of Object.entries(versions)) {
    const kept = await documents.get<KeptVersion>(graphVersionCategory, hash)
    const { graph } = kept === null ? { graph: null } : await parseGraph(kept.value.toml)
    if (graph === null)
      throw new OxbowError('not_found', `The text of the graph ${name} with which the run began is gone.`, { hint: 'Start it anew.' })
    graphs.set(name, graph)
  }
  return graphs
}

/** @returns why a definition cannot be used; empty if it can, as far as its schemas are not judged: that is done when it runs */
export async function graphDefinitionProblem({ toml }: Pick<DefinitionText, 'toml'>): Promise<string> {
  const { graph, problems } = await parseGraph(toml)
  const found = graph === null ? problems : await checkGraph(graph, { schemas: { check: async () => {}, validate: async () => [] } })
  return found.map(problemText).join('; ')
}

/** What the calls in a graph would be refused for: unknown names, calls that no model may make, fields that they do not take or lack. */
export function callProblems(graph: Graph, references: readonly CallReference[]): readonly GraphProblem[] {
  const known = new Map(
    references.flatMap((reference) => [reference.name, toolName(reference.name)].map((name) => [name, reference] as const)),
  )
  return Object.entries(graph.nodes).flatMap(([name, node]) => {
    const steps: readonly CallStep[] = [...node.entry, ...node.exit, ...(node.type === 'call' ? [node] : [])]
    return steps.flatMap((step) => stepProblems(`nodes.${name}`, step, known.get(step.call)))
  })
}

function stepProblems(at: string, { call, input }: CallStep, reference: CallReference | undefined): readonly GraphProblem[] {
  if (reference === undefined) {
    // Calls of servers and of other agents come and go.
    if (/^(?:mcp|a2a|acp)[._]/.test(call)) return []
    return [{ at, message: `makes the call ${call}, which does not exist.`, hint: '`oxbow calls` lists what there is.' }]
  }
  if (reference.unavailable !== '')
    return [{ at, message: `makes the call ${call}: ${reference.unavailable}`, hint: 'See `oxbow status`.' }]
  if (!reference.audience.includes('model'))
    return [{ at, message: `makes the call ${call}, which only people make.`, hint: 'Ask the person with a node of type "ask".' }]
  const { properties, required } = reference.input as { readonly properties?: JsonObject; readonly required?: readonly string[] }
  if (properties === undefined) return []
  const fields = Object.keys(properties).join(', ')
  const hint = `It takes ${fields === '' ? 'nothing' : fields}.`
  const unknown = Object.keys(input).filter((field) => !Object.hasOwn(properties, field))
  const missing = (required ?? []).filter((field) => !Object.hasOwn(input, field))
  return [
    ...unknown.map((field) => ({ at, message: `gives ${call} the field ${field}, which it does not take.`, hint })),
    ...missing.map((field) => ({ at, message: `does not give ${call} the field ${field}, which it needs.`, hint })),
  ]
}
