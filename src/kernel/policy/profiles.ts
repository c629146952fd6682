/**
 * By which profile the turns of a session run: as whom, where that is not the person's usual agent. Whoever starts work in a session of its
 * own, an agent, a graph, a program with a key, writes one, in a document by the session's id. After a handoff it is the profile of whoever
 * has the session now, while the conversation and its labels stay: each agent can hand it on, or back to the one before. Who has a session
 * is in memory, because every turn asks; a document remembers it.
 */
import { type CallId, isDerived, type JsonObject, OxbowError, type SessionId } from '../../base/index.ts'
import type { SandboxTier } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import type { DocumentChange, Documents } from '../state/documents.ts'

/** As whom the turns of a session run. */
export interface AgentProfile {
  readonly agent: CallId
  readonly name: string
  readonly rights: readonly string[]
  readonly model: string
  readonly instructions: string
  /** Session and actor that spawned it: what it uses comes out of their budgets. Absent in records of older versions. */
  readonly home?: SessionId | ''
  readonly spawner?: string
  /** Name of the API key whose program started it: it has what the key still has. */
  readonly key?: string | undefined
  readonly branch?: string | undefined
  /** Turns of the session do not run any more. */
  readonly killed: boolean
  /** Of an agent by a definition: the entries of rights that it can pass on. Absent: all of its rights that are not withheld. */
  readonly delegable?: readonly string[]
  /** The weakest isolation that its turns run with. */
  readonly tier?: SandboxTier | ''
  /** The most requests to a model in one turn. */
  readonly maxTurns?: number | undefined
  /** JSON Schema of its result. */
  readonly result?: JsonObject | undefined
  readonly character?: CharacterProfile | undefined
  /** See `Caller.persona`. */
  readonly persona?: string | undefined
}

/** Of an agent that is a character: what of its file makes its prompt, and values of `${NAME}` in it. */
export interface CharacterProfile {
  readonly file: JsonObject
  readonly variables: Readonly<Record<string, string>>
}

/** What a definition adds to a profile. */
export type DefinedProfile = Pick<AgentProfile, 'delegable' | 'tier' | 'maxTurns' | 'result' | 'character' | 'persona'>

/** @returns why a text cannot be the character of a profile; empty if it can */
export async function characterProblem(text: string): Promise<string> {
  return (await import('../../plugins/index.ts')).characterProblem(text)
}

export const profileCategory = 'system/agent_profiles'

export interface Handoff {
  /** Its rights and what it can pass on, as defined: each time it runs, the handoffs before it bound them. */
  readonly profile: AgentProfile
  /** Actor that handed the session over. */
  readonly from: string
  readonly call: CallId
}

export interface Handoffs {
  /** Call before the first turn. */
  load(): Promise<void>
  /** Who has the session besides its own agent, the current one last; empty: its own agent has it. */
  readonly held: ReadonlyMap<SessionId, readonly Handoff[]>
  /** Who had it before: a turn that began then goes on as whom it began. */
  readonly past: ReadonlyMap<SessionId, readonly (readonly Handoff[])[]>
  /** @returns the agent that has the session now; undefined: its own */
  answering(session: SessionId): string | undefined
  put(by: Parameters<Documents['put']>[0], session: SessionId, handoffs: readonly Handoff[]): Promise<void>
}

const handoffCategory = 'system/handoffs'
const pastCategory = 'system/handoffs_past'
/** Switches of a session that one turn can outlast. */
const maxPast = 8

/** @returns the call that names who holds a session, as a turn records it at its start; empty: its own agent */
export function holderOf(held: readonly Handoff[] | undefined): CallId | '' {
  return held?.at(-1)?.call ?? ''
}

