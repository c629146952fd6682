/** What the calls about graphs do: who may start what with which rights, what is shown, and how a run uses the rest of the kernel. */
import {
  type AgentProfile,
  assertNoBranch,
  carvedOf,
  type Core,
  giveUpCalls,
  modelRight,
  passedOn,
  profileCategory,
  secretRight,
  stopReason,
} from '../../kernel/index.ts'
import {
  type CallId,
  derivedId,
  failureSentences,
  fenced,
  isDerived,
  type Json,
  ownValue,
  OxbowError,
  type SessionId,
  toError,
  truncate,
  type TurnId,
} from '../../base/index.ts'
import { type Caller, isTurn, type Limits } from '../../protocol/index.ts'
import type { RunsPort } from '../../runs/index.ts'
import type { Access } from '../access/service.ts'
import type { Agents } from '../agents/service.ts'
import { namedById } from '../named-by-id.ts'
import { answeredInput, openQuestions } from './graph-ask.ts'
import { unknownRun } from './graph-begin.ts'
import { assertSeen, type CheckInput, type CheckOutput, type GraphDesk, type RunInput } from './graph-calls.ts'
import { checkGraph } from './graph-check.ts'
import { parseGraph } from './graph-definition.ts'
import { callProblems, keptGraphs, loadGraphs } from './graph-load.ts'
import { nodeOf, type Path } from './graph-path.ts'
import type { GraphRun } from './graph-record.ts'
import { createGraphRuns, type GraphRuns } from './graph-runs.ts'
import { viewOfRun } from './graph-view.ts'
import { createNodeWork } from './graph-work.ts'
import { maxTakeUpMs, maxMailCharacters } from './limits.ts'

export interface GraphingDeps extends Pick<
  Core,
  | 'user'
  | 'config'
  | 'clock'
  | 'store'
  | 'journal'
  | 'documents'
  | 'schemas'
  | 'newId'
  | 'noteEvent'
  | 'sessions'
  | 'budgets'
  | 'gate'
  | 'approvals'
  | 'running'
  | 'profileOf'
  | 'neverPassedOn'
  | 'references'
  | 'runEnded'
> {
  readonly waitingIn: Access['waitingIn']
  readonly agents: Agents
  readonly runs: RunsPort
}

export function createGraphDesk(deps: GraphingDeps): { readonly desk: GraphDesk; readonly runs: GraphRuns } {
  const { user, clock, gate, sessions, approvals, running } = deps
  const heldLabels = sessions.held
  // What was revoked since is no right of the run any more.
  const boundsOf = async ({ session, starter }: GraphRun): Promise<readonly string[] | null> =>
    starter === '' ? null : ((await deps.profileOf(session))?.rights ?? [])
  /** A node has no right that its run does not have. It has the run's models; it must name its secrets. */
  const narrow = (rights: readonly string[], wanted: readonly string[] | undefined): readonly string[] =>
    wanted === undefined ? rights : passedOn(rights, [...wanted, modelRight], deps.neverPassedOn)
  const runs = createGraphRuns({
    ...deps,
    definitions: deps.agents.definitions,
    ...createNodeWork({ user, clock, gate, narrow, boundsOf, heldLabels, runs: deps.runs }),
    narrow,
    assertCovers: (caller, budget) => assertCovers(deps, caller, budget),
    heldLabels,
    openSession: (run) => openSession(deps, run),
    mail: (run) => mailEnd(deps, run),
    giveUp: (run) => giveUpCalls(deps.journal, run, (record) => !isTurn(record)),
  })
  deps.agents.definitions.watch('graphs', (name) => void endRevoked(deps, runs, name).catch(() => {}))
  // Whoever started a run and is over leaves nothing behind.
  deps.agents.onOver(({ session, name }) => void runs.cancelOf(session, `The agent ${name}, which started it, has ended.`).catch(() => {}))
  /** What it asks a person, and what the agents below it do. */
  const waiting = async ({ id, session }: GraphRun) => {
    const { all, isBelow } = deps.agents.supervisor
    const below = all().filter((agent) => agent.state === 'running' && isBelow(agent, session))
    return (await Promise.all([deps.waitingIn(session, id), ...below.map((agent) => deps.waitingIn(agent.session))])).flat()
  }
  const view = async (run: GraphRun) =>
    viewOfRun({ ...deps, heldLabels, position: runs.position, waiting, running: running.of }, run, await runs.paths(run.id))
  const visible = async (caller: Caller): Promise<readonly GraphRun[]> =>
    (await runs.all()).filter(({ home }) => caller.audience === 'terminal' || (home !== '' && home === caller.session))
  const desk: GraphDesk = {
    run: async (caller, call, input, signal) => view(await begin(deps, runs, { caller, call, input }, signal)),
    check: (input) => check(deps, input),
    async find(caller, ref) {
      const exact = await runs.find(ref as TurnId)
      if (exact !== null) {
        assertSeen(exact, caller)
        return exact
      }
      const found = namedById(await visible(caller), ref, 'runs')
      if (found === undefined) throw unknownRun(ref)
      return found
    },
    async list(caller, ended, limit) {
      const found = (await visible(caller)).filter(({ status }) => ended || status === 'running')
      const newest = found.toSorted((a, b) => b.created_at - a.created_at).slice(0, limit)
      return Promise.all(newest.map(view))
    },
    view,
    look: ({ session }, run, seen, seconds, signal) => lent(deps, session, signal, () => runs.look(run, seen, seconds * 1_000, signal)),
    cancel: runs.cancel,
    resume: (caller, call, run, from) =>
      runs.resume({ caller, call, name: 'graph.resume' }, run, from, caller.rights.has('*') ? null : entriesOf(caller)),
    async answer(caller, run, answer, node, signal) {
      const isNamed = (each: { readonly node: string }): boolean => node === '' || each.node === node
      const isAsked = (): boolean => openQuestions(approvals.pending(run.session), run.id).some(isNamed)
      const asks = (path: Path): boolean => path.record.status === 'running' && isNamed(path.record) && nodeOf(path).type === 'ask'
      const comes = async (): Promise<boolean> => (await runs.find(run.id))?.status === 'running' && (await runs.paths(run.id)).some(asks)
      await runs.until(run.id, async () => isAsked() || !(await comes()), maxTakeUpMs, signal)
      return answerQuestion(deps, caller, run, { answer, node })
    },
  }
  return { desk, runs }
}

