/** What there is of skills, commands and instructions, for people: what counts, what waits for their trust, and what is hidden by what. */
import { posix } from 'node:path'
import { OxbowError } from '../base/index.ts'
import type { OutputOf } from '../protocol/index.ts'
import type { Catalog } from './catalog.ts'
import { readCommand } from './commands.ts'
import { outerFirst, trustedInstructions } from './instructions.ts'
import { readSkillFiles } from './open-skill.ts'
import { readSkill, type SkillHead } from './skill-file.ts'
import { keptFiles, treeHash, type Trusted, type TrustBook } from './trust.ts'
import type { FoundSkill, FoundText, WorkspaceFiles } from './workspace-files.ts'

/** Its state is `ready`: it counts. `new`, `changed`: it waits for trust. `hidden`: another of the name counts. `broken`: see its problem. */
export type Item = OutputOf<'skill.list'>['items'][number]

export interface InventoryDeps {
  readonly catalog: Catalog
  readonly workspace: WorkspaceFiles
  readonly trust: TrustBook
}

export async function listAll(deps: InventoryDeps): Promise<readonly Item[]> {
  const trusted = await deps.trust.all()
  const [skills, commands, instructions] = await Promise.all([
    skillItems(deps, trusted),
    commandItems(deps, trusted),
    deps.workspace.instructions(),
  ])
  return [
    ...skills,
    ...instructions.toSorted(outerFirst).map(({ path, text, problem }): Item => {
      const state = problem === '' ? stateOf(trusted.get(path), trustedInstructions(path, text).hash) : 'broken'
      return { kind: 'instructions', name: posix.basename(path), place: 'workspace', agent: '', path, description: '', state, problem }
    }),
    ...commands,
  ]
}

const stateOf = (known: Trusted | undefined, hash: string): 'ready' | 'new' | 'changed' =>
  known === undefined ? 'new' : known.hash === hash ? 'ready' : 'changed'

async function skillItems({ catalog, workspace }: InventoryDeps, trusted: ReadonlyMap<string, Trusted>): Promise<readonly Item[]> {
  const [{ entries }, found] = await Promise.all([catalog.host(), workspace.skills()])
  const ofHost = entries.map(({ skill, head, errors, warnings }): Item => {
    const { place, agent, folder } = skill
    const state = head === null ? 'broken' : 'ready'
    return {
      kind: 'skill',
      name: head?.name ?? folder,
      place,
      agent,
      path: '',
      description: head?.description ?? '',
      state,
      problem: [...errors, ...warnings].join('; '),
    }
  })
  const ofWorkspace = await Promise.all(found.map((skill) => workspaceSkill(skill, trusted.get(skill.path), workspace)))
  const inOrder = [
    ...ofHost.filter(({ place }) => place === 'agent'),
    ...ofWorkspace,
    ...ofHost.filter(({ place }) => place === 'user'),
    ...ofHost.filter(({ place }) => place === 'bundled'),
  ]
  return markHidden(inOrder)
}

async function workspaceSkill(
  { path, folder, from, text, problem }: FoundSkill,
  known: Trusted | undefined,
  workspace: WorkspaceFiles,
): Promise<Item> {
  const { head, errors, warnings } = problem === '' ? await readSkill(text, folder) : { head: null, errors: [problem], warnings: [] }
  // Files are read only where there is something to compare them with.
  const state =
    head === null ? 'broken' : known === undefined ? 'new' : stateOf(known, treeHash(await workspace.filesOf(path).catch(() => [])))
  return {
    kind: 'skill',
    name: head?.name ?? folder,
    place: from,
    agent: '',
    path,
    description: head?.description ?? '',
    state,
    problem: [...errors, ...warnings].join('; '),
  }
}

/** The skills of one agent hide others for that agent alone. */
function markHidden(items: readonly Item[]): readonly Item[] {
  const first = new Map<string, Item>()
  return items.map((item) => {
    if (item.state !== 'ready') return item
    const by = first.get(item.name)
    if (item.place === 'agent') return item
    if (by === undefined) first.set(item.name, item)
    return by === undefined
      ? item
      : { ...item, state: 'hidden', problem: `hidden by the one in ${by.path === '' ? placeName(by.place) : by.path}` }
  })
}

