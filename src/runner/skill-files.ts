/**
 * Skills and commands from outside the workspace: the person's, `skills/NAME/` and `prompts/NAME.md` next to each `config.toml`,
 * an agent's, `agents/AGENT/skills/NAME/`, and the ones that ship with Oxbow. The guest receives the texts unchanged and judges
 * them; what cannot be read is reported.
 */
import { closeSync, constants, type Dirent, existsSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { isUtf8 } from 'node:buffer'
import { join } from 'node:path'
import { errorMessage, OxbowError } from '../base/index.ts'
import {
  commandName,
  definitionName,
  type HostPrompt,
  type HostSkill,
  type HostSkillFile,
  type HostSkillPlace,
  type HostSkills,
  maxCommandBytes,
  maxCommandsOfPlace,
  maxSkillDepth,
  maxSkillFiles,
  maxSkillMdBytes,
  maxSkillsOfPlace,
  maxSkillTotalBytes,
  skillFolderName,
} from '../config/index.ts'

/** The folder of a checkout, or the one next to the bundle. */
function bundledSkills(): string {
  return join(import.meta.dirname, import.meta.url.endsWith('.ts') ? '../../skills' : '../skills')
}

/** @param homes folders with `skills`, `prompts` and `agents`; what is in a later one overrides the same in an earlier one. Never throws. */
export function readSkills(homes: readonly string[], bundled: string = bundledSkills()): HostSkills {
  const own = new Map<string, HostSkill>()
  const ofAgents = new Map<string, HostSkill>()
  const prompts = new Map<string, HostPrompt>()
  for (const home of homes) {
    for (const skill of skillsIn(join(home, 'skills'), 'user')) own.set(skill.folder, skill)
    for (const agent of agentsIn(join(home, 'agents')))
      for (const skill of skillsIn(join(home, 'agents', agent, 'skills'), 'agent', agent)) ofAgents.set(`${agent}/${skill.folder}`, skill)
    for (const prompt of promptsIn(join(home, 'prompts'))) prompts.set(prompt.name, prompt)
  }
  return { skills: [...ofAgents.values(), ...own.values(), ...skillsIn(bundled, 'bundled')], prompts: [...prompts.values()] }
}

/** @throws OxbowError `not_found`, `limit_reached` */
export function readSkillFiles(
  homes: readonly string[],
  { place, agent, folder }: Pick<HostSkill, 'place' | 'agent' | 'folder'>,
  bundled: string = bundledSkills(),
): readonly HostSkillFile[] {
  const parents = {
    agent: homes.map((home) => join(home, 'agents', agent, 'skills')),
    user: homes.map((home) => join(home, 'skills')),
    bundled: [bundled],
  }[place]
  const isSafe = skillFolderName.test(folder) && (agent === '' || definitionName.test(agent))
  const found = isSafe ? parents.findLast((parent) => skillFileIn(join(parent, folder)) !== null) : undefined
  if (found === undefined)
    throw new OxbowError('not_found', `The skill ${JSON.stringify(folder)} is not there any more.`, {
      hint: '`oxbow skills list` shows those that are there.',
    })
  return filesBelow(join(found, folder))
}

/** What came with a folder of the person, as far as a look at its top shows it. `instructions`: the file, or empty. Never throws. */
export function countFolderSkills(folder: string): { readonly skills: number; readonly commands: number; readonly instructions: string } {
  const inSources = (name: string): readonly (readonly [parent: string, entry: Dirent])[] =>
    ['.agents', '.claude'].flatMap((source) => {
      const parent = join(folder, source, name)
      return entriesOf(parent).map((entry) => [parent, entry] as const)
    })
  return {
    skills: inSources('skills').filter(([parent, { name }]) => skillFileIn(join(parent, name)) !== null).length,
    commands: inSources('commands').filter(([, { name }]) => name.endsWith('.md')).length,
    instructions: ['AGENTS.md', 'CLAUDE.md'].find((name) => existsSync(join(folder, name))) ?? '',
  }
}

function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  } catch {
    return []
  }
}

function agentsIn(folder: string): readonly string[] {
  return entriesOf(folder).flatMap((entry) => (entry.isDirectory() && definitionName.test(entry.name) ? [entry.name] : []))
}

