/** What the program of a key gets over MCP: calls as tools, files as resources, agents as prompts. */
import type { ForeignCalls, Kernel } from '../../kernel/index.ts'
import { fenceRule, isObject, once, OxbowError, truncate } from '../../base/index.ts'
import { isTurn } from '../../protocol/index.ts'
import { maxMcpPage } from '../limits.ts'
import { type Offer, pageOf, type Prompt, type PromptMessage } from './offer.ts'
import { createResources } from './resources.ts'
import { createTools } from './tools.ts'

/** @param title of the session of the program @throws OxbowError `denied` for whoever has no key */
export function createKeyOffer(kernel: Kernel, title: () => string): Offer {
  const { foreign } = kernel
  if (foreign === undefined) throw keyNeeded
  // Made with the first call: a program that only lists what there is leaves none.
  const session = once(() => foreign.openSession(title()))
  const deps = { kernel, foreign, session }
  const tools = createTools(deps)
  const { complete: completePath, ...resources } = createResources(deps)
  const { complete: completeTask, ...prompts } = createPrompts(deps)
  return {
    instructions: `Oxbow keeps the files, the memory and the agents of a person, and asks the person before it does what matters. ${fenceRule}`,
    tools: tools.list,
    call: tools.call,
    ...resources,
    ...prompts,
    complete: async (of, _argument, beginning) => ('template' in of ? completePath(beginning) : completeTask()),
    version: foreign.version,
  }
}

export const keyNeeded: OxbowError = new OxbowError('denied', 'MCP needs an API key.', {
  hint: 'Make one with the rights that the program needs: `oxbow keys create NAME --right RIGHT`.',
})

/** Agents as prompts: a program shows them to its person, who picks one and says what it should do. */

interface PromptDeps {
  readonly kernel: Kernel
  readonly foreign: ForeignCalls
}

interface Agent {
  readonly name: string
  readonly description: string
  /** How its model is told to reach it. */
  readonly by: string
}

type Prompts = Pick<Offer, 'prompts' | 'prompt'> & { complete(): Promise<readonly string[]> }

function createPrompts(deps: PromptDeps): Prompts {
  return {
    prompts: async (cursor) => pageOf((await agentsOf(deps)).map(promptOf), cursor, maxMcpPage),
    async prompt(name, input) {
      const agent = (await agentsOf(deps)).find((one) => promptOf(one).name === name)
      if (agent === undefined)
        throw new OxbowError('bad_input', `There is no prompt ${JSON.stringify(name.slice(0, 100))}.`, { hint: 'List the prompts again.' })
      const task = input['task']
      if (task === undefined || task.trim() === '')
        throw new OxbowError('bad_input', 'The prompt needs the argument task.', { hint: 'Say what the agent should do.' })
      return [messageFor(agent, task)]
    },
    complete: async () => [],
  }
}

function promptOf({ name, description }: Agent): Prompt {
  return { name: `agent-${name}`, description, arguments: [{ name: 'task', description: 'What the agent should do.', required: true }] }
}

function messageFor({ name, by }: Agent, task: string): PromptMessage {
  return { role: 'user', content: { type: 'text', text: `Ask the agent ${name} of Oxbow, ${by}, and report its answer.\n\nTask: ${task}` } }
}

/** The usual agent, and those that a person has defined, as far as the rights of the key allow to ask them. */
async function agentsOf({ kernel, foreign }: PromptDeps): Promise<readonly Agent[]> {
  const { programs } = await foreign.tools()
  const usual = programs.some(isTurn)
    ? [{ name: 'oxbow', description: 'The agent of this Oxbow, with its tools and memory.', by: 'by the tool turn_send' }]
    : []
  if (!(await foreign.may('agent.spawn'))) return usual
  const found = await kernel.call('agent.find', {})
  const agents = found.status === 'ok' && isObject(found.output) && Array.isArray(found.output['agents']) ? found.output['agents'] : []
  const defined = agents.flatMap((agent): readonly Agent[] => {
    if (!isObject(agent) || typeof agent['name'] !== 'string') return []
    const description = typeof agent['description'] === 'string' ? truncate(agent['description'], maxDescription) : ''
    return [{ name: agent['name'], description, by: `by the tool agent_delegate {"agent":"${agent['name']}"}` }]
  })
  return [...usual, ...defined]
}

const maxDescription = 500
