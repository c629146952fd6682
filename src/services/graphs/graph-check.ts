/**
 * What a definition must be beyond its shape: every node can be reached and leads to an end, branches of a map end at its join and nowhere
 * else, every cycle has a node with `max_visits`, and every field that is read or written is declared. A graph that passes can always take
 * another step or end.
 */
import { assertNever, type JsonObject, errorMessage, ownValue, type SchemaChecker } from '../../base/index.ts'
import { type Graph, type GraphNode, type GraphProblem, reservedFields, type Template } from './graph-definition.ts'
import { fieldsOfTest, type Guard, patternProblem, testsOf } from './guards.ts'
import { maxGraphDepth } from './limits.ts'
import { hasPlainType } from './graph-path.ts'
import { isPath, referencesOf } from './templates.ts'

export interface GraphCheckDeps {
  readonly schemas: Pick<SchemaChecker, 'check' | 'validate'>
}

/** @returns everything that is wrong with it; empty: it can run */
export async function checkGraph(graph: Graph, { schemas }: GraphCheckDeps): Promise<readonly GraphProblem[]> {
  const problems: GraphProblem[] = []
  const report: Report = (at, message, hint) => void problems.push({ at, message, hint })
  checkTargets(graph, report)
  // The checks below walk along the edges, which all lead somewhere by now.
  if (problems.length > 0) return problems
  checkWays(graph, report)
  checkCycles(graph, report)
  checkFields(graph, report)
  await checkPatterns(graph, report)
  await checkState(graph, schemas, report)
  return problems
}

type Report = (at: string, message: string, hint: string) => void

/** The nodes that may follow a node, and the branches of a map, which begin another level. */
interface Ways {
  readonly after: readonly string[]
  readonly branches: readonly string[]
}

function waysOf(node: GraphNode): Ways {
  const after = [node.next, ...node.edges.map(({ to }) => to), node.else, node.on_error].filter((to) => to !== undefined)
  if (node.type !== 'map') return { after, branches: [] }
  return { after: [node.join, ...(node.on_error === undefined ? [] : [node.on_error])], branches: node.branches ?? [node.to ?? ''] }
}

function checkTargets({ start, inputs, state, nodes }: Graph, report: Report): void {
  const has = (name: string): boolean => Object.hasOwn(nodes, name)
  if (!has(start)) report('start', `There is no node ${start}.`, 'Name the node at which a run begins.')
  for (const input of inputs)
    if (!Object.hasOwn(state, input)) report('inputs', `There is no state field ${input}.`, `Declare it: [state.${input}].`)
  for (const [name, node] of Object.entries(nodes)) {
    const at = `nodes.${name}`
    const { after, branches } = waysOf(node)
    for (const to of [...after, ...branches])
      if (!has(to)) report(at, `leads to ${to}, which is no node.`, 'Correct the name, or add the node.')
    checkExits(at, node, report)
    if (node.type === 'map' && has(node.join) && ownValue(nodes, node.join)?.type !== 'join')
      report(at, `has the join ${node.join}, which is of another type.`, 'Name a node with type = "join".')
  }
  if (Object.values(nodes).every(({ type }) => type !== 'end'))
    report('nodes', 'There is no end.', 'Add a node with type = "end" and lead to it.')
}

/** Exactly one way out, whatever the state is. */
function checkExits(at: string, node: GraphNode, report: Report): void {
  const { type, next, edges, else: otherwise, on_error: onError } = node
  if (type === 'end') {
    if (next !== undefined || edges.length > 0 || otherwise !== undefined || onError !== undefined)
      report(at, 'is an end, and leads on.', 'Remove `next`, `edges`, `else` and `on_error`, or give it another type.')
    return
  }
  if (type === 'map') {
    if (next !== undefined || edges.length > 0 || otherwise !== undefined)
      report(at, 'is a map, which leads to its join.', 'Put `next`, or `edges` and `else`, at the join.')
    return
  }
  if (next !== undefined && (edges.length > 0 || otherwise !== undefined))
    report(at, 'has `next` as well as `edges` or `else`.', 'Keep only `next`, or `edges` with `else`.')
  else if (next === undefined && otherwise === undefined)
    report(at, edges.length > 0 ? 'has no `else`.' : 'leads nowhere.', 'Say where it leads: `next`, or `edges` with `else`.')
}