/** @param given the answer, and the node that asks if several do; empty: the only one @returns the node */
async function answerQuestion(
  deps: GraphingDeps,
  caller: Caller,
  run: GraphRun,
  given: { readonly answer: Json; readonly node: string },
): Promise<string> {
  const { approvals, gate } = deps
  const { answer, node } = given
  const pending = approvals.pending(run.session)
  const open = openQuestions(pending, run.id).filter((each) => node === '' || each.node === node)
  const [question] = open
  if (question === undefined)
    throw new OxbowError('not_found', `The run ${run.id} waits for no answer.`, { hint: '`oxbow graph show` says what it waits for.' })
  if (new Set(open.map((each) => each.node)).size > 1)
    throw new OxbowError('bad_input', `Several nodes ask: ${open.map((each) => each.node).join(', ')}.`, {
      hint: 'Name one with --node.',
    })
  const graphs = [...(await keptGraphs(run, deps)).values()]
  const edited = await answeredInput(pending, question, answer, { graphs, schemas: deps.schemas })
  const decided = await gate.call(caller, 'call.decide', { call: question.call, allow: true, input: edited }, newCall(deps))
  if (decided.status !== 'ok') throw toError(decided.failure)
  return question.node
}

const newCall = ({ newId }: Pick<GraphingDeps, 'newId'>): { readonly id: CallId; readonly signal: null } => ({
  id: newId() as CallId,
  signal: null,
})

function entriesOf({ rights, limits }: Caller): readonly string[] {
  return [...rights, ...(limits?.entries ?? [])]
}

interface Start {
  readonly caller: Caller
  readonly call: CallId
  readonly input: RunInput
}

async function begin(deps: GraphingDeps, runs: GraphRuns, { caller, call, input }: Start, signal: AbortSignal): Promise<GraphRun> {
  assertNoBranch(caller)
  const { delegable, tier } = await deps.agents.parentOf(caller)
  // A person starts it with the rights of their usual agent, or those that the definition names.
  const isPerson = delegable.includes('*')
  const usual = isPerson ? [...deps.config.agent.rights, secretRight, modelRight] : delegable
  const by = { caller, call, name: 'graph.run' }
  const isModel = caller.audience === 'model'
  const request = {
    graph: input.graph,
    input: input.input,
    rights: delegable,
    usual,
    tier,
    labels: deps.sessions.held(caller),
  }
  const run = await runs.begin(by, { ...request, mail: isModel && !input.wait })
  if (!input.wait) return run
  await lent(deps, caller.session, signal, () => runs.look(run.id, null, Infinity, signal))
  if (signal.aborted && stopReason(signal) !== 'shutdown') return runs.cancel(run.id, 'Its call was cancelled.')
  return (await runs.find(run.id)) ?? run
}

