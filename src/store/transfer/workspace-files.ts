/**
 * The files of a workspace in backups and restores: `shared`, the vault, what plugins keep in folders of their own, and the configuration.
 *
 * A restore first unpacks beside the existing files. Then it writes a plan, replaces the journal, and renames the folders; the previous
 * ones are kept under other names. The journal decides whether an interrupted restore is finished or undone: if it has the record of the
 * restore, the folders are renamed, otherwise the unpacked files are removed.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { type BackupManifest, type BackupPart, type FileKeys, ownValue, OxbowError, writeWhole } from '../../types/index.ts'
import { syncFile } from '../sqlite/database-file.ts'
import { alone, connectStore, type StorePlace, tableNames, using } from '../upkeep/connection.ts'
import { maxArchiveDepth } from '../limits.ts'
import { appendPart, readPart } from './backup-file.ts'
import { openPieces, packFiles, sealPieces, unpackFiles } from './file-archive.ts'

const folderNames = ['shared', 'vault', 'plugins'] as const
/** Folders of the archive `private`. */
const privateNames = ['vault', 'plugins'] as const
type FolderName = (typeof folderNames)[number]

/** One thing that a restore puts in place: by renaming `staged` to `to`, and before that what is there to `kept`. */
interface Step {
  readonly staged: string
  readonly to: string
  readonly kept: string
}

/** @returns the space that the archives of a workspace take, approximately: agents may change files meanwhile */
export async function bytesOfFiles(place: StorePlace, { homeConfig }: FileKeys): Promise<number> {
  let bytes = 0
  const add = async (folder: string, depth: number): Promise<void> => {
    for (const name of await readdir(folder).catch(() => [])) {
      const stat = await lstat(join(folder, name)).catch(() => null)
      if (stat === null) continue
      bytes += archiveEntryBytes + (stat.isFile() ? stat.size : 0)
      if (stat.isDirectory() && depth < maxArchiveDepth) await add(join(folder, name), depth + 1)
    }
  }
  for (const name of folderNames) await add(folderOf(place, name), 1)
  for (const file of Object.values(configFiles(place, homeConfig))) bytes += statSync(file, { throwIfNoEntry: false })?.size ?? 0
  return bytes
}

/** Header and padding of an entry in a tar archive. */
const archiveEntryBytes = 1_024

/** Appends the archives of a workspace to a backup. @param isSealed the database of the backup is encrypted, so the archives must be too */
export async function backupFiles(
  place: StorePlace,
  path: string,
  { keys, homeConfig }: FileKeys,
  isSealed: boolean,
): Promise<Pick<BackupManifest, 'parts' | 'config' | 'store' | 'plugins'>> {
  const [seal] = keys
  if (seal === undefined) throw new Error('a backup of files needs a key')
  const texts = Object.fromEntries(
    Object.entries(configFiles(place, homeConfig)).flatMap(([name, file]) => (existsSync(file) ? [[name, readFileSync(file)]] : [])),
  )
  const add = async (name: BackupPart['name'], names: readonly FolderName[], isPlain: boolean): Promise<BackupPart> => {
    const folders = Object.fromEntries(names.map((folder) => [folder, folderOf(place, folder)] as const))
    const source = { folders, texts: name === 'private' ? texts : {} }
    const { bytes, counts } = packFiles(source)
    const id = randomUUID()
    return appendPart(path, isPlain ? bytes : sealPieces(bytes, seal.key, id), () => {
      const { bytes: contentBytes, ...rest } = counts
      return { name, sealed: isPlain ? null : { id, key: seal.file }, contentBytes, ...rest }
    })
  }
  const plugins = existsSync(folderOf(place, 'plugins'))
  const parts = [await add('shared', ['shared'], !isSealed), await add('private', plugins ? privateNames : ['vault'], false)]
  return { parts, config: Object.keys(texts), store: storeName(place), ...(plugins && { plugins }) }
}

/** @returns the paths that a restore of these files would write, and what happens to each */
export function previewFiles(
  place: StorePlace,
  manifest: BackupManifest,
  { homeConfig }: FileKeys,
): readonly { readonly path: string; readonly change: 'new' | 'replaced' | 'beside' }[] {
  if (manifest.parts === undefined) return []
  const folders = foldersIn(manifest).map((name) => {
    const path = folderOf(place, name)
    return { path, change: isEmpty(path) ? 'new' : 'replaced' } as const
  })
  const config = Object.entries(configFiles(place, homeConfig)).filter(([name]) => manifest.config?.includes(name) === true)
  return [...folders, ...config.map(([, path]) => ({ path, change: configChange(place, manifest, path) }))]
}

function foldersIn({ plugins = false }: BackupManifest): readonly FolderName[] {
  return folderNames.filter((name) => name !== 'plugins' || plugins)
}

function configChange(place: StorePlace, { store }: BackupManifest, path: string): 'new' | 'replaced' | 'beside' {
  // This configuration would make Oxbow use another store than the restored one.
  if (store !== storeName(place)) return 'beside'
  return existsSync(path) ? 'replaced' : 'new'
}

function storeName({ url, shownUrl }: StorePlace): string {
  return url === '' ? 'file' : (shownUrl ?? 'postgres')
}

