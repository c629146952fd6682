/**
 * The files of an installation in backups and restores: everything below the home that `homeItems` keeps, of one user and of the home.
 *
 * A restore first unpacks next to the existing files. Then it writes a plan, replaces the journal, and renames the folders; the previous
 * ones are kept under other names. The journal decides whether an interrupted restore is finished or undone: if it has the record of the
 * restore, the folders are renamed, otherwise the unpacked files are removed.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { OxbowError, writeWhole } from '../../base/index.ts'
import type { BackupManifest, BackupPart, FileKeys, HomeItem } from '../../config/index.ts'
import { syncFile } from '../sqlite/database-file.ts'
import { alone, connectStore, type StorePlace, tableNames, using } from '../upkeep/connection.ts'
import { maxArchiveDepth } from '../limits.ts'
import { appendPart, readPart } from './backup-file.ts'
import { canOpen, openPieces, packFiles, sealPieces, unpackFiles } from './file-archive.ts'
import { isWanted, itemsIn, itemsOf, itemsThere, leftOutOf, pathOf, snapshotOf, textName } from './home-files.ts'

/** One thing that a restore puts in place: by renaming `staged` to `to`, and before that what is there to `kept`. */
interface Step {
  readonly staged: string
  readonly to: string
  readonly kept: string
}

/** @returns the space that the archives of a workspace take, approximately: agents may change files meanwhile */
export async function bytesOfFiles(place: StorePlace, files: FileKeys): Promise<number> {
  let bytes = 0
  const add = async (folder: string, depth: number): Promise<void> => {
    for (const name of await readdir(folder).catch(() => [])) {
      const stat = await lstat(join(folder, name)).catch(() => null)
      if (stat === null) continue
      bytes += archiveEntryBytes + (stat.isFile() ? stat.size : 0)
      if (stat.isDirectory() && depth < maxArchiveDepth) await add(join(folder, name), depth + 1)
    }
  }
  for (const item of itemsThere(place, files)) {
    const path = pathOf(place, files, item)
    if (item.isFile === true) bytes += statSync(path).size
    else await add(path, 1)
  }
  return bytes
}

/** Header and padding of an entry in a tar archive. */
const archiveEntryBytes = 1_024

/** Appends the archives of an installation to a backup. @param isSealed the database of the backup is encrypted, so the archives must be too */
export async function backupFiles(
  place: StorePlace,
  path: string,
  files: FileKeys,
  isSealed: boolean,
): Promise<Pick<BackupManifest, 'parts' | 'items' | 'leftOut' | 'store'>> {
  const [seal] = files.keys
  if (seal === undefined) throw new Error('a backup of files needs a key')
  const there = itemsThere(place, files)
  const add = async (name: BackupPart['name'], isPlain: boolean): Promise<BackupPart> => {
    const own = there.filter((item) => itemsOf[name].has(item.keeping))
    const texts = own
      .filter(({ isFile }) => isFile === true)
      .map((item) => [textName(item), readFileSync(pathOf(place, files, item))] as const)
    const folders: [string, string][] = []
    const drafts: string[] = []
    for (const item of own.filter(({ isFile }) => isFile !== true)) {
      const { folder, draft } = await snapshotOf(item, pathOf(place, files, item))
      folders.push([item.id, folder])
      if (draft !== null) drafts.push(draft)
    }
    try {
      const { bytes, counts } = packFiles({ folders: Object.fromEntries(folders), texts: Object.fromEntries(texts) })
      const id = randomUUID()
      return await appendPart(path, isPlain ? bytes : sealPieces(bytes, seal.key, id), () => {
        const { bytes: contentBytes, ...rest } = counts
        return { name, sealed: isPlain ? null : { id, key: seal.file }, contentBytes, ...rest }
      })
    } finally {
      for (const draft of drafts) rmSync(draft, { recursive: true, force: true })
    }
  }
  const parts = [await add('shared', !isSealed), await add('kept', !isSealed), await add('private', false)]
  const items = there.map(({ id }) => id)
  return { parts, items, leftOut: leftOutOf(place, files), store: storeName(place) }
}

/** @returns the paths that a restore of these files would write, what happens to each, and the parts that no key opens */
export async function previewFiles(
  place: StorePlace,
  path: string,
  manifest: BackupManifest,
  files: FileKeys,
): Promise<{
  readonly files: readonly { readonly path: string; readonly change: 'new' | 'replaced' | 'beside' }[]
  readonly unopened: readonly BackupPart[]
}> {
  const unopened = await unopenedParts(path, manifest, files)
  const changes = itemsToRestore(manifest, files, unopened).map((item) => {
    const to = pathOf(place, files, item)
    return { path: to, change: changeOf(place, manifest, item, to) }
  })
  return { files: changes, unopened }
}

