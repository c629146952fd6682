/** A run and a program as calls show them. */
import { z } from 'zod'
import type { Budgets, RunningCall } from '../../kernel/index.ts'
import type { Json } from '../../base/index.ts'
import {
  failureFields,
  idOrEmpty,
  idSchema,
  jsonObjectSchema,
  labelSchema,
  type Labels,
  type PendingApproval,
  sessionScope,
  evident,
} from '../../protocol/index.ts'
import { definitionName } from '../../config/index.ts'
import type { ProgramRun } from './program-record.ts'

export const programRunView = z.strictObject({
  id: idSchema('TurnId'),
  program: z.string(),
  version: z.string(),
  status: z
    .enum(['running', 'waiting', 'success', 'failed', 'cancelled', 'planned'])
    .describe('`waiting`: for a person. `planned`: a dry run.'),
  session: idOrEmpty('SessionId').describe('Where its calls are made, which the journal has.'),
  input: jsonObjectSchema(),
  result: z.custom<Json>(),
  printed: z.string().describe('What its script printed.'),
  failure: z.strictObject(failureFields()).nullable(),
  labels: z.array(labelSchema()).readonly(),
  rights: z.array(z.string()).readonly(),
  missing: z
    .array(z.string())
    .readonly()
    .describe('Rights that its manifest asks for and that whoever runs it cannot give. Of a dry run only.'),
  depth: z.int(),
  created_at: z.number(),
  ended_at: z.number().nullable(),
  waiting_for: z.string().describe('`an approval`, or the call that runs; empty: nothing.'),
  spent: z.strictObject({ tokens: z.int(), micro_dollars: z.int() }),
})

export type ProgramRunView = z.infer<typeof programRunView>

export const programView = z.strictObject({
  name: z.string(),
  version: z.string(),
  description: z.string(),
  author: z.string(),
  kind: z.enum(['script', 'module', 'agent']).describe('`module`: a WASI module. `agent`: an agent follows its SKILL.md.'),
  place: z.enum(['own', 'installed', 'bundled']).describe('`own`: a folder of yours. `bundled`: it comes with Oxbow.'),
  hides_own: z.boolean().describe('You have a folder of its name, too, which does not count.'),
  on_trial: z.boolean().describe('An update that has not run yet: where its first run fails, the version before comes back.'),
  tool: z.boolean().describe('Agents see it as a call.'),
  enabled: z.boolean().describe('False: it does not run.'),
  active: z
    .boolean()
    .describe('Agents see it, if it is a tool, and its schedules start it. One that comes with Oxbow is not until you enable it.'),
  schedules: z.int(),
  hash: z.string().describe('Of its files.'),
  problem: z.string().describe('Why it cannot run; empty: it can.'),
})

export type ProgramView = z.infer<typeof programView>

export interface ViewDeps {
  readonly budgets: Pick<Budgets, 'load' | 'view'>
  readonly waiting: (run: ProgramRun) => Promise<readonly PendingApproval[]>
  readonly running: (session: ProgramRun['session']) => readonly RunningCall[]
  readonly heldLabels: (run: ProgramRun) => Labels
}

export async function viewOfRun(deps: ViewDeps, run: ProgramRun): Promise<ProgramRunView> {
  const { id, program, version, session, input, result, printed, failure, rights, depth, created_at, ended_at } = run
  await deps.budgets.load({ session, actor: 'kernel' })
  const { spent } = deps.budgets.view(sessionScope(session))
  const isRunning = run.status === 'running'
  const waiting = isRunning ? await deps.waiting(run) : []
  return {
    id,
    program,
    version,
    status: waiting.length > 0 ? 'waiting' : run.status,
    session,
    input,
    result,
    printed,
    failure,
    labels: isRunning ? deps.heldLabels(run) : run.labels,
    rights,
    missing: [],
    depth,
    created_at,
    ended_at,
    waiting_for: !isRunning ? '' : waiting.length > 0 ? 'an approval' : (deps.running(session)[0]?.name ?? ''),
    spent: { tokens: spent.tokens, micro_dollars: spent.microDollars },
  }
}

export const runInput = z.strictObject({
  program: z.string().regex(definitionName, 'must be a plain name').describe('Its name.'),
  input: jsonObjectSchema().default({}).describe('What its [input] describes.'),
  wait: z.boolean().default(true).meta(evident('false: go on; program.show has its end.')),
  dry_run: z.boolean().default(false).describe('Only check the input, and say which rights it would have.'),
})

export type RunInput = z.infer<typeof runInput>
