/**
 * What guards a user besides the configuration, as the host has it now: folders of the person, definitions, plugins, skills, keys of the host, and
 * what an administrator has set for the user. Texts, paths and keys as hashes: the journal of the user has it.
 */
import { createHash, createPublicKey } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Json, parseObject, setOwn } from '../../base/index.ts'
import type { HeadSeal, HostedPlugin, UserSettings } from '../../protocol/index.ts'
import type { Config, HostSkill, HostState } from '../../config/index.ts'
import { readText } from '../file-owner.ts'
import { listFolders } from '../folders.ts'
import { type Home, lockPath, type Workspace } from '../home.ts'
import { definitionsOf } from '../programs/installed-programs.ts'
import { signingKey } from '../signing-key.ts'
import { readSkillFiles, readSkills } from '../skill-files.ts'
import { sealOf } from '../system/own-seal.ts'

const hashOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex').slice(0, 12)}`

interface HostPlace {
  readonly home: Home
  readonly workspace: Workspace
}

/** @param told what an administrator has set; absent: as the home has it @returns values by key, e.g. `folders.NAME` @throws OxbowError for a file that cannot be used */
export function hostState({ home, workspace }: HostPlace, plugins: readonly HostedPlugin[], told?: UserSettings): HostState {
  const state: Record<string, Json> = {}
  const homes = [home.root, workspace.root]
  for (const { name, path, readOnly } of listFolders(home, workspace.user))
    setOwn(state, `folders.${name}`, { path: hashOf(path), read_only: readOnly })
  const definitions = definitionsOf(home, homes).filter(({ place }) => place !== 'bundled')
  for (const { kind, name, toml, text, character = '', script, module } of definitions)
    setOwn(
      state,
      `definitions.${kind}.${name}`,
      hashOf(JSON.stringify([toml, text, character, ...[script, module].filter((each) => each !== undefined)])),
    )
  for (const { name, version, tree_hash: hash, rights } of plugins)
    setOwn(state, `enabled_plugins.${name}`, { version, files: hash.slice(0, 12), rights: [...rights] })
  const { skills, prompts } = readSkills(homes)
  for (const skill of skills) {
    const { place, agent, folder } = skill
    setOwn(state, `skills.${[place, agent, folder].filter(Boolean).join('.')}`, hashOf(filesOf(skill, homes)))
  }
  for (const { name, text } of prompts) setOwn(state, `commands.${name}`, hashOf(text))
  // In system mode root has the key that signs, and the settings of users, which it tells.
  const store = readText(join(home.runner, 'keys', `${workspace.user}.json`))
  if (home.system === null) state['keys.signing'] = signingHash(home)
  if (store !== null) state['keys.store'] = hashOf(store)
  const settings = told ?? parseObject(readText(join(home.runner, 'users', `${workspace.user}.json`)) ?? '') ?? {}
  for (const [key, value] of Object.entries(settings))
    setOwn(state, `user.${key}`, key === 'env_file' ? hashOf(JSON.stringify(value)) : value!)
  return state
}

/** What agents read and run of a skill; of one whose files cannot be used, and so by no agent either, its head. */
function filesOf(skill: HostSkill, homes: readonly string[]): string {
  try {
    return JSON.stringify(readSkillFiles(homes, skill))
  } catch {
    return skill.head
  }
}

/** The key is made on first use, so that it does not seem to be a new one later. */
function signingHash(home: Home): string {
  try {
    return hashOf(createPublicKey(signingKey(home)).export({ type: 'spki', format: 'pem' }).toString())
  } catch {
    return 'damaged'
  }
}

/** @returns what a check of a journal compares it with; the state is null where a file cannot be used */
export async function comparedWith(
  setup: HostPlace & { readonly config: Config },
): Promise<{ readonly seal: HeadSeal; readonly host: HostState | null }> {
  const { home, workspace, config } = setup
  const seal = await sealOf(home, workspace.user)
  try {
    const plugins = existsSync(lockPath(home)) ? (await import('../plugins/installed-plugins.ts')).listPlugins(home, config, () => {}) : []
    return { seal, host: hostState(setup, plugins) }
  } catch {
    return { seal, host: null }
  }
}
