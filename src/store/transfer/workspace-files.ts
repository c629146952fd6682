/**
 * The files of a workspace in backups and restores: `shared`, the vault, and the configuration.
 *
 * A restore first unpacks beside the existing files. Then it writes a plan, replaces the journal, and renames the folders; the previous
 * ones are kept under other names. The journal decides whether an interrupted restore is finished or undone: if it has the record of the
 * restore, the folders are renamed, otherwise the unpacked files are removed.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { type BackupManifest, type BackupPart, type FileKeys, OxbowError, writeWhole } from '../../types/index.ts'
import { syncFile } from '../sqlite/database-file.ts'
import { alone, connectStore, type StorePlace, tableNames, using } from '../upkeep/connection.ts'
import { appendPart, readPart } from './backup-file.ts'
import { openPieces, packFiles, sealPieces, unpackFiles } from './file-archive.ts'

const folderNames = ['shared', 'vault'] as const
type FolderName = (typeof folderNames)[number]

/** One thing that a restore puts in place: by renaming `staged` to `to`, and before that what is there to `kept`. */
interface Step {
  readonly staged: string
  readonly to: string
  readonly kept: string
}

/** Appends the archives of a workspace to a backup. @param isSealed the database of the backup is encrypted: nothing of it is plain */
export async function backupFiles(
  place: StorePlace,
  path: string,
  { keys, homeConfig }: FileKeys,
  isSealed: boolean,
): Promise<Pick<BackupManifest, 'parts' | 'config' | 'store'>> {
  const [seal] = keys
  if (seal === undefined) throw new Error('files are backed up without a key')
  const texts = Object.fromEntries(
    Object.entries(configFiles(place, homeConfig)).flatMap(([name, file]) => (existsSync(file) ? [[name, readFileSync(file)]] : [])),
  )
  const add = async (name: BackupPart['name'], folder: FolderName, isPlain: boolean): Promise<BackupPart> => {
    const source = { folders: { [folder]: folderOf(place, folder) }, texts: name === 'private' ? texts : {} }
    const { bytes, counts } = packFiles(source)
    const id = randomUUID()
    return appendPart(path, isPlain ? bytes : sealPieces(bytes, seal.key, id), () => {
      const { bytes: contentBytes, ...rest } = counts
      return { name, sealed: isPlain ? null : { id, key: seal.file }, contentBytes, ...rest }
    })
  }
  const parts = [await add('shared', 'shared', !isSealed), await add('private', 'vault', false)]
  return { parts, config: Object.keys(texts), store: storeName(place) }
}

/** @returns what a restore of these files would put in place, and whether something is there */
export function previewFiles(
  place: StorePlace,
  manifest: BackupManifest,
  { homeConfig }: FileKeys,
): readonly { readonly path: string; readonly change: 'new' | 'replaced' | 'beside' }[] {
  if (manifest.parts === undefined) return []
  const folders = folderNames.map((name) => {
    const path = folderOf(place, name)
    return { path, change: isEmpty(path) ? 'new' : 'replaced' } as const
  })
  const config = Object.entries(configFiles(place, homeConfig)).filter(([name]) => manifest.config?.includes(name) === true)
  return [...folders, ...config.map(([, path]) => ({ path, change: configChange(place, manifest, path) }))]
}

function configChange(place: StorePlace, { store }: BackupManifest, path: string): 'new' | 'replaced' | 'beside' {
  // With it Oxbow would use another store than the one that is restored.
  if (store !== storeName(place)) return 'beside'
  return existsSync(path) ? 'replaced' : 'new'
}

function storeName({ url, shownUrl }: StorePlace): string {
  return url === '' ? 'file' : (shownUrl ?? 'postgres')
}

/** Unpacks the files of a backup beside those that are there. @returns what puts them in place */
export async function stageFiles(
  place: StorePlace,
  path: string,
  manifest: BackupManifest,
  { keys, homeConfig }: FileKeys,
  stamp: string,
): Promise<readonly Step[]> {
  const roots = keys.map(({ key }) => key)
  const step = (to: string): Step => ({ staged: `${to}.restoring`, to, kept: `${to}.replaced-${stamp}` })
  const steps = folderNames.map((name) => step(folderOf(place, name)))
  for (const { staged, to } of steps) {
    if (existsSync(to) && statSync(to).dev !== statSync(dirname(to)).dev) throw notMovable(to)
    rmSync(staged, { recursive: true, force: true })
  }
  const configSteps: Step[] = []
  try {
    for (const [index, part] of (manifest.parts ?? []).entries()) {
      const folder = folderNames[index] ?? 'vault'
      const { staged = '', to = '' } = steps[index] ?? {}
      const raw = readPart(path, manifest, part.name)
      const texts = await unpackFiles(part.sealed === null ? raw : openPieces(raw, roots, part.sealed.id), {
        folders: { [folder]: staged },
        texts: new Set(part.name === 'private' ? configNames : []),
        owner: ownerOf(to),
      })
      for (const [name, text] of texts) {
        const file = configFiles(place, homeConfig)[name] ?? ''
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

/** Who owns what is there: hands may have an account of their own. Only root can give files away. */
function ownerOf(path: string): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null
  const { uid, gid } = statSync(path, { throwIfNoEntry: false }) ?? { uid: 0, gid: 0 }
  return { uid, gid }
}

/** From here on, and not before, an interrupted restore is finished by the next start. @param call of the record in the restored journal */
export function writePlan(place: StorePlace, call: string, steps: readonly Step[]): void {
  writeWhole(planFile(place), JSON.stringify({ call, steps }))
}

export function hasPlan(place: StorePlace): boolean {
  return existsSync(planFile(place))
}

/** @returns what was put in place, and where what was there before is kept */
export function takePlaces(place: StorePlace, steps: readonly Step[]): readonly { readonly path: string; readonly kept: string | null }[] {
  const done = steps.map(({ staged, to, kept }) => {
    if (existsSync(staged)) {
      if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) {
        if (isEmpty(to)) rmdirSync(to)
        // What came there since an earlier try that was cut off.
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

/** Finishes a restore that was interrupted, or undoes it. @throws OxbowError `workspace_busy` while somebody else does */
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

/** Where the folder really is: a person may have put a link there. */
function folderOf(place: StorePlace, name: FolderName): string {
  const path = join(rootOf(place), name)
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
