/**
 * Answers what a serving guest asks of its host: the configuration of its user, a changed one, and an envelope to restart with. Only the
 * file of the user changes; the one of all users does not. An isolated guest can only read: a compromised one could otherwise disable its
 * own isolation.
 */
import { createHash } from 'node:crypto'
import { assertNever, isObject, type Json, OxbowError, toFailure } from '../base/index.ts'
import type { HostedPlugin, NewestHead, SandboxFolders } from '../protocol/index.ts'
import type {
  Config,
  ConfigDraft,
  ConfigEntry,
  ConfigProposal,
  ConfigSource,
  ConfigState,
  GuestEnvelope,
  HostFolders,
  HostQuestion,
} from '../config/index.ts'
import { configSchema } from '../services/index.ts'
import { changeText, replaceConfig } from './config-file.ts'
import {
  checkConfigText,
  configFiles,
  type ConfigOverrides,
  mergeLayers,
  overrideLayer,
  readConfigFile,
  readLayer,
  type Table,
} from './config-layers.ts'
import { readDefinitions } from './definition-files.ts'
import { listFolders } from './folders.ts'
import { lastGood, rememberGood } from './good-config.ts'
import { signCard } from './heads/head-signing.ts'
import type { Home, Workspace } from './home.ts'
import { readSkillFiles, readSkills } from './skill-files.ts'

export interface HostSide {
  /** The answer, or a promise of it. @throws OxbowError for what cannot be answered */
  answer(question: HostQuestion): unknown
  /** Call when the guest has started, or restarted: the configuration works. */
  started(): void
}

export interface HostSideDeps {
  readonly home: Home
  readonly workspace: Workspace
  /** Of the running guest. */
  readonly config: Config
  /** It is the last one that worked, because the files cannot be used. */
  readonly isFallback: boolean
  readonly overrides: ConfigOverrides
  readonly isIsolated: boolean
  readonly now: () => number
  readonly newestHead: () => NewestHead | null
  /** @throws OxbowError `bad_config` with what no guest starts with this for */
  readonly checkStart: (config: Config) => Promise<void>
  readonly envelopeOf: (config: Config, masters: boolean) => GuestEnvelope
  readonly plugins: (config: Config) => readonly HostedPlugin[]
  /** Of the sandbox that the runner holds for an isolated guest, where it shows folders of the person. */
  readonly sandboxFolders?: SandboxFolders | undefined
}

/** What the guest cannot take up without its process, and the page that is open, moving elsewhere. */
const processKeys = /^(?:gateway\.|sandbox\.isolate_guest$)/

export function createHostSide(deps: HostSideDeps): HostSide {
  let running = deps.config
  let offered: Config | null = null
  let { isFallback } = deps
  const renewed = (masters: boolean): GuestEnvelope => {
    if (deps.isIsolated) throw locked()
    offered = mergeLayers(layersOf(deps, userLayer(deps)).map(({ table }) => table))
    return deps.envelopeOf(offered, masters)
  }
  return {
    answer(question) {
      switch (question.ask) {
        case 'config':
          return stateOf(deps, running)
        case 'propose':
          return question.save ? save(deps, question) : proposalOf(deps, question.draft)
        case 'envelope':
          return renewed(question.masters)
        case 'newest_head':
          return deps.newestHead()
        case 'definitions':
          return readDefinitions([deps.home.root, deps.workspace.root])
        case 'plugins':
          return deps.plugins(configNow(deps))
        case 'folders':
          return foldersOf(deps)
        case 'skills':
          return readSkills([deps.home.root, deps.workspace.root])
        case 'skill_files':
          return readSkillFiles([deps.home.root, deps.workspace.root], question)
        case 'sign_card':
          return signCard(deps.home, question.card, question.key_address)
        default:
          return assertNever(question)
      }
    },
    started() {
      isFallback &&= offered === null
      running = offered ?? running
      offered = null
      if (!isFallback) rememberGood(deps, deps.now())
    },
  }
}

async function foldersOf({ home, workspace, sandboxFolders }: HostSideDeps): Promise<HostFolders> {
  const folders = listFolders(home, workspace.user)
  return { folders, shown: sandboxFolders === undefined ? null : await sandboxFolders.show(folders) }
}

interface Layer {
  readonly source: ConfigSource
  readonly table: Table
}

function layersOf({ home, workspace, overrides }: HostSideDeps, user: Table): readonly Layer[] {
  return [
    { source: 'all_users', table: readLayer(configFiles(home, workspace)[0]!.path) },
    { source: 'user', table: user },
    { source: 'command', table: overrideLayer(overrides) },
  ]
}

function fileOf({ home, workspace }: HostSideDeps): string {
  return configFiles(home, workspace)[1]!.path
}

