/**
 * What a terminal of the owner may ask about the configuration, and what a guest asks of its runner for it. Configuration files belong to
 * the host: only the runner reads and writes them. The guest asks over the pipes that carry its envelope and its reports.
 */
import {
  type HostedPlugin,
  type HostFolder,
  type FoundServer,
  type HostUser,
  type SpaceView,
  type InstalledPlugin,
  jsonSchema,
  type LogPage,
  type LogWish,
  logWish,
  type NewestHead,
  type PluginChange,
  pluginChanges,
  type PluginProposal,
  type ServerPackages,
  type InstalledServer,
  type ShownFolder,
  type StagedPluginView,
} from '../protocol/index.ts'
import type { Config } from './config.ts'
import { serverName } from './config-mcp.ts'
import { type AppPort, type AppQuestion, appQuestionSchemas, type ChannelsSpec, channelsSpec } from './app.ts'
import {
  type DefinitionText,
  type HostSkill,
  type HostSkillFile,
  type HostSkillPlace,
  type HostSkills,
  type ProgramPort,
  type ProgramQuestion,
  programQuestionSchemas,
} from './person-texts.ts'
import { z } from 'zod'
import { type Failure, type Json, type JsonObject, type Log } from '../base/index.ts'

/** What TOML writes on one line. */
export type TomlValue = string | number | boolean | readonly TomlValue[]

const configSource = z.enum(['default', 'machine', 'all_users', 'user', 'environment', 'command'])

/** `environment` and `command`: a variable and an option of the program that started the guest. */
export type ConfigSource = z.infer<typeof configSource>

const configEntry = z.strictObject({ key: z.array(z.string()).readonly(), value: jsonSchema(), source: configSource })

export type ConfigEntry = z.infer<typeof configEntry>

const goodConfig = z.strictObject({ text: z.string(), at: z.number().describe('Unix milliseconds.') })

/** A text of the user's file with which a guest has started. */
export type GoodConfig = z.infer<typeof goodConfig>

export const configState = z.strictObject({
  file: z.string().describe('Path of the file that `config.save` changes.'),
  text: z.string().describe('Empty if there is no file.'),
  hash: z.string(),
  entries: z
    .array(configEntry)
    .readonly()
    .describe('Every value that applies when the guest starts next. Empty if the files cannot be used.'),
  problem: z.string().describe('Why the files cannot be used; empty if they can.'),
  pending: z.array(z.string()).readonly().describe('Keys whose value in the running guest differs.'),
  last_good: goodConfig.nullable().describe('The newest text that worked and differs from the present one; null if there is no such text.'),
  locked: z.string().describe('Why terminals cannot change the file; empty if they can.'),
})

export type ConfigState = z.infer<typeof configState>

export const configProposal = z.strictObject({
  text: z.string(),
  before: z.string(),
  changes: z
    .array(z.strictObject({ key: z.string(), before: jsonSchema(), after: jsonSchema() }))
    .readonly()
    .describe('Keys whose value changes. A null is a key that does not exist on that side.'),
  needs_new_process: z
    .array(z.string())
    .readonly()
    .describe('Changed keys that take effect only after `oxbow restart`; all others take effect when the guest restarts itself.'),
})

export type ConfigProposal = z.infer<typeof configProposal>

export type HostQuestion =
  | HomeQuestion
  | AppQuestion
  /** Nobody waits for the answer to this question any more. */
  | { readonly ask: 'withdraw'; readonly question: number }

