/**
 * The calls about agents. A person sees and ends all of them; an agent those that it, or agents below it, have spawned. What they return
 * carries the labels of the agents that it is about.
 */
import { z } from 'zod'
import {
  type Budgets,
  type CallReference,
  carvedOf,
  type Core,
  type Documents,
  type Provenance,
  type RunningCalls,
} from '../../kernel/index.ts'
import { priorities, type RunQueue, type RunsPort } from '../../runs/index.ts'
import { type CallId, OxbowError, type SessionId, truncate } from '../../base/index.ts'
import {
  admissionState,
  type Call,
  type Caller,
  defineCall,
  evident,
  expandRights,
  grantOf,
  joinLabels,
  type Labels,
  type Tier,
  limitsSchema,
} from '../../protocol/index.ts'
import type { AgentsConfig } from './config.ts'
import type { OpenVersions } from '../versions/service.ts'
import { boundSpawn, branchFor, type ParentDeps } from './delegation/parent.ts'
import { definitionOf, spawnAs, type SpawnAsDeps } from './delegation/spawn-as.ts'
import { maxAgentMessageCharacters, maxAgentWaitS, maxInstructionCharacters } from './limits.ts'
import { agentControlCalls, agentRef, exampleId, find, reachable, shared, visible } from './agent-control-calls.ts'
import { agentCategory, type AgentRecord, isOver, isSettled } from './agent-record.ts'
import { agentView, readUsage, viewOf } from './agent-view.ts'
import type { Access } from '../access/service.ts'
import { endsWithAgents, plannedAgent } from './planned-agents.ts'
import type { Supervisor } from './supervisor.ts'

export interface AgentCallDeps extends ParentDeps, SpawnAsDeps {
  readonly supervisor: () => Promise<Supervisor>
  readonly queue: () => Promise<RunQueue>
  readonly turns: () => Promise<RunsPort['turns']>
  readonly outcomeOf: Core['outcomeOf']
  readonly flushed: () => Promise<void>
  readonly agentConfig: AgentsConfig
  /** Rights of the usual agent: what an agent that a person spawns has if nothing else is said. */
  readonly defaultRights: readonly string[]
  readonly documents: Pick<Documents, 'all'>
  readonly grantable: Access['grantable']
  readonly versions: () => Promise<OpenVersions>
  readonly heldLabels: (caller: Pick<Caller, 'session'>) => Labels
  readonly references: () => readonly CallReference[]
  readonly budgets: Pick<Budgets, 'book' | 'load' | 'view'>
  readonly running: Pick<RunningCalls, 'of'>
  readonly waitingIn: Access['waitingIn']
  readonly history: (session: SessionId) => Provenance
}

export function agentCalls(deps: AgentCallDeps): readonly Call[] {
  let known: ReadonlySet<string> | null = null
  // Describing all calls takes milliseconds, and they do not change.
  const changing = (): ReadonlySet<string> => (known ??= changingRights(deps.references()))
  return [spawnCall({ ...deps, changing }), waitCall(deps), listCall(deps), ...agentControlCalls(deps)]
}

interface SpawnDeps extends AgentCallDeps {
  readonly changing: () => ReadonlySet<string>
}

type SpawnInput = z.infer<typeof spawnInput>

const spawnInput = z.strictObject({
  task: z.string().min(1).max(maxAgentMessageCharacters).describe('It knows nothing else of this conversation.'),
  as: z.string().max(60).default('').meta(evident('Agent with a definition, from agent.find: it has the rights that both of you have.')),
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/i, 'must be a plain name')
    .optional()
    .meta(evident('Short name.')),
  instructions: z.string().max(maxInstructionCharacters).default('').meta(evident('Text added to its system prompt.')),
  model: z.string().max(200).default('').meta(evident('Model; empty: the usual one.')),
  rights: z.array(z.string().max(100)).max(100).optional().describe('Default: all that you can pass on.'),
  read_only: z.boolean().default(false).describe('Only rights that change nothing.'),
  priority: z.enum(priorities).default('normal').meta(evident('Which waits first if too many run.')),
  keep: z.boolean().default(false).describe('It takes messages after its answer.'),
  files: z
    .enum(['shared', 'branch'])
    .default('shared')
    .meta(evident('`branch`: it works on a copy of the workspace, which branch.merge brings back.')),
  orphans: z.enum(['kill', 'adopt', 'finish']).default('kill').meta(evident('What happens to its own agents if it ends before them.')),
  budget: limitsSchema.optional().meta(evident('Its share of your budget.')),
})

