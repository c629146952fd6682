/** Work of plugins outside of turns: it is the usual agent's, and bound by its rights. */
import {
  type Caller,
  type CallId,
  type CallOutcome,
  type Config,
  type DescribedPlugin,
  grantOf,
  pluginRight,
  type SessionId,
  type UserId,
} from '../../types/index.ts'
import type { Gate } from '../gate.ts'
import { processRight } from '../stages/policy.ts'

export interface PluginWorkDeps {
  readonly user: UserId
  readonly config: Pick<Config, 'agent'>
  readonly gate: Pick<Gate, 'call'>
  readonly newId: () => string
}

export interface PluginWork {
  /** Whether the usual agent has the right that a plugin needs. */
  mayUse(plugin: DescribedPlugin): boolean
  /** @param id makes it repeatable: the same id never runs twice @throws OxbowError of the store only */
  call(session: SessionId | '', name: string, input: unknown, id?: CallId): Promise<CallOutcome>
  /** Ends all calls. */
  stop(): void
}

export function createPluginWork({ user, config, gate, newId }: PluginWorkDeps): PluginWork {
  const { rights, limits } = grantOf([...config.agent.rights, processRight])
  const caller: Omit<Caller, 'session'> = {
    user,
    actor: `agent:${config.agent.name}`,
    rights,
    ...(limits !== undefined && { limits }),
    audience: 'runtime',
    turn: '',
    process: '',
  }
  const stopping = new AbortController()
  return {
    mayUse: ({ plugin }) => rights.has('*') || rights.has(pluginRight(plugin.name)),
    call: (session, name, input, id) =>
      gate.call({ ...caller, session }, name, input, { id: id ?? (newId() as CallId), signal: stopping.signal, resumed: id !== undefined }),
    stop: () => stopping.abort('shutdown'),
  }
}
