/** `oxbow spawn`, `wait`, `tell`, `pause`, `resume`, `raise` and `kill`: what people do with agents that run. */
import { agentState, plainLine, plainText } from '../../terminal/index.ts'
import { OxbowError, plural, textIn } from '../../base/index.ts'
import type { AskCall, Following, OutputOf, ServiceVerb } from '../../protocol/index.ts'
import { typedBudget } from '../typed-values.ts'

type AgentView = OutputOf<'agent.list'>['agents'][number]

/** Of a verb that shows what an agent has answered. */
const answer = {
  show: ({ reply }: AgentView) => plainText(reply),
  fails({ state, name, reason }: AgentView) {
    if (state !== 'killed' && state !== 'failed') return null
    const [code, what] = state === 'killed' ? (['cancelled', 'was killed'] as const) : (['tool_failed', 'failed'] as const)
    return new OxbowError(code, `Agent ${name} ${what}${reason === '' ? '' : `: ${reason}`}`, {
      hint: '`oxbow agents --all` lists it; its session has the whole story.',
    })
  },
}

export const agentVerbs: readonly ServiceVerb[] = [
  {
    words: 'spawn <task...>',
    summary: 'start an agent that works on a task in the background',
    examples: ['oxbow spawn "check every link in /shared/docs"', 'oxbow spawn --wait --read-only "summarise /shared/report.md"'],
    call: 'agent.spawn',
    typed: {
      task: { field: 'task', help: 'what to do; it knows nothing else' },
      '--as <agent>': { field: 'as', help: 'agent or persona with a definition: its rights, as far as you have them' },
      '--name <name>': 'name',
      '--model <model>': { field: 'model', help: 'model to use' },
      '--instructions <text>': 'instructions',
      '--priority <priority>': { field: 'priority', help: 'which waits first if too many run' },
      '--right <right>': { field: 'rights', help: 'a right that it has, instead of the usual ones; repeat for more' },
      '--read-only': 'read_only',
      '--branch': { field: 'files', value: 'branch', help: 'it works on a copy of the workspace; see oxbow branch' },
      '--keep': { field: 'keep', help: 'keep it for further messages after its answer' },
      ...typedBudget('it'),
      '--wait': { field: '', help: 'wait for its answer and print it' },
    },
    omit: true,
    keeps: ({ wait }) => wait !== true,
    follow: async (begun: AgentView, of) => (of.options['wait'] === true ? settled(of, begun.id, Infinity) : begun),
    show: (made: AgentView, { options }) =>
      options['wait'] === true ? answer.show(made) : `Started ${made.name}, ${made.id}: ${made.state}.`,
    fails: answer.fails,
  },
  {
    words: 'wait <agent>',
    summary: 'wait until an agent has answered, and print its answer',
    examples: ['oxbow wait 0199d2c4', 'oxbow wait reader --timeout 60'],
    call: 'agent.wait',
    typed: {
      agent: { field: '', help: 'its name, or the beginning of its id' },
      '--timeout <seconds>': { field: '', help: 'how long to wait' },
    },
    omit: true,
    input: (_, { options: { agent } }) => ({ agents: [String(agent)], timeout_s: 0 }),
    follow(_, of) {
      const { agent, timeout } = of.options
      return settled(of, String(agent), typeof timeout === 'number' ? timeout : Infinity)
    },
    ...answer,
  },
  {
    words: 'tell <agent> <text...>',
    summary: 'send an agent a message, which it reads at its next step',
    examples: ['oxbow tell reader "also look at notes.md"'],
    call: 'agent.send',
    typed: { agent: 'to' },
    show: ({ state }: { readonly state: string }) => `Sent; it is ${state}.`,
  },
  {
    words: 'pause <agent>',
    summary: 'pause an agent and those below it, each before its next step',
    examples: ['oxbow pause 0199d2c4'],
    call: 'agent.pause',
    show: ({ agents }: OutputOf<'agent.pause'>, { input }) =>
      agents.length === 0
        ? 'It was paused already.'
        : `Paused ${withOthers(agents)}. oxbow resume ${textIn(input, 'agent')} lets it go on.`,
  },
  {
    words: 'resume <agent>',
    summary: 'let a paused agent and those below it go on',
    examples: ['oxbow resume 0199d2c4'],
    call: 'agent.resume',
    show: ({ agents }: OutputOf<'agent.resume'>) => (agents.length === 0 ? 'It is not paused.' : `Resumed ${withOthers(agents)}.`),
  },
  {
    words: 'raise <agent>',
    summary: 'give an agent more budget, out of the budgets above it',
    examples: ['oxbow raise reader --max-tokens 50000'],
    call: 'agent.raise',
    typed: {
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
    words: 'kill <agent>',
    summary: 'end an agent with everything that it runs',
    examples: ['oxbow kill 0199d2c4', 'oxbow kill reader --reason "no longer needed"'],
    call: 'agent.kill',
    async preview(input, ask) {
      const target = (await ask('agent.wait', { agents: [textIn(input, 'agent')], timeout_s: 0 })).agents[0]!
      if (isEnded(target)) return { would: '', nothing: endedText(target), target }
      return { would: `end the agent ${plainLine(target.name, 40)} (${agentState(target)}) with everything that it runs`, target }
    },
    show: (ended: OutputOf<'agent.kill'>) => (ended.killed.length === 0 ? endedText(ended) : `Killed ${withOthers(ended.killed)}.`),
  },
]

const isEnded = ({ state }: AgentView): boolean => state === 'done' || state === 'failed' || state === 'killed'

const endedText = ({ state }: { readonly state: string }): string => `It has ended already: ${state}.`

/** Of one request; the first one is short, so that a person soon reads what it waits for. */
const waitS = 60
const firstWaitS = 3

/** Asks again and again, because a call ends with the connection. @throws OxbowError `timeout` */
async function settled({ ask, tell }: Pick<Following, 'ask' | 'tell'>, id: string, timeoutS: number): Promise<AgentView> {
  for (let [left, part] = [timeoutS, firstWaitS]; ; left -= part, part = waitS) {
    const { agents, timed_out: isLate } = await ask('agent.wait', { agents: [id], timeout_s: Math.max(0, Math.min(left, part)) })
    const [found] = agents
    if (!isLate && found !== undefined) return found
    if (found !== undefined) tell(await waitText(found, ask))
    if (left <= part)
      throw new OxbowError('timeout', `The agent has not answered within ${timeoutS} s.`, {
        hint: 'It goes on; wait again, or oxbow kill it.',
      })
  }
}

async function waitText(agent: AgentView, ask: AskCall): Promise<string> {
  const what = `${plainLine(agent.name, 40)} ${agent.state === 'running' ? 'works' : agentState(agent)}`
  if (agent.waiting_for === 'approval') return `${what}; \`oxbow approvals list\` shows what it asks.`
  if (agent.waiting_for !== 'admission') return `${what}; \`oxbow kill ${agent.id}\` ends it.`
  const { running, max_running: most, paused_by: overloads } = (await ask('agent.list', { limit: 1 })).admission
  const why = overloads.length > 0 ? `the machine is overloaded (${overloads.join(', ')})` : `${running} of at most ${most} run`
  return `${what}: ${why}.`
}

function withOthers(agents: readonly string[]): string {
  return agents.length === 1 ? 'it' : `it and ${plural(agents.length - 1, 'agent')} below it`
}
