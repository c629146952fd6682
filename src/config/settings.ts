/**
 * What a terminal of the owner may ask about the configuration, and what a guest asks of its runner for it. Configuration files belong to
 * the host: only the runner reads and writes them. The guest asks over the pipes that carry its envelope and its reports.
 */
import { type HostedPlugin, type HostFolder, jsonSchema, type NewestHead, type ShownFolder } from '../protocol/index.ts'
import type { HostSkill, HostSkillFile, HostSkillPlace, HostSkills } from './skills.ts'
import { z } from 'zod'
import type { Failure, JsonObject } from '../base/index.ts'

/** What TOML writes on one line. */
export type TomlValue = string | number | boolean | readonly TomlValue[]

const configSource = z.enum(['default', 'all_users', 'user', 'command'])

/** `command`: an option of the command that started the guest. */
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

/** `base` is the hash of the text that the draft was made from. */
export type HostQuestion =
  | { readonly ask: 'config' }
  | { readonly ask: 'propose'; readonly draft: ConfigDraft; readonly save: false }
  | { readonly ask: 'propose'; readonly draft: ConfigDraft; readonly save: true; readonly base: string }
  /** An envelope of the files as they are now. `masters`: creates the user's master key if it does not exist. */
  | { readonly ask: 'envelope'; readonly masters: boolean }
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
  /** A signature of the card of a published agent, whose key is published at the address. */
  | { readonly ask: 'sign_card'; readonly card: string; readonly key_address: string }

export interface HostFolders {
  readonly folders: readonly HostFolder[]
  /** What the sandbox of an isolated guest, which its runner holds, shows of them; null: the guest holds its sandbox, or it shows none. */
  readonly shown: readonly ShownFolder[] | null
}

export const definitionKinds = ['agents', 'graphs'] as const
export type DefinitionKind = (typeof definitionKinds)[number]

/** A definition as its files hold it: `agents/NAME.toml` with the instructions in `agents/NAME.md`, or `graphs/NAME.toml`. */
export interface DefinitionText {
  readonly kind: DefinitionKind
  readonly name: string
  readonly toml: string
  /** Empty if there is no such file. */
  readonly text: string
  /** Of `agents/NAME.character.json`, which makes the agent a character; absent if there is no such file. */
  readonly character?: string | undefined
  /** Why the files cannot be used; empty if they can. */
  readonly problem: string
}

/** A definition that was read. */
export interface Definition extends DefinitionText {
  readonly from: 'person' | 'workspace'
  /** Of its name and the texts of its files. */
  readonly hash: string
  /** What its TOML holds, as JSON: a date is a text. */
  readonly table: JsonObject
}

export const definitionName: RegExp = /^[a-z][a-z0-9_-]{0,31}$/
/** Bytes of one file of a definition, and definitions of one folder: people write kilobytes of them. */
export const maxDefinitionBytes: number = 64 * 1024
export const maxDefinitions = 200
/** Bytes of the file of a character: large ones have a hundred conversations as examples. */
export const maxCharacterBytes: number = 512 * 1024
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
  /** @throws OxbowError `not_found`, `limit_reached` */
  skillFiles(skill: Pick<HostSkill, 'place' | 'agent' | 'folder'>): Promise<readonly HostSkillFile[]>
  /** Has the card of a published agent signed with the runner's key. @param card its canonical JSON */
  signCard(card: string, keyAddress: string): Promise<SignedCard>
  /** Why the guest runs with its previous configuration; empty if it does not. */
  restartProblem(): string
}

const maxDepth = 8
const maxKeyLength = 200
const maxChanges = 500
const maxText: number = 1024 * 1024

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

/** The guest may be compromised: its questions are parsed. */
export const hostQuestionSchema: z.ZodType<HostQuestion> = z.union([
  z.strictObject({ ask: z.literal('config') }),
  z.strictObject({ ask: z.literal('propose'), draft: configDraftSchema, save: z.literal(false) }),
  z.strictObject({ ask: z.literal('propose'), draft: configDraftSchema, save: z.literal(true), base: z.string() }),
  z.strictObject({ ask: z.literal('envelope'), masters: z.boolean() }),
  z.strictObject({ ask: z.literal('newest_head') }),
  z.strictObject({ ask: z.literal('definitions') }),
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
])