/** @returns the nodes that are in no branch of a map */
export function outerNodes(graph: Graph): ReadonlySet<string> {
  const levels = checkWays(graph, () => {})
  return new Set([...levels].filter(([, level]) => level === '').map(([name]) => name))
}

/** Walks from the start with the joins that are open at each node. @returns those joins, by node */
function checkWays({ start, nodes }: Graph, report: Report): ReadonlyMap<string, string> {
  const levels = new Map<string, string>()
  const waiting: (readonly [name: string, open: readonly string[]])[] = [[start, []]]
  const led = new Set<string>()
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const [name, arrived] = at
    const node = ownValue(nodes, name)
    if (node === undefined) continue
    const isOwnJoin = node.type === 'join' && arrived.at(-1) === name
    const open = isOwnJoin ? arrived.slice(0, -1) : arrived
    const level = open.join(' ')
    const before = levels.get(name)
    if (before !== undefined) {
      if (before !== level && !led.has(name)) {
        led.add(name)
        report(`nodes.${name}`, 'is reached both inside and outside of the branches of a map.', 'Use two nodes, one for each.')
      }
      continue
    }
    levels.set(name, level)
    if (node.type === 'join' && !isOwnJoin && !isJoinOf(nodes, name))
      report(`nodes.${name}`, 'is the join of no map.', 'Name it as the `join` of a map.')
    if (node.type === 'end' && open.length > 0)
      report(`nodes.${name}`, `ends the run inside of the branches of a map.`, `Lead to the join ${open.at(-1)} instead.`)
    if (open.length > maxGraphDepth)
      report(`nodes.${name}`, `is in more than ${maxGraphDepth} maps.`, 'Move an inner part to a graph of its own.')
    const { after, branches } = waysOf(node)
    for (const to of after) waiting.push([to, open])
    if (node.type === 'map' && open.length <= maxGraphDepth) for (const to of branches) waiting.push([to, [...open, node.join]])
  }
  for (const name of Object.keys(nodes))
    if (!levels.has(name))
      report(`nodes.${name}`, 'cannot be reached.', `Lead to it from a node that is reached from ${start}, or remove it.`)
  checkEnds(nodes, report)
  return levels
}

function isJoinOf(nodes: Graph['nodes'], join: string): boolean {
  return Object.values(nodes).some((node) => node.type === 'map' && node.join === join)
}

/** From every node an end can be reached. */
function checkEnds(nodes: Graph['nodes'], report: Report): void {
  const ending = new Set(Object.keys(nodes).filter((name) => ownValue(nodes, name)?.type === 'end'))
  for (let grown = true; grown;) {
    grown = false
    for (const [name, node] of Object.entries(nodes)) {
      if (ending.has(name)) continue
      if (waysOf(node).after.some((to) => ending.has(to))) grown = ending.add(name).size > 0
    }
  }
  for (const name of Object.keys(nodes))
    if (!ending.has(name))
      report(`nodes.${name}`, 'leads to no end.', 'Lead from it, or from a node behind it, to a node with type = "end".')
}

/** Without the nodes that limit their visits, the graph has no cycle. */
function checkCycles({ nodes }: Graph, report: Report): void {
  const waysFrom = (name: string): readonly string[] => {
    const node = ownValue(nodes, name)
    if (node === undefined || node.max_visits !== undefined) return []
    const { after, branches } = waysOf(node)
    return [...after, ...branches]
  }
  const state = new Map<string, 'open' | 'closed'>()
  for (const first of Object.keys(nodes)) {
    const path: { readonly name: string; readonly left: string[] }[] = []
    const enter = (name: string): void => {
      state.set(name, 'open')
      path.push({ name, left: [...waysFrom(name)] })
    }
    if (!state.has(first)) enter(first)
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const to = top.left.pop()
      if (to === undefined) {
        state.set(top.name, 'closed')
        path.pop()
      } else if (state.get(to) === 'open') {
        const cycle = path.slice(path.findIndex(({ name }) => name === to)).map(({ name }) => name)
        report(`nodes.${to}`, `is in a cycle without \`max_visits\`: ${[...cycle, to].join(' → ')}.`, 'Set max_visits at one of its nodes.')
        return
      } else if (!state.has(to)) enter(to)
    }
  }
}