/** What the runner answers from the files of its home. `base` is the hash of the text that the draft was made from. */
export type HomeQuestion =
  | ProgramQuestion
  | { readonly ask: 'config' }
  | { readonly ask: 'propose'; readonly draft: ConfigDraft; readonly save: false }
  | { readonly ask: 'propose'; readonly draft: ConfigDraft; readonly save: true; readonly base: string }
  /** An envelope of the files as they are now. `masters`: creates the user's master key if it does not exist. */
  | { readonly ask: 'envelope'; readonly masters: boolean }
  /** The files as they are now, for what of them counts at once. */
  | { readonly ask: 'reload' }
  | { readonly ask: 'newest_head' }
  /** The person's definitions of agents and graphs, as their files are now. */
  | { readonly ask: 'definitions' }
  /** The installed plugins that are enabled, as `plugins.lock` is now. */
  | { readonly ask: 'plugins' }
  /** The folders of the person, as their list is now. */
  | { readonly ask: 'folders' }
  /** Skills and commands of the person, and the skills of Oxbow. */
  | { readonly ask: 'skills' }
  /** The files of one of those skills. */
  | { readonly ask: 'skill_files'; readonly place: HostSkillPlace; readonly agent: string; readonly folder: string }
  /** Keeps the records behind `after` up to `upto` in a file. */
  | { readonly ask: 'archive'; readonly after: number; readonly upto: number }
  /** Bodies that such a file has, behind a record. */
  | { readonly ask: 'archived'; readonly file: string; readonly after: number }
  /** A signature of the card of a published agent, whose key is published at the address. */
  | { readonly ask: 'sign_card'; readonly card: string; readonly key_address: string }
  /** What guards besides the configuration; see `HostState`. */
  | { readonly ask: 'guarding' }
  /** All installed plugins, also those that are disabled. */
  | { readonly ask: 'installed_plugins' }
  /** What a plugin is that could be installed; nothing is installed. */
  | { readonly ask: 'look_at_plugin'; readonly source: string; readonly manifest?: string | undefined }
  /** A manifest for a package that has none. */
  | { readonly ask: 'propose_plugin'; readonly source: string }
  /** Installs exactly the files with this hash. */
  | { readonly ask: 'install_plugin'; readonly source: string; readonly hash: string; readonly manifest?: string | undefined }
  | { readonly ask: 'change_plugin'; readonly plugin: string; readonly change: PluginChange }
  /** Makes a folder with a plugin to begin with. */
  | { readonly ask: 'new_plugin'; readonly folder: string }
  | { readonly ask: 'sign_plugin'; readonly folder: string; readonly key: string }
  /** What would be installed for a server; nothing is fetched. */
  | { readonly ask: 'resolve_server'; readonly server: string; readonly package: string }
  /** Installs exactly the packages with this digest. */
  | {
      readonly ask: 'install_server'
      readonly server: string
      readonly package: string
      readonly bin?: string | undefined
      readonly digest: string
    }
  /** Removes what was installed for it. */
  | { readonly ask: 'uninstall_server'; readonly server: string }
  | { readonly ask: 'found_servers' }
  | { readonly ask: 'users' }
  /** The spaces of whoever has this workspace. */
  | { readonly ask: 'spaces' }
  /** The newest lines of the logs of this user. */
  | { readonly ask: 'log'; readonly wish: LogWish }
  /** Ends this guest with the service that holds it. */
  | { readonly ask: 'stop' }
  /** Starts the process of channels, or gives it others; null: it ends. */
  | { readonly ask: 'channels'; readonly spec: ChannelsSpec | null }

export interface SignedPlugin {
  /** Of the key. */
  readonly fingerprint: string
  readonly made_key: boolean
}

/** A part of the journal as a file; see docs/audit.md. */
export interface ArchiveFile {
  /** Its name in the folder `archive` of the workspace. */
  readonly file: string
  /** SHA-256, lower-case hex. */
  readonly sha256: string
  readonly bytes: number
  readonly after: number
  readonly upto: number
  /** Hash of the record `upto`. */
  readonly hash: string
  readonly records: number
}

export interface ArchivePage {
  readonly bodies: readonly { readonly seq: number; readonly body: string }[]
  /** The last record of the page; null: there is no more. */
  readonly next: number | null
}

/** Folders, definitions, plugins, skills, keys and settings of the user by key, e.g. `folders.NAME`; texts, paths and keys as hashes. */
export type HostState = Readonly<Record<string, Json>>

