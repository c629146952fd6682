/** `agent.spawn` with `as`: an agent with a definition, that works in the background as any agent that is spawned. */
import type { AgentRecord } from '../agent-record.ts'
import type { SpawnRequest } from '../agent-table.ts'
import type { Supervisor } from '../supervisor.ts'
import { type CallReference, lost } from '../../../kernel/index.ts'
import { expandRights, type Limits } from '../../../protocol/index.ts'
import { OxbowError } from '../../../base/index.ts'
import { type AgentDefinition, parseAgentDefinition } from './agent-definition.ts'
import type { BeginDeps } from './delegate.ts'
import { briefOf, type Delegating } from './brief.ts'

export type SpawnAsDeps = BeginDeps & { readonly references: () => readonly CallReference[] }

/** What `agent.spawn` was asked for. */
interface SpawnAs extends Pick<SpawnRequest, 'task' | 'instructions' | 'priority' | 'keep' | 'orphans'> {
  readonly as: string
  readonly name?: string | undefined
  readonly model: string
  readonly rights?: readonly string[] | undefined
  readonly read_only: boolean
  readonly files: 'shared' | 'branch'
  readonly budget?: Limits | undefined
}

/**
 * The agent has what its definition says, what its caller can pass on, and of this what was asked for: never more.
 * @throws OxbowError `not_found` or `denied` for the definition, `denied` for a right that it does not have, and as `begin` does
 */
export async function spawnAs(
  deps: SpawnAsDeps,
  supervisor: Supervisor,
  by: Delegating & { readonly signal: AbortSignal },
  input: SpawnAs,
): Promise<AgentRecord> {
  const known = supervisor.find(by.call)
  if (known !== undefined) return known
  const definition = await definitionOf(deps, input.as)
  if (input.files === 'branch' && definition.files !== 'branch')
    throw new OxbowError('bad_input', `The definition ${input.as} says on which files it works: ${definition.files}.`, {
      hint: 'Leave `files` out, or write files = "branch" in its file.',
    })
  assertHas(definition, input)
  const { begin } = await import('./delegate.ts')
  const { task, name = definition.name, priority, keep, orphans, budget, model } = input
  return begin(deps, supervisor, by, definition, {
    name,
    task: briefOf({ goal: task, key_facts: [] }, definition.result),
    instructions: [definition.instructions, input.instructions].filter((text) => text !== '').join('\n\n'),
    priority,
    keep,
    orphans,
    labels: [],
    budget,
    model,
    result: definition.result,
    only: input.rights === undefined && !input.read_only ? undefined : asked(deps, definition.rights, input),
  })
}

/** @throws OxbowError `not_found` */
export async function definitionOf({ definitions }: Pick<SpawnAsDeps, 'definitions'>, name: string): Promise<AgentDefinition> {
  return parseAgentDefinition(await (await definitions()).find('agents', name))
}

/** @throws OxbowError `denied` where more is asked for than the definition has, with what it has */
function assertHas({ name, rights }: AgentDefinition, input: SpawnAs): void {
  const beyond = input.rights === undefined ? [] : lost(input.rights, rights)
  if (beyond.length === 0) return
  throw new OxbowError('denied', `The agent ${name} does not have ${beyond.join(', ')}.`, {
    hint: `It has: ${rights.length === 0 ? 'no right' : rights.join(', ')}. Ask for some of these, or let a person add to the line \`rights\` of its file.`,
  })
}

/** Of the rights of a definition. Rights of no call, such as that to a model, are not asked for. */
function asked({ references }: SpawnAsDeps, rights: readonly string[], input: SpawnAs): readonly string[] {
  const calls = references()
  const own = new Set(calls.map(({ right }) => right))
  const changing = new Set(
    calls.filter(({ audience, tier }) => audience.includes('model') && tier !== 'read_only').map(({ right }) => right),
  )
  const rightOf = (entry: string): string => entry.replace(/^!/, '').split(':', 1)[0] ?? ''
  const wanted =
    input.rights === undefined ? rights : [...expandRights(input.rights), ...rights.filter((entry) => !own.has(rightOf(entry)))]
  return input.read_only ? wanted.filter((entry) => entry.startsWith('!') || !changing.has(rightOf(entry))) : wanted
}
