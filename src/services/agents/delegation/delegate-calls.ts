/** The calls by which an agent, or a person, finds agents by what they can do, and delegates to them. */
import { z } from 'zod'
import type { CallReference } from '../../../kernel/index.ts'
import { fenced } from '../../../base/index.ts'
import { type Call, type Caller, defineCall, type Label } from '../../../protocol/index.ts'
import { maxFoundAgents } from './limits.ts'
import { type AgentDefinition, parseAgentDefinition } from './agent-definition.ts'
import { agentRef, find as findAgent } from '../agent-control-calls.ts'
import { delegateFields } from './brief.ts'
import { delegate, type DelegateDeps, missingRights } from './delegate.ts'
import { personaCalls } from './persona-calls.ts'
import { handoffCall, type HandoffDeps, sessionAgentCall } from './handoff-call.ts'
import { parentOf } from './parent.ts'
import { type Delegated, delegated, headOf } from './delegated-end.ts'

/** What handoffs use more of than delegations do. */
type Wider = 'runningTurns' | 'store'

export interface DelegateCallDeps extends Omit<DelegateDeps, Wider>, Omit<HandoffDeps, Exclude<keyof DelegateDeps, Wider>> {
  readonly references: () => readonly CallReference[]
  readonly store: DelegateDeps['store'] & HandoffDeps['store']
}

const shared = {
  rare: true,
  audience: ['model', 'terminal'],
  labels: { adds: [], sink: false },
} as const satisfies Partial<Call>

export function delegateCalls(deps: DelegateCallDeps): readonly Call[] {
  return [delegateCall(deps), findCall(deps), handoffCall(deps), sessionAgentCall(deps), ...personaCalls(deps), revokeCall(deps)]
}

function delegateCall(deps: DelegateCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'agent.delegate',
    waitsFor: 'child',
    summary: 'Delegates a goal to an agent that is made for it, and returns its result.',
    input: z.strictObject({
      ...delegateFields,
      wait: z.boolean().default(true).describe('false: go on; its end comes as a message.'),
    }),
    output: delegated,
    example: { agent: 'reviewer', goal: 'Find defects in /shared/src/parser.ts.', key_facts: ['It parses TOML.'], wait: true },
    // What the child may do was defined by a person, and each of its calls is judged by itself.
    tier: 'side_effecting',
    does: ['delegate'],
    right: 'agent.spawn',
    effect: 'idempotent',
    timeoutMs: Infinity,
    recordOutput: ({ status, id, session, code, files }) => ({
      outcome: status,
      agent: id,
      agent_session: session,
      code,
      files: [...files],
    }),
    async run(input, { id: call, caller, signal }) {
      const output = await delegate(deps, { caller, call, name: 'agent.delegate' }, input, signal)
      return doneOf(output, call)
    },
  })
}

/** @returns the result as its parent reads it: between marks, whatever the child has read */
export function doneOf(
  output: Delegated,
  call: Parameters<typeof fenced>[1],
): {
  readonly output: Delegated
  readonly text: string
  readonly labels: readonly Label[]
  readonly ok: boolean
} {
  const { status, agent, id, text, labels } = output
  const answer = text === '' ? '' : `\n${labels.includes('untrusted') ? text : fenced(text, call)}`
  const ok = status === 'success' || status === 'running' || status === 'queued'
  return { output, text: `${agent}${id === '' ? '' : ` (${id})`}: ${headOf(output)}${answer}`, labels, ok }
}

const foundAgent = z.strictObject({
  name: z.string(),
  description: z.string(),
  capabilities: z.array(z.string()).readonly(),
  without: z.array(z.string()).readonly().describe('Rights of its definition that the caller cannot pass on.'),
})

type Found = z.infer<typeof foundAgent>
const findOutput = z.strictObject({ agents: z.array(foundAgent).readonly() })

