/**
 * The calls by which a person, or an agent above, controls agents that run: mail at the next step, pause and resume, a larger budget, the end.
 */
import { z } from 'zod'
import { type Budgets, carvedOf } from '../../kernel/index.ts'
import { type CallId, OxbowError } from '../../base/index.ts'
import {
  type Call,
  type Caller,
  defineCall,
  evident,
  idOrEmpty,
  idSchema,
  type Labels,
  limitFields,
  limitsSchema,
} from '../../protocol/index.ts'
import { maxAgentMessageCharacters } from './limits.ts'
import { type AgentRecord, isOver, messageTurn } from './agent-record.ts'
import { mayWrite } from './mail/peers.ts'
import { plannedId } from './planned-agents.ts'
import type { Supervisor } from './supervisor.ts'

export interface AgentControlDeps {
  readonly supervisor: () => Promise<Supervisor>
  readonly heldLabels: (caller: Pick<Caller, 'session'>) => Labels
  readonly budgets: Pick<Budgets, 'book'>
}

export const shared = {
  rare: true,
  audience: ['model', 'terminal'],
  right: 'agent.use',
  labels: { adds: [], sink: false },
  timeoutMs: 30_000,
} as const satisfies Partial<Call>

export const agentRef: z.ZodString = z.string().min(1).max(100).meta(evident('Id of the agent, its beginning, or its name.'))
export const exampleId = '01890a5d-ac96-774b-bcce-b302099a8057.0'

export function agentControlCalls(deps: AgentControlDeps): readonly Call[] {
  return [sendCall(deps), pauseCall(deps), resumeCall(deps), raiseCall(deps), killCall(deps)]
}

function sendCall(deps: AgentControlDeps): Call {
  return defineCall({
    ...shared,
    labels: { ...shared.labels, silent: ['text'] },
    name: 'agent.send',
    routes: [{ method: 'POST', path: '/agents/{to}/messages' }],
    summary: 'Sends a message to an agent, or from an agent to its parent or to one that takes its mail.',
    input: z.strictObject({
      to: agentRef.describe('Id or name; `parent`: whoever spawned you.'),
      text: z.string().min(1).max(maxAgentMessageCharacters).meta(evident('The message.')),
    }),
    output: z.strictObject({
      to: idOrEmpty('CallId'),
      state: z.string(),
      message: z.string().exactOptional().describe('Id of the message, for agent.wait; absent to the parent.'),
    }),
    example: { to: exampleId, text: 'Also look at /shared/notes.md.' },
    tier: 'side_effecting',
    does: ['delegate'],
    effect: 'idempotent',
    async planned({ to }, plan, { caller }) {
      const id = plannedId(plan, to) ?? find(await deps.supervisor(), caller, to).id
      return { output: { to: id, state: 'starting' }, text: 'Planned: it is sent when this plan is applied.' }
    },
    async run({ to, text }, { id: call, caller }) {
      const supervisor = await deps.supervisor()
      const by = { caller, call, name: 'agent.send' }
      const labels = deps.heldLabels(caller)
      const own = caller.session === '' ? undefined : supervisor.agentOf(caller.session)
      if (to === 'parent' && own !== undefined) {
        await supervisor.postToParent(by, own.id, text, labels)
        return { output: { to: own.parent, state: 'sent' }, text: 'Sent.' }
      }
      const agent = find(supervisor, caller, to, reachable(supervisor, caller))
      if (isOver(agent)) throw over(agent)
      const isPeer = own !== undefined && mayWrite(own, agent) && !supervisor.isBelow(agent, caller.session)
      const { id, name, state } = await (isPeer
        ? supervisor.postToPeer(by, own.id, agent.id, text, labels)
        : supervisor.post(by, agent.id, text, labels))
      const message = messageTurn(call)
      return { output: { to: id, state, message }, text: `Sent to ${name}, which is ${state}. The message is ${message}.` }
    },
  })
}

function over({ name, state }: AgentRecord): OxbowError {
  return new OxbowError('not_found', `${name} is ${state} and takes no messages.`, {
    hint: 'Start another agent; with keep it stays for further messages.',
  })
}

const changed = z.strictObject({
  agents: z.array(idSchema('CallId')).readonly().describe('Those whose state has changed: it, and agents below it.'),
  state: z.string(),
})

type Changed = z.infer<typeof changed>

const changes = {
  ...shared,
  audience: ['terminal'],
  input: z.strictObject({ agent: agentRef }),
  output: changed,
  example: { agent: exampleId },
  tier: 'side_effecting',
  effect: 'idempotent',
} as const satisfies Partial<Call<{ agent: string }, Changed>>

function pauseCall(deps: AgentControlDeps): Call {
  return defineCall({
    ...changes,
    name: 'agent.pause',
    summary: 'Pauses an agent and those below it: each stops before its next step and goes on when it is resumed.',
    async run({ agent: ref }, { id: call, caller }) {
      const supervisor = await deps.supervisor()
      const agent = find(supervisor, caller, ref)
      if (isOver(agent)) throw over(agent)
      const paused = await supervisor.pause({ caller, call, name: 'agent.pause' }, agent.id)
      return { output: { agents: paused, state: 'paused' }, text: `Paused ${agent.name}${andBelow(paused)}.` }
    },
  })
}

