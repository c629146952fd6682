/**
 * What pages ask about plugins, which are installed on the host: those that are there, what another one would be, and changes. It is installed
 * by the hash of the files that the person was shown, as by `oxbow plugin add --digest`.
 */
import { userInfo } from 'node:os'
import { alikeNames, fingerprint, proposeManifest, reservedNames, rightLines } from '../../plugins/index.ts'
import { assertNever, OxbowError, systemClock } from '../../base/index.ts'
import {
  type InstalledPlugin,
  type LockedPlugin,
  type PluginChange,
  type PluginProposal,
  pluginRight,
  type StagedPluginView,
} from '../../protocol/index.ts'
import type { Config, SignedPlugin } from '../../config/index.ts'
import { grantRight, hasRight } from '../config/config-rights.ts'
import type { Home, HostEnv, Workspace } from '../home.ts'
import { newPlugin, signFolder } from './author.ts'
import { commitPlugin, discard, findPlugin, removePlugin, revertPlugin, type StagedPlugin, stagePlugin, switchPlugin } from './install.ts'
import { listPlugins } from './installed-plugins.ts'
import { damagedLock, readLock } from './lock-file.ts'

export interface PluginQuestionDeps {
  readonly home: Home
  readonly workspace: Workspace
  readonly env: HostEnv
  /** As the files are now. */
  readonly config: () => Config
}

export interface PluginQuestions {
  installed(): readonly InstalledPlugin[]
  look(source: string, manifest: string | undefined): Promise<StagedPluginView>
  propose(source: string): Promise<PluginProposal>
  install(source: string, hash: string, manifest: string | undefined): Promise<StagedPluginView>
  change(plugin: string, change: PluginChange): Promise<null>
  make(folder: string): Promise<string>
  sign(folder: string, key: string): Promise<SignedPlugin>
}

export function createPluginQuestions(deps: PluginQuestionDeps): PluginQuestions {
  const { home, workspace, env } = deps
  /** The last one that was installed, with the version that it has replaced, for `revert`. */
  let last: Pick<StagedPlugin, 'manifest' | 'before'> | null = null
  const staged = async <Result>(
    source: string,
    manifest: string | undefined,
    use: (plugin: StagedPlugin) => Promise<Result>,
  ): Promise<Result> => {
    const plugin = await stagePlugin(source, { home, env, propose: async () => manifest ?? Promise.reject(noManifest()) })
    try {
      return await use(plugin)
    } finally {
      await discard(plugin.folder)
    }
  }
  return {
    installed: () => installedPlugins(deps),
    look: (source, manifest) => staged(source, manifest, async (plugin) => viewOfStaged(home, plugin)),
    propose: (source) => proposalFor(deps, source),
    install: (source, hash, manifest) =>
      staged(source, manifest, async (plugin) => {
        if (plugin.tree_hash !== hash) throw otherFiles(plugin.tree_hash)
        const view = viewOfStaged(home, plugin)
        await commitPlugin(home, plugin, userInfo().username, systemClock.now())
        last = plugin
        return view
      }),
    make: newPlugin,
    async sign(folder, key) {
      const { signer, madeKey } = await signFolder(folder, key)
      return { fingerprint: fingerprint(signer), made_key: madeKey }
    },
    async change(name, change) {
      switch (change) {
        case 'enable':
        case 'disable':
          switchPlugin(home, name, change === 'enable')
          return null
        case 'grant':
          findPlugin(home, name)
          grantRight(home, workspace, pluginRight(name), true)
          return null
        case 'remove':
          await removePlugin(home, name)
          // Another plugin of that name must not inherit it.
          grantRight(home, workspace, pluginRight(name), false)
          return null
        case 'revert':
          if (last?.manifest.name !== name) throw nothingToRevert(name)
          await revertPlugin(home, last)
          last = null
          return null
        default:
          return assertNever(change)
      }
    },
  }
}

function noManifest(): OxbowError {
  return new OxbowError('approval_required', 'The package has no manifest.', {
    hint: 'Look at the one that is proposed, remove what the plugin does not need, and install it with that.',
  })
}

async function proposalFor({ home, env }: PluginQuestionDeps, source: string): Promise<PluginProposal> {
  let proposal: PluginProposal | null = null
  const propose = async (folder: string): Promise<never> => {
    const { text, findings } = await proposeManifest(folder)
    const { files, bytes, ...found } = findings
    proposal = { manifest: text, files, bytes, found }
    throw noManifest()
  }
  try {
    const { folder } = await stagePlugin(source, { home, env, propose, onlyProposes: true })
    await discard(folder)
  } catch (error) {
    if (proposal === null) throw error
    return proposal
  }
  throw new OxbowError('bad_input', 'The package has a manifest of its own.', { hint: 'Install it without another one.' })
}

/** The hash is of what the person has seen; a folder may have changed since, and npm may answer something else. */
export function otherFiles(hash: string): OxbowError {
  return new OxbowError('denied', 'These are not the files that were shown with that hash.', {
    hint: `Look at them again; their hash is now ${hash}.`,
  })
}

function nothingToRevert(name: string): OxbowError {
  return new OxbowError('not_found', `There is no version of ${name} to go back to.`, { hint: 'Install the version that you want.' })
}

function installedPlugins({ home, config }: PluginQuestionDeps): readonly InstalledPlugin[] {
  const { plugins, problem } = readLock(home)
  if (problem !== '') throw damagedLock(home, problem)
  const now = config()
  const warnings: string[] = []
  const loaded = listPlugins(home, now, (text) => warnings.push(text))
  return plugins.map((plugin) => {
    const { name } = plugin.manifest
    const isLoaded = loaded.some((each) => each.name === name && each.unloadable === undefined)
    return {
      ...aboutPlugin(plugin),
      approved_by: plugin.approved_by,
      approved_at: plugin.approved_at,
      enabled: plugin.enabled,
      granted: hasRight(now, pluginRight(name)),
      problem: !plugin.enabled || isLoaded ? '' : (warnings.find((text) => text.includes(`plugin ${name} `)) ?? warnings.join('; ')),
    }
  })
}

type About = Pick<LockedPlugin, 'manifest' | 'source' | 'tree_hash' | 'signer'>

function aboutPlugin({ manifest, source, tree_hash: hash, signer }: About) {
  return {
    plugin: manifest.name,
    version: manifest.version,
    description: manifest.description,
    source: source.from === 'npm' ? `npm:${source.spec}` : source.path,
    integrity: source.from === 'npm' ? source.integrity : '',
    hash,
    signed_by: signer === '' ? '' : fingerprint(signer),
    needs: [...manifest.dependencies],
    may: [...rightLines(manifest.rights)],
  }
}

/** @returns what a person sees of a plugin before it is installed */
export function viewOfStaged(home: Home, staged: StagedPlugin): StagedPluginView {
  const { manifest, before, files, bytes, packages, withScripts, changes, reasons, tree_hash: hash, source } = staged
  const names = [...readLock(home).plugins.map((other) => other.manifest.name), ...reservedNames]
  return {
    ...aboutPlugin(staged),
    files: files.length,
    bytes,
    packages,
    with_scripts: [...withScripts],
    installed: before?.manifest.version ?? '',
    same: before?.tree_hash === hash && JSON.stringify(before.source) === JSON.stringify(source),
    added: [...changes.added],
    removed: [...changes.removed],
    reasons: [...reasons],
    alike: before === null ? [...alikeNames(manifest.name, names)] : [],
  }
}
