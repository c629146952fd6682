/**
 * Makes a plan: one turn of the agent in a session of its own, which goes on from another where that is asked for, on a branch of the files.
 * Its gate lists what would act outside; see `plan-gate.ts`. Nothing but the record of the plan, its session and its branch is left.
 */
import {
  carve,
  carvedOf,
  type Core,
  type DocumentChange,
  giveBack,
  type LaneTurn,
  optionsOf,
  type AgentProfile,
} from '../../kernel/index.ts'
import { type CallId, derivedId, type Failure, type SessionId, toError, toFailure, truncate, type TurnId } from '../../base/index.ts'
import { type CallContext, conversationItem, forkSessionCall, newSessionCall, sessionScope, userMessage } from '../../protocol/index.ts'
import type { OpenVersions } from '../versions/service.ts'
import { maxKeptPlans, usualPlanTokens } from './limits.ts'
import { createOverlay, type Overlay } from './plan-overlay.ts'
import { createPlanStage, type PlanStage } from './plan-gate.ts'
import { digestOf, planCategory, type PlanRecord, type PlannedEffect, readPlans, applyCategory, type MakeInput } from './plan-record.ts'

export interface MakeDeps extends Pick<
  Core,
  | 'agentWith'
  | 'budgets'
  | 'clock'
  | 'config'
  | 'documents'
  | 'gate'
  | 'handoffs'
  | 'journal'
  | 'newId'
  | 'profileOf'
  | 'registry'
  | 'runEnded'
  | 'sessions'
  | 'store'
  | 'user'
> {
  readonly versions: () => Promise<OpenVersions>
}

const makeName = 'plan.make'

/** @returns the plan as it is recorded @throws OxbowError for a plan that could not be begun */
export async function makePlan(deps: MakeDeps, request: MakeInput, context: CallContext): Promise<PlanRecord> {
  const { documents, clock } = deps
  const by = { caller: context.caller, call: context.id, name: makeName }
  const session = await openSession(deps, request, context)
  const profile = await profileIn(deps, session, context.id)
  const branch = `plan-${context.id.slice(-12)}`
  const begun: PlanRecord = {
    ...blank,
    id: context.id,
    text: request.text,
    home: request.session ?? '',
    session,
    agent: profile.name,
    branch,
    created_at: clock.now(),
  }
  const budget = request.budget ?? { tokens: usualPlanTokens }
  // Opened first: it would not hear of a budget that was carved before.
  const book = await deps.budgets.book()
  book.assertCovers(context.caller, carvedOf(request.budget ?? {}))
  await documents.put(by, [
    { category: planCategory, name: begun.id, value: begun },
    carve('run', begun.id, budget, clock.now(), { session, above: request.session ?? '', actor: context.caller.actor }),
  ])
  const branches = await (await deps.versions()).branches()
  const onBranch = { ...by, signal: context.signal }
  let plan: PlanRecord
  try {
    await branches.create(onBranch, { name: branch, at: '', session })
    const ran = await runAgent(deps, begun, { ...profile, branch }, request, context)
    await branches.rest(branch)
    plan = await described(deps, begun, ran, await branches.diff(onBranch, branch, ''))
  } catch (error) {
    plan = { ...begun, state: 'failed', failure: toFailure(error, 'internal_failure', 'Make the plan again.') }
  }
  if (plan.state === 'failed' || plan.total === 0) {
    plan = { ...plan, branch: '' }
    // It may not have come to be.
    await branches.drop({ ...onBranch, signal: new AbortController().signal }, branch, false).catch(() => {})
  }
  const made = plan.state === 'failed' ? plan : { ...plan, digest: digestOf(plan) }
  const kept = { category: planCategory, name: made.id, value: made }
  await documents.put(by, [kept, giveBack('run', made.id), ...surplus(await readPlans(documents))])
  return made
}

/** @returns the changes that forget the oldest plans that are over */
function surplus(all: readonly PlanRecord[]): readonly DocumentChange[] {
  const over = all.filter(({ state }) => state === 'applied' || state === 'dropped' || state === 'failed')
  const oldest = over.toSorted((a, b) => b.created_at - a.created_at).slice(maxKeptPlans)
  return oldest.flatMap(({ id }) => [planCategory, applyCategory].map((category) => ({ category, name: id, value: null })))
}

const noSpent = { tokens: 0, micro_dollars: 0 }

const blank = {
  digest: '',
  state: 'making',
  base: '',
  commit: '',
  files: [],
  total: 0,
  difference: '',
  effects: [],
  ends: '',
  reply: '',
  labels: [],
  spent: noSpent,
  costs: { least: noSpent, most: noSpent },
  failure: null,
} as const satisfies Partial<PlanRecord>

