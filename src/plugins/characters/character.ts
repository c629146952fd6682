/**
 * A character: who an agent is, how it talks and what it knows. Files of elizaOS 0.x, 1.x and newer, and of ZoeyOS, all become this one
 * form. What a file has beyond it stays in the file, which is kept unchanged.
 */
import type { JsonObject } from '../../base/index.ts'

export interface ExampleMessage {
  /** The name of the character, or a placeholder such as `{{user1}}`. */
  readonly name: string
  readonly text: string
  readonly actions: readonly string[]
}

/** `path` is relative to the file of the character. */
export type Knowledge =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'file' | 'folder'; readonly path: string; readonly shared: boolean }

/** A character, whichever format it was written in. */
export interface Character {
  /** Empty: the file has none. */
  readonly id: string
  readonly name: string
  readonly username: string
  readonly system: string
  readonly bio: readonly string[]
  readonly lore: readonly string[]
  readonly adjectives: readonly string[]
  readonly topics: readonly string[]
  readonly style: { readonly all: readonly string[]; readonly chat: readonly string[]; readonly post: readonly string[] }
  readonly messageExamples: readonly (readonly ExampleMessage[])[]
  readonly postExamples: readonly string[]
  readonly knowledge: readonly Knowledge[]
  /** Names of packages. Clients of 0.x are plugins too. */
  readonly plugins: readonly string[]
  readonly templates: Readonly<Record<string, string>>
  readonly settings: JsonObject
  /** Secrets from `secrets` and `settings.secrets`. */
  readonly secrets: Readonly<Record<string, string | number | boolean>>
}

export type CharacterForm = 'elizaos-0' | 'elizaos-1' | 'elizaos-2' | 'zoeyos-xml'

export interface ReadCharacter {
  readonly form: CharacterForm
  readonly character: Character
  /** What the file holds, as JSON. */
  readonly original: JsonObject
  /** What a person should look at; each names its place in the file. */
  readonly warnings: readonly string[]
}

/** A character that cannot be read has reasons instead. */
export type CharacterReading =
  | { readonly ok: true; readonly read: ReadCharacter }
  | { readonly ok: false; readonly problems: readonly string[] }

/** Levels of lists and objects in a file. */
export const maxCharacterDepth = 32
/** Entries of a list, and reported problems and warnings of a file. */
export const maxListEntries = 2_000
export const maxReported = 50
