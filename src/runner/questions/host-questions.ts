/**
 * Answers what a serving guest asks of its host: the configuration of its user, a changed one, and an envelope to restart with. Only the
 * file of the user changes; the one of all users does not. An isolated guest can only read: a compromised one could otherwise disable its
 * own isolation.
 */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { assertNever, isObject, OxbowError, toFailure } from '../../base/index.ts'
import type { HostedPlugin, NewestHead, SandboxFolders, UserSettings } from '../../protocol/index.ts'
import {
  type Config,
  configDifferences,
  effectOf,
  flatConfig,
  keyParts,
  type ReloadedConfig,
  takeLive,
  valueIn,
  type ConfigDraft,
  type ConfigEntry,
  type ConfigProposal,
  type ConfigState,
  type GuestEnvelope,
  type HomeQuestion,
  type HostFolders,
} from '../../config/index.ts'
import { configSchema } from '../../services/index.ts'
import { movedText, replaceConfigs } from '../config/config-file.ts'
import {
  configFileIn,
  type ConfigOverrides,
  draftConfig,
  type Layer,
  loadConfig,
  mergeLayers,
  readLayers,
} from '../config/config-layers.ts'
import { checkConfigText, fileSchema, readConfigFile } from '../config/config-text.ts'
import { changeText } from '../config/toml-change.ts'
import { watchConfig } from '../config/watch-config.ts'
import { listFolders, withShares } from '../folders.ts'
import { hasMemoryShares } from '../spaces/space-shares.ts'
import { type KeptConfig, lastGood, rememberGood, textsNow } from '../config/good-config.ts'
import type { ArchiveFiles } from '../heads/archive-files.ts'
import { signCard } from '../heads/head-signing.ts'
import type { Home, HostEnv, Workspace } from '../home.ts'
import { healthyGuestMs } from '../limits.ts'
import { definitionsOf } from '../programs/installed-programs.ts'
import type { GuestProgram } from '../begin-guest.ts'
import { keepChannels } from './channel-process.ts'
import { hostState } from './host-state.ts'
import { createMachineSide } from './machine-questions.ts'
import { readSkillFiles, readSkills } from '../skill-files.ts'

export interface HostSide {
  /** The answer, or a promise of it. @throws OxbowError for what cannot be answered */
  answer(question: HomeQuestion): unknown
  /** Call when the guest has started, or restarted: the configuration works. */
  started(): void
  /** Call when it has ended. @param isOrderly it was not killed, and did not fail */
  ended(isOrderly: boolean): void
}

export interface HostSideDeps {
  readonly home: Home
  readonly workspace: Workspace
  /** Of the running guest. */
  readonly config: Config
  /** It is the last one that worked, because the files cannot be used. */
  readonly isFallback: boolean
  readonly overrides: ConfigOverrides
  readonly env: HostEnv
  /** Where the guest has another program than the one next to this code: its process of channels is the one next to that. */
  readonly program?: GuestProgram | undefined
  readonly isIsolated: boolean
  readonly now: () => number
  readonly newestHead: () => NewestHead | null
  /** Called when a file of the configuration has changed, before anybody knows whether it can be used. */
  readonly onConfigChange: () => void
  /** @throws OxbowError `bad_config` with what no guest starts with this for */
  readonly checkStart: (config: Config) => Promise<void>
  /** See `GuestSetup`. */
  readonly makeKeys?: (() => Promise<void>) | undefined
  readonly envelopeOf: (config: Config, masters: boolean) => GuestEnvelope
  readonly plugins: (config: Config) => readonly HostedPlugin[]
  /** See `GuestSetup`. */
  readonly userSettings?: (() => UserSettings | undefined) | undefined
  /** Loaded with the first archive. */
  readonly archives: () => Promise<ArchiveFiles>
  /** Of the sandbox that the runner holds for an isolated guest, where it shows folders of the person. */
  readonly sandboxFolders?: SandboxFolders | undefined
}