export interface HostFolders {
  readonly folders: readonly HostFolder[]
  /** What the sandbox of an isolated guest, which its runner holds, shows of them; null: the guest holds its sandbox, or it shows none. */
  readonly shown: readonly ShownFolder[] | null
}

/** A JWS (RFC 7515, flattened, without the payload) and the public key as a JWK. */
export interface SignedCard {
  readonly protected: string
  readonly signature: string
  readonly key: JsonObject
}

/** A line from the runner to a serving guest. */
export type HostReply =
  | { readonly type: 'answer'; readonly id: number; readonly output: unknown }
  | { readonly type: 'answer'; readonly id: number; readonly failure: Failure }
  /** A part of an answer that is still being made. */
  | { readonly type: 'piece'; readonly id: number; readonly piece: JsonObject }
  /** A configuration file has changed; the guest is to end soon, and reports when it has `settled`. */
  | { readonly type: 'config_changed' }
  | { readonly type: 'settle' }

/** What a running guest takes of changed files. */
export interface ReloadedConfig {
  /** With all values that count at once; the others are those with which the guest started. */
  readonly config: Config
  /** Keys that wait for a restart. */
  readonly waiting: readonly string[]
}

/** A configuration whose keys may change while a guest runs. */
export interface TurnConfig {
  /** Of the record that says what it is; 0: not recorded yet. */
  generation(): number
  /** What `turn` reads, and all that it waits for, stays as it is now. */
  during<Result>(turn: () => Result): Result
}

