/**
 * What nodes do: calls, agents, questions to a person, waits. All of it passes the gate as a call of the session of the run, as a call of
 * an agent does: rights, flow policy, approvals and budgets judge it. Its id follows from the visit, so that a restart repeats nothing.
 */
import { type Gate, meet, processRight } from '../../kernel/index.ts'
import {
  assertNever,
  type Clock,
  fenced,
  type Json,
  type JsonObject,
  type JsonSchema,
  ownValue,
  OxbowError,
  truncate,
  type UserId,
} from '../../base/index.ts'
import { type Caller, type CallOutcome, grantOf, type Labels } from '../../protocol/index.ts'
import type { AgentNode, AskNode, CallNode, CallStep, GraphNode, WaitNode } from './graph-definition.ts'
import { Interrupted, type Path, readerOf, type EngineDeps, type LiveRun } from './graph-path.ts'
import { type GraphRun, nodeCallId } from './graph-record.ts'
import { maxGraphSeconds } from './limits.ts'
import { fill, fillText, textOf } from './templates.ts'

export interface WorkDeps {
  readonly user: UserId
  readonly clock: Clock
  readonly gate: Pick<Gate, 'call'>
  readonly narrow: EngineDeps['narrow']
  /** What whoever started a run can still pass on; null: a person started it. */
  readonly boundsOf: (run: GraphRun) => Promise<readonly string[] | null>
  readonly heldLabels: (caller: Pick<Caller, 'session'>) => Labels
  readonly runs: EngineDeps['runs']
}

export function createNodeWork(deps: WorkDeps): Pick<EngineDeps, 'work' | 'around'> {
  return {
    async around(run, path, node, part, signal) {
      for (const [i, step] of node[part].entries())
        await makeCall(deps, run, path, node, { part: `${part} ${i}`, ...filled(path, step), signal })
    },
    async work(run, path, node, signal) {
      switch (node.type) {
        case 'call':
          return callOf(deps, run, path, node, signal)
        case 'agent':
          return agentOf(deps, run, path, node, signal)
        case 'ask':
          return askOf(deps, run, path, node, signal)
        case 'wait':
          return waitOf(deps, path, node, signal)
        case 'map':
        case 'join':
        case 'graph':
        case 'end':
          throw new Error('the engine does that itself')
        default:
          return assertNever(node)
      }
    },
  }
}

function filled(path: Path, { call, input }: CallStep): { readonly call: string; readonly input: Json } {
  return { call, input: fill(input, readerOf(path)) }
}

interface NodeCall {
  /** Which of the calls of the visit. */
  readonly part: string
  readonly call: string
  readonly input: Json
  readonly signal: AbortSignal
  /** Whether a result that reports a failure is a result. */
  readonly takesFailure?: boolean
  readonly asRuntime?: boolean
}

type Succeeded = Extract<CallOutcome, { status: 'ok' }>

/** @throws OxbowError with the code of the call, Interrupted */
async function makeCall(
  { user, gate, narrow, boundsOf }: WorkDeps,
  run: LiveRun,
  path: Path,
  node: GraphNode,
  { part, call, input, signal, takesFailure = false, asRuntime = false }: NodeCall,
): Promise<Succeeded> {
  const { session, id: turn, graph } = run.record
  const wanted = node.type === 'agent' && node.rights !== undefined ? [...node.rights, 'agent.spawn'] : node.rights
  const bounds = asRuntime ? null : await boundsOf(run.record)
  const rights = bounds === null ? path.rights : meet(bounds, path.rights)
  const grant = grantOf(asRuntime ? [processRight] : narrow(rights, wanted))
  const caller: Caller = {
    user,
    actor: `agent:graph-${graph}`,
    ...grant,
    audience: asRuntime ? 'runtime' : 'model',
    session,
    turn,
    process: '',
  }
  const id = nodeCallId(path.record, part)
  const onWait = (waiting: boolean): void => {
    run.asking += waiting ? 1 : -1
    run.changed()
  }
  const outcome = await gate.call(caller, call, input, { id, signal, resumed: path.resumed, durable: true, onWait })
  if (signal.aborted) throw new Interrupted()
  if (outcome.status !== 'ok') {
    const { code, message, hint } = outcome.failure
    throw new OxbowError(code, message, { hint: hint || 'The journal has the call: `oxbow audit show`.' })
  }
  if (!outcome.ok && !takesFailure)
    throw new OxbowError('tool_failed', `${call} reports a failure: ${truncate(outcome.text, 1_500)}`, {
      hint: 'Save its `ok` and branch on it, or set on_error.',
    })
  return outcome
}

/** @returns `text`, `output`, `ok` */
async function callOf(deps: WorkDeps, run: LiveRun, path: Path, node: CallNode, signal: AbortSignal): Promise<JsonObject> {
  const takesFailure = Object.values(node.save).includes('ok')
  const { text, output, ok } = await makeCall(deps, run, path, node, { part: 'work', ...filled(path, node), signal, takesFailure })
  return { text, ok, ...(output !== null && output !== undefined && { output: output as Json }) }
}