function spawnCall(deps: SpawnDeps): Call {
  return defineCall({
    ...shared,
    labels: { ...shared.labels, silent: ['task', 'instructions'] },
    name: 'agent.spawn',
    routes: [{ method: 'POST', path: '/agents', status: 201 }],
    summary: 'Starts an agent for a task, in a conversation of its own. Its answer comes as a message, or by agent.wait.',
    input: spawnInput,
    output: agentView,
    example: {
      task: 'Read /shared/report.md and list its open questions.',
      as: '',
      name: 'reader',
      instructions: '',
      model: '',
      read_only: true,
      priority: 'normal',
      keep: false,
      files: 'shared',
      orphans: 'kill',
    },
    tier: 'privileged',
    does: ['delegate'],
    tierOf: (input, caller) => tierOfSpawn(deps, input, caller),
    right: 'agent.spawn',
    effect: 'idempotent',
    recordOutput: ({ id, session, depth }) => ({ agent: id, agent_session: session, depth }),
    // Others end with their answer, and are undone with the turn.
    compensation: ({ id, input: { keep } }) => (keep === true ? { call: 'agent.kill', input: { agent: id } } : null),
    async planned(input, plan, context) {
      const { as, name = as === '' ? 'helper' : as, task, model, priority, keep, budget } = input
      const { rights } = as === '' ? await grantedTo(deps, input, context.caller) : await definitionOf(deps, as)
      const agent = { task: truncate(task, 1_000), name, model, rights, priority, keep, labels: deps.heldLabels(context.caller), budget }
      return plannedAgent(agent, plan, context)
    },
    async run(input, { id: call, caller, signal }) {
      const supervisor = await deps.supervisor()
      if (input.as !== '') {
        const record = await spawnAs(deps, supervisor, { caller, call, name: 'agent.spawn', signal }, input)
        return { output: await viewOf(deps, record), text: `Started ${record.name} (${call}): ${record.state}.` }
      }
      const isLast = (supervisor.agentOf(caller.session as SessionId)?.depth ?? 0) + 1 >= deps.agentConfig.max_depth
      const bound = await grantedTo(deps, input, caller)
      const { task, name = 'helper', instructions, model, priority, keep, files, orphans, budget } = input
      const rights = bound.rights.filter((right) => !isLast || right !== 'agent.spawn')
      const book = budget === undefined ? null : await deps.budgets.book()
      await book?.load(caller)
      const request = { task, name, instructions, model, priority, keep, orphans, rights, labels: deps.heldLabels(caller), budget }
      // After a crash, its budget is held already.
      if (supervisor.all().every(({ id }) => id !== call)) book?.assertCovers(caller, carvedOf(budget ?? {}))
      const branch = files === 'branch' ? await branchFor(deps, { caller, call, name: 'agent.spawn', signal }) : caller.branch
      const record = await supervisor.spawn({ caller, call, name: 'agent.spawn' }, { ...request, branch, defined: bound.defined })
      return { output: await viewOf(deps, record), text: `Started ${name} (${call}): ${record.state}.` }
    },
  })
}

/** @returns what an agent without a definition has @throws OxbowError `denied` for rights that its parent cannot pass on */
async function grantedTo(deps: SpawnDeps, input: SpawnInput, caller: Caller): ReturnType<typeof boundSpawn> {
  // Roles that a person added are theirs to give: of a model's request, the question would not show what they hold.
  const isOwn = input.rights !== undefined && caller.audience === 'terminal'
  const named = isOwn ? { ...input, rights: [...(await deps.grantable(input.rights ?? []))] } : input
  // Refuses what is no right.
  grantOf(named.rights ?? [])
  const { rights, beyond, delegable } = rightsOf(deps, named, caller)
  if (beyond.length > 0)
    throw new OxbowError('denied', `These rights cannot be passed on: ${beyond.join(', ')}.`, {
      hint: `Name only rights among: ${delegable.join(', ')}.`,
    })
  return boundSpawn(deps, caller, rights, input.model)
}

interface ChildRights {
  readonly rights: readonly string[]
  /** Requested rights that the parent cannot pass on. */
  readonly beyond: readonly string[]
  readonly delegable: readonly string[]
}