/** Unpacks the files of a backup beside the existing ones. @returns the steps that put them in place */
export async function stageFiles(
  place: StorePlace,
  path: string,
  manifest: BackupManifest,
  { keys, homeConfig }: FileKeys,
  stamp: string,
): Promise<readonly Step[]> {
  const roots = keys.map(({ key }) => key)
  const step = (to: string): Step => ({ staged: `${to}.restoring`, to, kept: `${to}.replaced-${stamp}` })
  const steps = foldersIn(manifest).map((name) => step(folderOf(place, name)))
  for (const { staged, to } of steps) {
    if (existsSync(to) && statSync(to).dev !== statSync(dirname(to)).dev) throw notMovable(to)
    rmSync(staged, { recursive: true, force: true })
  }
  const configSteps: Step[] = []
  try {
    for (const part of manifest.parts ?? []) {
      const names = foldersIn(manifest).filter((name) => (name === 'shared') === (part.name === 'shared'))
      const raw = readPart(path, manifest, part.name)
      const texts = await unpackFiles(part.sealed === null ? raw : openPieces(raw, roots, part.sealed.id), {
        folders: Object.fromEntries(names.map((name) => [name, step(folderOf(place, name)).staged])),
        texts: new Set(part.name === 'private' ? configNames : []),
        owner: ownerOf(folderOf(place, names[0] ?? 'vault')),
      })
      for (const [name, text] of texts) {
        const file = ownValue(configFiles(place, homeConfig), name) ?? ''
        const isBeside = configChange(place, manifest, file) === 'beside'
        if (!isBeside && existsSync(file) && readFileSync(file).equals(text)) continue
        const one = step(isBeside ? `${file}.from-backup-${stamp}` : file)
        configSteps.push(one)
        writeWhole(one.staged, text)
      }
    }
  } catch (error) {
    dropStaged(place, [...steps, ...configSteps])
    throw error
  }
  return [...steps, ...configSteps]
}

/** Owner of the existing files: hands may run under another account. Null unless this is root, because nobody else may change owners. */
function ownerOf(path: string): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null
  const { uid, gid } = statSync(path, { throwIfNoEntry: false }) ?? { uid: 0, gid: 0 }
  return { uid, gid }
}

/** Once the plan is written, the next start finishes an interrupted restore. @param call of the record in the restored journal */
export function writePlan(place: StorePlace, call: string, steps: readonly Step[]): void {
  writeWhole(planFile(place), JSON.stringify({ call, steps }))
}

export function hasPlan(place: StorePlace): boolean {
  return existsSync(planFile(place))
}

/** @returns the restored paths, each with the new path of what it replaced */
export function takePlaces(place: StorePlace, steps: readonly Step[]): readonly { readonly path: string; readonly kept: string | null }[] {
  const done = steps.map(({ staged, to, kept }) => {
    if (existsSync(staged)) {
      if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) {
        if (isEmpty(to)) rmdirSync(to)
        // An earlier attempt was interrupted, and something new was created here since.
        else renameSync(to, existsSync(kept) ? `${kept}-${randomUUID()}` : kept)
      }
      mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
      renameSync(staged, to)
      syncFile(dirname(to))
    }
    return { path: to, kept: existsSync(kept) ? kept : null }
  })
  rmSync(planFile(place), { force: true })
  return done
}

export function dropStaged(place: StorePlace, steps: readonly Step[]): void {
  for (const { staged } of steps) rmSync(staged, { recursive: true, force: true })
  rmSync(planFile(place), { force: true })
}

/** Finishes an interrupted restore, or undoes it. @throws OxbowError `workspace_busy` while another process does */
export async function finishRestore(place: StorePlace): Promise<void> {
  if (!existsSync(planFile(place))) return
  await alone(place, async () => {
    if (!existsSync(planFile(place))) return
    const { call, steps } = JSON.parse(readFileSync(planFile(place), 'utf8')) as { call: string; steps: readonly Step[] }
    if (await hasRecord(place, call)) takePlaces(place, steps)
    else dropStaged(place, steps)
  })
}

async function hasRecord(place: StorePlace, call: string): Promise<boolean> {
  if (place.url === '' && !existsSync(place.file)) return false
  return using(connectStore(place, 'any version'), async (db) => {
    if (!(await tableNames(db)).has('journal')) return false
    return (await db.rows('select 1 from journal where "user" = ? and call = ?', [place.user, call])).length > 0
  })
}

function planFile({ file }: StorePlace): string {
  return join(dirname(file), 'restore-plan.json')
}

function rootOf({ file }: StorePlace): string {
  return dirname(dirname(file))
}

/** The real path of the folder: a person may have replaced it by a link. */
function folderOf(place: StorePlace, name: FolderName): string {
  const path = name === 'plugins' ? join(dirname(place.file), name) : join(rootOf(place), name)
  return existsSync(path) ? realpathSync(path) : path
}

const configNames = ['config/home.toml', 'config/user.toml'] as const

function configFiles(place: StorePlace, homeConfig: string): Readonly<Record<string, string>> {
  const [home, user] = configNames
  return { [home]: homeConfig, [user]: join(rootOf(place), 'config.toml') }
}

function isEmpty(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat === undefined || (stat.isDirectory() && readdirSync(path).length === 0)
}

function notMovable(path: string): OxbowError {
  return new OxbowError('bad_input', `${basename(path)} (${path}) is a mount point and cannot be replaced.`, {
    hint: 'Unmount it first, or restore only the database: --database-only. Nothing was changed.',
  })
}
