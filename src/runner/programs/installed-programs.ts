/**
 * `programs.lock` in the home: which programs are installed, and which of their files a person has approved. Their versions are folders in
 * `programs/.installed/NAME/`. What is read of them is compared with the list each time; one that differs does not run.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { DefinitionText, ProgramSource } from '../../config/index.ts'
import { bundledPrograms, namesIn, readDefinition, readDefinitions, readProgram } from '../definition-files.ts'
import type { Home } from '../home.ts'
import { readSealed, sealAnew, type SealedList } from '../packages/sealed-list.ts'

export interface LockedProgram {
  readonly name: string
  readonly version: string
  readonly source: ProgramSource
  /** Name of its folder in `programs/.installed/NAME/`. */
  readonly folder: string
  /** Over all of its files. */
  readonly tree_hash: string
  /** Over the texts that count when it runs. */
  readonly texts_hash: string
  /** The public key that has signed all of its files, in base64; empty: unsigned, and approved by its hash. */
  readonly signer: string
  /** Account of the person who approved hash and rights, and when: Unix milliseconds. */
  readonly approved_by: string
  readonly approved_at: number
}

export interface InstalledProgram extends LockedProgram {
  /** An update that has not run yet: where its first run fails, the version before comes back. */
  readonly on_trial: boolean
  readonly before: LockedProgram | null
}

export const programsLock: SealedList = {
  path: (home) => join(home.root, 'programs.lock'),
  seal: 'programs.seal',
  heading: 'oxbow-programs-lock-1',
  key: 'programs',
  effect: 'no installed program runs',
  hint: 'install the programs again',
}

export const installedFolder = (home: Pick<Home, 'root'>, name: string): string => join(home.root, 'programs', '.installed', name)

export const versionFolderOf = (home: Pick<Home, 'root'>, { name, folder }: Pick<LockedProgram, 'name' | 'folder'>): string =>
  join(installedFolder(home, name), folder)

export function textsHash({ toml, text, script, module }: Pick<DefinitionText, 'toml' | 'text' | 'script' | 'module'>): string {
  return createHash('sha256')
    .update(JSON.stringify([toml, text, script ?? null, module ?? null]))
    .digest('hex')
}

/** @returns the installed programs; those that are not as they were approved have a problem. Never throws. */
export function readInstalled(home: Home): readonly DefinitionText[] {
  const { items, problem } = readSealed<InstalledProgram>(home, programsLock)
  // Their names are not known; `oxbow program install` and `oxbow doctor` say what is wrong.
  if (problem !== '') return []
  return items.map((item) => {
    const place = { place: 'installed', ...(item.on_trial && { trial: item.tree_hash }) } as const
    const broken = (why: string): DefinitionText => ({ kind: 'programs', name: item.name, toml: '', text: '', problem: why, ...place })
    try {
      const read = readProgram(versionFolderOf(home, item), item.name)
      if (textsHash(read) === item.texts_hash) return { ...read, ...place }
      return broken('its files are not those that were approved: install it again')
    } catch (error) {
      return broken(error instanceof Error ? error.message : String(error))
    }
  })
}

/** As a guest gets definitions: the person's, installed programs, and those that come with Oxbow. */
export function definitionsOf(home: Home, folders: readonly string[], bundled: string = bundledPrograms()): readonly DefinitionText[] {
  const installed = existsSync(programsLock.path(home)) ? readInstalled(home) : []
  const names = new Set(installed.map(({ name }) => name))
  const own = namesIn(bundled, 'programs').map((name) => ({ ...readDefinition(bundled, 'programs', name), place: 'bundled' as const }))
  return readDefinitions(folders, [...own.filter(({ name }) => !names.has(name)), ...installed])
}

/**
 * Seals the list of programs that a restore has put in place.
 * @param isProven a key of the person proves who has made the backup; otherwise none counts, as nothing says who approved its rights
 */
export function sealRestoredPrograms(home: Home, isProven: boolean): void {
  if (existsSync(programsLock.path(home))) sealAnew<InstalledProgram>(home, programsLock, (programs) => (isProven ? programs : []))
}
