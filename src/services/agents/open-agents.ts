/** Connects agents with the core: what the supervisor uses of it, and what calls and other services get of agents. */
import type { AgentProfile, Core } from '../../kernel/index.ts'
import type { RunsPort } from '../../runs/index.ts'
import { type CallId, isOxbowError, OxbowError } from '../../base/index.ts'
import type { Caller, Limits } from '../../protocol/index.ts'
import type { Access } from '../access/service.ts'
import type { OpenVersions } from '../versions/service.ts'
import { sectionOf } from '../../config/index.ts'
import { agentCategory, type AgentRecord, isOver } from './agent-record.ts'
import { createDelegatedEnds } from './delegation/delegated-end.ts'
import { createDefinitions, type Definitions } from './delegation/definitions.ts'
import { type Parent, parentOf, parentOfEntries, profileBy } from './delegation/parent.ts'
import { createSupervisor, type Supervisor } from './supervisor.ts'
import { agentsConfig } from './config.ts'

export interface Agents {
  readonly supervisor: Supervisor
  /** The definitions of agents and graphs. */
  readonly definitions: Definitions
  /** The agents as which work that belongs to no session can be done, with entries of their rights, by name. */
  readonly workers: () => Promise<readonly { readonly name: string; readonly rights: readonly string[] }[]>
  /**
   * As whom work runs in a session of its own by a definition, under entries of rights that are passed on.
   * @throws OxbowError `not_found`, `denied` or `bad_config` for the definition
   */
  readonly profileAs: (name: string, delegable: readonly string[], agent: CallId) => Promise<AgentProfile>
  /** The stricter of a budget and a definition's own; a definition that cannot be used adds none: its run says why. */
  readonly budgetAs: (name: string, budget: Limits | undefined) => Promise<Limits | undefined>
  /** What a caller can pass on. */
  readonly parentOf: (caller: Caller) => Promise<Parent>
  /** @param listener called with each agent that has ended, as often as its record changes */
  readonly onOver: (listener: (agent: AgentRecord) => void) => void
}

interface OpenAgents {
  readonly agents: Agents
  readonly start: () => Promise<void>
  readonly stop: () => void
}

interface Ports {
  readonly access: () => Promise<Access>
  readonly versions: () => Promise<OpenVersions>
}

export async function openAgents(core: Core, runs: RunsPort, { access, versions }: Ports): Promise<OpenAgents> {
  const { config, documents, store, journal, events, running, approvals } = core
  const { flushed } = journal
  const supervisor: Supervisor = createSupervisor({
    ...core,
    config: sectionOf(agentsConfig, config),
    runs,
    callsOf: running.of,
    restrict: core.runningTurns.restrict,
    restBranch: async (branch) => (await (await versions()).branches()).rest(branch),
    isAsking: (session) => approvals.pending(session).length > 0,
    delegated: createDelegatedEnds({ ...core, versions, findCall: core.registry.find, flushed }),
    async lastRecordAt(session) {
      const [newest] = await store.records({ session, order: 'newest_first', limit: 1, hydrate: false })
      return newest?.at ?? 0
    },
  })
  journal.attach({ publish: supervisor.observed })
  approvals.showAtTop(supervisor.topOf, events.approval)
  events.onTurnEnd(supervisor.turnEnded)
  const definitions = createDefinitions({
    ...core,
    check: core.definitionProblem,
    rightProblem: async (rights) => (await access()).rightProblem(rights),
  })
  const agents: Agents = {
    supervisor,
    definitions,
    async workers() {
      const { parseAgentDefinition } = await import('./delegation/agent-definition.ts')
      return (await definitions.usable('agents')).map(parseAgentDefinition).toSorted((a, b) => (a.name < b.name ? -1 : 1))
    },
    async profileAs(name, delegable, agent) {
      const { parseAgentDefinition } = await import('./delegation/agent-definition.ts')
      const definition = parseAgentDefinition(await definitions.find('agents', name))
      if (definition.files === 'branch')
        throw new OxbowError('denied', `${name} works on a branch of files, which nobody would merge here.`, {
          hint: 'Spawn it, or delegate to it.',
        })
      return profileBy(core, definition, parentOfEntries(core, delegable), { agent, home: '', spawner: '' })
    },
    async budgetAs(name, budget) {
      const [{ parseAgentDefinition }, { smaller }] = await Promise.all([
        import('./delegation/agent-definition.ts'),
        import('./delegation/delegate.ts'),
      ])
      try {
        return smaller(parseAgentDefinition(await definitions.find('agents', name)).budget, budget)
      } catch (error) {
        if (isOxbowError(error)) return budget
        throw error
      }
    },
    parentOf: (caller) => parentOf(core, caller),
    onOver(listener) {
      const look = async (id: CallId): Promise<void> => {
        const agent = (await documents.get<AgentRecord>(agentCategory, id))?.value
        if (agent !== undefined && isOver(agent)) listener(agent)
      }
      documents.watch(agentCategory, (id) => void look(id as CallId).catch(() => {}))
    },
  }
  return { agents, start: supervisor.start, stop: supervisor.stop }
}