const placeName = (place: Item['place']): string => (place === 'user' ? '~/.oxbow' : place === 'bundled' ? 'Oxbow' : place)

async function commandItems({ catalog, workspace }: InventoryDeps, trusted: ReadonlyMap<string, Trusted>): Promise<readonly Item[]> {
  const [{ prompts }, found] = await Promise.all([catalog.host(), workspace.commands()])
  const ofWorkspace = found.map(({ path, name, text, problem }): Item => {
    const state = problem === '' ? stateOf(trusted.get(path), trustedCommand(name, path, text).hash) : 'broken'
    return {
      kind: 'command',
      name,
      place: path.includes('/.claude/') ? '.claude' : '.agents',
      agent: '',
      path,
      description: readCommand(text).description,
      state,
      problem,
    }
  })
  const ofHost = prompts.map(({ name, text, problem }): Item => {
    const { description } = readCommand(text)
    return { kind: 'command', name, place: 'user', agent: '', path: '', description, state: problem === '' ? 'ready' : 'broken', problem }
  })
  return markHidden([...ofWorkspace, ...ofHost])
}

function trustedCommand(name: string, path: string, text: string): Trusted {
  const files = [{ path: posix.basename(path), executable: false, content: Buffer.from(text) }]
  const { description } = readCommand(text)
  return { kind: 'command', hash: treeHash(files), name, description, allowedTools: null, files: keptFiles(files) }
}

/** Something of a workspace as it is now, as a person would trust it. */
export interface Candidate {
  readonly path: string
  readonly trusted: Trusted
  /** Why it cannot be trusted; empty if it can. */
  readonly problem: string
}

/** @returns whether a person means what has this path and this name; a skill is its folder and its SKILL.md */
export function isCalled(target: string, path: string, name: string): boolean {
  return target === name || target.replace(/(?:\/SKILL\.md)?\/*$/i, '') === path
}

/** @param target a path, the name of a skill, `/NAME` of a command, or `AGENTS.md` @throws OxbowError `not_found`, `bad_input` where several fit */
export async function findCandidate(target: string, { workspace }: Pick<InventoryDeps, 'workspace'>): Promise<Candidate> {
  const [skills, commands, instructions] = await Promise.all([workspace.skills(), workspace.commands(), workspace.instructions()])
  const fits = (path: string, name: string): boolean => isCalled(target, path, name)
  const found = [
    ...skills.filter(({ path, folder }) => fits(path, folder)).map((skill) => () => skillCandidate(skill, workspace)),
    ...commands
      .filter(({ path, name }) => fits(path, `/${name}`))
      .map((command) => () => textCandidate(command, trustedCommand(command.name, command.path, command.text))),
    ...instructions
      .filter(({ path }) => fits(path, posix.basename(path)))
      .map((file) => () => textCandidate(file, trustedInstructions(file.path, file.text))),
  ]
  const paths = [...skills, ...commands, ...instructions].map(({ path }) => path)
  if (found.length === 0)
    throw new OxbowError('not_found', `The workspace has nothing that is called ${JSON.stringify(target.slice(0, 200))}.`, {
      hint: 'oxbow skills list shows what there is; your own skills and Oxbow’s need no trust.',
    })
  if (found.length > 1)
    throw new OxbowError('bad_input', `${found.length} have the name ${JSON.stringify(target.slice(0, 200))}.`, {
      hint: `Give a path: ${paths
        .filter((path) => path.includes(target.replace(/^\//, '')))
        .slice(0, 10)
        .join(', ')}`,
    })
  return found[0]!()
}

async function skillCandidate({ path, folder }: FoundSkill, workspace: WorkspaceFiles): Promise<Candidate> {
  const files = await workspace.filesOf(path)
  const { head, errors } = await readSkillFiles(files, folder)
  const { name, description, allowedTools }: Pick<SkillHead, 'name' | 'description' | 'allowedTools'> = head ?? {
    name: folder,
    description: '',
    allowedTools: null,
  }
  return {
    path,
    problem: errors.join('; '),
    trusted: { kind: 'skill', hash: treeHash(files), name, description, allowedTools, files: keptFiles(files) },
  }
}

async function textCandidate({ path, problem }: FoundText, trusted: Trusted): Promise<Candidate> {
  return { path, problem, trusted }
}