export function createHandoffs(documents: Pick<Documents, 'all' | 'put'>): Handoffs {
  const held = new Map<SessionId, readonly Handoff[]>()
  const past = new Map<SessionId, readonly (readonly Handoff[])[]>()
  return {
    async load() {
      for (const { name, value } of await documents.all<readonly Handoff[]>(handoffCategory)) held.set(name as SessionId, value)
      for (const { name, value } of await documents.all<readonly (readonly Handoff[])[]>(pastCategory)) past.set(name as SessionId, value)
    },
    held,
    past,
    answering: (session) => held.get(session)?.at(-1)?.profile.name,
    async put(by, session, handoffs) {
      const isEmpty = handoffs.length === 0
      const before = [held.get(session) ?? [], ...(past.get(session) ?? [])].slice(0, maxPast)
      const changes: readonly DocumentChange[] = [
        { category: handoffCategory, name: session, value: isEmpty ? null : handoffs },
        { category: pastCategory, name: session, value: before },
      ]
      // Recorded first: a session that others hold must not run as its own agent after a crash.
      await documents.put(by, changes, { sync: true })
      past.set(session, before)
      if (isEmpty) held.delete(session)
      else held.set(session, handoffs)
    },
  }
}

/**
 * A turn has what its profile says and what whoever is above it can still pass on: so what was taken from one of them is taken from all
 * below, also where it was taken after the delegation.
 * @returns the profile by which a session runs; null at once for one that runs as the usual agent
 */
export function createProfileOf(
  documents: Pick<Documents, 'get' | 'all'>,
  config: Config,
  withheld: readonly string[],
  { held: handedOver, past }: Pick<Handoffs, 'held' | 'past'>,
  rightsOfKey: (key: string) => Promise<readonly string[] | null>,
) {
  const read = async (session: SessionId): Promise<AgentProfile | null> =>
    (await documents.get<AgentProfile>(profileCategory, session))?.value ?? null
  const usual = { rights: config.agent.rights }
  const bounded = async (session: SessionId): Promise<AgentProfile | null> => {
    const profile = await read(session)
    const { spawner = '', home = '', key = '' } = profile ?? {}
    if (profile === null || (spawner === '' && key === '')) return profile
    const { boundsOf, meet } = await import('./attenuation.ts')
    if (key !== '') {
      const rights = await rightsOfKey(key)
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
    for (const held of [handedOver.get(home) ?? [], ...(past.get(home) ?? [])]) {
      const place = held.findLastIndex(({ profile }) => `agent:${profile.name}` === spawner)
      if (place >= 0) return handed(home, held.slice(0, place + 1))
    }
    return isDerived(home) ? bounded(home) : null
  }
  const handed = async (session: SessionId, held: readonly Handoff[]): Promise<AgentProfile> => {
    const { boundsOf, meet } = await import('./attenuation.ts')
    const own = isDerived(session) ? await bounded(session) : null
    let bounds = boundsOf(own ?? usual, withheld)
    let rights: readonly string[] = []
    for (const { profile, from } of held) {
      // A person grants what the definition says.
      rights = from.startsWith('agent:') ? meet(bounds, profile.rights) : profile.rights
      bounds = boundsOf({ ...profile, rights }, withheld)
    }
    const { profile } = held.at(-1)!
    return { ...profile, rights, killed: own?.killed === true, branch: own?.branch ?? profile.branch }
  }
  const most = config.agent.max_rights
  /** No agent exceeds what the configuration lets any have. */
  const capped = async (found: Promise<AgentProfile | null>): Promise<AgentProfile | null> => {
    const profile = await found
    if (profile === null || most === null) return profile
    const { meet, modelRight, secretRight } = await import('./attenuation.ts')
    return { ...profile, rights: meet(profile.rights, [...most, modelRight, secretRight]) }
  }
  /** @param began who had the session when the turn in question began: see `holderOf`. Absent: whoever has it now */
  return (session: SessionId, began?: string): Promise<AgentProfile | null> | null => {
    const now = handedOver.get(session)
    const isNow = began === undefined || began === holderOf(now)
    const held = isNow ? now : past.get(session)?.find((each) => holderOf(each) === began)
    if (held === undefined && !isNow) return Promise.reject(longGone())
    if (held !== undefined && held.length > 0) return capped(handed(session, held))
    return isDerived(session) ? capped(bounded(session)) : null
  }
}

function longGone(): OxbowError {
  return new OxbowError(
    'bad_config',
    'The agent that this turn began with is not known any more: the conversation was switched too often since.',
    {
      hint: 'Send the message again.',
    },
  )
}
