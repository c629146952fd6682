/**
 * Answers what a serving guest asks of its host: the configuration of its user, a changed one, and an envelope to restart with. Only the
 * file of the user changes; the one of all users does not. An isolated guest can only read: a compromised one could otherwise disable its
 * own isolation.
 */
import { createHash } from 'node:crypto'
import { assertNever, isObject, OxbowError, toFailure } from '../base/index.ts'
import type { HostedPlugin, NewestHead, SandboxFolders } from '../protocol/index.ts'
import {
  type Config,
  configDifferences,
  flatConfig,
  valueIn,
  type ConfigDraft,
  type ConfigEntry,
  type ConfigProposal,
  type ConfigState,
  type GuestEnvelope,
  type HostFolders,
  type HostQuestion,
} from '../config/index.ts'
import { configSchema } from '../services/index.ts'
import { changeText, replaceConfig } from './config/config-file.ts'
import { configFileIn, type ConfigOverrides, draftConfig, type Layer, loadConfig, mergeLayers, readLayers } from './config/config-layers.ts'
import { readConfigFile } from './config/config-text.ts'
import { readDefinitions } from './definition-files.ts'
import { listFolders } from './folders.ts'
import { type KeptConfig, lastGood, rememberGood, textsNow } from './config/good-config.ts'
import { signCard } from './heads/head-signing.ts'
import type { Home, Workspace } from './home.ts'
import { healthyGuestMs } from './limits.ts'
import { readSkillFiles, readSkills } from './skill-files.ts'

export interface HostSide {
  /** The answer, or a promise of it. @throws OxbowError for what cannot be answered */
  answer(question: HostQuestion): unknown
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
  /** What the guest runs with, until it is kept. */
  let begun: KeptConfig | null = null
  let health: NodeJS.Timeout | undefined
  const ended = (isOrderly: boolean): void => {
    clearTimeout(health)
    if (isOrderly && begun !== null) rememberGood(deps, begun)
    begun = null
  }
  const renewed = (masters: boolean): GuestEnvelope => {
    if (deps.isIsolated) throw locked()
    offered = configOf(deps)
    return deps.envelopeOf(offered, masters)
  }
  return {
    answer(question) {
      switch (question.ask) {
        case 'config':
          return stateOf(deps, running, begun)
        case 'propose':
          return question.save ? save(deps, question, begun) : proposalOf(deps, question.draft, begun)
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
      // One that was replaced in order had worked.
      ended(true)
      const texts = isFallback ? null : textsNow(deps)
      begun = texts === null ? null : { texts, at: deps.now() }
      health = setTimeout(ended, healthyGuestMs, true).unref()
    },
    ended,
  }
}

async function foldersOf({ home, workspace, sandboxFolders }: HostSideDeps): Promise<HostFolders> {
  const folders = listFolders(home, workspace.user)
  return { folders, shown: sandboxFolders === undefined ? null : await sandboxFolders.show(folders) }
}

/** The files as they are now. @throws OxbowError `bad_config` */
const configOf = ({ home, workspace, overrides }: HostSideDeps): Config => loadConfig(home, workspace, overrides)

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
  return { text, before, changes, needs_new_process: changes.map(({ key }) => key).filter((key) => processKeys.test(key)) }
}

/** The defaults where the files cannot be used. */
function configNow(deps: HostSideDeps): Config {
  try {
    return configOf(deps)
  } catch {
    return configSchema.parse({})
  }
}

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
  return changeText(configFileIn(deps.workspace), before, changes ?? [])
}

async function save(
  deps: HostSideDeps,
  { draft, base }: HostQuestion & { ask: 'propose'; save: true },
  begun: KeptConfig | null,
): Promise<ConfigProposal> {
  if (deps.isIsolated) throw locked()
  const proposal = proposalOf(deps, draft, begun)
  if (hashOf(proposal.before) !== base) throw changedMeanwhile()
  if (proposal.text === proposal.before) return proposal
  const file = configFileIn(deps.workspace)
  await deps.checkStart(draftOf(deps, proposal.text))
  if ((readConfigFile(file) ?? '') !== proposal.before) throw changedMeanwhile()
  replaceConfig(file, proposal.text)
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