/** How the kernel reaches the host. Absent where no runner listens, e.g. in a kernel inside of another program. */
export interface HostPort {
  config(): Promise<ConfigState>
  propose(draft: ConfigDraft): Promise<ConfigProposal>
  /** @param base see `HostQuestion` @throws OxbowError `bad_config`, or `edit_mismatch` if the file has changed since */
  save(draft: ConfigDraft, base: string): Promise<ConfigProposal>
  /** Stores a secret, or removes it; it is known after a restart. @returns whether that changed anything */
  setSecret(name: string, value: string | null): Promise<boolean>
  /**
   * Resolves as soon as it is certain that the configuration can be used; the guest then restarts, and continues its turns.
   * @throws OxbowError `bad_config`
   */
  restart(): Promise<void>
  /** Takes up what of the files counts at once. @returns keys that wait for a restart @throws OxbowError `bad_config`; nothing is taken up then */
  reload(): Promise<Pick<ReloadedConfig, 'waiting'>>
  /** @param listener replaces the one before */
  onConfigChange(listener: () => void): void
  /** The generation that the records give the configuration which the guest has now. */
  tookUp(generation: number): void
  /** The newest head of the journal that the runner has signed; null: none yet. */
  newestHead(): Promise<NewestHead | null>
  /** The person's definitions of agents and graphs. */
  definitions(): Promise<readonly DefinitionText[]>
  /** The installed plugins that are enabled; the envelope has the ones enabled at the start. */
  plugins(): Promise<readonly HostedPlugin[]>
  /** The folders of the person. The runner of an isolated guest makes its sandbox show them. @throws as `SandboxFolders.show` */
  folders(): Promise<HostFolders>
  /** Skills and commands of the person, and the skills of Oxbow. */
  skills(): Promise<HostSkills>
  guarding(): Promise<HostState>
  /** @throws OxbowError `not_found`, `limit_reached` */
  skillFiles(skill: Pick<HostSkill, 'place' | 'agent' | 'folder'>): Promise<readonly HostSkillFile[]>
  /** Has the card of a published agent signed with the runner's key. @param card its canonical JSON */
  signCard(card: string, keyAddress: string): Promise<SignedCard>
  installedPlugins(): Promise<readonly InstalledPlugin[]>
  /** @param source a folder of the host, a tarball, or `npm:NAME@VERSION` @throws OxbowError for what cannot be installed */
  lookAtPlugin(source: string, manifest?: string): Promise<StagedPluginView>
  /** @throws OxbowError `bad_input` for a package that has a manifest */
  proposePlugin(source: string): Promise<PluginProposal>
  /** @param hash of the files that a person has seen @throws OxbowError `denied` if they are others now */
  installPlugin(source: string, hash: string, manifest?: string): Promise<StagedPluginView>
  /** `revert` makes the version before the last `installPlugin` the installed one again. */
  changePlugin(plugin: string, change: PluginChange): Promise<void>
  /** @param folder a new one, as an absolute path @returns the plugin's name */
  newPlugin(folder: string): Promise<string>
  /** @param key a file with a private key in PEM; made if it does not exist */
  signPlugin(folder: string, key: string): Promise<SignedPlugin>
  /** Programs of the host; absent: nothing can be installed here. */
  readonly programs?: ProgramPort
  /** @param spec `NAME@VERSION` of npm */
  resolveServer(server: string, spec: string): Promise<ServerPackages>
  /** @param seen digest of the packages that a person has seen @throws OxbowError `denied` if they are others now */
  installServer(server: string, spec: string, seen: string, bin?: string): Promise<InstalledServer>
  uninstallServer(server: string): Promise<void>
  /** Servers in the files of other programs. */
  foundServers(): Promise<readonly FoundServer[]>
  /** The users of this home. */
  users(): Promise<readonly HostUser[]>
  /** Spaces of the person: names, sizes, what is shared. @throws OxbowError `denied` for an isolated guest */
  spaces(): Promise<readonly SpaceView[]>
  logPage(wish: LogWish): Promise<LogPage>
  /** Has the process of channels run next to the guest, with these channels; null: it ends. Absent: there is nobody who could start it. */
  readonly channels?: (spec: ChannelsSpec | null) => Promise<void>
  /** Requests to a host under the egress policy. Absent: nothing is posted to others. */
  readonly openFetch?: (host: string, allow: readonly string[]) => Promise<typeof fetch>
  /** Resolves before the guest ends. @throws OxbowError `workspace_busy` for the guest of a terminal */
  stop(): Promise<void>
  /** Keeps records in a file, signed and verified. @throws OxbowError `bad_config` where none can be made, `store_full` */
  archive?(after: number, upto: number): Promise<ArchiveFile>
  /** Reads bodies from such a file, some at a time. @throws OxbowError `not_found`, `audit_failed` for one that does not verify */
  archived?(file: string, after: number): Promise<ArchivePage>
  /** Asks the program that started the guest to run one of its tools, or to answer as the model. */
  readonly app?: AppPort
  /** Why the guest runs with its previous configuration; empty if it does not. */
  restartProblem(): string
  /** The logs of the workspace; absent: nobody reads them. */
  readonly log?: Log
  /** The node of a cluster that runs the guest. Absent: it is in none. */
  readonly node?: string
  /** For a collector of telemetry: the version of Oxbow, and variables of the host. Absent: none is configured. */
  readonly collector?: { readonly version: string; readonly variables: Readonly<Record<string, string>> }
}

const maxDepth = 8
const maxKeyLength = 200
const maxChanges = 500
const maxText: number = 1024 * 1024
/** Characters of a path of the host, or of a package of npm. */
export const maxSource = 4_096
/** Characters of a manifest of a plugin. */
export const maxManifest = 65_536

const tomlValue: z.ZodType<TomlValue> = z.lazy(() => z.union([z.string(), z.number(), z.boolean(), z.array(tomlValue)]))

/** A new state of the user's file: changes of single keys, a whole text, or the last text that worked. */
export const configDraftSchema = z
  .strictObject({
    changes: z
      .array(
        z.strictObject({
          /** The outermost table first. */
          key: z.array(z.string().min(1).max(maxKeyLength)).min(1).max(maxDepth),
          value: tomlValue.nullable(),
        }),
      )
      .max(maxChanges)
      .optional()
      .describe('Keys with their new values; null removes a key, so that its default applies.'),
    text: z.string().max(maxText).optional().describe('The whole new text of the file, as TOML.'),
    last_good: z.boolean().optional().describe('The last text with which a guest has started.'),
  })
  .refine(({ changes, text, last_good: lastGood }) => [changes, text, lastGood].filter((each) => each !== undefined).length === 1, {
    error: 'Give one of changes, text and last_good.',
  })
