/** The calls of agents, and what they use of the core. */
import type { Core } from '../../kernel/index.ts'
import type { RunsPort } from '../../runs/index.ts'
import type { Call } from '../../protocol/index.ts'
import type { OpenVersions } from '../versions/service.ts'
import { sectionOf } from '../../config/index.ts'
import { type AgentCallDeps, agentCalls } from './agent-calls.ts'
import { type DefinitionCallDeps, definitionCalls } from './delegation/definition-calls.ts'
import { type DelegateCallDeps, delegateCalls } from './delegation/delegate-calls.ts'
import { fanOutCall } from './delegation/fan-out-call.ts'
import type { FanOutDeps } from './delegation/fan-out.ts'
import type { Access } from '../access/service.ts'
import type { Agents } from './open-agents.ts'
import { agentsConfig } from './config.ts'

/** @param core where calls are only described, it has nothing but `config`: the rest is asked for when one runs */
export function allCalls(
  core: Core,
  self: () => Promise<Agents>,
  ports: { readonly access: () => Promise<Access>; readonly versions: () => Promise<OpenVersions>; readonly runs: () => Promise<RunsPort> },
): readonly Call[] {
  const { access, versions, runs } = ports
  const deps: AgentCallDeps & DefinitionCallDeps & DelegateCallDeps & FanOutDeps = {
    ...core,
    grantable: async (rights) => (await access()).grantable(rights),
    waitingIn: async (...asked) => (await access()).waitingIn(...asked),
    versions,
    supervisor: async () => (await self()).supervisor,
    definitions: async () => (await self()).definitions,
    queue: async () => (await runs()).queue,
    turns: async () => (await runs()).turns,
    agentConfig: sectionOf(agentsConfig, core.config),
    defaultRights: core.config.agent.rights,
    heldLabels: (caller) => core.sessions.held(caller),
    history: (session) => core.sessions.history(session),
    joinLabels: (...joined) => core.sessions.join(...joined),
    findCall: (name) => core.registry.find(name),
    flushed: () => core.journal.flushed(),
    now: () => core.clock.now(),
  }
  return [...agentCalls(deps), ...definitionCalls(deps), ...delegateCalls(deps), fanOutCall(deps)]
}
