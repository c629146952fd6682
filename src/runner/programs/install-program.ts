/**
 * Installing a program, with the means of plugins: `stage` brings its files into a folder of its own and judges them, a person sees what it is
 * and may do, and `commit` moves the folder to its final place and writes the lock. Nothing of it runs in any of them.
 */
import { randomUUID } from 'node:crypto'
import { chmod, lstat, mkdir, readdir, readFile, rename } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { fingerprint, hashOfFiles, listTree, type TreeFile } from '../../plugins/index.ts'
import { isObject, OxbowError } from '../../base/index.ts'
import {
  type ChangedProgram,
  type DefinitionText,
  definitionName,
  maxProgramFileBytes,
  maxProgramTests,
  type ProgramChange,
  type ProgramVersion,
  type StagedProgram,
} from '../../config/index.ts'
import { bundledPrograms, readProgram } from '../definition-files.ts'
import type { Home, HostEnv } from '../home.ts'
import { discard, setModes, signerIn } from '../plugins/install.ts'
import { changeSealed, damagedList, readSealed } from '../packages/sealed-list.ts'
import { fetchProgram } from './fetch-program.ts'
import {
  installedFolder,
  type InstalledProgram,
  type LockedProgram,
  programsLock,
  textsHash,
  versionFolderOf,
} from './installed-programs.ts'

/** A package that is ready to be installed; whoever has it removes `folder` unless it is committed. */
export interface StagedFolder {
  readonly folder: string
  readonly locked: Omit<LockedProgram, 'approved_by' | 'approved_at'>
  readonly view: StagedProgram
}

/**
 * @param given see `fetchProgram`; empty: where the installed version is from
 * @param expected only this program may be in the package @throws OxbowError for a package that cannot be installed
 */
