/** An agent as calls show it: its record, what it does at the moment, and what its commands use. */
import { z } from 'zod'
import { type Budgets, limitsOf, type Provenance, type RunningCall, type RunningCalls } from '../../kernel/index.ts'
import { priorities } from '../../runs/index.ts'
import { type SessionId, truncate } from '../../base/index.ts'
import {
  amountKinds,
  errorCodeSchema,
  idOrEmpty,
  idSchema,
  inUse,
  jsonSchema,
  labelSchema,
  writeOrigins,
  type Sandbox,
  sessionScope,
  type Spend,
  joinLabels,
  limitAmounts,
  limitsSchema,
} from '../../protocol/index.ts'
import { usageTimeoutMs } from './limits.ts'
import { type AgentRecord, isOver, isSettled } from './agent-record.ts'
import { mailOf } from './mail/peers.ts'
import type { Access } from '../access/service.ts'
import type { Supervisor } from './supervisor.ts'

const agentUsage = z.strictObject({ cpu_ms: z.number(), memory_mb: z.number(), processes: z.int() })

export type AgentUsage = z.infer<typeof agentUsage>

export interface AgentViewDeps {
  readonly supervisor: () => Promise<Supervisor>
  readonly budgets: Pick<Budgets, 'book' | 'load' | 'view'>
  readonly running: Pick<RunningCalls, 'of'>
  readonly waitingIn: Access['waitingIn']
  /** What a session has read, as far as it is known without reading. */
  readonly history: (session: SessionId) => Provenance
}

/** A goal that a call has delegated to an agent by a definition. */
const delegation = z.strictObject({
  definition: z.string(),
  hash: z.string().describe('Of its files at that time.'),
  turn: idOrEmpty('TurnId').describe('The turn that delegated; empty: none did.'),
  awaited: z.boolean().optional().describe('A call waits for its end, also after a restart; absent: its end comes as mail.'),
  deadline_at: z.number().nullable().describe('Unix milliseconds; null: no deadline.'),
  repairs: z.int().describe('Times that its answer was returned because it did not match the schema of the result.'),
  value: jsonSchema().exactOptional().describe('Its result, if it had to match a schema and does.'),
})

export const agentView = z.strictObject({
  id: idSchema('CallId'),
  name: z.string(),
  session: idSchema('SessionId').describe('Its own conversation.'),
  parent: idOrEmpty('CallId').describe("Agent that spawned or adopted it; empty: a person's session did, or nobody."),
  home: idOrEmpty('SessionId').describe("Session that gets its mail: its parent's, or a person's; empty: none."),
  depth: z.int(),
  task: z.string(),
  model: z.string(),
  rights: z.array(z.string()).readonly(),
  priority: z.enum(priorities),
  keep: z.boolean().describe('Becomes idle with its answer, instead of done.'),
  state: z.enum(['starting', 'running', 'waiting', 'idle', 'done', 'failed', 'killed', 'paused']),
  reply: z.string().describe('Answer of the last run; its beginning, if it is long.'),
  reason: z.string().describe('Why it failed or was killed.'),
  labels: z.array(labelSchema()).readonly(),
  created_at: z.number(),
  started_at: z.number().nullable(),
  ended_at: z.number().nullable(),
  budget: limitsSchema.optional().describe('What it and the agents below it may use, held in the budgets of its parent.'),
  branch: z.string().optional().describe('Branch of files that it works on; absent: the workspace.'),
  code: errorCodeSchema().optional().describe('Why it ended, where that is not its success; absent: not known.'),
  delegation: delegation.optional().describe('Of an agent by a definition, to which a call has delegated a goal.'),
  waiting_for: z.enum(['approval', 'child', 'timer', 'admission']).nullable(),
  waiting_on: z.string().describe('The call that waits for approval, or the names of the agents; empty: nothing more is known.'),
  current_call: z.strictObject({ name: z.string(), elapsed_ms: z.number() }).nullable().describe('What it is doing at the moment.'),
  usage: agentUsage
    .nullable()
    .describe(
      'What its running commands use in the sandbox without network: processor time so far, memory now. Null: nothing is known of any.',
    ),
  spent: z.strictObject({ tokens: z.int(), micro_dollars: z.int() }),
  left: limitAmounts.nullable().describe('What is left of its own budget; null: it has none, and uses those above it.'),
  mail: z
    .array(z.strictObject({ agent: idSchema('CallId'), name: z.string(), messages: z.int() }))
    .readonly()
    .exactOptional()
    .describe('Agents with which it has written since a person wrote to them, other than those above and below it; absent: none.'),
  origins: z
    .array(z.tuple([labelSchema(), idSchema('DataOrigin')]))
    .readonly()
    .describe('Of its labels, where the data comes from; hostile text.'),
})