function skillsIn(parent: string, place: HostSkillPlace, agent = ''): readonly HostSkill[] {
  const folders = entriesOf(parent).filter((entry) => !entry.isFile() && skillFolderName.test(entry.name))
  return folders.slice(0, maxSkillsOfPlace).flatMap(({ name: folder }): HostSkill[] => {
    try {
      const head = readHead(join(parent, folder))
      return head === null ? [] : [{ place, agent, folder, head, problem: '' }]
    } catch (error) {
      return [{ place, agent, folder, head: '', problem: errorMessage(error) }]
    }
  })
}

function skillFileIn(folder: string): string | null {
  return ['SKILL.md', 'skill.md'].map((name) => join(folder, name)).find((path) => existsSync(path)) ?? null
}

/** Of most files, one short read has the whole frontmatter. */
const firstReadBytes = 4_096

/** @returns null for a folder that is no skill */
function readHead(folder: string): string | null {
  const read = (path: string, maxBytes: number): string | null => readText(path, maxBytes, true)
  const upper = join(folder, 'SKILL.md')
  const first = read(upper, firstReadBytes)
  const path = first === null ? join(folder, 'skill.md') : upper
  const start = first ?? read(path, firstReadBytes)
  if (start === null) return null
  return headIn(start) ?? headIn(read(path, maxSkillMdBytes) ?? '') ?? start
}

/** @returns the text up to the end of the frontmatter; null if that is not in it */
function headIn(text: string): string | null {
  const end = text.startsWith('---') ? text.indexOf('---', 3) : -1
  return end < 0 ? null : text.slice(0, end + 3)
}

function promptsIn(folder: string): readonly HostPrompt[] {
  const files = entriesOf(folder).filter(({ name }) => name.endsWith('.md') && commandName.test(name.slice(0, -'.md'.length)))
  return files.slice(0, maxCommandsOfPlace).flatMap(({ name: file }): HostPrompt[] => {
    const name = file.slice(0, -'.md'.length)
    try {
      const text = readText(join(folder, file), maxCommandBytes, false)
      return text === null ? [] : [{ name, text, problem: '' }]
    } catch (error) {
      return [{ name, text: '', problem: errorMessage(error) }]
    }
  })
}

function filesBelow(folder: string): readonly HostSkillFile[] {
  const files: HostSkillFile[] = []
  let total = 0
  const walk = (below: string, depth: number): void => {
    for (const entry of entriesOf(join(folder, below))) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      const stats = statSync(join(folder, path), { throwIfNoEntry: false })
      if (stats?.isDirectory() === true && !entry.isSymbolicLink() && depth < maxSkillDepth) walk(path, depth + 1)
      if (stats?.isFile() !== true) continue
      total += stats.size
      if (files.length >= maxSkillFiles || total > maxSkillTotalBytes) throw tooLarge(folder)
      files.push({
        path,
        executable: (stats.mode & 0o111) !== 0,
        base64: readBytes(join(folder, path), maxSkillTotalBytes)!.toString('base64'),
      })
    }
  }
  walk('', 1)
  return files
}

function tooLarge(folder: string): OxbowError {
  const hint = 'Move what the agent does not need out of the folder.'
  const most = `${maxSkillFiles} files or ${maxSkillTotalBytes / 1024 / 1024} MiB`
  return new OxbowError('limit_reached', `The skill ${folder} has more than ${most}.`, { hint })
}

/** @param headOnly accepts a longer file @returns null if there is no such file @throws Error that says why it cannot be used */
function readText(path: string, maxBytes: number, headOnly: boolean): string | null {
  const bytes = readBytes(path, maxBytes, headOnly)
  if (bytes === null) return null
  // A read that ends within a character.
  const whole = headOnly && bytes.length === maxBytes ? bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1) : bytes
  if (!isUtf8(whole)) throw new Error(`${path} is not UTF-8`)
  return whole.toString()
}

function readBytes(path: string, maxBytes: number, headOnly = false): Buffer | null {
  let file: number
  try {
    // A pipe would block the runner.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
  try {
    // A head is read without a look at what it is of: of a thousand skills, that look is a tenth of the time.
    const stats = headOnly ? null : fstatSync(file)
    if (stats?.isFile() === false) throw new Error(`${path} is not a file`)
    if (stats !== null && stats.size > maxBytes) throw new Error(`${path} is larger than ${maxBytes / 1024} KiB`)
    const bytes = Buffer.allocUnsafe(Math.min(maxBytes, stats?.size ?? maxBytes))
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, null))
  } finally {
    closeSync(file)
  }
}
