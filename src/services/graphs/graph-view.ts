/** A run of a graph as calls show it: its record, its state, and where each of its paths is. */
import { z } from 'zod'
import type { Budgets, RunningCall } from '../../kernel/index.ts'
import { ownValue } from '../../base/index.ts'
import {
  failureFields,
  idOrEmpty,
  idSchema,
  jsonObjectSchema,
  labelSchema,
  type Labels,
  type PendingApproval,
  sessionScope,
  type Spend,
} from '../../protocol/index.ts'
import { openQuestion, type OpenQuestion, openQuestions } from './graph-ask.ts'
import { visitsOf } from './graph-branches.ts'
import { type Path, stateOf } from './graph-path.ts'
import type { GraphRun } from './graph-record.ts'

const pathView = z.strictObject({
  key: z.string().describe('Empty: the root.'),
  graph: z.string(),
  node: z.string(),
  attempt: z.int(),
  since: z.number(),
  status: z.string(),
})

export const graphView = z.strictObject({
  id: idSchema('TurnId'),
  graph: z.string(),
  status: z.enum(['running', 'waiting', 'success', 'failure', 'failed', 'cancelled']).describe('`waiting`: for a person.'),
  session: idSchema('SessionId'),
  home: idOrEmpty('SessionId').describe('Session that started it; empty: a person outside of any session.'),
  output: jsonObjectSchema(),
  text: z.string(),
  failure: z.strictObject({ ...failureFields(), node: z.string().describe('The node that failed; empty: none.') }).nullable(),
  labels: z.array(labelSchema()).readonly(),
  version: z.string(),
  position: z.string().describe('Of a run that goes on: what `graph.show` takes as `seen`.'),
  created_at: z.number(),
  ended_at: z.number().nullable(),
  resumed: z.int().describe('How often it was resumed by a person.'),
  state: jsonObjectSchema(),
  paths: z.array(pathView).readonly().describe('Those that are not over, the root first.'),
  visits: z.int(),
  waiting_for: z.string().describe('`an answer`, `an approval`, or the call that runs; empty: nothing.'),
  questions: z.array(openQuestion).readonly(),
  spent: z.strictObject({ tokens: z.int(), micro_dollars: z.int() }),
})

export type GraphView = z.infer<typeof graphView>

interface ViewDeps {
  readonly budgets: Pick<Budgets, 'load' | 'view'>
  /** The calls of a run, and of agents below it, that wait for a person. */
  readonly waiting: (run: GraphRun) => Promise<readonly PendingApproval[]>
  readonly running: (session: GraphRun['session']) => readonly RunningCall[]
  readonly heldLabels: (run: GraphRun) => Labels
  readonly position: (run: GraphRun['id']) => string
}

export async function viewOfRun(deps: ViewDeps, run: GraphRun, paths: readonly Path[]): Promise<GraphView> {
  const { id, graph, status, session, home, output, text, failure, versions, created_at, ended_at, resumed } = run
  // Before anything is waited for: who waits for the next one must not miss what happens meanwhile.
  const position = deps.position(id)
  await deps.budgets.load({ session, actor: 'kernel' })
  const { spent }: { spent: Spend } = deps.budgets.view(sessionScope(session))
  const root = paths.find(({ record }) => record.key === '')
  const waiting = status === 'running' ? await deps.waiting(run) : []
  const questions = openQuestions(waiting, id)
  const shown = paths.filter(({ record }) => record.status === 'running' || record.status === 'failed')
  return {
    id,
    graph,
    status: waiting.length > 0 ? 'waiting' : status,
    session,
    home,
    output,
    text,
    failure,
    labels: status === 'running' ? deps.heldLabels(run) : run.labels,
    version: ownValue(versions, graph) ?? '',
    position,
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
    waiting_for: status !== 'running' ? '' : waitsFor(questions, waiting, deps.running(session)),
    questions,
    spent: { tokens: spent.tokens, micro_dollars: spent.microDollars },
  }
}

function waitsFor(questions: readonly OpenQuestion[], waiting: readonly PendingApproval[], running: readonly RunningCall[]): string {
  if (questions.length > 0) return 'an answer'
  if (waiting.length > 0) return 'an approval'
  return running[0]?.name ?? ''
}
