/** Skills, commands and definitions of the person and of Oxbow itself, as the host finds them; hands read a workspace's. */
import { z } from 'zod'
import type { JsonObject } from '../base/index.ts'

/** `agent`: in the folder of one agent, `user`: in `~/.oxbow/skills`, `bundled`: part of Oxbow. */
export type HostSkillPlace = 'agent' | 'user' | 'bundled'

export interface HostSkill {
  readonly place: HostSkillPlace
  /** Whose skill it is; empty for other places. */
  readonly agent: string
  /** Name of its folder. */
  readonly folder: string
  /** SKILL.md up to the end of its frontmatter, or the whole text if it has none. */
  readonly head: string
  /** Why it cannot be read; empty if it can. */
  readonly problem: string
}

/** A command of the person: `~/.oxbow/prompts/NAME.md`. */
export interface HostPrompt {
  readonly name: string
  readonly text: string
  readonly problem: string
}

export interface HostSkills {
  readonly skills: readonly HostSkill[]
  readonly prompts: readonly HostPrompt[]
}

/** One file of a skill. */
export interface SkillFile {
  /** Relative to the folder of the skill. */
  readonly path: string
  readonly executable: boolean
  readonly content: Uint8Array
}

/** The same on a line of JSON. */
export interface HostSkillFile {
  readonly path: string
  readonly executable: boolean
  readonly base64: string
}

/** What can be the name of a folder of a skill: no separator, and nothing that begins with a dot. */
export const skillFolderName: RegExp = /^[^./\\\p{Cc}][^/\\\p{Cc}]{0,199}$/u
/** What can be the name of a command. */
export const commandName: RegExp = /^[A-Za-z0-9][A-Za-z0-9_:-]{0,63}$/

/** Limits that the host and the guest share: one SKILL.md, skills of a place, files of a skill, their total size, their depth. */
export const maxSkillMdBytes: number = 256 * 1024
export const maxSkillsOfPlace = 2_000
export const maxSkillFiles = 200
export const maxSkillTotalBytes: number = 4 * 1024 * 1024
export const maxSkillDepth = 5
export const maxCommandBytes: number = 64 * 1024
export const maxCommandsOfPlace = 200

export const definitionKinds = ['agents', 'graphs', 'programs'] as const
export type DefinitionKind = (typeof definitionKinds)[number]

/**
 * A definition as its files hold it: `agents/NAME.toml` with the instructions in `agents/NAME.md`, `graphs/NAME.toml`, or the folder
 * `programs/NAME` with `program.toml`, `SKILL.md` and perhaps `main.js`.
 */