export function createHostSide(deps: HostSideDeps): HostSide {
  let running = deps.config
  let offered: Config | null = null
  let { isFallback } = deps
  const kept = keepBegun(deps)
  let watching: { close(): void } | undefined
  const reload = (): ReloadedConfig => {
    const next = configOf(deps)
    const taken = takeLive(fileSchema(), running, next)
    running = taken.config
    if (taken.waiting.length === 0) {
      isFallback = false
      kept.replace()
    }
    return taken
  }
  const channels = keepChannels(deps)
  const answerMachine = createMachineSide({ ...deps, config: () => configNow(deps), locked })
  const renewed = async (masters: boolean): Promise<GuestEnvelope> => {
    if (deps.isIsolated) throw locked()
    if (masters) await deps.makeKeys?.()
    offered = configOf(deps)
    return deps.envelopeOf(offered, masters)
  }
  return {
    answer(question) {
      if (isOfFiles(question)) return answerFromFiles(deps, question)
      if (question.ask === 'config') return stateOf(deps, running, kept.now())
      if (question.ask === 'propose') return question.save ? save(deps, question, kept.now()) : proposalOf(deps, question.draft, kept.now())
      if (question.ask === 'envelope') return renewed(question.masters)
      if (question.ask === 'channels') return channels.run(question.spec)
      return question.ask === 'reload' ? reload() : answerMachine(question)
    },
    started() {
      isFallback &&= offered === null
      running = offered ?? running
      offered = null
      if (isFallback) kept.end(true)
      else kept.replace()
      // For the records and all terminals, until the files are mended.
      if (isFallback && problemOf(deps) !== '') deps.onConfigChange()
      watching ??= watchFrom(deps, isFallback ? null : running)
    },
    ended(isOrderly) {
      watching?.close()
      channels.end()
      kept.end(isOrderly)
    },
  }
}

const ofFiles = [
  'archive',
  'archived',
  'newest_head',
  'definitions',
  'plugins',
  'folders',
  'skills',
  'skill_files',
  'sign_card',
  'guarding',
] as const
type FileQuestion = Extract<HomeQuestion, { ask: (typeof ofFiles)[number] }>

function isOfFiles(question: HomeQuestion): question is FileQuestion {
  return ofFiles.some((ask) => ask === question.ask)
}

/** What does not depend on how the guest runs. */
function answerFromFiles(deps: HostSideDeps, question: FileQuestion): unknown {
  switch (question.ask) {
    case 'archive':
      return deps.archives().then((archives) => archives.make(question.after, question.upto))
    case 'archived':
      return deps.archives().then((archives) => archives.read(question.file, question.after))
    case 'newest_head':
      return deps.newestHead()
    case 'definitions':
      return definitionsOf(deps.home, [deps.home.root, deps.workspace.root])
    case 'plugins':
      return deps.plugins(configNow(deps))
    case 'folders':
      return foldersOf(deps)
    case 'skills':
      return readSkills([deps.home.root, deps.workspace.root])
    case 'skill_files':
      return readSkillFiles([deps.home.root, deps.workspace.root], question)
    case 'guarding':
      return hostState(deps, deps.plugins(configNow(deps)), deps.userSettings?.())
    case 'sign_card':
      return signCard(deps.home, question.card, question.key_address)
    default:
      return assertNever(question)
  }
}

/** Texts with which a guest runs are kept when it has been well for a while, or has ended in order. */
function keepBegun(deps: HostSideDeps) {
  let begun: KeptConfig | null = null
  let health: NodeJS.Timeout | undefined
  const end = (isOrderly: boolean): void => {
    clearTimeout(health)
    if (isOrderly && begun !== null) rememberGood(deps, begun)
    begun = null
  }
  return {
    now: (): KeptConfig | null => begun,
    end,
    /** One that was replaced in order had worked. */
    replace(): void {
      end(true)
      const texts = textsNow(deps)
      begun = texts === null ? null : { texts, at: deps.now() }
      health = setTimeout(end, healthyGuestMs, true).unref()
    },
  }
}

/** What another space shares is shown once the guest has begun with its labels. */
async function foldersOf({ home, workspace, sandboxFolders, config: { flow } }: HostSideDeps): Promise<HostFolders> {
  const isLabelled = (name: string): boolean => flow.source.some(({ path }) => path === `/shared/${name}/**`)
  const folders = listFolders(home, workspace.user).filter(({ name, space }) => space === undefined || isLabelled(name))
  return { folders, shown: sandboxFolders === undefined ? null : await sandboxFolders.show(folders) }
}

/** The files as they are now. @throws OxbowError `bad_config` */
const configOf = ({ home, workspace, overrides }: HostSideDeps): Config =>
  withShares(loadConfig(home, workspace, overrides), listFolders(home, workspace.user), hasMemoryShares(home, workspace.user))

/** Why the files cannot be used; empty: they can. */
function problemOf(deps: HostSideDeps): string {
  try {
    configOf(deps)
    return ''
  } catch (error) {
    return toFailure(error, 'bad_config', '').message
  }
}

