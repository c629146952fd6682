/**
 * Connects agents with the rest of the kernel: what the supervisor uses, what it offers to calls, and the profiles by which turns of
 * agents' sessions run. It is loaded when there is an agent: most guests have none.
 */
import {
  type Clock,
  type Config,
  type HostPort,
  isDerived,
  once,
  type Sandbox,
  type SchemaChecker,
  type SessionId,
} from '../../types/index.ts'
import type { Store } from '../../store/index.ts'
import type { Definition, Definitions } from '../delegation/definitions.ts'
import type { Handoff, Handoffs } from '../delegation/handoffs.ts'
import type { Events } from '../events.ts'
import type { Journal } from '../journal.ts'
import type { Resources } from '../observe/resources.ts'
import type { Registry } from '../registry.ts'
import type { Approvals } from '../stages/approval-queue.ts'
import type { Budgets } from '../stages/budgets.ts'
import type { RunningCalls } from '../stages/running-calls.ts'
import type { Documents } from '../state/documents.ts'
import type { RunningTurns } from '../turns/agent.ts'
import type { Admission } from './admission.ts'
import { type AgentProfile, type AgentRecord, profileCategory } from './agent-record.ts'
import type { SupervisorDeps } from './agent-table.ts'
import type { Supervisor } from './supervisor.ts'
import type { Versioning } from '../versions/versioning.ts'

export interface Supervision {
  readonly supervisor: () => Promise<Supervisor>
  readonly admission: () => Promise<Admission>
  /** The definitions of agents and graphs. */
  readonly definitions: () => Promise<Definitions>
  /** Loads the supervisor if there is an agent. */
  readonly startAgents: () => Promise<void>
  /** The agents of this guest; none before the supervisor is loaded. */
  readonly agentsNow: () => readonly AgentRecord[]
  readonly stopAgents: () => void
}

interface SupervisionDeps extends Omit<
  SupervisorDeps,
  'config' | 'admission' | 'callsOf' | 'isAsking' | 'lastRecordAt' | 'delegated' | 'restrict'
> {
  readonly config: Config
  readonly store: Pick<Store, 'records'>
  readonly host?: HostPort | undefined
  readonly sandbox: Pick<Sandbox, 'hands' | 'status'>
  readonly journal: Pick<Journal, 'attach' | 'flushed'>
  readonly schemas: SchemaChecker
  readonly budgets: Pick<Budgets, 'load' | 'view'>
  readonly events: Pick<Events, 'onTurnEnd' | 'approval'>
  readonly resources: Pick<Resources, 'overloads' | 'snapshot'>
  readonly running: Pick<RunningCalls, 'of'>
  readonly runningTurns: Pick<RunningTurns, 'restrict'>
  readonly approvals: Pick<Approvals, 'pending' | 'showAtTop'>
  readonly changedIn: Versioning['changedIn']
  readonly findCall: Registry['find']
  /** What is wrong with a definition of another kind; empty: nothing. */
  readonly definitionProblem: (definition: Definition) => Promise<string>
}

export function createSupervision(deps: SupervisionDeps): Supervision {
  const { config, clock, documents, store, journal, events, resources, running, approvals } = deps
  let loaded: Supervisor | null = null
  let stopAdmission = (): void => {}
  const admission = once(async () => {
    const { createAdmission } = await import('./admission.ts')
    const made = createAdmission({ config: config.agents, clock, overloads: resources.overloads, refresh: resources.snapshot })
    stopAdmission = made.stop
    return made
  })
  const supervisor = once(async () => {
    const [{ createSupervisor }, { createDelegatedEnds }, admitted] = await Promise.all([
      import('./supervisor.ts'),
      import('../delegation/delegated-end.ts'),
      admission(),
    ])
    const made = createSupervisor({
      ...deps,
      config: config.agents,
      admission: admitted,
      callsOf: running.of,
      restrict: deps.runningTurns.restrict,
      isAsking: (session) => approvals.pending(session).length > 0,
      delegated: createDelegatedEnds({ ...deps, flushed: journal.flushed, all: () => loaded?.all() ?? [] }),
      async lastRecordAt(session) {
        const [newest] = await store.records({ session, order: 'newest_first', limit: 1, hydrate: false })
        return newest?.at ?? 0
      },
    })
    journal.attach({ publish: made.observed })
    approvals.showAtTop(made.topOf, events.approval)
    events.onTurnEnd(made.turnEnded)
    await made.start()
    return (loaded = made)
  })
  const definitions = once(async () => {
    const { createDefinitions } = await import('../delegation/definitions.ts')
    const { host, sandbox } = deps
    return createDefinitions({ host, sandbox, documents, clock, check: checkBy(deps.definitionProblem) })
  })
  return {
    supervisor,
    admission,
    definitions,
    async startAgents() {
      if ((await documents.list('system/agents', 1)).length > 0) await supervisor()
    },
    agentsNow: () => loaded?.all() ?? [],
    stopAgents() {
      loaded?.stop()
      stopAdmission()
    },
  }
}

