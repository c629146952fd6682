/**
 * The master key of a user, from which the keys of the database file and of secrets are derived. It is created on first need in
 * `runner/keys/`, which no guest and no tool can access: as a random key that only its owner can read, or, with a passphrase, as salt and
 * parameters for scrypt. It reaches the guest in its envelope, and never an argument, a log or a journal.
 */
import { hkdfSync, randomBytes, scryptSync } from 'node:crypto'
import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isAlive, openBytes, ownValue, OxbowError, sealBytes, type UserId } from '../base/index.ts'
import type { Config } from '../config/index.ts'
import { hostFiles, makeFolder, placeFirst } from './home.ts'
import type { Home, HostEnv, Workspace } from './home.ts'
import { scryptBlock, scryptCost, scryptLanes } from './limits.ts'

type Entry =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'passphrase'; readonly salt: string; readonly n: number; readonly r: number; readonly p: number }

interface KeyFile {
  readonly format: 1
  readonly current: Entry
  /** Set while the key is being changed; either key may then be the right one. */
  readonly next?: Entry
  /** The key of archives, sealed by keys derived from the ones above: it stays the same when they change. Absent: there is no archive. */
  readonly archives?: readonly string[]
}

export interface KeyPlace {
  readonly home: Home
  readonly user: UserId
  readonly config: Config
  readonly env: HostEnv
}

/** @param setup of a guest of the user */
export function keyPlaceOf({
  home,
  workspace: { user },
  config,
  env,
}: Omit<KeyPlace, 'user'> & { readonly workspace: Pick<Workspace, 'user'> }): KeyPlace {
  return { home, user, config, env }
}

/** Variable with the new passphrase, for a change. */
const newPassphraseEnv = 'OXBOW_NEW_PASSPHRASE'

/** @returns the keys, the one in use first; empty if there are no keys. @throws OxbowError `bad_config` for a damaged file or a missing passphrase */
export function masterKeys(place: KeyPlace): readonly string[] {
  const file = readKeyFile(place)
  if (file === null) return []
  return keysOf(place, file)
}

function keysOf(place: KeyPlace, { current, next }: KeyFile): readonly string[] {
  const own = passphraseEnv(place)
  return [keyOf(place, current, [own]), ...(next === undefined ? [] : [keyOf(place, next, [newPassphraseEnv, own])])]
}

/** As `masterKeys`, but creates a key if no key exists. */
export function makeMasterKeys(place: KeyPlace): readonly string[] {
  if (readKeyFile(place) === null) {
    // If two processes create a key at once, one is stored and both use it: no store may be created with a key that is not.
    writeKeyFile(place, { format: 1, current: newEntry(passphraseOf(place, passphraseEnv(place))) }, placeFirst)
  }
  return masterKeys(place)
}

/** The key of another home, which a restore gives to this one. */
export interface TakenKey {
  /** Of both homes, the given one first. */
  readonly keys: readonly string[]
  /** Both count from now on, so that a restore which is interrupted leaves no store without its key. */
  begin(): void
  /** The restore is done. @returns the file with the previous key; null: no key was replaced */
  keep(now: number): string | null
  /** The restore was refused: this home has its own key again. */
  drop(): void
}

/**
 * @param text of the key file of another home @param from its path, for people @param replace whether there may be another key
 * @throws OxbowError `bad_input` for another kind of file, or for another key without `replace`: what it seals could not be read any more
 */
export function takeKeyFile(place: KeyPlace, text: string, from: string, replace: boolean): TakenKey {
  const given = parseKeyFile(text)
  if (given === null)
    throw new OxbowError('bad_input', `${from} is not a key file of Oxbow.`, { hint: 'Name the file that `oxbow backup` named.' })
  const there = readKeyFile(place)
  const keys = there === null ? keysOf(place, given) : [...new Set([...keysOf(place, given), ...keysOf(place, there)])]
  if (JSON.stringify(there) === JSON.stringify(given)) return { keys, begin: () => {}, keep: () => null, drop: () => {} }
  if (there === null) {
    const drop = (): void => hostFiles(() => rmSync(pathOf(place), { force: true }))
    return { keys, begin: () => writeKeyFile(place, given, placeFirst), keep: () => null, drop }
  }
  if (!replace) {
    throw new OxbowError('bad_input', `${place.user} has another key in this home.`, {
      hint: 'Add --replace: the present state and its key are kept aside. Or restore into a new home (OXBOW_HOME=…). Nothing was changed.',
    })
  }
  return {
    keys,
    begin: () => writeKeyFile(place, { ...given, next: given.next ?? there.current }),
    keep(now) {
      const aside = `${pathOf(place)}.replaced-${new Date(now).toISOString().replaceAll(/[-:.]/g, '')}`
      writeKeyFile(place, there, renameSync, aside)
      writeKeyFile(place, given)
      return aside
    },
    drop: () => writeKeyFile(place, there),
  }
}

/** @returns the key file as another machine may take it (`takeKeyFile`); null: there is no such file. @throws OxbowError `bad_config` for a damaged one */
export function keyFileText(place: KeyPlace): string | null {
  const file = readKeyFile(place)
  return file === null ? null : JSON.stringify(file)
}

/** Begins a change of the key, or resumes an interrupted one. @returns the keys, the new one last. */
export function beginKeyChange(place: KeyPlace): readonly string[] {
  makeMasterKeys(place)
  const file = readKeyFile(place)
  if (file !== null && file.next === undefined) {
    const passphrase = passphraseOf(place, newPassphraseEnv)
    if (file.current.kind === 'passphrase' && passphrase === null) {
      throw new OxbowError('bad_input', `The variable ${newPassphraseEnv} is not set.`, { hint: 'Set it to the new passphrase.' })
    }
    const next = newEntry(passphrase)
    const archives = archiveKeyIn(place, file)
    const keys = keysOf(place, { ...file, next })
    writeKeyFile(place, { ...file, next, ...(archives !== null && { archives: keys.map((key) => sealArchiveKey(key, archives)) }) })
  }
  return masterKeys(place)
}