export type AgentView = z.infer<typeof agentView>

/** @param usage of agents, by their sessions */
export async function viewOf(
  { budgets, running, waitingIn, supervisor, history }: AgentViewDeps,
  record: AgentRecord,
  usage: ReadonlyMap<string, AgentUsage> = new Map(),
): Promise<AgentView> {
  const {
    messages: _m,
    report: _r,
    runs: _n,
    orphans: _o,
    queued_at: _q,
    sendsNoMail: _s,
    spent_before: _b,
    mail: _w,
    received: _g,
    paused,
    ...view
  } = record
  const { session } = record
  await budgets.load({ session, actor: 'kernel' })
  const { spent }: { spent: Spend } = budgets.view(sessionScope(session))
  const read = history(session)
  const [oldest] = running.of(session)
  const mail = mailOf(record, (await supervisor()).all())
  const asking = record.state === 'running' ? await waitingIn(session) : []
  const waitingFor = paused === true ? null : whyWaiting(record, running.of(session), asking.length > 0)
  const children = waitingFor === 'child' ? (await supervisor()).all().filter((one) => one.parent === record.id && !isSettled(one)) : []
  const waitingOn = waitingFor === 'approval' ? asking.map(({ name }) => name) : children.map(({ name }) => name)
  return {
    ...view,
    task: truncate(record.task, 1_000),
    state: paused === true && !isOver(record) ? 'paused' : record.state === 'running' && waitingFor !== null ? 'waiting' : record.state,
    waiting_for: waitingFor,
    ...(mail.length > 0 && { mail }),
    waiting_on: truncate(waitingOn.join(', '), 200),
    current_call: oldest === undefined ? null : { name: oldest.name, elapsed_ms: oldest.elapsedMs },
    usage: usage.get(session) ?? null,
    spent: { tokens: spent.tokens, micro_dollars: spent.microDollars },
    left: await leftOf(budgets, record),
    labels: joinLabels(record.labels, read.labels),
    origins: writeOrigins(read.from),
  }
}

async function leftOf(budgets: AgentViewDeps['budgets'], { id, budget }: AgentRecord): Promise<AgentView['left']> {
  if (budget === undefined) return null
  const book = await budgets.book()
  const found = book.definitions().find(({ scope }) => scope === `child:${id}`)
  if (found === undefined) return null
  const account = await book.account(found)
  const left = { ...account.limit }
  for (const kind of amountKinds) left[kind] = Math.max(0, left[kind] - inUse(account, kind))
  return limitsOf(left)
}

function whyWaiting({ state }: AgentRecord, calls: readonly RunningCall[], isAsking: boolean): AgentView['waiting_for'] {
  if (state === 'starting') return 'admission'
  if (state === 'waiting') return 'child'
  if (state !== 'running') return null
  if (isAsking) return 'approval'
  if (calls.some(({ waitsFor }) => waitsFor === 'child')) return 'child'
  return calls.some(({ waitsFor }) => waitsFor === 'event') ? 'timer' : null
}

const bytesPerMb = 1024 * 1024

/**
 * What the commands of agents use, by session. Hands count it from the processes that they started: a sandbox is one control group, which
 * all agents share. Hands are asked only when an agent has started something; hands for commands with network are not asked.
 */
export async function readUsage(
  { supervisor, running }: AgentViewDeps,
  sandbox: Sandbox,
  signal: AbortSignal,
  agents: readonly AgentRecord[],
): Promise<ReadonlyMap<string, AgentUsage>> {
  const used = new Map<string, AgentUsage>()
  const { runsPrograms } = await supervisor()
  const sessions = agents.filter(runsPrograms).map(({ session }) => session)
  if (sessions.length === 0) return used
  const owners = new Map<string, SessionId>(
    sessions.flatMap((session) => [[session, session], ...running.of(session).map(({ call }) => [call, session] as const)]),
  )
  try {
    const hands = await sandbox.hands('work')
    const found = await hands.ask('usage', {}, { signal, timeoutMs: usageTimeoutMs })
    for (const { owner, cpuMs, memoryBytes, processes } of found.owners) {
      const session = owners.get(owner)
      if (session === undefined) continue
      const { cpu_ms, memory_mb, processes: count } = used.get(session) ?? { cpu_ms: 0, memory_mb: 0, processes: 0 }
      const memory = Math.round(10 * (memory_mb + memoryBytes / bytesPerMb)) / 10
      used.set(session, { cpu_ms: cpu_ms + cpuMs, memory_mb: memory, processes: count + processes })
    }
  } catch {
    // Only a view: without hands nothing is known.
  }
  return used
}
