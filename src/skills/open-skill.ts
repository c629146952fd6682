/** Opens skills: reads their files, compares a workspace's with what a person trusts, and shows them to the sandbox. */
import { OxbowError } from '../base/index.ts'
import type { SkillFile } from '../config/index.ts'
import type { Catalog, Skill, SkillUser } from './catalog.ts'
import { readSkill, type SkillHead, skillFileNames } from './skill-file.ts'
import { textIn, treeHash } from './trust.ts'
import type { WorkspaceFiles } from './workspace-files.ts'

export interface OpenedSkill {
  readonly skill: Skill
  readonly head: SkillHead
  readonly body: string
  readonly files: readonly SkillFile[]
  /** Folder in the sandbox where the files are, read-only; empty where the sandbox cannot show them. */
  readonly inside: string
  /** The same folder on the host; empty without one. */
  readonly folder: string
}

/** Puts files read-only at `/skills/NAME`. @returns their folder on the host; empty where that is not possible */
export type ShowFiles = (name: string, hash: string, files: readonly SkillFile[]) => Promise<string>

export interface OpenDeps {
  readonly catalog: Catalog
  readonly workspace: WorkspaceFiles
  readonly show: ShowFiles
}

/** @throws OxbowError `not_found`, `denied` for one that has changed, `bad_config` for one that is not valid any more */
export async function openSkill(name: string, user: SkillUser, { catalog, workspace, show }: OpenDeps): Promise<OpenedSkill> {
  const usable = await catalog.usable(user)
  const skill = usable.find((each) => each.name === name.normalize('NFKC'))
  if (skill === undefined)
    throw new OxbowError('not_found', `There is no skill ${JSON.stringify(name.slice(0, 64))}.`, {
      hint:
        usable.length === 0
          ? 'Work without one. A person adds skills in ~/.oxbow/skills, or trusts the skills of a folder with `oxbow skills trust`.'
          : 'Use a name of the list, or skill_search. One that came with a folder counts once a person trusts it: `oxbow skills list`.',
    })
  const files = await (skill.host === null ? workspace.filesOf(skill.path) : catalog.hostFiles(skill.host))
  const hash = treeHash(files)
  if (skill.host === null && hash !== skill.hash)
    throw new OxbowError('denied', `The skill ${skill.name} at ${skill.path} has changed since the person trusted it.`, {
      hint: `Continue without it. A person sees the difference and decides: oxbow skills trust ${skill.path}`,
    })
  const { head, body, errors } = await readSkillFiles(files, skill.host?.folder ?? skill.path.split('/').at(-1) ?? '')
  if (head === null)
    throw new OxbowError('bad_config', `The skill ${skill.name} cannot be used: ${errors.join('; ')}`, { hint: 'Correct its SKILL.md.' })
  const shownName = skill.place === 'agent' ? `${user.name}.${skill.name}` : skill.name
  const folder = await show(shownName, hash, files)
  return { skill, head, body, files, folder, inside: folder === '' ? '' : `/skills/${shownName}` }
}

export async function readSkillFiles(files: readonly SkillFile[], folder: string): ReturnType<typeof readSkill> {
  const file = skillFileNames.map((name) => files.find(({ path }) => path === name)).find((each) => each !== undefined)
  const text = file === undefined ? null : textIn(file.content)
  if (text === null)
    return { head: null, body: '', warnings: [], errors: [file === undefined ? 'Missing required file: SKILL.md' : 'SKILL.md is not text'] }
  return readSkill(text, folder)
}

/** @throws OxbowError `not_found` */
export function fileOf({ skill, files }: Pick<OpenedSkill, 'skill' | 'files'>, path: string): SkillFile {
  const relative = path.replace(/^\/skills\/[^/]+\//, '').replace(/^\.\//, '')
  const file = files.find((each) => each.path === relative)
  if (file !== undefined) return file
  throw new OxbowError('not_found', `The skill ${skill.name} has no file ${JSON.stringify(path.slice(0, 200))}.`, {
    hint: `It has: ${files
      .slice(0, 50)
      .map((each) => each.path)
      .join(', ')}.`,
  })
}