/** What `agent.delegate` returns of what a node needs. */
interface Delegated {
  readonly status: string
  readonly text?: string
  readonly value?: Json
  readonly files?: Json
  readonly spent?: Json
  readonly session?: string
}

/** @returns `status`, `text`, `value`, `files`, `spent`, `session` */
async function agentOf(deps: WorkDeps, run: LiveRun, path: Path, node: AgentNode, signal: AbortSignal): Promise<JsonObject> {
  const read = readerOf(path)
  const id = nodeCallId(path.record, 'work')
  // What nodes have read is data to the agent, whatever it says.
  const isUntrusted = deps.heldLabels(run.record).includes('untrusted')
  const insert = (value: Json): string => (isUntrusted ? fenced(textOf(value), id) : textOf(value))
  const schema = node.result ?? resultSchema(path, node)
  const input = {
    agent: node.agent,
    goal: fillText(node.goal, read, insert),
    key_facts: node.key_facts.map((fact) => fillText(fact, read, insert)),
    ...(schema !== undefined && { result: schema as Json }),
    ...(node.model !== '' && { model: node.model }),
    ...(node.budget !== undefined && { budget: { ...node.budget } as JsonObject }),
    ...(node.max_turns !== undefined && { max_turns: node.max_turns }),
    ...(node.timeout_s !== undefined && { deadline_s: Math.max(1, Math.ceil(node.timeout_s)) }),
    wait: true,
  }
  const takesFailure = Object.values(node.save).includes('status')
  const done = await makeCall(deps, run, path, node, { part: 'work', call: 'agent.delegate', input, signal, takesFailure: true })
  const { status = 'failure', text = done.text, value, files, spent, session } = (done.output ?? {}) as Partial<Delegated>
  if (status !== 'success' && !takesFailure) throw agentFailed(node.agent, status, text)
  return {
    status,
    text,
    ...(value !== undefined && { value }),
    ...(files !== undefined && { files }),
    ...(spent !== undefined && { spent }),
    ...(session !== undefined && { session }),
  }
}

/** The type of the field in which the value is saved is what the agent must return. */
function resultSchema({ graph }: Path, { save }: AgentNode): JsonSchema | undefined {
  const field = Object.keys(save).find((name) => ownValue(save, name) === 'value')
  return field === undefined ? undefined : ownValue(graph.state, field)
}

function agentFailed(agent: string, status: string, text: string): OxbowError {
  const codes = { budget_exhausted: 'budget_exhausted', cancelled: 'cancelled', timeout: 'timeout', refused: 'denied' } as const
  const code = ownValue(codes, status as keyof typeof codes) ?? 'tool_failed'
  return new OxbowError(code, `The agent ${agent} ended with ${status}: ${truncate(text, 1_500)}`, {
    hint: 'Save its `status` and branch on it, or set on_error.',
  })
}

/** @returns `answer` */
async function askOf(deps: WorkDeps, run: LiveRun, path: Path, node: AskNode, signal: AbortSignal): Promise<JsonObject> {
  const question = fillText(node.question, readerOf(path))
  const input = { run: run.record.id, node: path.record.node, question: truncate(question, 8_000), choices: node.choices }
  const { output } = await makeCall(deps, run, path, node, { part: 'work', call: 'graph.ask', input, signal, asRuntime: true })
  return { answer: (output as { readonly answer: Json }).answer }
}

/** @returns `waited_s` */
async function waitOf({ clock, runs }: WorkDeps, path: Path, node: WaitNode, signal: AbortSignal): Promise<JsonObject> {
  const { since } = path.record
  const until = untilOf(path, node, since)
  const ms = until - clock.now()
  if (ms > maxGraphSeconds * 1_000)
    throw new OxbowError('limit_reached', `The node ${path.record.node} would wait more than ${maxGraphSeconds / 86_400} days.`, {
      hint: 'Wait in several steps, or schedule the graph.',
    })
  if (ms > 0) await runs.sleep(until, signal)
  return { waited_s: Math.max(0, Math.round((clock.now() - since) / 1_000)) }
}

function untilOf(path: Path, { seconds, until }: WaitNode, since: number): number {
  const read = readerOf(path)
  if (until !== undefined) {
    const at = Date.parse(fillText(until, read))
    if (!Number.isNaN(at)) return at
    throw new OxbowError('bad_input', 'The time to wait for is not a date.', { hint: 'Write it as 2027-01-31T09:00:00+01:00.' })
  }
  const amount = Number(typeof seconds === 'string' ? fill(seconds, read) : seconds)
  if (Number.isFinite(amount) && amount >= 0) return since + amount * 1_000
  throw new OxbowError('bad_input', 'The seconds to wait are not a number.', { hint: 'Write a number, or a field that has one.' })
}