/** Rights of a child: those that its parent can pass on, or the ones of them that were requested. */
function rightsOf(deps: SpawnDeps, { rights: requested, read_only: readOnly }: SpawnInput, caller: Caller): ChildRights {
  const rights = requested && expandRights(requested)
  const isPerson = caller.rights.has('*')
  const withheld = new Set(deps.withheld)
  const delegable = isPerson ? deps.defaultRights : [...caller.rights].filter((right) => !withheld.has(right))
  const beyond = (rights ?? []).filter((right) => right === '*' || (!isPerson && !delegable.includes(right)))
  const chosen = rights ?? delegable
  const kept = readOnly ? chosen.filter((right) => !deps.changing().has(right)) : chosen
  // Limits are passed on, but grant nothing that is not passed on itself.
  const limits = (caller.limits?.entries ?? []).filter((entry) => entry.startsWith('!') || kept.includes(entry.split(':', 1)[0] ?? ''))
  return { rights: [...new Set([...kept, ...limits])].sort(), beyond, delegable }
}

/** A request that is refused anyway is not worth a question. */
function tierOfSpawn(deps: SpawnDeps, input: SpawnInput, caller: Caller): Tier {
  // As to delegate: a person has given it its rights, and each of its calls is judged.
  if (input.as !== '') return 'side_effecting'
  const { rights, beyond } = rightsOf(deps, input, caller)
  return beyond.length > 0 || rights.every((right) => !deps.changing().has(right)) ? 'side_effecting' : 'privileged'
}

/** Rights with which a model can change something, from the descriptions of all calls. */
function changingRights(references: readonly CallReference[]): ReadonlySet<string> {
  const changing = references.filter(({ audience, tier }) => audience.includes('model') && tier !== 'read_only')
  return new Set(changing.map(({ right }) => right))
}

const waitOutput = z.strictObject({
  agents: z.array(agentView).readonly(),
  timed_out: z.boolean(),
  answer: z.string().exactOptional().describe('To the message; absent: none yet, or no message was named.'),
})

function waitCall(deps: AgentCallDeps): Call {
  const call = defineCall({
    ...shared,
    name: 'agent.wait',
    waitsFor: 'child',
    routes: [{ method: 'POST', path: '/agents/wait' }],
    summary: 'Waits until agents have answered or ended, and returns their answers.',
    input: z.strictObject({
      agents: z.array(agentRef).max(100).default([]).describe('Empty: all of yours that still work.'),
      message: z
        .string()
        .max(100)
        .optional()
        .meta(evident('Id of one message, from agent.send: waits for its answer. `agents` names to whom.')),
      mode: z.enum(['all', 'any']).default('all').meta(evident('Until all have answered, or one has.')),
      timeout_s: z.number().min(0).max(maxAgentWaitS).default(600).meta(evident('Seconds to wait; 0 only looks.')),
    }),
    output: waitOutput,
    example: { agents: [exampleId], mode: 'all', timeout_s: 600 },
    tier: 'read_only',
    effect: 'none',
    timeoutMs: (maxAgentWaitS + 60) * 1_000,
    recordOutput: ({ agents, timed_out }) => ({ agents: agents.map(({ id, state }) => ({ id, state })), timed_out }),
    async run({ agents, mode, message, timeout_s: timeoutS }, { caller, signal }) {
      const supervisor = await deps.supervisor()
      if (message !== undefined) return waitForAnswer(deps, supervisor, { caller, signal, agents, message, timeoutS })
      const named = agents.map((ref) => find(supervisor, caller, ref))
      // Those that ended without telling it, too: a wait that is made again after a crash finds that they have ended meanwhile.
      const own = supervisor.all().filter((agent) => agent.home === caller.session && (!isSettled(agent) || agent.report === 'due'))
      const ids = (agents.length === 0 ? own : named).map(({ id }) => id)
      await supervisor.wait({ session: caller.session, ids, mode, timeoutMs: timeoutS * 1_000, signal })
      const found = supervisor.all().filter(({ id }) => ids.includes(id))
      const isMet = mode === 'all' || found.length === 0 ? found.every(isSettled) : found.some(isSettled)
      const views = await Promise.all(found.map((agent) => viewOf(deps, agent)))
      const text = found.map((agent) => `${headOf(agent)}${agent.reply === '' ? '' : `\n${agent.reply}`}`).join('\n\n')
      return {
        output: { agents: views, timed_out: !isMet },
        text: `${isMet ? '' : `After ${timeoutS} s not all have answered.\n`}${text || 'No agent works for you.'}`,
        labels: labelsOf(found),
        ok: found.every(({ state }) => state !== 'failed'),
      }
    },
  })
  return { ...call, planned: endsWithAgents(call.run, { agents: [], timed_out: true }) }
}

interface AnswerWait {
  readonly caller: Caller
  readonly signal: AbortSignal
  readonly agents: readonly string[]
  readonly message: string
  readonly timeoutS: number
}