/** The plan's own: a fork, so that the other session never hears of it. */
async function openSession(
  { gate, newId, store }: MakeDeps,
  { text, session: from }: MakeInput,
  { caller }: CallContext,
): Promise<SessionId> {
  const session = from ?? ''
  const title = truncate(`Plan: ${text.replace(/\s+/g, ' ')}`, 100)
  const hasMessages = session !== '' && (await store.history(session, null, 1)).length > 0
  const outcome = hasMessages
    ? await gate.call(caller, forkSessionCall, { session, title }, optionsOf(undefined, newId))
    : await gate.call(caller, newSessionCall, { title }, optionsOf(undefined, newId))
  if (outcome.status !== 'ok') throw toError(outcome.failure)
  const made = outcome.output as { readonly id?: SessionId; readonly session?: SessionId }
  return (made.session ?? made.id)!
}

/** As whom its turn runs. */
export async function profileIn(
  { profileOf, config }: Pick<MakeDeps, 'profileOf' | 'config'>,
  session: SessionId,
  call: CallId,
): Promise<AgentProfile> {
  const { name, rights, instructions } = config.agent
  return (await profileOf(session)) ?? { agent: call, name, rights, instructions, model: '', killed: false }
}

interface Ran {
  readonly overlay: Overlay
  readonly stage: PlanStage
  readonly reply: string
  readonly failure: Failure | null
}

async function runAgent(
  deps: MakeDeps,
  plan: PlanRecord,
  profile: AgentProfile,
  { text, model }: MakeInput,
  { signal, caller }: CallContext,
): Promise<Ran> {
  const control = new AbortController()
  const overlay = createOverlay()
  const stop = (): void => control.abort('cancelled')
  const stage = createPlanStage({ gate: deps.gate, plan: plan.id, overlay, find: deps.registry.find, stop })
  const turn = derivedId(plan.id, 'plan') as TurnId
  // Everything that belongs to no call of its turn is left out: nothing is evaluated, summarized or told to programs of others.
  const agent = deps.agentWith((usual) => ({
    gate: stage.gate,
    profileOf: async () => profile,
    rolling: undefined,
    around: () => null,
    follow: async () => {},
    async conversationOf(of) {
      const held = await usual.conversationOf(of)
      return { ...held, items: [...held.items, conversationItem(turn as string as CallId, userMessage(text))] }
    },
  }))
  const laneTurn: LaneTurn = {
    id: turn,
    caller: { ...caller, session: plan.session, turn },
    input: { text, ...(model !== undefined && { model }) },
    resumed: false,
    signal: AbortSignal.any([signal, control.signal]),
    hasMail: () => false,
    takeMail: async () => [],
    attachments: () => [],
    onWait: () => {},
  }
  try {
    const result = await agent(laneTurn)
    signal.throwIfAborted()
    const isWhole = result.status === 'ok' || stage.ends() !== ''
    return { overlay, stage, reply: result.reply, failure: isWhole ? null : (result.failure ?? stopped) }
  } finally {
    deps.runEnded(turn)
  }
}

const stopped: Failure = { code: 'tool_failed', message: 'The agent ended without an answer.', hint: 'Make the plan again.' }

async function described(
  deps: MakeDeps,
  begun: PlanRecord,
  { overlay, stage, reply, failure }: Ran,
  { from, to, changes, total, text }: Awaited<ReturnType<Awaited<ReturnType<OpenVersions['branches']>>['diff']>>,
): Promise<PlanRecord> {
  if (failure !== null) throw toError(failure)
  const { effects } = stage
  const session = begun.session as SessionId
  const { tokens, microDollars } = await spentIn(deps, session)
  return {
    ...begun,
    state: 'ready',
    base: from,
    commit: to,
    files: changes.map(({ path, change }) => ({ path: `/${path}`, change })),
    total,
    difference: [text, await overlay.difference()].filter((part) => part !== '').join('\n'),
    effects,
    ends: stage.ends(),
    reply: stage.ends() === '' ? reply : '',
    labels: await deps.sessions.loadHeld(session),
    spent: { tokens, micro_dollars: Math.ceil(microDollars) },
    costs: { least: noSpent, most: sumOf(effects) },
  }
}

/** A call that runs may stay below what it reserves, and what asks nobody outside is free. */
function sumOf(effects: readonly PlannedEffect[]): PlanRecord['spent'] {
  return effects.reduce(
    (sum, { most }) => ({ tokens: sum.tokens + most.tokens, micro_dollars: sum.micro_dollars + most.micro_dollars }),
    noSpent,
  )
}

async function spentIn({ budgets }: MakeDeps, session: SessionId) {
  await budgets.load({ session, actor: '' })
  return budgets.view(sessionScope(session)).spent
}
