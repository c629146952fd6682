/** What a guest asks of its host about programs: what one would be that is not installed, and changes of those that are. */
import { z } from 'zod'

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

export const programChanges = ['rollback', 'remove', 'keep'] as const
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
