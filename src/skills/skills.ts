/**
 * Skills, instructions and commands of one guest: the calls, and the section of the system prompt. Nothing is read before the first turn
 * or call; a turn whose agent has neither skills nor trusted instructions waits for nothing.
 */
import { createRecentMap } from '../base/index.ts'
import type { Call, DoctorCheck, Sandbox } from '../protocol/index.ts'
import type { HostPort } from '../config/index.ts'
import { type AgentCallDeps, agentCalls } from './agent-calls.ts'
import { createCatalog, type Skill, type SkillUser } from './catalog.ts'
import { type CountTokens, listSkills } from './disclosure.ts'
import { instructionSection, trustedInstructions } from './instructions.ts'
import { heldSectionMs, maxHeldSections, maxInstructionBytes } from './limits.ts'
import type { ShowFiles } from './open-skill.ts'
import { type PersonCallDeps, personCalls } from './person-calls.ts'
import { type KeptDocuments, openTrustBook, type Trusted } from './trust.ts'
import { openWorkspaceFiles, type WorkspaceFiles } from './workspace-files.ts'

export interface SkillDeps {
  readonly documents: KeptDocuments
  /** Absent where no runner listens: then there are only the skills of the workspace. */
  readonly host?: Pick<HostPort, 'skills' | 'skillFiles'> | undefined
  readonly sandbox: Sandbox
  /** Names of the person's folders in /shared. */
  readonly mounts: () => readonly string[]
  /** Name of the usual agent. */
  readonly agent: string
  readonly countTokens: CountTokens
  readonly show: ShowFiles
  readonly nowMs: () => number
}

export interface Skills {
  readonly calls: readonly Call[]
  /** For the system prompt of an agent; empty without skills and instructions. */
  section(user: SkillUser): Promise<string>
  /** Skills of the host that cannot be used, and why. */
  health(): Promise<Pick<DoctorCheck, 'state' | 'says' | 'fix'>>
}

export function createSkills({ documents, host, sandbox, mounts, agent, countTokens, show, nowMs }: SkillDeps): Skills {
  const held = createRecentMap<string, { readonly text: string; readonly untilMs: number }>(maxHeldSections)
  const trust = openTrustBook(documents, () => held.clear())
  const catalog = createCatalog({ host, trust, nowMs })
  const workspace = openWorkspaceFiles(sandbox, mounts)
  const lists = new WeakMap<readonly Skill[], Promise<string>>()
  const listOf = (skills: readonly Skill[]): Promise<string> => {
    const known = lists.get(skills)
    if (known !== undefined) return known
    const made = listSkills(skills, countTokens)
    lists.set(skills, made)
    made.catch(() => lists.delete(skills))
    return made
  }
  // So that the first turn finds the answer of the host.
  catalog
    .usable({ name: agent, rights: new Set(['*']) })
    .then(listOf)
    .catch(() => {})
  return {
    calls: [
      ...agentCalls({ catalog, workspace, show, countTokens, agent, mounts, sandbox }),
      ...personCalls({ catalog, workspace, trust, agent }),
    ],
    async health() {
      const { entries } = await catalog.host()
      const problems = entries.flatMap(({ skill, errors }) => (errors.length === 0 ? [] : [`${skill.folder}: ${errors.join(', ')}`]))
      if (problems.length > 0) return { state: 'weak', says: problems.join('; '), fix: 'oxbow skills list' }
      return { state: 'ok', says: entries.length === 0 ? 'none' : `${entries.length} can be used`, fix: '' }
    },
    async section(user) {
      const { name, rights, limits } = user
      const readsFiles = rights.has('file.read') || rights.has('*')
      const key = [name, readsFiles, rights.has('*'), rights.has('skill.use'), ...(limits?.entries ?? [])].join('\0')
      const now = nowMs()
      const known = held.get(key)
      if (known !== undefined && now < known.untilMs) return known.text
      const list = await listOf(await catalog.usable(user))
      const trusted = await trust.all()
      // Who reads no files has no use for instructions of folders.
      if (readsFiles && hasInstructions(trusted)) return joined([list, await instructionsNow(trusted, workspace)])
      held.put(key, { text: list, untilMs: now + heldSectionMs })
      return list
    },
  }
}

const joined = (sections: readonly string[]): string => sections.filter((section) => section !== '').join('\n\n')

function hasInstructions(trusted: ReadonlyMap<string, Trusted>): boolean {
  for (const { kind } of trusted.values()) if (kind === 'instructions') return true
  return false
}

/** Each trusted file is read again: what has changed does not count any more. */
async function instructionsNow(trusted: ReadonlyMap<string, Trusted>, workspace: WorkspaceFiles): Promise<string> {
  const paths = [...trusted].filter(([, { kind }]) => kind === 'instructions')
  if (paths.length === 0) return ''
  const read = await Promise.all(
    paths.map(async ([path, { hash }]) => {
      const text = await workspace.text(path, maxInstructionBytes).catch(() => null)
      return { path, text, isSame: text !== null && trustedInstructions(path, text).hash === hash }
    }),
  )
  const files = read.flatMap(({ path, text, isSame }) => (isSame && text !== null ? [{ path, text }] : []))
  const changed = read.flatMap(({ path, text, isSame }) => (text !== null && !isSame ? [path] : []))
  return instructionSection(files, changed)
}

/** The calls for their reference: nothing behind them works. */
export function describedSkillCalls(): readonly Call[] {
  const none = {} as AgentCallDeps & PersonCallDeps
  return [...agentCalls(none), ...personCalls(none)]
}
