/**
 * What a caller can pass on, and what binds whoever it starts. Everything that starts work for a caller uses it: delegation, `agent.spawn`,
 * handoffs, graphs.
 */
import {
  type AgentProfile,
  allows,
  assertNoBranch,
  type BranchBy,
  type DefinedProfile,
  delegableOf,
  type Entries,
  meet,
  modelRight,
  passedOn,
  type RunningTurns,
} from '../../../kernel/index.ts'
import { type CallId, OxbowError, type SessionId } from '../../../base/index.ts'
import { type Caller, grantOf, type Sandbox, type SandboxStatus, type SandboxTier, sandboxTiers } from '../../../protocol/index.ts'
import type { OpenVersions } from '../../versions/service.ts'
import { sessionOf } from '../agent-record.ts'
import type { AgentDefinition } from './agent-definition.ts'

export interface Parent {
  readonly delegable: Entries
  /** @returns what a child with these rights has; see `passedOn` */
  readonly passesOn: (rights: Entries) => Entries
  readonly tier: SandboxTier | ''
  /** Empty: the usual one. */
  readonly model: string
}

export interface ParentDeps {
  /** The profile by which turns of a session run; see `createProfileOf`. */
  readonly profileOf: (session: SessionId, began?: string) => Promise<AgentProfile | null> | null
  readonly runningTurns: Pick<RunningTurns, 'find'>
  readonly withheld: Entries
  readonly neverPassedOn: Entries
}

/** @returns what the caller can hand down to an agent: the rights it may pass on, the isolation and the model that its profile demands */
export async function parentOf(deps: ParentDeps, caller: Caller): Promise<Parent> {
  const profile = await profileOf(deps, caller)
  // What was revoked since is no right of the caller any more.
  const own = caller.rights.has('*') ? ['*'] : delegableOf(caller, deps.withheld)
  const delegable = profile?.delegable === undefined ? own : meet(own, profile.delegable)
  const passesOn = (rights: Entries): Entries => passedOn(delegable, rights, deps.neverPassedOn)
  return { delegable, passesOn, tier: profile?.tier ?? '', model: profile?.model ?? '' }
}

/** What work without a caller is handed: no model and no isolation of an agent above it. */
export function parentOfEntries({ neverPassedOn }: Pick<ParentDeps, 'neverPassedOn'>, delegable: Entries): Parent {
  return { delegable, passesOn: (rights) => passedOn(delegable, rights, neverPassedOn), tier: '', model: '' }
}

/** A person is not bound by the agent of the session that is named; a turn is by whom it began with. */
async function profileOf(deps: ParentDeps, { session, audience, turn }: Caller): Promise<AgentProfile | null> {
  return session === '' || audience === 'terminal'
    ? null
    : deps.profileOf(session, turn === '' ? undefined : deps.runningTurns.find(turn)?.began)
}

/**
 * What binds an agent that is spawned without a definition, where its parent has one.
 * @param rights that were found for it by the rights of its parent
 * @throws OxbowError `denied`
 */
export async function boundSpawn(
  deps: ParentDeps,
  caller: Caller,
  rights: Entries,
  model: string,
): Promise<{ readonly rights: Entries; readonly defined?: DefinedProfile }> {
  const profile = await profileOf(deps, caller)
  const { limits } = grantOf(profile?.rights ?? [])
  if (model !== '' && !allows(limits, modelRight, model)) throw noModel('The agent', model)
  if (profile?.delegable === undefined) return { rights, ...(profile?.tier !== undefined && { defined: { tier: profile.tier } }) }
  const { delegable, tier } = await parentOf(deps, caller)
  return { rights: meet(delegable, rights), defined: { tier } }
}

/** @param rights of the child @returns the model of the child; empty: the usual one @throws OxbowError `denied` */
export function modelOf({ name, model }: Pick<AgentDefinition, 'name' | 'model'>, rights: Entries, parent: Parent): string {
  const { limits } = grantOf(rights)
  const wanted = model === '' ? parent.model : model
  if (wanted !== '' && allows(limits, modelRight, wanted)) return wanted
  const only = limits?.only.get(modelRight)
  if (wanted === '' && only === undefined && limits?.denied.has(modelRight) !== true) return ''
  const [first] = (only ?? []).filter((each) => !each.endsWith('*'))
  if (model === '' && first !== undefined) return first
  throw noModel(name, wanted === '' ? 'of this guest' : wanted)
}

function noModel(name: string, model: string): OxbowError {
  return new OxbowError('denied', `${name} would use the model ${model}, which cannot be passed on.`, {
    hint: 'Delegate to another agent, or do the work yourself.',
  })
}

/** @returns the weakest isolation that the child may run with @throws OxbowError `sandbox_missing` */
export function tierOf({ name, tier }: AgentDefinition, parent: Parent, { tier: running }: SandboxStatus): SandboxTier | '' {
  const strictest = rank(tier) > rank(parent.tier) ? tier : parent.tier
  if (rank(strictest) <= rank(running)) return strictest
  throw new OxbowError('sandbox_missing', `${name} needs the isolation ${strictest}; this guest has ${running}.`, {
    hint: 'The user can set sandbox.tier in config.toml. Do the work yourself, or delegate to another agent.',
  })
}

/** @returns as whom turns of a session run by a definition, under what its caller passes on @throws OxbowError as `modelOf` and `tierOf` do */
export function profileBy(
  { sandbox }: { readonly sandbox: Pick<Sandbox, 'status'> },
  definition: AgentDefinition,
  parent: Parent,
  by: Pick<AgentProfile, 'agent' | 'home' | 'spawner'>,
): AgentProfile {
  const { name, delegable, instructions, maxTurns, character, persona } = definition
  const rights = parent.passesOn(definition.rights)
  return {
    ...by,
    name,
    rights,
    delegable,
    model: modelOf(definition, rights, parent),
    instructions,
    killed: false,
    tier: tierOf(definition, parent, sandbox.status),
    maxTurns,
    character,
    ...(persona !== '' && { persona }),
  }
}

function rank(tier: SandboxStatus['tier'] | ''): number {
  return sandboxTiers.findIndex((each) => each === tier)
}

/**
 * Makes the branch of files for an agent, under its id. Safe to repeat.
 * @returns its name @throws OxbowError as `branch.create` does; `denied` on a branch, which is a copy of the workspace and not of a branch
 */
export async function branchFor(
  { versions }: { readonly versions: () => Promise<OpenVersions> },
  by: BranchBy,
  agent: CallId = by.call,
  hands?: readonly string[],
): Promise<string> {
  assertNoBranch(by.caller)
  const { name } = await (await (await versions()).branches()).create(by, { name: agent, at: '', session: sessionOf(agent), hands })
  return name
}