export async function stageProgram(home: Home, env: HostEnv, given: string, expected?: string): Promise<StagedFolder> {
  const installed = listInstalled(home)
  const from = given === '' ? sourceAgain(installed, expected ?? '') : given
  const parent = join(home.root, 'programs', '.installed')
  const folder = join(parent, `.staging-${randomUUID()}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    const source = await fetchProgram(from, folder, env)
    const { name, version } = await nameIn(folder)
    assertName(name, expected)
    const files = await listTree(folder)
    const signer = await signerIn(folder, '', files, 'program')
    const tree_hash = hashOfFiles(files)
    const read = readProgram(folder, name)
    const locked = { name, version, source, folder: `${version}-${tree_hash.slice(0, 16)}`, tree_hash, texts_hash: textsHash(read), signer }
    const before = installed.find((each) => each.name === name) ?? null
    const view: StagedProgram = {
      program: name,
      ...versionView(locked, read),
      files: files.map(({ path, bytes }) => ({ path, bytes })),
      tests: await testsIn(folder, files),
      before: before === null ? null : versionView(before, readBefore(home, before)),
      hides: existsSync(join(bundledPrograms(), name, 'program.toml'))
        ? 'bundled'
        : existsSync(join(home.root, 'programs', name))
          ? 'own'
          : '',
    }
    return { folder, locked, view }
  } catch (error) {
    await discard(folder)
    throw error
  }
}

/** @throws OxbowError where the same source never has another version */
function sourceAgain(installed: readonly InstalledProgram[], name: string): string {
  const source = installed.find((each) => each.name === name)?.source
  if (source === undefined) throw notInstalled(name)
  if (source.from === 'folder') return source.path
  if (source.from === 'git') return `git+${source.url}${source.ref === '' ? '' : `#${source.ref}`}`
  const where = source.from === 'npm' ? `npm:${source.spec.replace(/@[^@]*$/, '')}@VERSION` : `${source.place}#sha256=HASH`
  throw new OxbowError('bad_input', `${name} is from ${source.from === 'npm' ? 'npm' : 'an archive'}, where a version never changes.`, {
    hint: `Name the version that you want: oxbow program update ${name} ${where}`,
  })
}

function notInstalled(name: string): OxbowError {
  return new OxbowError('not_found', `The program ${name} is not installed.`, {
    hint: 'It changes only what `oxbow program install` has installed; a folder of your own you change yourself.',
  })
}

function versionView({ version, tree_hash, signer, source }: StagedFolder['locked'], read: DefinitionText): ProgramVersion {
  const { toml, text, script, module } = read
  return {
    version,
    hash: tree_hash,
    signed_by: signer === '' ? '' : fingerprint(signer),
    source,
    texts: { toml, text, ...(script !== undefined && { script }), ...(module !== undefined && { module }) },
  }
}

/** What somebody has changed since is not compared with: then it is as if it were empty. */
function readBefore(home: Home, before: LockedProgram): DefinitionText {
  try {
    const read = readProgram(versionFolderOf(home, before), before.name)
    if (textsHash(read) === before.texts_hash) return read
  } catch {
    // Gone.
  }
  return { kind: 'programs', name: before.name, toml: '', text: '', problem: '' }
}

async function nameIn(folder: string): Promise<{ readonly name: string; readonly version: string }> {
  const path = join(folder, 'program.toml')
  const text = await lstat(path).then(
    async (stats) => (stats.isFile() && stats.size <= maxProgramFileBytes ? readFile(path, 'utf8') : null),
    () => null,
  )
  if (text === null)
    throw new OxbowError('not_found', 'The package has no program.toml that can be read.', {
      hint: '`oxbow program new NAME` makes a program.',
    })
  const bad = (why: string, cause?: unknown): OxbowError =>
    new OxbowError('bad_input', `program.toml of the package cannot be used: ${why}.`, {
      hint: 'Check it: oxbow program verify FOLDER',
      cause,
    })
  let table: unknown
  try {
    table = parse(text)
  } catch (cause) {
    throw bad(cause instanceof Error ? cause.message.split('\n', 1)[0]! : String(cause), cause)
  }
  const { name, version } = isObject(table) && isObject(table['program']) ? table['program'] : {}
  if (typeof name !== 'string' || !definitionName.test(name)) throw bad('program.name is not a plain name')
  if (typeof version !== 'string' || !/^\d+\.\d+\.\d+[\w.+-]{0,50}$/.test(version))
    throw bad('program.version is not a version such as 1.0.0')
  return { name, version }
}

function assertName(name: string, expected: string | undefined): void {
  if (expected !== undefined && name !== expected)
    throw new OxbowError('bad_input', `The package has the program ${name}, and not ${expected}.`, {
      hint: `oxbow program install installs ${name}.`,
    })
}

async function testsIn(folder: string, files: readonly TreeFile[]): Promise<Readonly<Record<string, string>>> {
  const found = files.filter(
    ({ path, kind, bytes }) => /^tests\/[^/]+\.toml$/.test(path) && kind !== 'link' && bytes <= maxProgramFileBytes,
  )
  if (found.length > maxProgramTests)
    throw new OxbowError('limit_reached', `The program has ${found.length} cases of tests; it may have ${maxProgramTests}.`, {
      hint: 'Join cases that check the same, or split the program.',
    })
  const texts = await Promise.all(found.map(async ({ path }) => [path, await readFile(join(folder, path), 'utf8')] as const))
  return Object.fromEntries(texts)
}

/** @param folders with `programs` of the person; a later one overrides an earlier one @returns the cases of tests of a program that there is */
export async function testsOf(home: Home, folders: readonly string[], name: string): Promise<Readonly<Record<string, string>>> {
  const installed = listInstalled(home).find((each) => each.name === name)
  const places = folders.toReversed().map((folder) => join(folder, 'programs', name))
  const bundled = existsSync(join(bundledPrograms(), name)) ? join(bundledPrograms(), name) : undefined
  const folder = installed === undefined ? (bundled ?? places.find((place) => existsSync(place))) : versionFolderOf(home, installed)
  return folder === undefined || !definitionName.test(name) ? {} : testsIn(folder, await listTree(folder))
}

/** @param by account of the person who approved it */
export async function commitProgram(home: Home, { folder, locked }: StagedFolder, by: string, now: number): Promise<InstalledProgram> {
  const parent = installedFolder(home, locked.name)
  const place = versionFolderOf(home, locked)
  await mkdir(parent, { recursive: true, mode: 0o700 })
  await setModes(folder, 0o555)
  await chmod(folder, 0o700)
  // What is there already has the same files, or was left by a crash.
  if ((await lstat(place).catch(() => null)) !== null) await discard(place)
  await rename(folder, place)
  await chmod(place, 0o555)
  let installed: InstalledProgram | undefined
  changeSealed<InstalledProgram>(home, programsLock, (programs) => {
    const current = programs.find(({ name }) => name === locked.name)
    const isSame = current?.tree_hash === locked.tree_hash
    const before = current === undefined ? null : isSame ? current.before : withoutBefore(current)
    const on_trial = current !== undefined && (isSame ? current.on_trial : true)
    installed = { ...locked, approved_by: by, approved_at: now, on_trial, before }
    return sorted([...programs.filter(({ name }) => name !== locked.name), installed])
  })
  await dropOthers(home, installed!)
  return installed!
}

/** @param hash only the version with these files @returns what came of it @throws OxbowError `not_found` */
export async function changeProgram(home: Home, name: string, change: ProgramChange, hash?: string): Promise<ChangedProgram> {
  const found = listInstalled(home).find((each) => each.name === name)
  if (found === undefined) throw notInstalled(name)
  let isChanged = false
  let left: InstalledProgram | undefined
  changeSealed<InstalledProgram>(home, programsLock, (programs) => {
    const current = programs.find((each) => each.name === name)
    left = current
    if (current === undefined || (hash !== undefined && (current.tree_hash !== hash || !current.on_trial))) return programs
    left = changed(current, change)
    isChanged = true
    return sorted([...programs.filter((each) => each.name !== name), ...(left === undefined ? [] : [left])])
  })
  if (change === 'remove') await discard(installedFolder(home, name))
  else if (left !== undefined) await dropOthers(home, left)
  return { changed: isChanged, version: left?.version ?? '' }
}

function changed(current: InstalledProgram, change: ProgramChange): InstalledProgram | undefined {
  if (change === 'remove') return undefined
  if (change === 'keep') return { ...current, on_trial: false }
  if (current.before === null)
    throw new OxbowError('not_found', `There is no version of ${current.name} to go back to.`, {
      hint: 'Install the version that you want.',
    })
  return { ...current.before, on_trial: false, before: null }
}

function withoutBefore(program: InstalledProgram): LockedProgram {
  const { on_trial: _, before: __, ...locked } = program
  return locked
}

const sorted = (programs: readonly InstalledProgram[]): readonly InstalledProgram[] =>
  programs.toSorted((a, b) => (a.name < b.name ? -1 : 1))

/** @throws OxbowError `bad_config` for a list that cannot be used */
function listInstalled(home: Home): readonly InstalledProgram[] {
  const { items: read, problem } = readSealed(home, programsLock)
  const items = read as readonly InstalledProgram[]
  if (problem !== '') throw damagedList(home, programsLock, problem)
  return items
}

/** Removes folders of versions that nobody goes back to. */
async function dropOthers(home: Home, { name, folder, before }: InstalledProgram): Promise<void> {
  const kept = new Set([folder, before?.folder])
  const parent = installedFolder(home, name)
  for (const each of await readdir(parent)) if (!kept.has(each)) await discard(join(parent, each))
}