/** Ends a change: everything uses the new key, and the old one is removed. */
export function endKeyChange(place: KeyPlace): void {
  const file = readKeyFile(place)
  if (file?.next === undefined) return
  const { next, archives } = file
  writeKeyFile(place, { format: 1, current: next, ...(archives !== undefined && { archives }) })
}

/** @returns the key that seals archives; null: none is there, or it was sealed by keys of another home */
export function archiveKey(place: KeyPlace): Uint8Array | null {
  const file = readKeyFile(place)
  return file === null ? null : archiveKeyIn(place, file)
}

/** As `archiveKey`, but creates one if none exists. */
export function makeArchiveKey(place: KeyPlace): Uint8Array {
  makeMasterKeys(place)
  const file = readKeyFile(place)!
  const known = archiveKeyIn(place, file)
  if (known !== null) return known
  const made = randomBytes(32)
  writeKeyFile(place, { ...file, archives: [...keysOf(place, file).map((key) => sealArchiveKey(key, made)), ...(file.archives ?? [])] })
  return made
}

function archiveKeyIn(place: KeyPlace, file: KeyFile): Uint8Array | null {
  const { archives = [] } = file
  if (archives.length === 0) return null
  for (const key of keysOf(place, file))
    for (const text of archives) {
      const found = openArchiveKey(key, text)
      if (found !== null) return found
    }
  return null
}

const archivesKeyOf = (master: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', Buffer.from(master, 'hex'), '', 'archives of oxbow', 32))

const sealArchiveKey = (master: string, key: Uint8Array): string => sealBytes(archivesKeyOf(master), key).toString('base64')

const openArchiveKey = (master: string, text: string): Uint8Array | null => openBytes(archivesKeyOf(master), Buffer.from(text, 'base64'))

function newEntry(passphrase: string | null): Entry {
  if (passphrase === null) return { kind: 'key', key: randomBytes(32).toString('hex') }
  return { kind: 'passphrase', salt: randomBytes(16).toString('hex'), n: scryptCost, r: scryptBlock, p: scryptLanes }
}

/** @param variables the passphrase is in the first one that is set */
function keyOf(place: KeyPlace, entry: Entry, variables: readonly string[]): string {
  if (entry.kind === 'key') return entry.key
  const passphrase = variables.map((name) => passphraseOf(place, name)).find((found) => found !== null)
  if (passphrase === undefined) {
    throw new OxbowError('bad_config', `The store has a passphrase, and the variable ${variables.at(-1)} is not set.`, {
      hint: `Set ${variables.at(-1)} to the passphrase.`,
    })
  }
  const { salt, n, r, p } = entry
  return scryptSync(passphrase.normalize('NFKC'), Buffer.from(salt, 'hex'), 32, { N: n, r, p, maxmem: 256 * n * r }).toString('hex')
}

function passphraseEnv({ config }: KeyPlace): string {
  return config.store.passphrase_env
}

function passphraseOf({ env }: KeyPlace, name: string): string | null {
  return ownValue(env, name) || null
}

function pathOf({ home, user }: KeyPlace): string {
  const folder = join(home.runner, 'keys')
  hostFiles(() => makeFolder(folder))
  return join(folder, `${user}.json`)
}

function readKeyFile(place: KeyPlace): KeyFile | null {
  const path = pathOf(place)
  try {
    const file = parseKeyFile(readFileSync(path, 'utf8'))
    if (file !== null) return file
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
  }
  throw new OxbowError('bad_config', `${path} is not a key file.`, {
    hint: 'Restore it from a backup: encrypted data cannot be read without it.',
  })
}

function parseKeyFile(text: string): KeyFile | null {
  try {
    const file = JSON.parse(text) as KeyFile
    const { format, current, next = current, archives = [] } = file
    const isFine =
      format === 1 && [current, next].every(isEntry) && Array.isArray(archives) && archives.every((each) => typeof each === 'string')
    return isFine ? file : null
  } catch {
    return null
  }
}

/** Rejects costs that are too weak, or too high for a person's machine: this program did not write them. */
function isEntry(entry: Entry): boolean {
  if (entry.kind === 'key') return /^[0-9a-f]{64}$/.test(entry.key)
  const { kind, salt, n, r, p } = entry
  return (
    kind === 'passphrase' &&
    /^[0-9a-f]{32}$/.test(salt) &&
    n >= scryptCost &&
    n <= scryptCost * 16 &&
    r === scryptBlock &&
    p === scryptLanes
  )
}

function writeKeyFile(place: KeyPlace, file: KeyFile, put: typeof placeFirst = renameSync, path: string = pathOf(place)): void {
  const draft = `${path}.${process.pid}`
  hostFiles(() => {
    clearDrafts(path)
    writeFileSync(draft, `${JSON.stringify(file)}\n`, { mode: 0o600, flush: true })
    chmodSync(draft, 0o600)
    put(draft, path)
  })
}

/** A process that was killed while writing leaves a draft that contains a key. */
function clearDrafts(path: string): void {
  const folder = dirname(path)
  for (const name of readdirSync(folder)) {
    const pid = name.startsWith(`${basename(path)}.`) ? Number(name.slice(basename(path).length + 1)) : Number.NaN
    if (Number.isInteger(pid) && !isAlive(pid)) rmSync(join(folder, name), { force: true })
  }
}