export interface DefinitionText {
  readonly kind: DefinitionKind
  readonly name: string
  readonly toml: string
  /** Empty if there is no such file. */
  readonly text: string
  /** Of `agents/NAME.character.json`, which makes the agent a character; absent if there is no such file. */
  readonly character?: string | undefined
  /** Of `programs/NAME/main.js`; absent if there is no such file: then an agent follows the instructions. */
  readonly script?: string | undefined
  /** Of `programs/NAME/main.wasm`, a WASI module, in base64; absent if there is no such file. */
  readonly module?: string | undefined
  /** Of a program: it is part of Oxbow, or was installed. Absent: its files are the person's. */
  readonly place?: 'bundled' | 'installed' | undefined
  /** The person has a folder of its name, too, which does not count. */
  readonly hides?: true | undefined
  /** Of an update that has not run yet: the hash of its files. Where its first run fails, the version before comes back. */
  readonly trial?: string | undefined
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
/** Characters of what a definition of an agent is for, and of how it speaks. */
export const maxAgentDescription = 500
export const maxAgentStyle = 2_000
/** What an agent with a definition recalls and notes. */
export const memoryScopes: readonly ['none', 'read', 'own', 'persona'] = ['none', 'read', 'own', 'persona']
/** Cases of the tests of a program: a person reads what fails. */
export const maxProgramTests = 100
/** Bytes of each file of a program. */
export const maxProgramFileBytes: number = 256 * 1024
/** Bytes of a WASI module of a program. */
export const maxProgramModuleBytes: number = 2 * 1024 * 1024
/** Bytes of the file of a character: large ones have a hundred conversations as examples. */
export const maxCharacterBytes: number = 512 * 1024

// What a guest asks of its host about programs: what one would be that is not installed, and changes of those that are.

/** Where an installed program is from. What its source says at another time may be something else: hash or commit tell which it was. */
export type ProgramSource =
  | { readonly from: 'folder'; readonly path: string }
  /** `place`: a path of the host, or an address. */
  | { readonly from: 'archive'; readonly place: string; readonly sha256: string }
  /** `integrity`: of its tarball, as npm writes it. */
  | { readonly from: 'npm'; readonly spec: string; readonly integrity: string }
  /** `ref`: what was asked for, a branch or a tag; empty: the usual one. */
  | { readonly from: 'git'; readonly url: string; readonly ref: string; readonly commit: string }

/** Files of a program that count, as texts. */
export interface ProgramTexts {
  readonly toml: string
  readonly text: string
  readonly script?: string | undefined
  /** A WASI module, in base64. */
  readonly module?: string | undefined
}

export interface ProgramVersion {
  readonly version: string
  /** Over all files of its folder. */
  readonly hash: string
  /** Fingerprint of the key that has signed all of its files; empty: nobody has. */
  readonly signed_by: string
  readonly source: ProgramSource
  readonly texts: ProgramTexts
}

/** A program that is about to be installed; nothing of it has run. */
export interface StagedProgram extends ProgramVersion {
  readonly program: string
  /** Paths of all of its files, with the bytes of each. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[]
  /** Its test cases by file name. */
  readonly tests: Readonly<Record<string, string>>
  /** The installed version; null: it is new. */
  readonly before: ProgramVersion | null
  /** What of its name does not count any more: a program that comes with Oxbow, or a folder of the person's; empty: nothing. */
  readonly hides: 'bundled' | 'own' | ''
}

const programChanges = ['rollback', 'remove', 'keep'] as const
export type ProgramChange = (typeof programChanges)[number]

export type ProgramQuestion =
  /** `program`: only this one may be in the package. */
  | { readonly ask: 'look_at_program'; readonly source: string; readonly program?: string | undefined }
  /** Installs exactly the files with this hash. */
  | { readonly ask: 'install_program'; readonly source: string; readonly program?: string | undefined; readonly hash: string }
  /** `keep`: its first run was good. @param hash only the version with these files is changed */
  | { readonly ask: 'change_program'; readonly program: string; readonly change: ProgramChange; readonly hash?: string | undefined }
  /** The cases of tests of a program that there is, by file name. */
  | { readonly ask: 'program_tests'; readonly program: string }
  /** Makes a folder with a program to begin with. */
  | { readonly ask: 'new_program'; readonly folder: string }

/** What came of a change. */
export interface ChangedProgram {
  /** False: the version that was to be changed is not the installed one any more. */
  readonly changed: boolean
  /** The version that is installed now; empty: none is. */
  readonly version: string
}

export interface ProgramPort {
  /** @param source a folder or an archive of the host, `npm:NAME@VERSION`, `git+URL`, or an address @throws OxbowError for what cannot be installed */
  look(source: string, program?: string): Promise<StagedProgram>
  /** @throws OxbowError `denied` where the files are others now */
  install(source: string, hash: string, program?: string): Promise<StagedProgram>
  change(program: string, change: ProgramChange, hash?: string): Promise<ChangedProgram>
  /** @returns the cases of tests of a program that there is, by file name */
  tests(program: string): Promise<Readonly<Record<string, string>>>
  /** @returns the name of the program */
  make(folder: string): Promise<string>
}

const path = z.string().max(4_096)
const name = z.string().max(100)
const hash = z.string().max(128)

export const programQuestionSchemas = [
  z.strictObject({ ask: z.literal('look_at_program'), source: path, program: name.optional() }),
  z.strictObject({ ask: z.literal('install_program'), source: path, program: name.optional(), hash }),
  z.strictObject({ ask: z.literal('change_program'), program: name, change: z.enum(programChanges), hash: hash.optional() }),
  z.strictObject({ ask: z.literal('program_tests'), program: name }),
  z.strictObject({ ask: z.literal('new_program'), folder: path }),
] as const