/** With a text that is about to be the user's file. @throws OxbowError `bad_config` */
const draftOf = ({ home, workspace, overrides }: HostSideDeps, text: string): Config =>
  draftConfig(home, workspace, new Map([[configFileIn(workspace), text]]), overrides)

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

function stateOf(deps: HostSideDeps, running: Config, begun: KeptConfig | null): ConfigState {
  const file = configFileIn(deps.workspace)
  const text = readConfigFile(file) ?? ''
  let entries: readonly ConfigEntry[] = []
  let problem = ''
  try {
    entries = entriesOf(readLayers(deps.home, deps.workspace, deps.overrides))
  } catch (error) {
    problem = toFailure(error, 'bad_config', '').message
  }
  const now = new Map(flatConfig(running).map(([key, value]) => [key.join('.'), JSON.stringify(value)]))
  const next = new Map(entries.map(({ key, value }) => [key.join('.'), JSON.stringify(value)]))
  const pending = problem !== '' ? [] : [...new Set([...now.keys(), ...next.keys()])].filter((key) => now.get(key) !== next.get(key))
  return {
    file,
    text,
    hash: hashOf(text),
    entries,
    problem,
    pending,
    last_good: lastGood(deps, text, begun),
    locked: deps.isIsolated ? locked().message : '',
  }
}

function entriesOf(layers: readonly Layer[]): readonly ConfigEntry[] {
  const highest = layers.toReversed()
  const names = (table: unknown, key: readonly string[]): boolean => {
    const found = valueIn(table, key)
    return found !== undefined && !(isObject(found) && Object.keys(found).length === 0)
  }
  return flatConfig(mergeLayers(layers)).map(([key, value]) => ({
    key,
    value,
    source: highest.find(({ table }) => names(table, key))?.source ?? 'default',
  }))
}

function proposalOf(deps: HostSideDeps, draft: ConfigDraft, begun: KeptConfig | null): ConfigProposal {
  const before = readConfigFile(configFileIn(deps.workspace)) ?? ''
  const text = textOf(deps, before, draft, begun)
  const changes = configDifferences(configNow(deps), draftOf(deps, text))
  return { text, before, changes, needs_new_process: ofProcess(changes.map(({ key }) => key)) }
}

/** What the guest cannot take up without its process, and the page that is open, moving elsewhere. */
function ofProcess(keys: readonly string[]): readonly string[] {
  const schema = keys.length === 0 ? {} : fileSchema()
  return keys.filter((key) => effectOf(schema, keyParts(key)) === 'process')
}

/** @param running null: it is not what the files say */
function watchFrom(deps: HostSideDeps, running: Config | null): { close(): void } {
  const watching = watchConfig(deps.home, deps.workspace, deps.onConfigChange)
  // Changed since it was read, and before anything watched.
  if (running !== null && !isDeepStrictEqual(configOrNull(deps), running)) deps.onConfigChange()
  return watching
}

function configOrNull(deps: HostSideDeps): Config | null {
  try {
    return configOf(deps)
  } catch {
    return null
  }
}

/** The defaults where the files cannot be used. */
const configNow = (deps: HostSideDeps): Config => configOrNull(deps) ?? configSchema.parse({})

function textOf(
  deps: HostSideDeps,
  before: string,
  { changes, text, last_good: isLastGood }: ConfigDraft,
  begun: KeptConfig | null,
): string {
  if (text !== undefined) return text
  if (isLastGood === true) {
    const good = lastGood(deps, before, begun)
    if (good === null) throw new OxbowError('not_found', 'There is no earlier configuration.', { hint: 'Change single keys instead.' })
    return good.text
  }
  const file = configFileIn(deps.workspace)
  return changeText(file, movedText(file, before), changes ?? [])
}

async function save(
  deps: HostSideDeps,
  { draft, base }: HomeQuestion & { ask: 'propose'; save: true },
  begun: KeptConfig | null,
): Promise<ConfigProposal> {
  if (deps.isIsolated) throw locked()
  const proposal = proposalOf(deps, draft, begun)
  if (hashOf(proposal.before) !== base) throw changedMeanwhile()
  if (proposal.text === proposal.before) return proposal
  const file = configFileIn(deps.workspace)
  await deps.checkStart(draftOf(deps, proposal.text))
  checkConfigText(file, proposal.text)
  replaceConfigs(deps.home, [{ file, before: proposal.before, text: proposal.text }])
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
