/**
 * Delegation: a goal for a defined agent, in a conversation of its own that begins with only the brief. The child is
 * an agent of the supervisor; its id is the call's, so that a call which a crash interrupted finds its child again and waits on.
 *
 * What does not begin is a value, too: `refused` or `budget_exhausted`, with a code and a hint.
 */
import { type Budgets, carvedOf, type Entries, lost, meet, stopReason } from '../../../kernel/index.ts'
import { type CallId, isOxbowError, type JsonObject, OxbowError, type SchemaChecker } from '../../../base/index.ts'
import { type Call, type Caller, type Sandbox, joinLabels, type Labels, type Limits } from '../../../protocol/index.ts'
import type { AgentRecord } from '../agent-record.ts'
import type { SpawnRequest } from '../agent-table.ts'
import type { Supervisor } from '../supervisor.ts'
import type { AgentsConfig } from '../config.ts'
import { type AgentDefinition, parseAgentDefinition } from './agent-definition.ts'
import type { Definitions } from './definitions.ts'
import { briefOf, type Delegating, type DelegateRequest } from './brief.ts'
import { handsOf, type HandsChoice } from './hands-choice.ts'
import { branchFor, modelOf, type Parent, parentOf, type ParentDeps, tierOf } from './parent.ts'
import { delegateRemotely, remoteCall, type RemoteDeps } from './remote.ts'
import { type Delegated, delegatedOf, noWork, type ResultDeps } from './delegated-end.ts'

export interface DelegateDeps extends ResultDeps, RemoteDeps, ParentDeps {
  readonly supervisor: () => Promise<Supervisor>
  readonly definitions: () => Promise<Definitions>
  readonly agentConfig: AgentsConfig
  readonly budgets: Pick<Budgets, 'book' | 'load' | 'view'>
  readonly heldLabels: (caller: Pick<Caller, 'session'>) => Labels
  readonly schemas: SchemaChecker
  readonly sandbox: Pick<Sandbox, 'status'>
  readonly now: () => number
}

/** @throws what the signal aborts with, once the child has ended; a stop of the guest leaves it as it is */
export async function delegate(deps: DelegateDeps, by: Delegating, request: DelegateRequest, signal: AbortSignal): Promise<Delegated> {
  const supervisor = await deps.supervisor()
  let agent = supervisor.find(by.call)
  if (agent === undefined) {
    try {
      const remote = await remoteOf(deps, request.agent)
      const isBranched = request.branch !== undefined || (request.hands ?? 'home') !== 'home'
      if (remote !== undefined && isBranched) throw notThere(request.agent)
      if (remote !== undefined) return await delegateRemotely(deps, by, remote, request, signal)
      agent = await start(deps, supervisor, by, request, signal)
    } catch (error) {
      if (isOxbowError(error)) return notBegun(request.agent, error)
      throw error
    }
  }
  if (request.wait) await waitFor(supervisor, by, agent.id, signal)
  return delegatedOf(deps, supervisor.find(by.call) ?? agent)
}

function notThere(name: string): OxbowError {
  return new OxbowError('bad_input', `${name} works elsewhere, and not on a branch of files.`, { hint: 'Leave `branch` and `hands` out.' })
}

/** A name without a definition names a remote agent. */
async function remoteOf({ definitions, findCall }: DelegateDeps, name: string): Promise<Call | undefined> {
  const remote = remoteCall(findCall, name)
  if (remote === undefined || remote.name === name) return remote
  return (await (await definitions()).usable('agents')).some((each) => each.name === name) ? undefined : remote
}

function notBegun(agent: string, { code, message, hint }: OxbowError): Delegated {
  const status = code === 'budget_exhausted' ? 'budget_exhausted' : 'refused'
  return { ...noWork, status, agent, code, reason: message, hint }
}

async function waitFor(supervisor: Supervisor, by: Delegating, id: CallId, signal: AbortSignal): Promise<void> {
  try {
    await supervisor.wait({ session: by.caller.session, ids: [id], mode: 'all', timeoutMs: Infinity, signal })
  } catch (error) {
    if (stopReason(signal) !== 'shutdown') await supervisor.kill(by, id, 'its delegation was cancelled')
    throw error
  }
}

/** @throws OxbowError why it does not begin */
async function start(
  deps: DelegateDeps,
  supervisor: Supervisor,
  by: Delegating,
  request: DelegateRequest,
  signal: AbortSignal,
): Promise<AgentRecord> {
  const definition = parseAgentDefinition(await (await deps.definitions()).find('agents', request.agent))
  const result = request.result ?? definition.result
  return begin(deps, supervisor, { ...by, signal }, definition, {
    name: definition.name,
    task: briefOf(request, result),
    instructions: definition.instructions,
    priority: 'normal',
    keep: false,
    orphans: request.orphans ?? 'kill',
    labels: request.labels ?? [],
    budget: request.budget,
    result,
    awaited: request.wait,
    deadlineS: request.deadline_s,
    maxTurns: request.max_turns,
    on: request.branch,
    hands: request.hands,
  })
}