export type ConfigDraft = z.infer<typeof configDraftSchema>
export type ConfigChange = NonNullable<ConfigDraft['changes']>[number]

const path = z.string().max(maxSource)
/** A name that leads to no other folder. */
export const archiveName: RegExp = /^journal-\d{1,15}-\d{1,15}\.jsonl\.zst(?:\.sealed)?$/

/** The guest may be compromised: its questions are parsed. */
export const hostQuestionSchema: z.ZodType<HostQuestion> = z.union([
  z.strictObject({ ask: z.literal('config') }),
  z.strictObject({ ask: z.literal('reload') }),
  z.strictObject({ ask: z.literal('propose'), draft: configDraftSchema, save: z.literal(false) }),
  z.strictObject({ ask: z.literal('propose'), draft: configDraftSchema, save: z.literal(true), base: z.string() }),
  z.strictObject({ ask: z.literal('envelope'), masters: z.boolean() }),
  z.strictObject({ ask: z.literal('newest_head') }),
  z.strictObject({ ask: z.literal('definitions') }),
  z.strictObject({ ask: z.literal('archive'), after: z.int().nonnegative(), upto: z.int().positive() }),
  z.strictObject({ ask: z.literal('archived'), file: z.string().regex(archiveName), after: z.int().nonnegative() }),
  z.strictObject({ ask: z.literal('plugins') }),
  z.strictObject({ ask: z.literal('folders') }),
  z.strictObject({ ask: z.literal('skills') }),
  z.strictObject({
    ask: z.literal('skill_files'),
    place: z.enum(['agent', 'user', 'bundled']),
    agent: z.string().max(64),
    folder: z.string().max(200),
  }),
  z.strictObject({ ask: z.literal('sign_card'), card: z.string().max(maxText), key_address: z.string().max(2_000) }),
  z.strictObject({ ask: z.literal('guarding') }),
  z.strictObject({ ask: z.literal('installed_plugins') }),
  z.strictObject({ ask: z.literal('look_at_plugin'), source: path, manifest: z.string().max(maxManifest).optional() }),
  z.strictObject({ ask: z.literal('propose_plugin'), source: path }),
  z.strictObject({
    ask: z.literal('install_plugin'),
    source: path,
    hash: z.string().max(128),
    manifest: z.string().max(maxManifest).optional(),
  }),
  z.strictObject({ ask: z.literal('change_plugin'), plugin: z.string().max(100), change: z.enum(pluginChanges) }),
  z.strictObject({ ask: z.literal('new_plugin'), folder: path }),
  z.strictObject({ ask: z.literal('sign_plugin'), folder: path, key: path }),
  z.strictObject({ ask: z.literal('resolve_server'), server: serverName, package: path }),
  z.strictObject({
    ask: z.literal('install_server'),
    server: serverName,
    package: path,
    bin: z.string().max(maxSource).optional(),
    digest: z.string().max(64),
  }),
  z.strictObject({ ask: z.literal('uninstall_server'), server: serverName }),
  z.strictObject({ ask: z.literal('found_servers') }),
  z.strictObject({ ask: z.literal('users') }),
  z.strictObject({ ask: z.literal('spaces') }),
  z.strictObject({ ask: z.literal('log'), wish: logWish }),
  z.strictObject({ ask: z.literal('stop') }),
  z.strictObject({ ask: z.literal('channels'), spec: channelsSpec.nullable() }),
  z.strictObject({ ask: z.literal('withdraw'), question: z.int().nonnegative() }),
  ...appQuestionSchemas,
  ...programQuestionSchemas,
])
