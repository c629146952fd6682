/**
 * Work of plugins outside of their calls: events and tasks. Each is done for an agent that has the right to the plugin, and bound by its
 * rights. What happens in a session is for the agent of that session; what happens in none is for the usual agent, or where that lacks the
 * right, for the first agent with a definition that has it.
 */
import { type Gate, processRight } from '../../kernel/index.ts'
import type { CallId, JsonObject, SessionId, UserId } from '../../base/index.ts'
import { type Caller, type CallOutcome, grantOf, pluginRight } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'

/** An agent as its rights say. */
interface Granted {
  readonly name: string
  readonly rights: readonly string[]
}

export interface PluginWorkDeps {
  readonly user: UserId
  readonly config: Pick<Config, 'agent'>
  readonly gate: Pick<Gate, 'call'>
  readonly newId: () => string
  /** The agent of a session; null at once, or later: the usual one. */
  readonly profileOf: (session: SessionId) => Promise<Granted | null> | null
  /** Agents with a definition, by name. */
  readonly definedAgents: () => Promise<readonly Granted[]>
}

interface WorkRun {
  readonly id: CallId
  readonly signal: AbortSignal
}

export interface PluginWork {
  /**
   * @param run whose signal ends it, and whose id makes it repeatable: the same one never runs twice
   * @returns null where no agent concerned has the right to the plugin @throws OxbowError of the store only
   */
  call(session: SessionId | '', name: string, input: JsonObject & { readonly plugin: string }, run?: WorkRun): Promise<CallOutcome | null>
  /** Ends all calls except runs' calls. */
  stop(): void
}

export function createPluginWork({ user, config, gate, newId, profileOf, definedAgents }: PluginWorkDeps): PluginWork {
  const usual = callerFor(user, config.agent)
  const stopping = new AbortController()
  const workerFor = async (session: SessionId | '', plugin: string): Promise<WorkCaller | null> => {
    const profile = session === '' ? null : await profileOf(session)
    const own = profile === null ? usual : callerFor(user, profile)
    if (mayUse(own, plugin)) return own
    if (session !== '') return null
    return (await definedAgents()).map((agent) => callerFor(user, agent)).find((agent) => mayUse(agent, plugin)) ?? null
  }
  return {
    async call(session, name, input, run) {
      const caller = await workerFor(session, input.plugin)
      if (caller === null) return null
      const options = run === undefined ? { id: newId() as CallId, signal: stopping.signal } : { ...run, resumed: true }
      return gate.call({ ...caller, session }, name, input, options)
    },
    stop: () => stopping.abort('shutdown'),
  }
}

type WorkCaller = Omit<Caller, 'session'>

function callerFor(user: UserId, { name, rights: entries }: Granted): WorkCaller {
  const { rights, limits } = grantOf([...entries, processRight])
  return { user, actor: `agent:${name}`, rights, ...(limits !== undefined && { limits }), audience: 'runtime', turn: '', process: '' }
}

const mayUse = ({ rights }: WorkCaller, plugin: string): boolean => rights.has('*') || rights.has(pluginRight(plugin))