function resumeCall(deps: AgentControlDeps): Call {
  return defineCall({
    ...changes,
    name: 'agent.resume',
    summary: 'Lets a paused agent and those below it go on.',
    async run({ agent: ref }, { id: call, caller }) {
      const supervisor = await deps.supervisor()
      const agent = find(supervisor, caller, ref)
      const resumed = await supervisor.resume({ caller, call, name: 'agent.resume' }, agent.id)
      const text = resumed.length === 0 ? `${agent.name} is not paused.` : `${agent.name} goes on${andBelow(resumed)}.`
      return { output: { agents: resumed, state: agent.state }, text }
    },
  })
}

function andBelow(agents: readonly CallId[]): string {
  return agents.length > 1 ? `, and ${agents.length - 1} below it` : ''
}

function raiseCall(deps: AgentControlDeps): Call {
  return defineCall({
    ...shared,
    audience: ['terminal'],
    name: 'agent.raise',
    summary: 'Gives an agent more budget, out of the budgets of whoever started it.',
    input: z.strictObject({ agent: agentRef, ...limitFields }),
    output: z.strictObject({ agent: idSchema('CallId'), budget: limitsSchema }),
    example: { agent: exampleId, tokens: 50_000 },
    tier: 'side_effecting',
    effect: 'idempotent',
    async run({ agent: ref, ...more }, { id: call, caller }) {
      const supervisor = await deps.supervisor()
      const agent = find(supervisor, caller, ref)
      if (isOver(agent)) throw over(agent)
      const kinds = Object.entries(more).filter(([, amount]) => (amount ?? 0) > 0)
      if (agent.budget === undefined || kinds.length === 0)
        throw new OxbowError('bad_input', kinds.length === 0 ? 'No amount is named.' : `${agent.name} has no budget of its own.`, {
          hint: 'Name what to add, for example: `oxbow raise ID --max-money 0.50`, or --max-tokens, --max-calls, --max-seconds. An agent without a budget of its own uses those above it: `oxbow budget set`.',
        })
      const book = await deps.budgets.book()
      const payer = await supervisor.payerOf(agent.id)
      await book.load(payer)
      book.assertCovers(payer, carvedOf(more))
      const budget = await supervisor.raise({ caller, call, name: 'agent.raise' }, agent.id, more)
      return { output: { agent: agent.id, budget }, text: `${agent.name} may use ${JSON.stringify(budget)}.` }
    },
  })
}

function killCall(deps: AgentControlDeps): Call {
  return defineCall({
    ...shared,
    name: 'agent.kill',
    routes: [{ method: 'POST', path: '/agents/{agent}/kill' }],
    summary: 'Ends an agent with everything that it runs.',
    input: z.strictObject({
      agent: agentRef,
      reason: z.string().max(200).default('').meta(evident('Why, for its parent.')),
    }),
    output: z.strictObject({ killed: z.array(idSchema('CallId')), state: z.string() }),
    example: { agent: exampleId, reason: 'No longer needed.' },
    tier: 'side_effecting',
    does: ['delegate'],
    effect: 'idempotent',
    timeoutMs: 60_000,
    async run({ agent: ref, reason }, { id: call, caller }) {
      const supervisor = await deps.supervisor()
      const agent = find(supervisor, caller, ref)
      const labels = reason === '' ? [] : deps.heldLabels(caller)
      const killed = await supervisor.kill({ caller, call, name: 'agent.kill' }, agent.id, reason || `by ${caller.actor}`, labels)
      const others = killed.length > 1 ? `, and ${killed.length - 1} below it` : ''
      const state = killed.length > 0 ? 'killed' : agent.state
      const text = killed.length > 0 ? `Killed ${agent.name}${others}.` : `${agent.name} was ${agent.state} already.`
      return { output: { killed: killed.map(({ id }) => id), state }, text }
    },
  })
}

/** @returns the agents that a caller may know: a person all of them, an agent those below it */
export function visible(supervisor: Supervisor, caller: Caller): readonly AgentRecord[] {
  const all = supervisor.all()
  return caller.audience === 'terminal' ? all : all.filter((agent) => supervisor.isBelow(agent, caller.session))
}

/** @param withOver also those that have ended @returns those, and for an agent the others that take its mail */
export function reachable(supervisor: Supervisor, caller: Caller, withOver = false): readonly AgentRecord[] {
  const own = caller.session === '' ? undefined : supervisor.agentOf(caller.session)
  const known = visible(supervisor, caller)
  if (own === undefined || caller.audience === 'terminal') return known
  return [...new Set([...known, ...supervisor.all().filter((other) => mayWrite(own, other) && (withOver || !isOver(other)))])]
}

/** @param ref id, its beginning, or a name, for which the newest live agent counts. @throws OxbowError `not_found`, `bad_input` */
export function find(
  supervisor: Supervisor,
  caller: Caller,
  ref: string,
  agents: readonly AgentRecord[] = visible(supervisor, caller),
): AgentRecord {
  const exact = agents.find(({ id }) => id === ref)
  if (exact !== undefined) return exact
  const named = agents.filter(({ name }) => name === ref)
  const matching = named.length > 0 ? named : agents.filter(({ id }) => ref.length >= minPrefix && id.startsWith(ref))
  const live = matching.filter((agent) => !isOver(agent))
  const [only, ...others] = live.length > 0 ? live : matching
  if (only === undefined)
    throw new OxbowError('not_found', `No agent ${ref}.`, {
      hint: caller.audience === 'terminal' ? '`oxbow ps` lists them.' : 'agent.list lists them.',
    })
  if (others.length === 0) return only
  const ids = [only, ...others].slice(0, 5).map(({ id }) => id)
  throw new OxbowError('bad_input', `${ref} could be any of ${ids.join(', ')}.`, { hint: 'Name one by its id.' })
}

/** A shorter beginning of an id is mostly time, which many share. */
const minPrefix = 8