const userLayer = (deps: HostSideDeps): Table => readLayer(fileOf(deps))

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

function stateOf(deps: HostSideDeps, running: Config): ConfigState {
  const file = fileOf(deps)
  const text = readConfigFile(file) ?? ''
  let entries: readonly ConfigEntry[] = []
  let problem = ''
  try {
    entries = entriesOf(layersOf(deps, userLayer(deps)))
  } catch (error) {
    problem = toFailure(error, 'bad_config', '').message
  }
  const now = new Map(flat(running).map(([key, value]) => [key.join('.'), JSON.stringify(value)]))
  const next = new Map(entries.map(({ key, value }) => [key.join('.'), JSON.stringify(value)]))
  const pending = problem !== '' ? [] : [...new Set([...now.keys(), ...next.keys()])].filter((key) => now.get(key) !== next.get(key))
  return {
    file,
    text,
    hash: hashOf(text),
    entries,
    problem,
    pending,
    last_good: lastGood(deps, text),
    locked: deps.isIsolated ? locked().message : '',
  }
}

function entriesOf(layers: readonly Layer[]): readonly ConfigEntry[] {
  const highest = layers.toReversed()
  return flat(mergeLayers(layers.map(({ table }) => table))).map(([key, value]) => ({
    key,
    value: value as Json,
    source: highest.find(({ table }) => has(table, key))?.source ?? 'default',
  }))
}

function has(table: unknown, key: readonly string[]): boolean {
  const found = key.reduce<unknown>((at, name) => (isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined), table)
  return found !== undefined && !(isObject(found) && Object.keys(found).length === 0)
}

/** Values by key, of the whole configuration; an empty table counts as a value. */
function flat(value: unknown, path: readonly string[] = []): readonly (readonly [key: readonly string[], value: unknown])[] {
  if (!isObject(value) || (Object.keys(value).length === 0 && path.length > 0)) return [[path, value]]
  return Object.entries(value).flatMap(([name, inner]) => flat(inner, [...path, name]))
}

function proposalOf(deps: HostSideDeps, draft: ConfigDraft): ConfigProposal {
  const file = fileOf(deps)
  const before = readConfigFile(file) ?? ''
  const text = textOf(deps, before, draft)
  const after = mergeLayers(layersOf(deps, checkConfigText(file, text)).map(({ table }) => table))
  const changes = differences(configNow(deps), after)
  return { text, before, changes, needs_new_process: changes.map(({ key }) => key).filter((key) => processKeys.test(key)) }
}

/** The defaults where the files cannot be used. */
function configNow(deps: HostSideDeps): Config {
  try {
    return mergeLayers(layersOf(deps, userLayer(deps)).map(({ table }) => table))
  } catch {
    return configSchema.parse({})
  }
}

function textOf(deps: HostSideDeps, before: string, { changes, text, last_good: isLastGood }: ConfigDraft): string {
  if (text !== undefined) return text
  if (isLastGood === true) {
    const good = lastGood(deps, before)
    if (good === null) throw new OxbowError('not_found', 'There is no earlier configuration.', { hint: 'Change single keys instead.' })
    return good.text
  }
  return changeText(fileOf(deps), before, changes ?? [])
}

function differences(before: Config, after: Config): ConfigProposal['changes'] {
  const [old, now] = [before, after].map((config) => new Map(flat(config).map(([key, value]) => [key.join('.'), value as Json]))) as [
    Map<string, Json>,
    Map<string, Json>,
  ]
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((key) => JSON.stringify(old.get(key)) !== JSON.stringify(now.get(key)))
    .map((key) => ({ key, before: old.get(key) ?? null, after: now.get(key) ?? null }))
}

async function save(deps: HostSideDeps, { draft, base }: HostQuestion & { ask: 'propose'; save: true }): Promise<ConfigProposal> {
  if (deps.isIsolated) throw locked()
  const proposal = proposalOf(deps, draft)
  if (hashOf(proposal.before) !== base) throw changedMeanwhile()
  if (proposal.text === proposal.before) return proposal
  await deps.checkStart(mergeLayers(layersOf(deps, checkConfigText(fileOf(deps), proposal.text)).map(({ table }) => table)))
  if ((readConfigFile(fileOf(deps)) ?? '') !== proposal.before) throw changedMeanwhile()
  replaceConfig(fileOf(deps), proposal.text)
  return proposal
}

function changedMeanwhile(): OxbowError {
  return new OxbowError('edit_mismatch', 'The configuration file has changed in the meantime.', {
    hint: 'Load it again, and make your changes once more.',
  })
}

function locked(): OxbowError {
  return new OxbowError('denied', 'An isolated guest cannot change its configuration.', {
    hint: 'Change it on the host: oxbow config set KEY VALUE, then oxbow restart.',
  })
}