/** Every field that is read or written is declared. */
function checkFields(graph: Graph, report: Report): void {
  const { state, nodes } = graph
  const isDeclared = (path: string): boolean => {
    const [field = '', node = ''] = path.split('.')
    if (field === 'visits') return Object.hasOwn(nodes, node)
    return reservedFields.has(field) || Object.hasOwn(state, field)
  }
  const reads = (at: string, path: string): void => {
    if (!isPath(path)) report(at, `\${${path.slice(0, 100)}} is no reference.`, 'Write ${field} or ${field.part}; $${ stands for ${.')
    else if (!isDeclared(path))
      report(at, `reads ${path}, and there is no such state field.`, `Declare it: [state.${path.split('.', 1)[0]}].`)
  }
  const writes = (at: string, field: string): void => {
    if (!Object.hasOwn(state, field)) report(at, `sets ${field}, and there is no such state field.`, `Declare it: [state.${field}].`)
  }
  for (const [name, node] of Object.entries(nodes)) {
    const at = `nodes.${name}`
    for (const template of templatesOf(node)) for (const path of referencesOf(template)) reads(at, path)
    for (const { when } of node.edges) for (const test of testsOf(when)) for (const path of fieldsOfTest(test)) reads(at, path)
    for (const field of [...Object.keys(node.save), ...Object.keys(node.set)]) writes(at, field)
    if (node.type === 'map') {
      if (node.over !== undefined) reads(at, node.over)
      if (node.as !== undefined) writes(at, node.as)
    }
    if (node.type === 'join')
      for (const [field, from] of Object.entries(node.collect)) {
        writes(at, field)
        reads(at, from)
      }
  }
}

function templatesOf(node: GraphNode): readonly Template[] {
  const shared = [...Object.values(node.set), ...[...node.entry, ...node.exit].map(({ input }) => input)]
  switch (node.type) {
    case 'agent':
      return [...shared, node.goal, ...node.key_facts]
    case 'call':
    case 'graph':
      return [...shared, node.input]
    case 'ask':
      return [...shared, node.question]
    case 'wait':
      return [...shared, ...(typeof node.seconds === 'string' ? [node.seconds] : []), node.until ?? '']
    case 'end':
      return [...shared, node.output, node.text]
    case 'map':
    case 'join':
      return shared
    default:
      return assertNever(node)
  }
}

async function checkPatterns({ nodes }: Graph, report: Report): Promise<void> {
  const guards = Object.entries(nodes).flatMap(([name, { edges }]) => edges.map(({ when }): readonly [string, Guard] => [name, when]))
  for (const [name, guard] of guards)
    for (const { matches } of testsOf(guard)) {
      const problem = matches === undefined ? null : await patternProblem(matches)
      if (problem !== null) report(`nodes.${name}.edges`, `The pattern cannot be used: ${problem}.`, 'Write it in the syntax of RE2.')
    }
}

async function checkState({ state, nodes }: Graph, schemas: GraphCheckDeps['schemas'], report: Report): Promise<void> {
  const results = Object.entries(nodes).flatMap(([name, node]): readonly (readonly [string, JsonObject])[] =>
    node.type === 'agent' && node.result !== undefined ? [[`nodes.${name}.result`, node.result]] : [],
  )
  const fields = Object.entries(state).map(([name, schema]): readonly [string, JsonObject] => [`state.${name}`, schema])
  for (const [at, schema] of [...fields, ...results]) {
    const first = schema['default']
    if (hasPlainType(schema, first ?? null) !== null && (first === undefined || hasPlainType(schema, first) === true)) continue
    try {
      await schemas.check(schema)
      const [problem] = first === undefined ? [] : await schemas.validate(schema, first)
      if (problem !== undefined) report(at, `The default ${problem.path} ${problem.message}.`, 'Correct the default, or the schema.')
    } catch (error) {
      report(at, errorMessage(error), 'Write a JSON Schema, such as type = "string".')
    }
  }
}