/** Lends the place of whoever waits to what it waits for. */
async function lent(
  { runs: { queue } }: GraphingDeps,
  session: Caller['session'],
  signal: AbortSignal,
  wait: () => Promise<void>,
): Promise<void> {
  queue.pause(session)
  try {
    await wait()
  } finally {
    await queue.resume(session, signal.aborted)
  }
}

async function assertCovers({ budgets }: GraphingDeps, caller: Caller, budget: Limits): Promise<void> {
  const book = await budgets.book()
  await book.load(caller)
  book.assertCovers(caller, carvedOf(budget))
}

/** Its profile limits what it delegates to, as an agent's does; no turn runs in it. */
async function openSession(deps: GraphingDeps, run: GraphRun): Promise<void> {
  const { session, graph, home, starter, rights, labels, id } = run
  await deps.runs.turns.openSession(session, truncate(`graph ${graph}`, 100), { labels })
  const profile = await deps.documents.get<AgentProfile>(profileCategory, session)
  if (profile === null) {
    const value: AgentProfile = {
      agent: id as string as CallId,
      name: `graph-${graph}`,
      rights,
      model: '',
      instructions: '',
      home,
      spawner: starter,
      killed: true,
      delegable: rights,
      tier: run.tier,
    }
    const of = { caller: { actor: 'kernel', session, turn: id }, call: deps.newId() as CallId, name: 'graph.step' } as const
    await deps.documents.put(of, [{ category: profileCategory, name: session, value }])
  }
  if (home !== '' && isDerived(home)) deps.agents.supervisor.countWith(session, home)
}

async function mailEnd(
  { runs }: GraphingDeps,
  { id, graph, home, status, text, output, failure, labels, resumed }: GraphRun,
): Promise<void> {
  const turn = derivedId('graph mail', id, resumed) as TurnId
  const whole = [text, Object.keys(output).length === 0 ? '' : JSON.stringify(output), failure === null ? '' : failureSentences(failure)]
  const said = truncate(whole.filter((line) => line !== '').join('\n'), maxMailCharacters)
  const body = said === '' ? '' : `\n${fenced(said, turn as string as CallId)}`
  try {
    const message = `[Graph ${graph} (${id}): ${status}]${body}`
    await runs.turns.send({ session: home as SessionId, turn, text: message, actor: `agent:graph-${graph}`, labels })
  } catch {
    // The session was deleted, or takes no more messages: `graph.show` has the result.
  }
}

/** A run by a definition whose approval was taken back. */
async function endRevoked({ agents }: GraphingDeps, runs: GraphRuns, name: string): Promise<void> {
  const usable = await agents.definitions.usable('graphs')
  const hash = usable.find((each) => each.name === name)?.hash
  for (const { id, status, versions } of await runs.all())
    if (status === 'running' && ownValue(versions, name) !== undefined && ownValue(versions, name) !== hash)
      await runs.cancel(id, `The approval of the graph ${name} was taken back.`)
}

async function check(deps: GraphingDeps, { graph: name, toml }: CheckInput): Promise<CheckOutput> {
  const { graph, problems } = await parseGraph(toml ?? (await definitionText(deps, name ?? '')))
  if (graph === null) return { ok: false, problems, nodes: [] }
  const found = [...(await checkGraph(graph, deps)), ...callProblems(graph, deps.references())]
  if (found.length === 0 && name !== undefined) await loadGraphs(name, { ...deps, definitions: deps.agents.definitions })
  const nodes = Object.entries(graph.nodes).map(([each, node]) => {
    const to = [node.next, ...node.edges.map((edge) => edge.to), node.else, node.type === 'map' ? node.join : undefined, node.on_error]
    return `${each} (${node.type}) → ${to.filter((one) => one !== undefined).join(', ') || node.type}`
  })
  return { ok: found.length === 0, problems: found, nodes }
}

/** Also of one that waits for approval: a person checks it before. */
async function definitionText({ agents }: GraphingDeps, name: string): Promise<string> {
  const listed = (await agents.definitions.list('graphs')).filter((each) => each.name === name)
  const found = listed.find(({ state }) => state !== 'hidden')
  if (found !== undefined) return found.toml
  throw new OxbowError('not_found', `There is no graph ${name}.`, { hint: 'See `oxbow graph list`.' })
}
