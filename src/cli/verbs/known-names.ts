/** Names of calls and rights in the configuration: a rule for a misspelt one has no effect, which is easy to miss. */
import { askOffline, type GuestSetup, loadPlugins } from '../../runner/index.ts'
import { plainText } from '../../terminal/index.ts'
import { didYouMean, nearestNames, OxbowError } from '../../base/index.ts'
import { type DoctorCheck, expandRights, pluginRight } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import { configSchema } from '../../services/index.ts'
import { printOnce, type Terminal } from '../terminal.ts'

export interface KnownCall {
  readonly name: string
  readonly right: string
}

/** Of a guest, what tells which calls there are. */
type Place = Pick<GuestSetup, 'config' | 'home'> & Parameters<typeof askOffline>[0]

type Named = Pick<Config, 'agent' | 'a2a' | 'approval' | 'flow'>

/** What tool servers, remote agents and coders add is known where they are reached: it is not judged here. */
const ofConnections = /^(?:mcp|a2a|acp)\./
/** A name that is this far off is another one. */
const maxEdits = 3

async function offlineCalls(setup: Place): Promise<readonly KnownCall[]> {
  const calls: KnownCall[] = []
  for await (const line of askOffline(setup, { command: 'calls' })) calls.push(line as KnownCall)
  return calls
}

/** @returns the finding of `oxbow doctor` */
export async function checkCalls(setup: Place, calls?: readonly KnownCall[]): Promise<DoctorCheck> {
  const { readLock } = await loadPlugins()
  const plugins = readLock(setup.home).plugins.map(({ manifest }) => manifest.name)
  return checkNames(setup.config, calls ?? (await offlineCalls(setup)), plugins)
}

/**
 * Tells a person about rights and rules for calls that there are not. Where all is as it comes it asks nothing.
 * @param listed asks a guest that runs; absent: the list of calls takes a process
 */
export async function warnOfNames(setup: Place, terminal: Terminal, listed?: () => Promise<readonly KnownCall[]>): Promise<void> {
  const { agent, a2a, approval, flow } = setup.config
  const usual: ReadonlySet<string> = new Set(configSchema.parse({}).agent.rights)
  const rules = [approval.calls, approval.rights, flow.sinks].flatMap((table) => Object.keys(table))
  const rights = [...agent.rights, ...rightsOf(a2a)].filter((right) => !usual.has(right))
  if (rights.length + rules.length + approval.two_person.length + namesOfRules(flow).length === 0) return
  const { state, says, fix } = await checkCalls(setup, await listed?.())
  if (state !== 'ok') printOnce(terminal, `warning: ${plainText(says)}. ${fix}.`)
}

/** @throws OxbowError `bad_input` for a right that there is not, with the nearest names */
export async function assertKnownRights(setup: Place, entries: readonly string[]): Promise<void> {
  const { readLock } = await loadPlugins()
  const plugins = readLock(setup.home).plugins.map(({ manifest }) => manifest.name)
  const rights = knownRights(await offlineCalls(setup), plugins)
  for (const entry of expandRights(entries)) {
    const name = rightOf(entry)
    if (rights.has(name) || ofConnections.test(name)) continue
    const near = nearestNames(name, rights, maxEdits).slice(0, 3)
    const family = [...rights].filter((right) => right.split('.')[0] === name.split('.')[0]).toSorted()
    const meant = near.length > 0 ? near : family
    throw new OxbowError('bad_input', `There is no right ${name}.`, {
      hint: `${meant.length === 0 ? '' : `Did you mean ${meant.join(', ')}? `}\`oxbow calls\` lists calls and their rights.`,
    })
  }
}

/** Of an entry, which may deny it or limit it to resources. */
const rightOf = (entry: string): string => entry.replace(/^!/, '').replace(/:.*$/s, '')

const knownRights = (calls: readonly KnownCall[], plugins: readonly string[]): ReadonlySet<string> =>
  new Set([...calls.map(({ right }) => right), ...plugins.map(pluginRight), '*', 'secret.use', 'model.use'])

/** Of the agents that others may ask. */
const rightsOf = ({ agents }: Config['a2a']): readonly string[] => Object.values(agents).flatMap(({ rights }) => expandRights(rights))

/** With a star a rule is for more than one call. */
function namesOfRules({ source, sink }: Config['flow']): readonly string[] {
  return [...source, ...sink].flatMap(({ call = '' }) => (call === '' || call.includes('*') ? [] : [call]))
}

/** @param plugins names of the installed ones; their actions are not judged */
export function checkNames(
  { agent, a2a, approval, flow }: Named,
  calls: readonly KnownCall[],
  plugins: readonly string[] = [],
): DoctorCheck {
  const names = new Set(calls.map(({ name }) => name))
  const rights = knownRights(calls, plugins)
  const isRight = (entry: string): boolean => rights.has(rightOf(entry))
  const isCall = (name: string): boolean => names.has(name) || plugins.some((plugin) => name.startsWith(`${plugin}.`))
  const unknown = (key: string, used: readonly string[], isKnown: (name: string) => boolean): readonly string[] =>
    used
      .filter((name) => !ofConnections.test(name) && !isKnown(name))
      .map((name) => {
        const meant = didYouMean(name, isKnown === isCall ? names : rights, maxEdits).trim()
        return `${key} names ${JSON.stringify(name)}${meant === '' ? '' : ` (${meant})`}`
      })
  const wrong = [
    ...unknown('agent.rights', agent.rights, isRight),
    ...Object.entries(a2a.agents).flatMap(([name, each]) => unknown(`a2a.agents.${name}.rights`, expandRights(each.rights), isRight)),
    ...unknown('approval.rights', Object.keys(approval.rights), isRight),
    ...unknown('approval.calls', Object.keys(approval.calls), isCall),
    ...unknown('approval.two_person', approval.two_person, isCall),
    ...unknown('flow.sinks', Object.keys(flow.sinks), isCall),
    ...unknown('a rule of flow', namesOfRules(flow), isCall),
  ]
  const check = { name: 'configuration', required: false, ms: 0 } as const
  if (wrong.length === 0) return { ...check, state: 'ok', says: 'it names only existing rights and calls', fix: '' }
  return {
    ...check,
    state: 'weak',
    says: `${wrong.join(', ')}, which ${wrong.length === 1 ? 'does' : 'do'} not exist`,
    fix: '`oxbow calls` lists calls and rights',
  }
}
