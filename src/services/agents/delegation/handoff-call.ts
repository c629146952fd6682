/**
 * `agent.handoff`: another agent takes the session. The turn that hands it over ends with the call; a message with the brief begins the
 * next one, which the other agent runs. Whoever has the session has what the one before can pass on and its definition names.
 */
import { z } from 'zod'
import type { Core, Handoff, Handoffs, RunningTurns } from '../../../kernel/index.ts'
import type { RunsPort } from '../../../runs/index.ts'
import { type CallId, derivedId, isDerived, OxbowError, type SessionId, type TurnId } from '../../../base/index.ts'
import { type Call, type Caller, defineCall, type Sandbox } from '../../../protocol/index.ts'
import type { Supervisor } from '../supervisor.ts'
import type { AgentsConfig } from '../config.ts'
import { parseAgentDefinition } from './agent-definition.ts'
import { briefOf, delegateFields } from './brief.ts'
import type { Definitions } from './definitions.ts'
import { parentOf, type ParentDeps, profileBy } from './parent.ts'

export interface HandoffDeps extends ParentDeps {
  readonly supervisor: () => Promise<Supervisor>
  readonly definitions: () => Promise<Definitions>
  readonly handoffs: Handoffs
  readonly turns: () => Promise<RunsPort['turns']>
  readonly runningTurns: Pick<RunningTurns, 'handOver' | 'find'>
  readonly sandbox: Pick<Sandbox, 'status'>
  readonly agentConfig: Pick<AgentsConfig, 'max_depth' | 'max_personas'>
  readonly store: Pick<Core['store'], 'session'>
}

type HandoffInput = z.infer<typeof handoffInput>

const handoffOutput = z.strictObject({ agent: z.string(), from: z.string() })

const handoffInput = z.strictObject({
  agent: delegateFields.agent.describe('Name of an agent, from agent.find; `back`: the agent that had it before.'),
  goal: delegateFields.goal.describe('What it is to do next. It can read this conversation.'),
  key_facts: delegateFields.key_facts,
})

export function handoffCall(deps: HandoffDeps): Call {
  return defineCall({
    name: 'agent.handoff',
    summary: 'Hands this conversation over to another agent, which goes on with it.',
    input: handoffInput,
    output: handoffOutput,
    example: { agent: 'reviewer', goal: 'Answer the questions about the review.', key_facts: [] },
    rare: true,
    audience: ['model', 'terminal'],
    labels: { adds: [], sink: false },
    tier: 'side_effecting',
    does: ['delegate'],
    right: 'agent.spawn',
    effect: 'idempotent',
    timeoutMs: 30_000,
    recordOutput: (output) => ({ ...output }),
    async run(input, { id: call, caller }) {
      const { session, actor } = caller
      if (session === '') throw new OxbowError('bad_input', 'A handoff is about a conversation.', { hint: 'Name it with --session.' })
      const held = deps.handoffs.held.get(session) ?? []
      // After a crash, it may be done already.
      const isDone = held.at(-1)?.call === call
      const next = isDone
        ? held
        : input.agent === 'back'
          ? back(held, caller)
          : [...held, await handedTo(deps, held, input.agent, call, caller)]
      if (!isDone) await deps.handoffs.put({ caller, call, name: 'agent.handoff' }, session, next)
      const agent = next.at(-1)?.profile.name ?? 'the agent of this conversation'
      if (caller.turn !== '') deps.runningTurns.handOver(caller.turn, agent)
      const turn = derivedId('handoff', call) as TurnId
      await (await deps.turns()).send({ session, turn, text: messageOf(input, actor), actor, labels: [] })
      return { output: { agent, from: actor }, text: `${agent} takes over. Your turn ends here.` }
    },
  })
}

/** A person chooses who answers in a conversation, without a message: the next one is answered by that agent. */
export function sessionAgentCall(deps: HandoffDeps): Call {
  return defineCall({
    name: 'session.agent',
    event: ({ agent = '' }) => ({ kind: 'session_agent', fields: { agent } }),
    summary: 'Chooses the agent, or the character, that answers in a conversation.',
    input: z.strictObject({
      agent: z.string().max(60).default('').describe('Name of a definition, from `definition.list`; empty: the usual agent.'),
      dry_run: z.boolean().default(false).describe('Change nothing, and fail where the run would; needs no conversation.'),
    }),
    output: z.strictObject({ agent: z.string() }),
    example: { agent: 'alfred', dry_run: false },
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    tier: 'side_effecting',
    right: 'agent.spawn',
    effect: 'idempotent',
    timeoutMs: 30_000,
    recordOutput: (output) => ({ ...output }),
    async run({ agent, dry_run: isDry }, { id: call, caller }) {
      const { session } = caller
      if (session === '' && !isDry)
        throw new OxbowError('bad_input', 'An agent is chosen for a conversation.', { hint: 'Name it with --session.' })
      const next = agent === '' ? [] : [await handedTo(deps, [], agent, call, caller)]
      if (session !== '' && !isDry) await deps.handoffs.put({ caller, call, name: 'session.agent' }, session, next)
      return { output: { agent }, text: agent === '' ? 'The usual agent answers.' : `${agent} answers from the next message on.` }
    },
  })
}

