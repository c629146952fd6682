/**
 * All skills and commands of a guest in their order of precedence: the agent's, `.agents` and `.claude` of the workspace, the
 * person's, Oxbow's. The first one of a name counts. What came with a workspace counts once a person trusts it, and until then
 * hides nothing.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { createRecentMap } from '../base/index.ts'
import type { Caller } from '../protocol/index.ts'
import type { HostPort, HostPrompt, HostSkill, SkillFile } from '../config/index.ts'
import { firstAnswerMs, heldMs, maxHeldSections } from './limits.ts'
import { readSkill, type SkillHead } from './skill-file.ts'
import type { Trusted, TrustBook } from './trust.ts'

type SkillPlace = 'agent' | '.agents' | '.claude' | 'user' | 'bundled'

/** A skill that counts. */
export interface Skill {
  readonly name: string
  readonly description: string
  readonly allowedTools: SkillHead['allowedTools']
  readonly place: SkillPlace
  /** In the workspace; empty for one that the host has. */
  readonly path: string
  /** Of what a person trusts; empty for one that the host has. */
  readonly hash: string
  /** Null for one of the workspace. */
  readonly host: Pick<HostSkill, 'place' | 'agent' | 'folder'> | null
}

/** A skill of the host, valid or not. */
interface HostEntry {
  readonly skill: HostSkill
  readonly head: SkillHead | null
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
}

interface HostState {
  readonly entries: readonly HostEntry[]
  readonly prompts: readonly HostPrompt[]
}

/** Who uses skills. */
export interface SkillUser extends Pick<Caller, 'rights' | 'limits'> {
  /** Name of the agent. */
  readonly name: string
}

/** @returns whether the rights include the skill: `skill.use`, or `skill.use:NAME` */
function mayUse({ rights, limits }: Omit<SkillUser, 'name'>, skill: string): boolean {
  if (limits?.denied.has(skillRight) === true || limits?.except.get(skillRight)?.includes(skill) === true) return false
  return rights.has('*') || (rights.has(skillRight) && limits?.only.get(skillRight)?.includes(skill) !== false)
}

const skillRight = 'skill.use'

export interface Catalog {
  /** Those that count for an agent and that its rights include, each name once; the same array until something changes. Waits only for the first answer of the host, at most `firstAnswerMs`. */
  usable(user: SkillUser): Promise<readonly Skill[]>
  /** What the host has now. */
  host(): Promise<HostState>
  /** @throws OxbowError `not_found`, `limit_reached` */
  hostFiles(skill: NonNullable<Skill['host']>): Promise<readonly SkillFile[]>
}

export interface CatalogDeps {
  /** Absent: only what is in the workspace. */
  readonly host?: Pick<HostPort, 'skills' | 'skillFiles'> | undefined
  readonly trust: TrustBook
  readonly nowMs: () => number
}

export function createCatalog({ host, trust, nowMs }: CatalogDeps): Catalog {
  let state: HostState | null = null
  let readAt = -Infinity
  let reading: Promise<HostState> | null = null
  let first: Promise<HostState> | null = null
  const held = createRecentMap<
    string,
    { readonly state: HostState; readonly trusted: ReadonlyMap<string, Trusted>; readonly skills: readonly Skill[] }
  >(maxHeldSections)
  const read = async (): Promise<HostState> => {
    const next = host === undefined ? nothing : await stateOf(await host.skills(), state)
    readAt = nowMs()
    return (state = next)
  }
  const current = (): Promise<HostState> =>
    (reading ??= read().finally(() => {
      reading = null
    }))
  const firstAnswer = (): Promise<HostState> =>
    (first ??= Promise.race([current(), pause(firstAnswerMs, nothing, { ref: false })]).catch((error: unknown) => {
      first = null
      throw error
    }))
  const usableOf = (user: SkillUser, from: HostState, trusted: ReadonlyMap<string, Trusted>): readonly Skill[] => {
    const key = usersKey(user)
    const known = held.get(key)
    if (known?.state === from && known.trusted === trusted) return known.skills
    const skills = firstOfEachName(user.name, from, trusted).filter(({ name }) => mayUse(user, name))
    held.put(key, { state: from, trusted, skills })
    return skills
  }
  return {
    async usable(user) {
      if (!user.rights.has('*') && !user.rights.has(skillRight)) return noSkills
      // The host is asked in the background: a change counts from the next turn on.
      if (state !== null && nowMs() - readAt > heldMs) {
        readAt = nowMs()
        void current().catch(() => {})
      }
      const [from, trusted] = await Promise.all([state ?? firstAnswer(), trust.all()])
      return usableOf(user, from, trusted)
    },
    host: current,
    async hostFiles(skill) {
      const files = host === undefined ? [] : await host.skillFiles(skill)
      return files.map(({ path, executable, base64 }) => ({ path, executable, content: Buffer.from(base64, 'base64') }))
    },
  }
}