function findCall(deps: DelegateCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'agent.find',
    summary: 'Finds agents to delegate to, by what they can do.',
    input: z.strictObject({
      capability: z.string().max(200).default('').describe('Words for what it is to do; empty: all agents.'),
    }),
    output: findOutput,
    example: { capability: 'review code' },
    tier: 'read_only',
    right: 'agent.use',
    effect: 'none',
    timeoutMs: 30_000,
    recordOutput: ({ agents }) => ({ agents: agents.map(({ name }) => name) }),
    async run({ capability }, { caller }) {
      const agents = await find(deps, caller, capability)
      const lines = agents.map(({ name, description, capabilities, without }) => {
        const can = capabilities.length === 0 ? '' : ` [${capabilities.join(', ')}]`
        return `${name}: ${description}${can}${without.length === 0 ? '' : ` (without ${without.join(', ')}, which you cannot pass on)`}`
      })
      const none = `No agent ${capability === '' ? 'is defined' : 'fits'}. Do it yourself.`
      return { output: { agents }, text: lines.join('\n') || none }
    },
  })
}

async function find(deps: DelegateCallDeps, caller: Caller, capability: string): Promise<readonly Found[]> {
  const definitions = await (await deps.definitions()).usable('agents')
  const parent = await parentOf(deps, caller)
  const wanted = wordsOf(capability)
  const local = definitions.map(parseAgentDefinition).map((each) => ({ ...describedOf(each), without: missingRights(each, parent) }))
  const remote = remoteAgents(deps, caller).map((each) => ({ ...each, without: [] }))
  return [...local, ...remote]
    .map((found) => ({ found, score: scoreOf(found, wanted) }))
    .filter(({ score }) => wanted.length === 0 || score > 0)
    .toSorted((a, b) => b.score - a.score)
    .slice(0, maxFoundAgents)
    .map(({ found }) => found)
}

function describedOf({ name, description, capabilities }: AgentDefinition): Described {
  return { name, description, capabilities }
}

type Described = Pick<AgentDefinition, 'name' | 'description' | 'capabilities'>

/** Agents of others that the caller may call. */
function remoteAgents({ references }: DelegateCallDeps, { rights }: Caller): readonly Described[] {
  return references()
    .filter(({ name, right }) => /^(?:a2a|acp)\.[a-z][a-z0-9-]*$/.test(name) && (rights.has('*') || rights.has(right)))
    .map(({ name, summary }) => ({ name, description: `${summary} Run by others.`, capabilities: [] }))
}

/** A word counts more in the name and the capabilities than in the description. */
function scoreOf({ name, description, capabilities }: Described, wanted: readonly string[]): number {
  const named = new Set(wordsOf([name, ...capabilities].join(' ')))
  const described = new Set(wordsOf(description))
  return wanted.reduce((sum, word) => sum + (named.has(word) ? 3 : 0) + (described.has(word) ? 1 : 0), 0)
}

/** Words without the endings by which singular and plural, or a verb's forms, differ. */
function wordsOf(text: string): readonly string[] {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  return [...new Set(words.map((word) => (word.length > 4 ? word.replace(/(?:ing|ers?|ed|es|e|s)$/, '') : word)))]
}

function revokeCall(deps: DelegateCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'agent.revoke',
    summary: 'Takes rights from an agent and from all agents below it, at once.',
    input: z.strictObject({
      agent: agentRef,
      rights: z
        .array(
          z
            .string()
            .max(600)
            .regex(/^[a-z_]+\.[a-z0-9_-]+(?::\S{1,500})?$/, 'must be a right such as file.write'),
        )
        .min(1)
        .max(100)
        .describe('Rights, e.g. `file.write`; `secret.use` for secrets, `mcp.NAME` for a server.'),
    }),
    output: z.strictObject({ agents: z.array(z.string()) }),
    example: { agent: 'reviewer', rights: ['web.read'] },
    tier: 'side_effecting',
    does: ['delegate'],
    right: 'agent.use',
    effect: 'idempotent',
    timeoutMs: 30_000,
    async run({ agent: ref, rights }, { id: call, caller }) {
      const supervisor = await deps.supervisor()
      const { id } = findAgent(supervisor, caller, ref)
      const found = await supervisor.revoke({ caller, call, name: 'agent.revoke' }, id, rights)
      const names = found.map(({ name }) => name)
      return { output: { agents: found.map((each) => each.id) }, text: `Took ${rights.join(', ')} from ${names.join(', ') || 'nobody'}.` }
    },
  })
}