const checkBy =
  (others: SupervisionDeps['definitionProblem']) =>
  async (definition: Definition): Promise<string> => {
    if (definition.kind !== 'agents') return others(definition)
    const { agentProblem } = await import('../delegation/agent-definition.ts')
    if (definition.character === undefined) return agentProblem(definition)
    const { characterProblem } = await import('../../plugins/index.ts')
    return agentProblem(definition) || characterProblem(definition.character)
  }

/**
 * A turn has what its profile says and what whoever is above it can still pass on: so what was taken from one of them is taken from all
 * below, also where it was taken after the delegation.
 * @returns the profile by which a session runs; null at once for one that runs as the usual agent
 */
export function createProfileOf(
  documents: Pick<Documents, 'get' | 'all'>,
  config: Config,
  { held: handedOver }: Pick<Handoffs, 'held'>,
  clock: Clock,
) {
  const read = async (session: SessionId): Promise<AgentProfile | null> =>
    (await documents.get<AgentProfile>(profileCategory, session))?.value ?? null
  const usual = { rights: config.agent.rights }
  const { withheld_rights: withheld } = config.agents
  const bounded = async (session: SessionId): Promise<AgentProfile | null> => {
    const profile = await read(session)
    const { spawner = '', home = '', key = '' } = profile ?? {}
    if (profile === null || (spawner === '' && key === '')) return profile
    const { boundsOf, meet } = await import('../delegation/attenuation.ts')
    if (key !== '') {
      const { rightsOfKey } = await import('../access/keys.ts')
      const rights = await rightsOfKey(documents, key, clock.now())
      return {
        ...profile,
        rights: rights === null ? [] : meet(boundsOf({ rights }, withheld), profile.rights),
        killed: profile.killed || rights === null,
      }
    }
    const above = home === '' ? null : await spawnerOf(home, spawner)
    return { ...profile, rights: meet(boundsOf(above ?? usual, withheld), profile.rights) }
  }
  /** Who delegated in a session: its own agent, or one that has it by a handoff. */
  const spawnerOf = async (home: SessionId, spawner: string): Promise<AgentProfile | null> => {
    const held = handedOver.get(home) ?? []
    const place = held.findLastIndex(({ profile }) => `agent:${profile.name}` === spawner)
    if (place >= 0) return handed(home, held.slice(0, place + 1))
    return isDerived(home) ? bounded(home) : null
  }
  const handed = async (session: SessionId, held: readonly Handoff[]): Promise<AgentProfile> => {
    const { boundsOf, meet } = await import('../delegation/attenuation.ts')
    const own = isDerived(session) ? await bounded(session) : null
    let bounds = boundsOf(own ?? usual, withheld)
    let rights: readonly string[] = []
    for (const { profile, from } of held) {
      // A person grants what the definition says.
      rights = from.startsWith('agent:') ? meet(bounds, profile.rights) : profile.rights
      bounds = boundsOf({ ...profile, rights }, withheld)
    }
    return { ...held.at(-1)!.profile, rights, killed: own?.killed === true, branch: own?.branch }
  }
  return (session: SessionId): Promise<AgentProfile | null> | null => {
    const held = handedOver.get(session)
    if (held !== undefined) return handed(session, held)
    return isDerived(session) ? bounded(session) : null
  }
}