/** What begins an agent with a definition: `DelegateDeps` has more, for its end. */
export type BeginDeps = ParentDeps &
  Pick<DelegateDeps, 'definitions' | 'budgets' | 'heldLabels' | 'schemas' | 'sandbox' | 'now' | 'versions' | 'agentConfig'>

/** How an agent with a definition begins; never with more than that says. */
export interface Beginning extends Pick<SpawnRequest, 'name' | 'task' | 'instructions' | 'priority' | 'keep' | 'orphans' | 'labels'> {
  readonly budget?: Limits | undefined
  readonly result?: JsonObject | undefined
  readonly awaited?: boolean | undefined
  readonly deadlineS?: number | undefined
  readonly maxTurns?: number | undefined
  /** Branch of files on which it works, of those that the session of its caller has made. Absent: as its definition says. */
  readonly on?: string | undefined
  /** Where its hands start. Absent: as its definition says. */
  readonly hands?: HandsChoice | undefined
  /** Empty: the definition's. */
  readonly model?: string
  /** It has these of its rights. Absent: all. */
  readonly only?: Entries | undefined
}

/** @throws OxbowError why it does not begin */
export async function begin(
  deps: BeginDeps,
  supervisor: Supervisor,
  { signal, ...by }: Delegating & { readonly signal: AbortSignal },
  definition: AgentDefinition,
  how: Beginning,
): Promise<AgentRecord> {
  const { caller } = by
  const { name, task, instructions, priority, keep, orphans, labels, result } = how
  const parent = await parentOf(deps, caller)
  const given = parent.passesOn(definition.rights)
  const rights = how.only === undefined ? given : meet(given, how.only)
  const model = modelOf(how.model ? { ...definition, model: how.model } : definition, given, parent)
  const tier = tierOf(definition, parent, deps.sandbox.status)
  if (result !== undefined) await deps.schemas.check(result)
  const budget = smaller(definition.budget, how.budget)
  if (budget !== undefined) {
    const book = await deps.budgets.book()
    await book.load(caller)
    book.assertCovers(caller, carvedOf(budget))
  }
  const deadlineS = least(definition.deadlineS, how.deadlineS)
  const own = how.on === undefined ? undefined : await ownBranch(deps, caller, how.on)
  // Whoever works on a branch delegates on it: what it sees is a copy already.
  const isOnOther = own !== undefined || caller.branch !== undefined
  const hands = handsOf({ name, hands: definition.hands, asked: how.hands, config: deps.agentConfig, isOnOther })
  const isBranched = !isOnOther && (definition.files === 'branch' || hands !== undefined)
  const branchBy = { ...by, call: by.within ?? by.call, signal }
  const branch = isBranched ? await branchFor(deps, branchBy, by.call, hands) : (own?.name ?? caller.branch)
  return supervisor.spawn(by, {
    name,
    task,
    instructions,
    model,
    rights,
    priority,
    keep,
    orphans,
    labels: joinLabels(joinLabels(deps.heldLabels(caller), labels), own?.labels ?? []),
    budget,
    branch,
    mail: definition.mail,
    delegation: {
      definition: definition.name,
      hash: definition.hash,
      turn: caller.turn,
      awaited: how.awaited ?? false,
      deadline_at: deadlineS === undefined ? null : deps.now() + deadlineS * 1_000,
      repairs: 0,
    },
    defined: {
      delegable: meet(rights, definition.delegable),
      tier,
      maxTurns: least(definition.maxTurns, how.maxTurns),
      result,
      character: definition.character,
      ...(definition.persona !== '' && { persona: definition.persona }),
    },
  })
}

/** @throws OxbowError `not_found` */
async function ownBranch({ versions }: Pick<BeginDeps, 'versions'>, { session }: Caller, name: string) {
  const found = (await (await (await versions()).branches()).all()).find((one) => one.name === name)
  if (found?.state === 'open' && found.home === session) return found
  throw new OxbowError('not_found', `You have made no branch of files ${name} that is open.`, { hint: 'Make it: branch.create.' })
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
}

/** The stricter of two budgets, kind by kind. 0 is no limit. */
export function smaller(a: Limits = {}, b: Limits = {}): Limits | undefined {
  const kinds = ['tokens', 'micro_dollars', 'calls', 'seconds'] as const
  const both = kinds.flatMap((kind) => {
    const limit = least(a[kind] || undefined, b[kind] || undefined)
    return limit === undefined ? [] : [[kind, limit] as const]
  })
  return both.length === 0 ? undefined : Object.fromEntries(both)
}

/** @returns rights of a definition that a caller cannot pass on */
export function missingRights({ rights }: AgentDefinition, { passesOn }: Parent): Entries {
  return lost(rights, passesOn(rights))
}