/** @throws OxbowError `bad_input`; `denied` for an agent that a person has chosen: whom they left may have more rights */
function back(held: readonly Handoff[], { audience }: Pick<Caller, 'audience'>): readonly Handoff[] {
  const last = held.at(-1)
  if (last !== undefined && audience === 'model' && !last.from.startsWith('agent:'))
    throw new OxbowError('denied', `The person has chosen ${last.profile.name} for this conversation.`, {
      hint: 'Go on with it. The person can choose another one: /agent.',
    })
  if (last !== undefined) return held.slice(0, -1)
  throw new OxbowError('bad_input', 'Nobody had this conversation before.', { hint: 'Go on with it, or name another agent.' })
}

function messageOf(input: HandoffInput, actor: string): string {
  const how = input.agent === 'back' ? 'hands this conversation back to you' : 'hands this conversation over to you'
  return `[${actor.replace(/^\w+:/, '')} ${how}]\n${briefOf(input)}`
}

/** @throws OxbowError why it cannot take the session */
async function handedTo(
  deps: HandoffDeps,
  held: readonly Handoff[],
  name: string,
  call: CallId,
  caller: Parameters<typeof parentOf>[1],
): Promise<Handoff> {
  const { agentConfig } = deps
  const definition = parseAgentDefinition(await (await deps.definitions()).find('agents', name))
  const own = (await deps.supervisor()).agentOf(caller.session as SessionId)?.depth ?? 0
  if (own + held.length + 1 > agentConfig.max_depth)
    throw new OxbowError(
      'limit_reached',
      `This conversation was handed over ${held.length} times; at most ${agentConfig.max_depth} agents deep.`,
      {
        hint: 'Hand it back, or do the work yourself.',
      },
    )
  if (definition.files === 'branch')
    throw new OxbowError('denied', `${name} works on a branch of files, and this conversation does not.`, { hint: 'Delegate to it.' })
  await assertRoom(deps, caller.session, name)
  const spawner = caller.actor.startsWith('agent:') ? caller.actor : ''
  const profile = profileBy(deps, definition, await parentOf(deps, caller), { agent: call, home: caller.session, spawner })
  return { profile, from: caller.actor, call }
}

/** Personas that answer in conversations, by name. Conversations that were deleted or archived do not count. */
export async function activePersonas({
  handoffs,
  store,
}: Pick<HandoffDeps, 'handoffs' | 'store'>): Promise<ReadonlyMap<string, readonly SessionId[]>> {
  const active = new Map<string, readonly SessionId[]>()
  for (const [session] of handoffs.held) {
    const name = handoffs.answering(session)
    const row = name === undefined || isDerived(session) ? null : await store.session(session)
    if (name !== undefined && row !== null && row.deleted === 0 && row.archived === 0)
      active.set(name, [...(active.get(name) ?? []), session])
  }
  return active
}

/** @throws OxbowError `limit_reached` when as many answer as may */
async function assertRoom(deps: HandoffDeps, session: SessionId | '', name: string): Promise<void> {
  const { max_personas: most } = deps.agentConfig
  const active = new Map(await activePersonas(deps))
  // The one that the conversation leaves makes room, unless it has another.
  const leaves = session === '' ? undefined : deps.handoffs.answering(session)
  if (leaves !== undefined && active.get(leaves)?.every((one) => one === session) === true) active.delete(leaves)
  if (active.has(name) || active.size < most) return
  const names = [...active.keys()].toSorted()
  throw new OxbowError('limit_reached', `${names.length} personas answer in conversations: ${names.join(', ')}; at most ${most} may.`, {
    hint: `\`oxbow persona release ${names[0] ?? 'NAME'}\` gives the conversations of one back to the usual agent; \`agents.max_personas\` allows more.`,
  })
}
