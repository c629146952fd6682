/** A run of a graph as calls show it: its record, its state, and where each of its paths is. */
import type { Budgets, RunningCall } from '../../kernel/index.ts'
import { type JsonObject, ownValue, type PendingApproval, sessionScope, type Spend, type Labels } from '../../types/index.ts'
import { type OpenQuestion, openQuestions } from './graph-ask.ts'
import { visitsOf } from './graph-branches.ts'
import { type Path, stateOf } from './graph-path.ts'
import type { GraphRun } from './graph-record.ts'

interface GraphPathView {
  /** Empty: the root. */
  readonly key: string
  readonly graph: string
  readonly node: string
  readonly attempt: number
  readonly since: number
  readonly status: string
}

export interface GraphView extends Pick<
  GraphRun,
  'id' | 'graph' | 'status' | 'session' | 'home' | 'output' | 'text' | 'failure' | 'labels'
> {
  readonly version: string
  /** Of a run that goes on: what `graph.show` takes as `seen`. */
  readonly position: string
  readonly created_at: number
  readonly ended_at: number | null
  readonly resumed: number
  readonly state: JsonObject
  /** Those that are not over, the root first. */
  readonly paths: readonly GraphPathView[]
  readonly visits: number
  /** `an answer`, `an approval`, or the call that runs; empty: nothing. */
  readonly waiting_for: string
  readonly questions: readonly OpenQuestion[]
  readonly spent: { readonly tokens: number; readonly micro_dollars: number }
}

interface ViewDeps {
  readonly budgets: Pick<Budgets, 'load' | 'view'>
  readonly pending: (session: GraphRun['session']) => readonly PendingApproval[]
  readonly running: (session: GraphRun['session']) => readonly RunningCall[]
  readonly heldLabels: (run: GraphRun) => Labels
  readonly position: (run: GraphRun['id']) => string
}

export async function viewOfRun(deps: ViewDeps, run: GraphRun, paths: readonly Path[]): Promise<GraphView> {
  const { id, graph, status, session, home, output, text, failure, versions, created_at, ended_at, resumed } = run
  await deps.budgets.load({ session, actor: 'kernel' })
  const { spent }: { spent: Spend } = deps.budgets.view(sessionScope(session))
  const root = paths.find(({ record }) => record.key === '')
  const pending = deps.pending(session)
  const questions = status === 'running' ? openQuestions(pending, id) : []
  const shown = paths.filter(({ record }) => record.status === 'running' || record.status === 'failed')
  return {
    id,
    graph,
    status,
    session,
    home,
    output,
    text,
    failure,
    labels: status === 'running' ? deps.heldLabels(run) : run.labels,
    version: ownValue(versions, graph) ?? '',
    position: deps.position(id),
    created_at,
    ended_at,
    resumed,
    state: root === undefined ? {} : stateOf(root),
    paths: shown.map(({ record: { key, graph: of, node, attempt, since, status: at } }) => ({
      key,
      graph: of,
      node,
      attempt,
      since,
      status: at,
    })),
    visits: paths.reduce((sum, { record }) => sum + visitsOf(record), 0),
    waiting_for: status !== 'running' ? '' : waitsFor(questions, pending, deps.running(session)),
    questions,
    spent: { tokens: spent.tokens, micro_dollars: spent.microDollars },
  }
}

function waitsFor(questions: readonly OpenQuestion[], pending: readonly PendingApproval[], running: readonly RunningCall[]): string {
  if (questions.length > 0) return 'an answer'
  if (pending.length > 0) return 'an approval'
  return running[0]?.name ?? ''
}
