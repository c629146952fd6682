/** `oxbow tell`, `pause`, `resume`, `raise` and `kill`: what people do with agents that run. */
import { agentState, plainLine } from '../../terminal/index.ts'
import { type AskCall, OxbowError, type ServiceVerb, textIn } from '../../types/index.ts'
import type { AgentView } from './agent-view.ts'

interface Changed {
  readonly agents: readonly string[]
}

const agent = { typed: { id: 'agent' } } as const

export const agentVerbs: readonly ServiceVerb[] = [
  {
    words: 'tell <id> <text...>',
    summary: 'send an agent a message, which it reads at its next step',
    examples: ['oxbow tell reader "also look at notes.md"'],
    call: 'agent.send',
    typed: { id: 'to' },
    show: ({ state }: { readonly state: string }) => `Sent; it is ${state}.`,
  },
  {
    words: 'pause <id>',
    summary: 'pause an agent and those below it, each before its next step',
    examples: ['oxbow pause 0199d2c4'],
    call: 'agent.pause',
    ...agent,
    show: ({ agents }: Changed, { input }) =>
      agents.length === 0
        ? 'It was paused already.'
        : `Paused ${withOthers(agents)}. oxbow resume ${textIn(input, 'agent')} lets it go on.`,
  },
  {
    words: 'resume <id>',
    summary: 'let a paused agent and those below it go on',
    examples: ['oxbow resume 0199d2c4'],
    call: 'agent.resume',
    ...agent,
    show: ({ agents }: Changed) => (agents.length === 0 ? 'It is not paused.' : `Resumed ${withOthers(agents)}.`),
  },
  {
    words: 'raise <id>',
    summary: 'give an agent more budget, out of the budgets above it',
    examples: ['oxbow raise reader --max-tokens 50000'],
    call: 'agent.raise',
    typed: {
      ...agent.typed,
      '--max-tokens <n>': { field: 'tokens', help: 'more model tokens' },
      '--max-money <dollars>': { field: 'micro_dollars', help: 'more dollars' },
      '--max-calls <n>': { field: 'calls', help: 'more calls' },
      '--max-seconds <seconds>': { field: 'seconds', help: 'more time that calls of it may run' },
    },
    show({ budget }: { readonly budget: Readonly<Record<string, number>> }) {
      const amounts = Object.entries(budget).map(([kind, amount]) => `${amount} ${kind.replace('_', '-')}`)
      return `Its budget is now ${amounts.join(', ')}.`
    },
  },
  {
    words: 'kill <id>',
    summary: 'end an agent with everything that it runs',
    examples: ['oxbow kill 0199d2c4', 'oxbow kill reader --reason "no longer needed"'],
    call: 'agent.kill',
    ...agent,
    async preview(input, ask) {
      const target = await findAgent(ask, textIn(input, 'agent'))
      return { would: `end the agent ${plainLine(target.name, 40)}, which is ${agentState(target)}, with everything that it runs`, target }
    },
    show: ({ killed, state }: { readonly killed: readonly string[]; readonly state: string }) =>
      killed.length === 0 ? `It was ${state} already.` : `Killed ${withOthers(killed)}.`,
  },
]

function withOthers(agents: readonly string[]): string {
  return agents.length === 1 ? 'it' : `it and ${agents.length - 1} agents below it`
}

/** @throws OxbowError `not_found`, or `bad_input` for a name of several */
async function findAgent(ask: AskCall, named: string): Promise<AgentView> {
  const { agents } = (await ask('agent.list', { ended: true, limit: 1_000 })) as { readonly agents: readonly AgentView[] }
  const found = agents.filter(({ id, name }) => id.startsWith(named) || name === named)
  if (found.length === 1) return found[0]!
  throw new OxbowError(
    found.length === 0 ? 'not_found' : 'bad_input',
    `${found.length || 'no'} agents are called ${JSON.stringify(named)}`,
    { hint: '`oxbow agents --all` lists them.' },
  )
}