const noSkills: readonly Skill[] = []

/** @returns the same text for users of the same skills; they have the right */
function usersKey({ name, rights, limits }: SkillUser): string {
  const limiting = limits?.entries.filter((entry) => entry.includes(skillRight)) ?? []
  return limiting.length === 0 ? name : [name, rights.has('*'), ...limiting].join('\0')
}

const nothing: HostState = { entries: [], prompts: [] }

/** Texts that have been read before are not parsed again. @returns `before` itself if nothing has changed */
async function stateOf({ skills, prompts }: Awaited<ReturnType<HostPort['skills']>>, before: HostState | null): Promise<HostState> {
  const keyOf = ({ place, agent, folder, head, problem }: HostSkill): string => [place, agent, folder, problem, head].join('\0')
  const known = new Map(before?.entries.map((entry) => [keyOf(entry.skill), entry]))
  const entries = await Promise.all(
    skills.map(async (skill): Promise<HostEntry> => {
      const same = known.get(keyOf(skill))
      if (same !== undefined) return same
      if (skill.problem !== '') return { skill, head: null, errors: [skill.problem], warnings: [] }
      return { skill, ...(await readSkill(skill.head, skill.folder)) }
    }),
  )
  const isSame = before !== null && before.entries.length === entries.length && entries.every((entry, at) => entry === before.entries[at])
  return isSame && JSON.stringify(prompts) === JSON.stringify(before.prompts) ? before : { entries, prompts }
}

function firstOfEachName(agent: string, { entries }: HostState, trusted: ReadonlyMap<string, Trusted>): readonly Skill[] {
  const found = new Map<string, Skill>()
  const ofPlace = (place: HostSkill['place']): readonly Skill[] =>
    entries.flatMap(({ skill, head }) =>
      skill.place === place && head !== null && (place !== 'agent' || skill.agent === agent) ? [hostSkill(skill, head)] : [],
    )
  const ofWorkspace = (place: '.agents' | '.claude'): readonly Skill[] =>
    [...trusted]
      .filter(([path, { kind }]) => kind === 'skill' && path.includes(`/${place}/skills/`))
      .toSorted(([a], [b]) => a.split('/').length - b.split('/').length || (a < b ? -1 : 1))
      .map(([path, { name, description, allowedTools, hash }]) => ({ name, description, allowedTools, place, path, hash, host: null }))
  const all = [...ofPlace('agent'), ...ofWorkspace('.agents'), ...ofWorkspace('.claude'), ...ofPlace('user'), ...ofPlace('bundled')]
  for (const skill of all) if (!found.has(skill.name)) found.set(skill.name, skill)
  return [...found.values()]
}

function hostSkill({ place, agent, folder }: HostSkill, { name, description, allowedTools }: SkillHead): Skill {
  return { name, description, allowedTools, place, path: '', hash: '', host: { place, agent, folder } }
}