/** A plain part needs no key; one that is sealed is left out if no key opens it. */
async function unopenedParts(path: string, manifest: BackupManifest, { keys }: FileKeys): Promise<readonly BackupPart[]> {
  const roots = keys.map(({ key }) => key)
  const unopened: BackupPart[] = []
  for (const part of manifest.parts ?? [])
    if (part.sealed !== null && !(await canOpen(readPart(path, manifest, part.name), roots, part.sealed.id))) unopened.push(part)
  return unopened
}

function itemsToRestore(manifest: BackupManifest, files: FileKeys, unopened: readonly BackupPart[]): readonly HomeItem[] {
  return itemsIn(manifest).filter((item) => isWanted(files, item) && !unopened.some(({ name }) => itemsOf[name].has(item.keeping)))
}

function changeOf(place: StorePlace, { store }: BackupManifest, { id, isFile }: HomeItem, path: string): 'new' | 'replaced' | 'beside' {
  // This configuration would make Oxbow use another store than the restored one.
  if (id.endsWith('-config') && store !== storeName(place)) return 'beside'
  return (isFile === true ? existsSync(path) : !isEmpty(path)) ? 'replaced' : 'new'
}

function storeName({ url, shownUrl }: StorePlace): string {
  return url === '' ? 'file' : (shownUrl ?? 'postgres')
}

/** Unpacks the files of a backup next to the existing ones. @returns the steps that put them in place, and the parts that no key opens */
export async function stageFiles(
  place: StorePlace,
  path: string,
  manifest: BackupManifest,
  files: FileKeys,
  { stamp, suffix }: { readonly stamp: string; readonly suffix: string },
): Promise<{ readonly steps: readonly Step[]; readonly unopened: readonly BackupPart[] }> {
  const roots = files.keys.map(({ key }) => key)
  const unopened = await unopenedParts(path, manifest, files)
  const items = itemsToRestore(manifest, files, unopened)
  const passed = itemsIn(manifest).filter((item) => !isWanted(files, item))
  const step = (to: string): Step => ({ staged: to + suffix, to, kept: `${to}.replaced-${stamp}` })
  const steps = items.filter(({ isFile }) => isFile !== true).map((item) => step(pathOf(place, files, item)))
  for (const { staged, to } of steps) {
    if (existsSync(to) && statSync(to).dev !== statSync(dirname(to)).dev) throw notMovable(to)
    rmSync(staged, { recursive: true, force: true })
  }
  const textSteps: Step[] = []
  try {
    for (const part of manifest.parts ?? []) {
      if (unopened.includes(part)) continue
      const own = items.filter(({ keeping }) => itemsOf[part.name].has(keeping))
      const folders = own.filter(({ isFile }) => isFile !== true).map((item) => [item.id, pathOf(place, files, item)] as const)
      const raw = readPart(path, manifest, part.name)
      const texts = await unpackFiles(part.sealed === null ? raw : openPieces(raw, roots, part.sealed.id), {
        folders: Object.fromEntries(folders.map(([id, to]) => [id, step(to).staged])),
        texts: new Set(own.filter(({ isFile }) => isFile === true).map(textName)),
        passed: new Set(passed.map((item) => (item.isFile === true ? textName(item) : item.id))),
        owner: ownerOf(folders[0]?.[1] ?? place.file),
      })
      for (const item of own) {
        const text = texts.get(textName(item))
        if (text === undefined) continue
        const file = pathOf(place, files, item)
        const isBeside = changeOf(place, manifest, item, file) === 'beside'
        if (!isBeside && existsSync(file) && readFileSync(file).equals(text)) continue
        const one = step(isBeside ? `${file}.from-backup-${stamp}` : file)
        textSteps.push(one)
        writeWhole(one.staged, text)
      }
    }
  } catch (error) {
    dropStaged([...steps, ...textSteps])
    throw error
  }
  return { steps: [...steps, ...textSteps], unopened }
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

export function dropStaged(steps: readonly Step[]): void {
  for (const { staged } of steps) rmSync(staged, { recursive: true, force: true })
}

/** Finishes an interrupted restore, or undoes it. @throws OxbowError `workspace_busy` while another process does */
export async function finishRestore(place: StorePlace): Promise<void> {
  if (!existsSync(planFile(place))) return
  await alone(place, async () => {
    if (!existsSync(planFile(place))) return
    const { call, steps } = JSON.parse(readFileSync(planFile(place), 'utf8')) as { call: string; steps: readonly Step[] }
    if (await hasRecord(place, call)) takePlaces(place, steps)
    else dropStaged(steps)
    rmSync(planFile(place), { force: true })
  })
}

async function hasRecord(place: StorePlace, call: string): Promise<boolean> {
  if (place.url === '' && !existsSync(place.file)) return false
  return using(await connectStore(place, 'any version'), async (db) => {
    if (!(await tableNames(db)).has('journal')) return false
    return (await db.rows('select 1 from journal where "user" = ? and call = ?', [place.user, call])).length > 0
  })
}

function planFile({ file }: StorePlace): string {
  return join(dirname(file), 'restore-plan.json')
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