/** The answer to a message is the end of its turn, or of the turn that took it. Whoever waits lends its place meanwhile. */
async function waitForAnswer(deps: AgentCallDeps, supervisor: Supervisor, { caller, signal, agents, message, timeoutS }: AnswerWait) {
  const [ref, ...others] = agents
  if (ref === undefined || others.length > 0)
    throw new OxbowError('bad_input', 'The answer to a message comes from one agent.', {
      hint: 'Name in `agents` the one that you sent it to.',
    })
  const agent = find(supervisor, caller, ref, reachable(supervisor, caller, true))
  const { answerTo } = await import('./mail/answers.ts')
  const [queue, turns] = await Promise.all([deps.queue(), deps.turns()])
  const answer = await answerTo(
    { queue, turns, flushed: deps.flushed, outcomeOf: deps.outcomeOf },
    { waiting: supervisor.waiting, agent, session: caller.session, message, until: deps.now() + timeoutS * 1_000, signal },
  )
  const now = supervisor.find(agent.id) ?? agent
  const labels = joinLabels(now.labels, deps.heldLabels({ session: now.session }))
  const text = answer === null ? `After ${timeoutS} s ${now.name} has not answered it.` : answer
  return { output: { agents: [await viewOf(deps, now)], timed_out: answer === null, ...(answer !== null && { answer }) }, text, labels }
}

const listOutput = z.strictObject({
  agents: z.array(agentView).readonly().describe('Parents before their children.'),
  admission: admissionState,
})

function listCall(deps: AgentCallDeps): Call {
  const call = defineCall({
    ...shared,
    name: 'agent.list',
    routes: [{ method: 'GET', path: '/agents', list: 'agents' }],
    summary: 'Lists agents as a tree, with what each does and has spent.',
    input: z.strictObject({
      ended: z.boolean().default(false).meta(evident('Also those that have ended.')),
      limit: z.int().min(1).max(1_000).default(100),
    }),
    output: listOutput,
    example: { ended: true, limit: 100 },
    tier: 'read_only',
    effect: 'none',
    recordOutput: ({ agents }) => ({ agents: agents.length }),
    async run({ ended, limit }, { caller, sandbox, signal }) {
      const supervisor = await deps.supervisor()
      const all = [...visible(supervisor, caller), ...(caller.audience === 'terminal' ? await elsewhere(deps, supervisor) : [])]
      const shown = inTree(all.filter((agent) => ended || !isOver(agent))).slice(0, limit)
      const usage = await readUsage(deps, sandbox, signal, shown)
      const agents = await Promise.all(shown.map((agent) => viewOf(deps, agent, usage)))
      const lines = agents.map((agent) => {
        const doing = agent.current_call === null ? '' : `, ${agent.current_call.name}`
        const waits = agent.waiting_for === null ? '' : ` for ${agent.waiting_for}`
        return `${'  '.repeat(agent.depth - 1)}${agent.name} (${agent.id}): ${agent.state}${waits}${doing}: ${firstLine(agent.task)}`
      })
      const admission = (await deps.queue()).state()
      return { output: { agents, admission }, text: lines.join('\n') || 'There are no agents.', labels: labelsOf(shown) }
    },
  })
  return { ...call, planned: endsWithAgents(call.run, null) }
}

/** Agents that another guest on the same store has spawned since this one looked: only their records are known here. */
async function elsewhere({ documents }: AgentCallDeps, supervisor: Supervisor): Promise<readonly AgentRecord[]> {
  const known = new Set(supervisor.all().map(({ id }) => id))
  return (await documents.all<AgentRecord>(agentCategory)).map(({ value }) => value).filter(({ id }) => !known.has(id))
}

/** Parents before their children, the oldest first. */
function inTree(agents: readonly AgentRecord[]): readonly AgentRecord[] {
  const known = new Set(agents.map(({ id }) => id))
  const below = new Map<string, AgentRecord[]>()
  for (const agent of [...agents].sort((a, b) => a.created_at - b.created_at)) {
    const parent = known.has(agent.parent as CallId) ? agent.parent : ''
    below.set(parent, [...(below.get(parent) ?? []), agent])
  }
  const walk = (parent: string): readonly AgentRecord[] => (below.get(parent) ?? []).flatMap((agent) => [agent, ...walk(agent.id)])
  return walk('')
}

function headOf({ name, id, state, reason }: AgentRecord): string {
  return `${name} (${id}): ${state}${reason === '' ? '' : `, ${reason}`}`
}

function labelsOf(agents: readonly AgentRecord[]): Labels {
  return agents.reduce<Labels>((all, { labels }) => joinLabels(all, labels), [])
}

function firstLine(text: string): string {
  return truncate(text.split('\n', 1)[0] ?? '', 80)
}
