/**
 * Personas: definitions of agents that conversations can switch to, by `session.agent`. What is asked here of them is which there are, and
 * which of them answer in conversations; see `docs/agents.md`.
 */
import { z } from 'zod'
import { OxbowError, plural } from '../../../base/index.ts'
import { type Call, defineCall, idSchema } from '../../../protocol/index.ts'
import { activePersonas, type HandoffDeps } from './handoff-call.ts'
import { listedDefinition } from './definitions.ts'

const persona = listedDefinition.pick({ name: true, from: true, state: true, problem: true }).extend({
  description: z.string(),
  style: z.string().describe('Its voice; empty: the usual one.'),
  model: z.string().describe('Empty: the usual one.'),
  memory: z.string().describe('`persona`: it has notes that no other agent recalls.'),
  sessions: z.array(idSchema('SessionId')).readonly().describe('Conversations in which it answers.'),
})

type PersonaDeps = Pick<HandoffDeps, 'definitions' | 'handoffs' | 'store' | 'agentConfig'>

export function personaCalls(deps: PersonaDeps): readonly Call[] {
  return [listCall(deps), releaseCall(deps)]
}

function listCall(deps: PersonaDeps): Call {
  return defineCall({
    name: 'persona.list',
    summary: 'Lists the personas that a conversation can switch to, and where each answers.',
    input: z.strictObject({}),
    output: z.strictObject({
      personas: z.array(persona).readonly(),
      most: z.int().describe('Personas that may answer in conversations at a time.'),
    }),
    example: {},
    rare: true,
    audience: ['terminal'],
    labels: { adds: ['untrusted'], sink: false },
    tier: 'read_only',
    right: 'access.read',
    effect: 'none',
    timeoutMs: 30_000,
    recordOutput: ({ personas }) => ({ personas: personas.length }),
    async run() {
      const [listed, active] = await Promise.all([(await deps.definitions()).list('agents'), activePersonas(deps)])
      const text = (value: unknown): string => (typeof value === 'string' ? value : '')
      const personas = listed.map(({ name, from, state, problem, table = {} }) => ({
        name,
        from,
        state,
        problem,
        description: text(table['description']),
        style: text(table['style']),
        model: text(table['model']),
        memory: text(table['memory']) || 'none',
        sessions: state === 'hidden' ? [] : (active.get(name) ?? []),
      }))
      const lines = personas.map((each) => `${each.name}: ${each.state}, ${plural(each.sessions.length, 'conversation')}`)
      return { output: { personas, most: deps.agentConfig.max_personas }, text: lines.join('\n') || 'There are no personas.' }
    },
  })
}

function releaseCall(deps: PersonaDeps): Call {
  return defineCall({
    name: 'persona.release',
    summary: 'Gives the conversations of a persona back to the usual agent, each from its next turn on.',
    input: z.strictObject({
      persona: z.string().min(1).max(60).describe('Name of a persona, from `persona.list`.'),
      dry_run: z.boolean().default(false).describe('Only name the conversations.'),
    }),
    output: z.strictObject({ sessions: z.array(idSchema('SessionId')).readonly() }),
    example: { persona: 'dev', dry_run: false },
    rare: true,
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    tier: 'side_effecting',
    right: 'agent.spawn',
    effect: 'idempotent',
    timeoutMs: 30_000,
    recordOutput: ({ sessions }) => ({ sessions }),
    async run({ persona: name, dry_run: isDry }, { id: call, caller }) {
      const sessions = (await activePersonas(deps)).get(name) ?? []
      // One may have been deleted since, and answer in none.
      if (sessions.length === 0 && (await (await deps.definitions()).list('agents')).every((each) => each.name !== name))
        throw new OxbowError('not_found', `There is no persona ${name}.`, { hint: 'See `oxbow persona list`.' })
      if (!isDry) for (const session of sessions) await deps.handoffs.put({ caller, call, name: 'persona.release' }, session, [])
      return {
        output: { sessions },
        text: `${isDry ? 'Would give' : 'Gave'} ${plural(sessions.length, 'conversation')} back to the usual agent.`,
      }
    },
  })
}
