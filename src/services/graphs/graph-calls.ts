/**
 * The calls about graphs. A person sees and changes all runs; an agent those that its own conversation has started. What they return
 * carries the labels of what the nodes of the run have read.
 */
import { z } from 'zod'
import { type CallId, type Json, type JsonObject, OxbowError, type SessionId, type TurnId, failureSentences } from '../../base/index.ts'
import { type Call, type Caller, defineCall, evident } from '../../protocol/index.ts'
import { definitionName } from '../../config/index.ts'
import { askCall } from './graph-ask.ts'
import { type GraphRun, isGoingOn, statusText } from './graph-record.ts'
import { type GraphView, graphView } from './graph-view.ts'
import { maxGraphWaitS } from './limits.ts'

/** What the calls do; loaded with the first one. */
export interface GraphDesk {
  run(caller: Caller, call: CallId, input: RunInput, signal: AbortSignal): Promise<GraphView>
  check(input: CheckInput): Promise<CheckOutput>
  /** @throws OxbowError `not_found`, `bad_input` for a beginning of several ids */
  find(caller: Caller, ref: string): Promise<GraphRun>
  list(caller: Caller, ended: boolean, limit: number): Promise<readonly GraphView[]>
  view(run: GraphRun): Promise<GraphView>
  look(caller: Caller, run: TurnId, seen: string | null, seconds: number, signal: AbortSignal): Promise<void>
  cancel(run: TurnId, reason: string): Promise<GraphRun>
  resume(caller: Caller, call: CallId, run: TurnId, from: string): Promise<GraphRun>
  answer(caller: Caller, run: GraphRun, answer: Json, node: string, signal: AbortSignal): Promise<string>
}

export interface GraphCallDeps {
  readonly graphs: () => Promise<GraphDesk>
}

export type RunInput = z.infer<typeof runInput>
export type CheckInput = z.infer<typeof checkInput>
export const checkOutput = z.strictObject({
  ok: z.boolean(),
  problems: z.array(z.strictObject({ at: z.string(), message: z.string(), hint: z.string() })).readonly(),
  nodes: z.array(z.string()).readonly().describe('Nodes, in order, with where they lead.'),
})

export type CheckOutput = z.infer<typeof checkOutput>

const shared = {
  rare: true,
  audience: ['model', 'terminal'],
  right: 'agent.use',
  labels: { adds: [], sink: false },
  timeoutMs: 30_000,
} as const satisfies Partial<Call>

const name = z.string().regex(definitionName, 'must be a plain name')
const runRef = z.string().min(1).max(100).meta(evident('Id of the run, or its beginning.'))
const exampleId = '0fd2b0d1-53a1-8c77-a1d0-6f0d2f3d8a11'
const recorded = ({ id, graph, status }: GraphView): JsonObject => ({ run: id, graph, outcome: status })

export function graphCalls({ graphs }: GraphCallDeps): readonly Call[] {
  return [
    runCall(graphs),
    showCall(graphs),
    listCall(graphs),
    cancelCall(graphs),
    resumeCall(graphs),
    checkCall(graphs),
    answerCall(graphs),
    askCall(),
  ]
}

type Load = GraphCallDeps['graphs']

const runInput = z.strictObject({
  graph: name.describe('Name of its definition.'),
  input: z.record(z.string(), z.json()).default({}).describe('Values of its inputs.'),
  wait: z.boolean().default(true).meta(evident('false: go on; its result comes as a message.')),
})

function runCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'graph.run',
    waitsFor: 'child',
    summary: 'Runs a state graph that a person has defined, and returns its result.',
    input: runInput,
    output: graphView,
    example: { graph: 'review', input: { path: '/shared/report.md' }, wait: true },
    // A person defined its rights, and each of its calls is judged separately.
    tier: 'side_effecting',
    does: ['delegate'],
    right: 'agent.spawn',
    effect: 'idempotent',
    timeoutMs: Infinity,
    recordOutput: recorded,
    compensation: ({ id, input: { wait } }) => (wait === false ? { call: 'graph.cancel', input: { run: id } } : null),
    async run(input, { id, caller, signal }) {
      return shown(await (await load()).run(caller, id, input, signal))
    },
  })
}

/** A run that has failed is a result that reports a failure. */
function shown(view: GraphView): { output: GraphView; text: string; labels: GraphView['labels']; ok: boolean } {
  const { id, graph, status, waiting_for: waits, failure, output, text } = view
  const why = failure === null ? '' : `: ${failureSentences(failure)}`
  const lines = [
    `${graph} (${id}): ${statusText(status, waits)}${why}`,
    ...(text === '' ? [] : [text]),
    ...(Object.keys(output).length === 0 ? [] : [JSON.stringify(output)]),
  ]
  return { output: view, text: lines.join('\n'), labels: view.labels, ok: isGoingOn(status) || status === 'success' }
}

function showCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'graph.show',
    waitsFor: 'child',
    summary: 'Shows a run of a graph: where it is, its state, what it waits for.',
    input: z.strictObject({
      run: runRef,
      wait_s: z.number().min(0).max(maxGraphWaitS).default(0).meta(evident('Seconds to wait for its end.')),
      seen: z.string().max(100).optional().meta(evident('Waits only until its `position` is another one.')),
    }),
    output: graphView,
    example: { run: exampleId, wait_s: 0 },
    tier: 'read_only',
    effect: 'none',
    timeoutMs: (maxGraphWaitS + 30) * 1_000,
    recordOutput: recorded,
    async run({ run: ref, wait_s: seconds, seen }, { caller, signal }) {
      const desk = await load()
      const { id } = await desk.find(caller, ref)
      if (seconds > 0) await desk.look(caller, id, seen ?? null, seconds, signal)
      return shown(await desk.view(await desk.find(caller, id)))
    },
  })
}

function listCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'graph.list',
    summary: 'Lists runs of graphs, the newest first.',
    input: z.strictObject({
      ended: z.boolean().default(false).meta(evident('Also those that have ended.')),
      limit: z.int().min(1).max(200).default(50),
    }),
    output: z.strictObject({ runs: z.array(graphView).readonly() }),
    example: { ended: true, limit: 50 },
    tier: 'read_only',
    effect: 'none',
    recordOutput: ({ runs }) => ({ runs: runs.length }),
    async run({ ended, limit }, { caller }) {
      const runs = await (await load()).list(caller, ended, limit)
      const lines = runs.map((view) => shown(view).text.split('\n', 1)[0] ?? '')
      return {
        output: { runs },
        text: lines.join('\n') || 'No graph runs.',
        labels: [...new Set(runs.flatMap(({ labels }) => labels))].sort(),
      }
    },
  })
}

function cancelCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'graph.cancel',
    summary: 'Ends a run of a graph with everything that it runs.',
    input: z.strictObject({ run: runRef, reason: z.string().max(200).default('').meta(evident('Why.')) }),
    output: graphView.extend({ cancelled: z.boolean().describe('False: it had ended before.') }),
    example: { run: exampleId, reason: 'No longer needed.' },
    tier: 'side_effecting',
    does: ['delegate'],
    effect: 'idempotent',
    timeoutMs: 60_000,
    recordOutput: recorded,
    async run({ run: ref, reason }, { caller }) {
      const desk = await load()
      const { id, status } = await desk.find(caller, ref)
      const view = await desk.view(await desk.cancel(id, reason || `It was cancelled by ${caller.actor}.`))
      return { ...shown(view), output: { ...view, cancelled: status === 'running' && view.status === 'cancelled' }, ok: true }
    },
  })
}

const byPerson = { ...shared, audience: ['terminal'] } as const satisfies Partial<Call>

function resumeCall(load: Load): Call {
  return defineCall({
    ...byPerson,
    name: 'graph.resume',
    summary: 'Goes on with a run that has failed or was cancelled. Nodes that have finished do not run again.',
    input: z.strictObject({
      run: runRef,
      from: z.string().max(100).default('').describe('Node at which it goes on; empty: where it stopped.'),
    }),
    output: graphView,
    example: { run: exampleId, from: 'review' },
    tier: 'side_effecting',
    right: 'agent.spawn',
    effect: 'idempotent',
    recordOutput: recorded,
    async run({ run: ref, from }, { id: call, caller }) {
      const desk = await load()
      const { id } = await desk.find(caller, ref)
      return shown(await desk.view(await desk.resume(caller, call, id, from)))
    },
  })
}

const checkInput = z
  .strictObject({ graph: name.optional(), toml: z.string().optional().describe('The text of a definition.') })
  .refine(({ graph, toml }) => (graph === undefined) !== (toml === undefined), 'needs `graph` or `toml`, not both')

function checkCall(load: Load): Call {
  return defineCall({
    ...byPerson,
    name: 'graph.check',
    summary: 'Checks the definition of a graph, by name or as text, and says what is wrong with it.',
    input: checkInput,
    output: checkOutput,
    example: { graph: 'review' },
    tier: 'read_only',
    effect: 'none',
    recordInput: ({ graph = '', toml = '' }) => ({ graph, characters: toml.length }),
    recordOutput: ({ ok, problems }) => ({ valid: ok, problems: problems.length }),
    async run(input) {
      const output = await (await load()).check(input)
      const lines = output.problems.map(({ at, message, hint }) => `${at === '' ? 'the file' : at} ${message} ${hint}`)
      return { output, text: output.ok ? `It can run: ${output.nodes.length} nodes.` : lines.join('\n'), ok: output.ok }
    },
  })
}

function answerCall(load: Load): Call {
  return defineCall({
    ...byPerson,
    name: 'graph.answer',
    summary: 'Answers the question with which a run of a graph waits.',
    input: z.strictObject({
      run: runRef,
      answer: z.json().describe('One of its choices, or a value that its state field allows.'),
      node: z.string().max(100).default('').meta(evident('Node that asks, where several do.')),
    }),
    output: z.strictObject({ answered: z.string() }),
    example: { run: exampleId, answer: 'yes', node: '' },
    tier: 'side_effecting',
    right: 'call.decide',
    effect: 'idempotent',
    async run({ run: ref, answer, node }, { caller, signal }) {
      const desk = await load()
      const answered = await desk.answer(caller, await desk.find(caller, ref), answer, node, signal)
      return { output: { answered }, text: `Answered ${answered}.` }
    },
  })
}

/** @throws OxbowError unless the session may see the run */
export function assertSeen({ home, id }: GraphRun, caller: Pick<Caller, 'audience'> & { readonly session: SessionId | '' }): void {
  if (caller.audience === 'terminal' || (home !== '' && home === caller.session)) return
  throw new OxbowError('not_found', `There is no run ${id} of this conversation.`, { hint: 'List them with graph.list.' })
}
